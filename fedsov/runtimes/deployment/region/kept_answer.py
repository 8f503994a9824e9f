"""The last answer of a run, kept until the next one: a question that comes again gets the very same.

It is written before it is sent, and survives the process that made it, whatever ends that. It need not survive the
machine: an answer that is lost with it is made again, and noise that was drawn for it is drawn from the seed that the
region's journal keeps.
"""

from __future__ import annotations

import os
from pathlib import Path

from fedsov.storage.private_files import beside, make_private_folder

FILE = "answer.bin"


def keep(place: Path, question: str, parcel: bytes) -> None:
    """Keeps an answer, in place of the one before. Raises OSError; the one before then stays."""
    make_private_folder(place)
    aside = beside(place / FILE)
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(question.encode() + b"\n")
            file.write(parcel)
        os.replace(aside, place / FILE)
    finally:
        aside.unlink(missing_ok=True)


def read(place: Path, question: str) -> bytes | None:
    """The answer that was given to a question; None where the last one was to another."""
    try:
        with open(place / FILE, "rb") as file:
            return file.read() if file.readline() == question.encode() + b"\n" else None
    except FileNotFoundError:
        return None
