"""`promote`: what is approved for whom, said in lines and as JSON; a named region that may not have it is an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedsov.cli.main import run
from tests.api.inference.world import register, workspace_of


@pytest.fixture
def place(tmp_path: Path) -> str:
    """A workspace whose hub has two versions of a model of people in DE."""
    workspace = workspace_of(tmp_path / "w")
    for _ in range(2):
        register(workspace, "hub", "people")
    return f"workspace={workspace.root}"


def _said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    assert run(["promote", *words]) == code
    done = capsys.readouterr()
    return done.out, done.err


def test_what_is_approved_and_refused_is_said_by_region(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = _said(capsys, "people", "1", "--by", "A. Person", "--why", "trial", place)
    lines = out.splitlines()
    assert lines[:3] == [
        "people 1 is now champion in the registry of hub",
        "DE: people 1 is approved as champion",
        "GB: people 1 is approved as champion",
    ]
    assert lines[3].startswith("US: refused: model of DE") and "Obtain" in lines[3]
    assert lines[4] == "people 1 has no attack test, which counts as undecided"
    assert "DE: drift is not measured" in err
    out, _ = _said(capsys, "people", "2", "--canary", "10%", "--region", "DE,GB", "--why", "try", place)
    assert "GB: people 2 is approved as canary for 10% of requests" in out
    out, _ = _said(capsys, "people", "2", "--why", "good", "--region", "DE", place)
    assert "DE: people 2 is approved as champion; 1 was champion before (`fedsov promote people 1` goes back)" in out
    out, _ = _said(capsys, "people", "2", "--withdraw", "--why", "bad", place)
    assert out == "people 2 is approved no more in DE, GB\n"


def test_the_answer_is_the_same_as_json(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = json.loads(_said(capsys, "people", "1", "--why", "trial", "--json", place)[0])
    assert ([*said["approved"]], [*said["refused"]], said["alias"]) == (["DE", "GB"], ["US"], "champion")
    assert said["approved"]["DE"]["label"]["origins"] == ["DE"]
    assert json.loads(_said(capsys, "people", "1", "--withdraw", "--json", place)[0])["withdrawn"] == ["DE", "GB"]


def test_a_named_region_that_may_not_have_it_is_an_error_though_the_other_has_it(
    place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = _said(capsys, "people", "1", "--why", "trial", "--region", "DE,US", place, code=4)
    assert "DE: people 1 is approved as champion" in out
    assert err.splitlines()[-1] == "fedsov: people 1 is not approved for US"


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("--canary", "0"), "write a share of requests, such as 0.1 or 10%"),
        (("--canary", "110%"), "write a share of requests"),
        (("--canary", "0.1", "--shadow"), "exclude each other"),
        ((), "say why it is approved all the same: --why TEXT"),
    ],
)
def test_what_cannot_be_is_refused(
    place: str, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], match: str
) -> None:
    assert match in _said(capsys, "people", "1", *words, place, code=2)[1]
