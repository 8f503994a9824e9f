"""The commands of the how-to pages are commands, with options that they have."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.world import commands
from tests.world import ROOT

PAGES = sorted((ROOT / "docs" / "how-to").glob("*.md"))


def _lines(page: Path) -> list[list[str]]:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    text = "\n".join(block for language, block in blocks if not language).replace("\\\n", " ")
    return [shlex.split(line, comments=True)[1:] for line in text.splitlines() if line.startswith("fedsov ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_command_of_a_how_to_is_one_that_its_command_reads(page: Path) -> None:
    known, lines = dict(commands()), _lines(page)
    assert lines
    for words in lines:
        path = next(tuple(words[:length]) for length in (3, 2, 1) if tuple(words[:length]) in known)
        context = known[path].make_context(" ".join(("fedsov", *path)), words[len(path) :])
        assert context.command is known[path]
