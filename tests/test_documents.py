"""Documents are tests: the notebook runs, the README's Python is Python, its commands are commands."""

from __future__ import annotations

import ast
import csv
import re
import shlex
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

from fedsov.border.law.bundle_loader import load_bundle
from fedsov.cli.main import COMMANDS
from fedsov.config.hydra_compose import REGISTERS, compose, config_dir
from fedsov.config.settings import settings
from fedsov.model.own_network import INSTALLED
from tests.cli.world import commands
from tests.world import ROOT

README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.name)
@pytest.mark.long
def test_notebook_runs_to_the_end(notebook: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbmake", "-q", "-p", "no:cacheprovider", str(notebook)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout  # pytest ends with 5 where nothing was collected


def test_the_readme_s_python_is_python() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks and all(ast.parse(block) for block in blocks)


def test_what_the_readme_s_python_uses_is_there(tmp_path: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    arrays = "".join(f"{name}: Any\n" for name in ("X_de", "y_de", "X_us", "y_us", "X_new"))
    (tmp_path / "block.py").write_text(f"from typing import Any\n{arrays}{block}")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", str(tmp_path / "block.py")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout


def _commands() -> list[list[str]]:
    text = "\n".join(re.findall(r"```\n(.*?)```", README, re.DOTALL)).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in text.splitlines() if line.startswith("python -m fedsov")]
    return [line[3:] for line in lines]


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_each_command_of_the_readme_exists_and_its_overrides_compose(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert words[0] in COMMANDS
    (described,) = re.findall(r"```\n# people\.yaml.*?\n(.*?)```", README, re.DOTALL)
    (tmp_path / "people.yaml").write_text(described)
    monkeypatch.chdir(tmp_path)
    takes_settings = words[0] in ("train", "plan", "ingest") or words[:2] == ["border", "why"]
    overrides = [
        word for word in words[1:] if takes_settings and "=" in word and "," not in word.replace("[", "").split("=")[0]
    ]
    single = [word for word in overrides if "--multirun" not in words]
    assert settings(compose([*single, "workspace=/nowhere"])).workspace.name == "nowhere"


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_each_command_of_the_readme_is_one_that_its_command_reads(words: list[str]) -> None:
    """Its options are known, none is missing, and it has as many words as the command takes."""
    known = dict(commands())
    path = next(tuple(words[:length]) for length in (3, 2, 1) if tuple(words[:length]) in known)
    context = known[path].make_context(" ".join(("fedsov", *path)), words[len(path) :])
    assert context.command is known[path]


def test_every_configuration_file_composes_into_settings() -> None:
    own = ["dataset.path=p.csv", "dataset.jurisdiction=c", "dataset.target=y"]
    needed = {
        **{f"dataset={source}": own for source in ("table", "s3", "postgresql", "delta")},
        "border=own": ["border.evidence=documents.yaml"],
    }
    for path in sorted(config_dir().glob("*/*.yaml")):
        choice = f"{path.parent.name}={path.stem}"
        if path.parent.name in ("region",) or path.stem in REGISTERS:
            continue
        assert settings(compose([choice, *needed.get(choice, [])])).federation.rounds >= 1


def test_decisions_say_context_choice_and_what_was_given_up() -> None:
    for page in (ROOT / "docs" / "decisions").glob("*.md"):
        text = page.read_text()
        assert all(word in text for word in ("**Context.**", "**Choice.**", "**Given up.**")), page.name


def test_the_readme_names_the_flower_that_is_installed() -> None:
    assert re.findall(r"\[Flower\]\(\S+\) ([\d.]+)", README) == [".".join(version("flwr").split(".")[:2])]


def test_the_readme_counts_the_law_as_it_is() -> None:
    law = load_bundle()
    regimes = {reign.id for reigns in law.regimes.values() for reign in reigns}
    text = (ROOT / "fedsov" / "border" / "law" / "adequacy.csv").read_text()
    counted = {
        "regimes": len(regimes),
        "findings": len(list(csv.DictReader(text.splitlines()))),
        "kinds": len(law.mechanisms),
        "facts": len(law.facts),
        "rules": len(law.rules) + len(law.releases),
    }
    for what, count in counted.items():
        assert re.search(rf"\b{count} {what}\b", README), f"{count} {what}"


PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_module_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    quoted = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    places = {word for word in quoted if re.fullmatch(r"(fedsov|configs|tests|scripts|docs|notebooks)/[\w./-]+", word)}
    linked = {word for word in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in word}
    absent = [word for word in places if "NAME" not in word and "REGIME" not in word and not (ROOT / word).exists()]
    assert absent + [word for word in linked if not (page.parent / word).exists()] == []
    assert [
        word for word in quoted if re.fullmatch(r"fedsov(\.\w+)+", word) and word != INSTALLED and not _is_there(word)
    ] == []


def test_the_table_of_the_architecture_has_every_package_and_top_level_module() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = text.partition("## The tree")[2].partition("## ")[0]
    first = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {word for cell in first for word in re.findall(r"`(\w+)`", cell)}
    there = {
        path.stem for path in (ROOT / "fedsov").iterdir() if (path / "__init__.py").is_file() or path.suffix == ".py"
    }
    assert named == there - {"__init__", "__main__"}


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=lambda page: page.name)
def test_every_place_in_the_package_that_a_decision_names_is_there(page: Path) -> None:
    """Written short, such as `region/outbound`: a place below fedsov/ or configs/."""
    quoted = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)+)`", page.read_text()))
    absent = {word for word in quoted if not list(ROOT.glob(f"*/{word}.*")) and not (ROOT / "fedsov" / word).is_dir()}
    assert {word for word in absent if not (ROOT / word).exists()} == set()


def _is_there(dotted: str) -> bool:
    """Whether a dotted name is a module of ours, or what is found in one."""
    parts = dotted.split(".")
    for size in range(len(parts), 0, -1):
        module = ".".join(parts[:size])
        if (ROOT / Path(*parts[:size])).with_suffix(".py").exists():
            break
        if (ROOT / Path(*parts[:size]) / "__init__.py").exists():
            break
    found: object = import_module(module)
    for part in parts[size:]:
        if not hasattr(found, part):
            return part in getattr(found, "__annotations__", {})
        found = getattr(found, part)
    return True


def _strings(tree: ast.AST) -> tuple[list[str], list[str]]:
    """The docstrings below a node, and every other string."""
    nodes = list(ast.walk(tree))
    alone = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    texts = [node for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [str(node.value) for node in texts if id(node) in alone], [
        str(node.value) for node in texts if id(node) not in alone
    ]


def _names(tree: ast.AST) -> set[str]:
    """Every name in code: of variables, attributes, arguments, functions, classes and imported modules."""
    fields = [getattr(node, field, None) for node in ast.walk(tree) for field in ("id", "attr", "name", "arg")]
    return {part for field in fields if isinstance(field, str) for part in field.split(".")}


OF_OTHERS = {"postgres", "cryptography"}
"""An extra of pyproject.toml, and a package that only the printed verifier imports."""


def test_every_name_that_a_docstring_quotes_is_in_the_code() -> None:
    trees = {path: ast.parse(path.read_text()) for path in sorted((ROOT / "fedsov").rglob("*.py"))}
    files = [path.relative_to(ROOT) for folder in ("fedsov", "configs") for path in (ROOT / folder).rglob("*.*")]
    known = OF_OTHERS | {word for path in files for word in (*path.with_suffix("").parts, path.suffix[1:])}
    for path in (ROOT / "configs").rglob("*.yaml"):
        known |= set(re.findall(r"\w+", path.read_text()))
    for tree in trees.values():
        known |= _names(tree) | {word for text in _strings(tree)[1] for word in re.findall(r"\w+", text)}
    quoted = {
        (str(path.relative_to(ROOT)), name)
        for path, tree in trees.items()
        for text in _strings(tree)[0]
        for name in re.findall(r"(?<!`)`([A-Za-z_][\w.]*)(?:\(\))?`(?!`)", text)
    }
    assert len(quoted) > 300
    assert sorted((path, name) for path, name in quoted if not set(name.split(".")) <= known) == []


def test_messages_write_the_command_as_its_help_does() -> None:
    old = "python -m " + "fedsov "
    for path in sorted((ROOT / "fedsov").rglob("*.py")):
        assert not any(old in text for text in _strings(ast.parse(path.read_text()))[1]), path
