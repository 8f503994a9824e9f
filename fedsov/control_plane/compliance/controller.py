"""What a record of processing tells of who processes, and no ledger holds: Art. 30(1) and (2) GDPR.

The tenant writes it down in ``controller.yaml``; the record shows each answer, and by name each that is empty.

    controller: {name: Example Holding Ltd, address: "1 Example Street, Dublin", contact: privacy@example.org}
    purposes: [salary forecast]
    retention: ["survey rows: five years after collection"]

An answer is a text, a list of texts, or parties as mappings (name, address, contact).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedsov.border.law.yaml_text import read_mapping
from fedsov.errors import ConfigurationError, unknown

ASKED: Mapping[str, tuple[str, str]] = {
    "controller": ("Controller", "Art. 30(1)(a)"),
    "joint_controllers": ("Joint controllers", "Art. 30(1)(a)"),
    "representative": ("Representative in the Union", "Art. 30(1)(a) and 27"),
    "data_protection_officer": ("Data protection officer", "Art. 30(1)(a)"),
    "processor_for": ("Controllers for whom a processor acts", "Art. 30(2)(a)"),
    "processing": ("Categories of processing for these controllers", "Art. 30(2)(b)"),
    "purposes": ("Purposes of the processing", "Art. 30(1)(b)"),
    "data_subjects": ("Categories of data subjects", "Art. 30(1)(c)"),
    "recipients": ("Categories of recipients", "Art. 30(1)(d)"),
    "retention": ("Time limits for erasure", "Art. 30(1)(f)"),
    "security": ("Security measures", "Art. 30(1)(g) and 30(2)(d)"),
}
"""Each answer's name in the file, its title, and which article asks for it."""
_PARTY = ("name", "address", "contact")


@dataclass(frozen=True, slots=True)
class ControllerAnswer:
    """What the tenant says to one question; no text where it says nothing."""

    name: str
    title: str
    cite: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ControllerRecord:
    """The answers of one file, in the order of `ASKED`; `source` names it, "" where there is none.

    `example` is True for a made-up file of a demonstration.
    """

    source: str
    answers: tuple[ControllerAnswer, ...]
    example: bool = False

    @property
    def empty(self) -> tuple[str, ...]:
        """The names of the questions without an answer."""
        return tuple(answer.name for answer in self.answers if not answer.texts)


def read_controller(text: bytes, source: str) -> ControllerRecord:
    """The answers of a file; `source` is what errors and the record call it.

    Raises ConfigurationError for an unknown name, and for an answer of another shape.
    """
    stated = read_mapping(text, source)
    names = (*ASKED, "example")
    for name in map(str, stated):
        if name not in names:
            raise ConfigurationError(f"{source}: {unknown('name', name[:80], names)}")
    example = stated.get("example", False)
    if not isinstance(example, bool):
        raise ConfigurationError(f"{source}: example is {example!r}; write true or false")
    return _record(stated, source, example=example)


def no_controller() -> ControllerRecord:
    """Every question without an answer, for a tenant that wrote none down."""
    return _record({}, "", example=False)


def _record(stated: Mapping[str, Any], source: str, *, example: bool) -> ControllerRecord:
    answers = (
        ControllerAnswer(name, title, cite, _texts(stated.get(name), f"{source}: {name}"))
        for name, (title, cite) in ASKED.items()
    )
    return ControllerRecord(source, tuple(answers), example)


def _texts(value: Any, where: str) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(text for text in (_text(each, where) for each in listed) if text)


def _text(value: Any, where: str) -> str:
    if isinstance(value, Mapping):
        for name in map(str, value):
            if name not in _PARTY:
                raise ConfigurationError(f"{where}: {unknown('name', name[:80], _PARTY)}")
        return ", ".join(filter(None, (_text(value.get(name) or "", f"{where}.{name}") for name in _PARTY)))
    if not isinstance(value, str):
        raise ConfigurationError(f"{where} holds {value!r}; write a text, in quotes where YAML reads it otherwise")
    return value.strip()
