"""The command `predict`: what it prints, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.api.inference import predict as api
from fedsov.api.inference.predict import Asking, Predicted
from fedsov.errors import CrossingRefused
from fedsov.label import Label
from tests.cli.world import call

DONE = Predicted(
    "DE",
    "people-de",
    3,
    "DE",
    1200,
    Path("out.csv"),
    Label(frozenset({"DE"}), frozenset({"personal"})),
    ("probability",),
    "the probability that ill is yes",
    {"DE": 1200},
    ("id",),
    {"ward": 1},
    "ab" * 32,
    Path("out.csv.label.json"),
)
WORDS = ("predict", "people-de@candidate", "rows.csv", "--region", "DE", "--out", "out.csv")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What the command asks for; it is answered with 1,200 rows."""
    calls: list[tuple[object, ...]] = []

    def answered(*words: object, progress: object) -> Predicted:
        calls.append(words)
        return DONE

    monkeypatch.setattr(api, "predict", answered)
    return calls


def test_the_answer_names_rows_file_label_and_what_was_left_out(asked: list[tuple[object, ...]]) -> None:
    ended = call(*WORDS)
    assert ended.code == 0 and ended.err == ""
    assert ended.out.splitlines() == [
        "1,200 rows (DE 1,200) answered in region DE by people-de 3: the probability that ill is yes",
        "written to out.csv: probability",
        "bound by DE · personal, as out.csv.label.json says; the ledger of DE has an entry",
        "not asked for by the model, and left out: id",
        "column 'ward': 1 row with a level that the model does not know, taken as none of its levels",
    ]
    assert asked == [(Path(".fedsov"), "DE", "people-de@candidate", Path("rows.csv"), Path("out.csv"), Asking())]


def test_options_reach_the_region_and_the_answer_is_json(asked: list[tuple[object, ...]]) -> None:
    more = ("--jurisdiction", "FR", "--unseen", "allow", "--keep", "id, day", "--by", "A. Person", "--json")
    answer = call(*WORDS, *more).json
    assert asked[0][-1] == Asking("FR", "allow", ("id", "day"), "A. Person")
    assert (answer["rows"], answer["unseen_levels"], answer["unused_columns"]) == (1200, {"ward": 1}, ["id"])
    assert answer["label"] == DONE.label.to_json() and answer["label_file"] == "out.csv.label.json"


def test_what_goes_wrong_is_one_line_and_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = call(*WORDS, "--unseen", "ignore")
    assert ended.code == 2 and "--unseen must be one of refuse, allow" in ended.line
    assert call("predict", "people-de").line == "predict needs ROWS, --region and --out; see `fedsov predict --help`"

    def refused(*_: object, **__: object) -> Predicted:
        raise CrossingRefused("models of DE are refused")

    monkeypatch.setattr(api, "predict", refused)
    ended = call(*WORDS)
    assert (ended.code, ended.line) == (4, "models of DE are refused")
