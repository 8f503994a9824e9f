"""What a document tells for the record alone: read with its names, weighed by no rule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fedsov.border.evidence.register import Register
from fedsov.border.evidence.register_file import load_register
from fedsov.errors import ConfigurationError

DOCUMENT = """documents:
- {{id: d, kind: tia, exporter: [DE], importer: [US], categories: [personal], signed: 2026-01-05, owner: office{more}}}
"""


def loaded(place: Path, more: str = "") -> Register:
    (place / "r.yaml").write_text(DOCUMENT.format(more=more))
    return load_register(place / "r.yaml")


def test_texts_are_read_and_days_are_iso_texts(tmp_path: Path) -> None:
    (document,) = loaded(tmp_path, ", record: {author: A. Example, next_review: 2027-01-05}").documents
    assert document.record == {"author": "A. Example", "next_review": "2027-01-05"}
    assert document.to_json()["record"] == dict(document.record)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("{autor: x}", "record: unknown name 'autor'; did you mean author?"),
        ("{next_review: soon}", "next_review is 'soon'; write a date"),
        ("{author: 7}", "author is 7; write a text"),
        ("{author: ' '}", "write a text"),
        ("[author]", "record is a mapping"),
    ],
)
def test_what_cannot_be_read_refuses_the_register(tmp_path: Path, record: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, f", record: {record}")
    assert "document 'd'" in str(caught.value) and words in str(caught.value)


def test_a_document_without_a_record_has_the_digest_that_ledgers_noted_before_there_was_one(tmp_path: Path) -> None:
    (document,) = loaded(tmp_path).documents
    assert "record" not in document.to_json()
    assert replace(document, record={"author": "A. Example"}).digest != document.digest
