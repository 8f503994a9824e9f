"""YAML as law and registers are written in: plain mappings, lists and words, each key once, nothing that grows.

YAML can do more than people read: anchors that unfold into gigabytes, keys that silently replace each other, nesting
that overruns a parser's stack, numbers that take minutes to print. All of it is refused here, with file and line; and
a text of more than 16 MiB, whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from fedsov.errors import ConfigurationError

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST = 30
_LARGEST = 2**63
_LONGEST = 2**24


def read_mapping(text: bytes, name: str, *, keeps_words: bool = False) -> dict[str, Any]:
    """A YAML file whose top is a mapping. Raises ConfigurationError with file and line for anything else.

    Args:
        keeps_words: whether yes, no, on and off are words (a level of a column, Norway's code), as in YAML 1.2, and
            dates are words too; only true and false are truth values then.
    """
    return read_tree(text, name, keeps_words=keeps_words)[0]


def read_tree(text: bytes, name: str, *, keeps_words: bool = False) -> tuple[dict[str, Any], Any]:
    """As `read_mapping`, with the tree of nodes that knows the lines."""
    if len(text) > _LONGEST:
        raise ConfigurationError(f"{name}: it is larger than {_LONGEST:,} bytes, the most that is read here; split it")
    try:
        _check_events(text, name)
        loader = _LOADER(text)
        try:
            node = loader.get_single_node()
            _check_nodes(node, name)
            if keeps_words:
                _keep_words(node)
            tree = loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
    except yaml.YAMLError as problem:
        raise ConfigurationError(f"{name}: {_place_of(problem)}") from problem
    except (ValueError, RecursionError, TypeError, OverflowError) as problem:
        raise ConfigurationError(f"{name}: {str(problem)[:200]}") from problem
    if not isinstance(tree, dict):
        raise ConfigurationError(f"{name}: expected a mapping at the top, found {type(tree).__name__}")
    return tree, node


def _check_events(text: bytes, name: str) -> None:
    """No alias, and no deeper nesting than anybody writes; before anything is built."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        where = f"{name}: line {event.start_mark.line + 1}"  # type: ignore[union-attr]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ConfigurationError(f"{where}: anchors and aliases are not read here; write the value itself")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise ConfigurationError(f"{where}: nested deeper than {_DEEPEST} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _check_nodes(top: Any, name: str) -> None:
    """No key twice, no merging, no number beyond what a count or a date can be."""
    for node in _walk(top):
        where = f"{name}: line {node.start_mark.line + 1}"
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if "<<" in keys:
                raise ConfigurationError(f"{where}: '<<' is not read here; write the keys themselves")
            for repeated in sorted({key for key in keys if keys.count(key) > 1}):
                raise ConfigurationError(f"{where}: '{repeated[:40]}' is given twice")
        elif node.tag == "tag:yaml.org,2002:int" and len(node.value) > len(str(_LARGEST)):
            raise ConfigurationError(f"{where}: a number of {len(node.value)} digits is not read here")


def _keep_words(top: Any) -> None:
    for node in _walk(top):
        is_word = node.tag == "tag:yaml.org,2002:bool" and node.value.lower() not in ("true", "false")
        if is_word or node.tag == "tag:yaml.org,2002:timestamp":
            node.tag = "tag:yaml.org,2002:str"


def _walk(node: Any) -> Iterator[Any]:
    left = [node] if node is not None else []
    while left:
        top = left.pop()
        yield top
        if isinstance(top, yaml.MappingNode):
            left += [part for pair in top.value for part in pair]
        elif isinstance(top, yaml.SequenceNode):
            left += top.value


def _place_of(problem: yaml.YAMLError) -> str:
    mark = getattr(problem, "problem_mark", None)
    text = " ".join(str(getattr(problem, "problem", None) or problem).split())
    return f"line {mark.line + 1}: {text}" if mark is not None else text
