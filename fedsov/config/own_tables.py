"""A table of the user's own has no part of the demonstration: its regions are those that are found, no document counts.

The demonstration's five countries are for its own rows, and its documents are made up: where people's rows cross a
border they carry nothing, so that naming them there is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fedsov.border.evidence.register_file import load_register
from fedsov.errors import ConfigurationError

DEMO = "stackoverflow"
"""The demonstration's data set."""
_DEFAULTS = (("federation", "regions", "federation.regions=auto"), ("border", "evidence", "border=none"))


def with_defaults(words: Sequence[str]) -> list[str]:
    """The words of a command line, before them what a data set of the user's own has where they say nothing of it."""
    named = [(word.lstrip("+").partition("=")[0].partition("@")[0], word.partition("=")[2]) for word in words]
    chosen, keys = [value for key, value in named if key == "dataset"], {key for key, _ in named}
    if not chosen or chosen[-1] == DEMO:
        return list(words)
    unsaid = [word for group, key, word in _DEFAULTS if not keys & {group, f"{group}.{key}"}]
    return [*unsaid, *words]


def check_documents(evidence: Path | None, examples: str | None, demo: Path) -> None:
    """Raises ConfigurationError where a register of made-up documents alone is to speak for people's rows.

    Args:
        evidence: the run's register; one that cannot be read is left to whoever relies on it.
        examples: what calls the rows published, made up or examples; None for people's rows.
        demo: the demonstration's register.
    """
    if evidence is None or examples is not None:
        return
    try:
        documents = load_register(evidence).documents
    except ConfigurationError:
        return
    if not documents or not all(document.example for document in documents):
        return
    named = "border=demo" if evidence.absolute() == demo.absolute() else f"border.evidence={evidence}"
    raise ConfigurationError(
        f"{named} is a register of made-up documents, and these are people's rows: say border=none for no "
        "document, or border=own border.evidence=FILE for yours (`fedsov evidence add` writes it); "
        "dataset.examples=WHY calls rows published, made up or examples"
    )
