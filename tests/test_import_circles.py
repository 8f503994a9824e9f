"""No module of fedsov imports itself by others; imports inside functions count, those for types alone do not."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
Graph = Mapping[str, set[str]]


def graph_of(package: Path) -> dict[str, set[str]]:
    """Module to the modules of the same package that it imports, anywhere in it."""
    names = {_name(path, package): path for path in package.rglob("*.py")}
    return {name: _imported(name, path, set(names)) - {name} for name, path in names.items()}


def _name(path: Path, package: Path) -> str:
    return ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")


def _imported(name: str, path: Path, modules: set[str]) -> set[str]:
    tree = ast.parse(path.read_text())
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in _outside_type_checking(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            for alias in node.names:
                submodule = f"{base}.{alias.name}"
                found.add(submodule if submodule in modules else base)
    return found & modules


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    above = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*above, *filter(None, [node.module])])


def _outside_type_checking(tree: ast.AST) -> Iterable[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for other in node.orelse:
                yield from (other, *_outside_type_checking(other))
        else:
            yield node
            yield from _outside_type_checking(node)


def circles(graph: Graph) -> list[list[str]]:
    """The strongly connected components of more than one module, each sorted (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    components: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in sorted(graph.get(module, ())):
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            start = stack.index(module)
            component, stack[start:] = sorted(stack[start:]), []
            if len(component) > 1:
                components.append(component)

    for module in sorted(graph):
        if module not in index:
            visit(module)
    return sorted(components)


def test_no_module_of_fedsov_imports_itself_by_any_number_of_others() -> None:
    graph = graph_of(ROOT / "fedsov")
    assert len(graph) > 100 and sum(map(len, graph.values())) > 300
    listed = "\n".join(f"  {' <-> '.join(circle)}" for circle in circles(graph))
    assert not listed, f"modules that import each other, perhaps by others:\n{listed}"


FILES = {
    "__init__": "",
    "a": "from pkg import b",
    "b": "def later():\n    from pkg.c import thing",
    "c": "import pkg.d\nthing = 1",
    "d.__init__": "from pkg.d.e import x",
    "d.e": "from ..a import y\nx = 1",
    "f": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pkg import g\nelse:\n    from pkg import h",
    "g": "from pkg import f",
    "h": "from . import i",
    "i": "import os, pkg.h",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "pkg" / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "pkg"


def test_circles_of_two_and_of_five_are_found_and_one_for_types_is_none(package: Path) -> None:
    assert circles(graph_of(package)) == [["pkg.a", "pkg.b", "pkg.c", "pkg.d", "pkg.d.e"], ["pkg.h", "pkg.i"]]


def test_a_circle_is_gone_when_one_of_its_imports_is(package: Path) -> None:
    (package / "d" / "e.py").write_text("x = 1")
    (package / "i.py").write_text("")
    assert circles(graph_of(package)) == []
