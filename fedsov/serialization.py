"""Frozen dataclasses to plain JSON values and back. An unknown key is refused with its path; so is a missing one.

A dataclass becomes an object of its fields, a set a sorted list, a date its ISO text, a path and an enumeration their
text. A class with a `to_json` or a `from_json` of its own is written or read by that wherever it is nested.

Reading goes by the type hints of the fields. A key that is no field but an attribute of the class (a property, a class
variable) was derived when it was written, and is derived again. Among several dataclasses the one is read whose class
variables are those that were written (`Permit | Refusal` by their `verdict`).

>>> from fedsov.label import Label
>>> fields_of(Label(frozenset({"US", "DE"})))
{'origins': ['DE', 'US'], 'categories': [], 'restrictions': []}
>>> from_plain(Label, {"origins": ["DE"], "categories": [], "restrictions": []}).origins
frozenset({'DE'})
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence, Set
from dataclasses import MISSING, fields, is_dataclass
from datetime import date
from enum import Enum
from functools import cache
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from fedsov.errors import FedsovError

T = TypeVar("T")


class Unserializable(FedsovError):
    """A plain value is not of the type that it is read as, or a value has no plain form; the message names the place.

    Its kind is the reader's to say: a message, a checkpoint and a file are damaged in different words.
    """


def to_plain(value: Any) -> Any:
    """The plain form of a value: what `json.dumps` takes. Raises Unserializable for a value that has none."""
    if value is None or (isinstance(value, bool | int | float | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "to_json"):
        return value.to_json()
    if is_dataclass(value) and not isinstance(value, type):
        return fields_of(value)
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, Set):
        return sorted(to_plain(item) for item in value)
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "__fspath__"):
        return str(value.__fspath__())
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [to_plain(item) for item in value]
    raise Unserializable(f"a {type(value).__name__} has no plain form")


def fields_of(value: Any) -> dict[str, Any]:
    """A dataclass as an object of its fields, in their order. For a `to_json` of one's own that adds something."""
    return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}


def from_plain(kind: type[T], value: Any, *, path: str = "") -> T:
    """A plain value read as a type: the inverse of `to_plain`.

    Args:
        kind: a dataclass, or anything that may be the type of its field.
        path: where the value stands, for messages.

    Raises Unserializable, naming the path and what was expected there.
    """
    try:
        read: T = _read(kind, value, path)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise Unserializable(f"{path or 'the value'} cannot be read: {problem}") from problem
    return read


def from_fields(kind: type[T], value: Any, *, path: str = "") -> T:
    """As `from_plain`, by the fields even where the class has a `from_json`. For a `from_json` of one's own."""
    if not isinstance(value, Mapping):
        raise Unserializable(f"{path or kind.__name__} must be an object, got {_shown(value)}")
    hints, known = _hints(kind), {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for key in value:
        if key not in known and not hasattr(kind, key):
            raise Unserializable(f"{_under(path, key)} is not known here; {kind.__name__} has {', '.join(known)}")
    missing = [name for name, field in known.items() if name not in value and _is_required(field)]
    if missing:
        raise Unserializable(f"{_under(path, missing[0])} is missing")
    return kind(**{name: _read(hints[name], value[name], _under(path, name)) for name in known if name in value})


def _read(kind: Any, value: Any, path: str) -> Any:
    origin = get_origin(kind)
    if kind is Any or kind is object:
        return value
    if origin in (Union, types.UnionType):
        return _read_union(get_args(kind), value, path)
    if origin is Literal:
        if value not in get_args(kind):
            raise Unserializable(f"{path} must be one of {', '.join(map(str, get_args(kind)))}, got {_shown(value)}")
        return value
    if origin is not None:
        return _read_container(origin, get_args(kind), value, path)
    if hasattr(kind, "from_json"):
        return kind.from_json(value)
    if isinstance(kind, type) and is_dataclass(kind):
        return from_fields(kind, value, path=path)
    return _read_scalar(kind, value, path)


def _read_union(kinds: tuple[Any, ...], value: Any, path: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    left = [kind for kind in kinds if kind is not type(None)]
    if len(left) > 1 and isinstance(value, Mapping):
        left = [kind for kind in left if not is_dataclass(kind) or _is_tagged(kind, value)]
    problems = []
    for kind in sorted(left, key=lambda kind: kind is not type(value)):  # 10 may be a float, and is an int
        try:
            return _read(kind, value, path)
        except (Unserializable, KeyError, TypeError, ValueError) as problem:
            problems.append(problem)
    if len(problems) == 1:
        raise problems[0]
    names = " or ".join(getattr(kind, "__name__", str(kind)) for kind in kinds)
    raise Unserializable(f"{path or 'the value'} must be {names}, got {_shown(value)}")


def _is_tagged(kind: Any, value: Mapping[str, Any]) -> bool:
    """Whether the class variables of text that were written are those of this class."""
    tags = [name for name, hint in _hints(kind).items() if get_origin(hint) is ClassVar and get_args(hint) == (str,)]
    return all(getattr(kind, tag) == value[tag] for tag in tags if tag in value)


def _read_container(origin: Any, parts: tuple[Any, ...], value: Any, path: str) -> Any:
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise Unserializable(f"{path} must be an object, got {_shown(value)}")
        return {key: _read(parts[1], item, _under(path, str(key))) for key, item in value.items()}
    if not isinstance(value, list | tuple):
        raise Unserializable(f"{path} must be a list, got {_shown(value)}")
    if origin is tuple and parts[-1] is not Ellipsis:
        if len(parts) != len(value):
            raise Unserializable(f"{path} must be a list of {len(parts)}, got {len(value)}")
        return tuple(
            _read(part, item, f"{path}[{at}]") for at, (part, item) in enumerate(zip(parts, value, strict=True))
        )
    items = [_read(parts[0], item, f"{path}[{at}]") for at, item in enumerate(value)]
    return {tuple: tuple, frozenset: frozenset, set: set}.get(origin, list)(items)


def _read_scalar(kind: Any, value: Any, path: str) -> Any:
    if kind is date:
        return date.fromisoformat(value)
    if hasattr(kind, "__fspath__") or issubclass(kind, Enum):
        return kind(value)
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        hints = get_type_hints(kind)
        return kind(
            *(_read(hints[name], item, _under(path, name)) for name, item in zip(kind._fields, value, strict=True))
        )
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Unserializable(f"{path or 'the value'} must be {kind.__name__}, got {_shown(value)}")
    return value


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _is_required(field: Any) -> bool:
    return field.init and field.default is MISSING and field.default_factory is MISSING


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _shown(value: Any) -> str:
    """The kind of a value, never the value: it may be a record's."""
    return "nothing" if value is None else f"a {type(value).__name__}"
