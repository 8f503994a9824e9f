"""A made-up person in one region is looked for everywhere else: in every file and in every message."""

from __future__ import annotations

import base64
import csv
import random
from pathlib import Path

import pytest

from tests.world import Overheard, files_below, overhear

CANARIES = ("Jane Canary", "X99C4N4RY7", "Canaryville-on-Sea")
ROWS = {"DE": 1300, "AT": 560, "FR": 420, "IT": 150}
HOME = "DE"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Overheard, Path]:
    """A run with every strategy and an open border: only what the design holds back stays."""
    place = tmp_path_factory.mktemp("canary")
    _write_people(place / "people.csv")
    patch = pytest.MonkeyPatch()
    for variable in ("HOME", "TMPDIR", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        (place / variable).mkdir()
        patch.setenv(variable, str(place / variable))
    try:
        heard = overhear(
            [
                f"workspace={place / 'workspace'}",
                "dataset=table",
                "dataset.name=people",
                f"dataset.path={place / 'people.csv'}",
                "dataset.jurisdiction=country",
                "dataset.subject=passport",
                "dataset.target=bought",
                "dataset.kinds={name:identifier,passport:identifier,city:categorical}",
                "dataset.consent={column:consent,equals:global,document:any}",
                "federation.regions=auto",
                "federation.rounds=2",
                "border=unsafe_open",
                "strategy.transfer_learning.min_rows=400",
                "strategy.synthetic.min_donor_rows=1000",
            ]
        )
    finally:
        patch.undo()
    return heard, place


def _write_people(path: Path) -> None:
    rng = random.Random(0)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["name", "passport", "country", "city", "age", "visits", "consent", "bought"])
        for country, count in ROWS.items():
            for number in range(count):
                age, visits = rng.randint(18, 90), rng.randint(0, 9)
                bought = int(visits + rng.gauss(0, 2) > 4)
                consent = "global" if rng.random() < 0.3 else "no"
                city = rng.choice(["Alpha", "Beta", "Gamma"])
                table.writerow([f"P {number}", f"{country}{number:06}", country, city, age, visits, consent, bought])
        table.writerow([CANARIES[0], CANARIES[1], HOME, CANARIES[2], 33, 4, "no", 1])


def _spellings(word: str) -> list[bytes]:
    plain = word.encode()
    shifted = [base64.b64encode(b"\0" * shift + plain)[4 if shift else 0 : -4] for shift in range(3)]
    return [plain, word.encode("utf-16-le"), plain.hex().encode(), plain[::-1], *shifted]


def _found(content: bytes) -> list[str]:
    return [word for word in CANARIES if any(spelling in content for spelling in _spellings(word))]


def test_the_run_used_every_way_out_of_a_region(played: tuple[Overheard, Path]) -> None:
    heard, _ = played
    strategies = {one.region: one.strategy for one in heard.result.regions}
    assert strategies == {"DE": "federated", "AT": "federated", "FR": "transfer_learning", "IT": "synthetic"}
    assert heard.result.plan.region("IT").donor == HOME


def test_the_search_finds_a_planted_canary_in_every_spelling() -> None:
    for word in CANARIES:
        for spelling in _spellings(word):
            assert _found(b"before" + spelling + b"after") == [word]
        for shift in range(3):
            assert _found(base64.b64encode(b"x" * shift + word.encode() + b"tail")) == [word]


def test_no_file_outside_the_region_s_folder_holds_the_canary(played: tuple[Overheard, Path]) -> None:
    heard, place = played
    home = heard.result.workspace / "regions" / HOME
    looked_at = [path for path in files_below(place) if home not in path.parents and path.name != "people.csv"]
    assert len(looked_at) > 50
    assert {str(path): _found(path.read_bytes()) for path in looked_at if _found(path.read_bytes())} == {}


def test_not_even_the_region_s_own_files_hold_it_in_the_clear(played: tuple[Overheard, Path]) -> None:
    home = played[0].result.workspace / "regions" / HOME
    assert {path.name for path in files_below(home) if _found(path.read_bytes())} == set()


def test_no_message_between_processes_holds_the_canary(played: tuple[Overheard, Path]) -> None:
    frames = played[0].frames
    assert len(frames) > 50 and sum(map(len, frames)) > 100_000
    assert [_found(frame) for frame in frames if _found(frame)] == []
    assert _found("\n".join(played[0].lines).encode()) == []
