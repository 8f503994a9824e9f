"""A ledger that was put back goes on only after its owner and each other accepted what it lacks, by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fedsov.errors import ConfigurationError, LedgerBroken, LedgerRestored
from fedsov.ledger import gaps
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import accepted, continuation, noted_heads
from fedsov.ledger.signed_head import Head


@dataclass
class Two:
    """A region's ledger, as it was on two days, and the hub's, which noted its head on each."""

    folder: Path
    region: Ledger
    hub: Ledger
    noted: list[Head]

    def run(self) -> None:
        """The hub and the region note each other's head, as at a run's end."""
        self.region.note({"work": 1})
        self.region.note({"heads": {"hub": self.hub.head().to_json()}})
        told = continuation(self.region, noted_heads(self.hub).get("DE"))
        head = accepted(told["head"], noted_heads(self.hub).get("DE"), path=told["path"])
        self.hub.note({"heads": {"DE": head.to_json()}})
        self.noted.append(head)
        self.region.note({"after": 1})

    def put_back(self) -> Ledger:
        """The region's ledger of the first day, in the place of the second's."""
        self.region.close()
        shutil.rmtree(self.folder / "DE")
        shutil.copytree(self.folder / "yesterday", self.folder / "DE")
        self.region = Ledger(self.folder / "DE" / "ledger.sqlite", "DE")
        return self.region


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    with closing(Ledger(tmp_path / "hub" / "ledger.sqlite", "hub")) as hub:
        two = Two(tmp_path, Ledger(tmp_path / "DE" / "ledger.sqlite", "DE"), hub, [])
        two.run()
        two.region.close()
        shutil.copytree(tmp_path / "DE", tmp_path / "yesterday")
        two.run()
        two.run()
        yield two
        two.region.close()


def _last(two: Two) -> dict[str, Any]:
    return dict(noted_heads(two.hub)["DE"])


def test_a_ledger_that_continues_the_noted_head_has_no_loss(two: Two) -> None:
    gaps.check_last_known(two.region, _last(two))
    assert gaps.open_loss(two.region) is None
    with pytest.raises(ConfigurationError, match="nothing shows that the ledger of DE lacks an entry"):
        gaps.check_evidence(two.region, None)
    with pytest.raises(ConfigurationError, match="there is nothing to accept"):
        gaps.check_evidence(two.region, two.noted[0])


def test_one_that_was_put_back_refuses_by_name_and_goes_on_refusing_until_its_owner_accepts(two: Two) -> None:
    region = two.put_back()
    with pytest.raises(LedgerRestored, match=r"the head of size 8 .*fedsov ledger accept-gap DE --why"):
        gaps.check_last_known(region, _last(two))
    with pytest.raises(LedgerRestored, match="nobody accepted"):
        gaps.check_last_known(region, None)  # also for a hub that tells it of no later head any more
    gaps.check_evidence(region, None)
    gaps.accept_own(region, by="A. Person", why="disk of 3 March")
    gaps.check_last_known(region, two.noted[0].to_json())
    with pytest.raises(LedgerRestored, match="does not continue"):
        gaps.check_last_known(region, _last(two))  # the hub has not accepted
    assert gaps.open_loss(region) is None, "which is no second loss"


def test_the_hub_takes_the_stated_head_once_and_both_go_on(two: Two) -> None:
    region = two.put_back()
    gaps.note_restored(region, archive="ab" * 32, backed_up="2026-11-29T03:00:00+00:00")
    with pytest.raises(ConfigurationError, match="accepted no loss"):
        gaps.stated(region)
    with pytest.raises(LedgerRestored, match=r"a backup, of 2026-11-29T03:00:00\+00:00"):
        gaps.check_open(region)
    gaps.accept_own(region, by="A. Person", why="disk of 3 March")
    statement = json.loads(json.dumps(gaps.stated(region)))
    taken = gaps.accept_other(two.hub, statement, by="B. Person", why="told by phone")
    assert (taken.kept, taken.abandoned) == (two.noted[0].size, tuple(head.size for head in two.noted[1:]))
    note = two.hub.notes(gaps.GAP)[-1].body["note"][gaps.GAP]
    assert (note["by"], note["why"], note["stated_by"], note["stated_why"]) == (
        *("B. Person", "told by phone"),
        *("A. Person", "disk of 3 March"),
    )
    gaps.check_last_known(region, _last(two))
    two.run()
    assert _last(two)["size"] == region.head().size - 1
    with pytest.raises(ConfigurationError, match="was taken before, in entry"):
        gaps.accept_other(two.hub, statement, by="B. Person", why="again")
    assert gaps.given_up(two.hub) == {"DE": [(two.hub.notes(gaps.GAP)[0].seq, two.noted[0].size)]}


def test_a_statement_is_taken_from_its_own_key_alone_and_as_it_was_signed(two: Two, tmp_path: Path) -> None:
    region = two.put_back()
    gaps.note_restored(region, archive="ab" * 32, backed_up="yesterday")
    gaps.accept_own(region, by="A", why="w")
    statement, before = gaps.stated(region), two.hub.head()
    for name, value in (("why", "another"), ("paths", {}), ("by", "B")):
        with pytest.raises(LedgerBroken, match="was changed"):
            gaps.accept_other(two.hub, {**statement, name: value}, by="B", why="w")
    for wrong in ({}, [], {**statement, "more": 1}, {**statement, "format": "x"}, {**statement, "head": {}}):
        with pytest.raises(ConfigurationError, match="no statement"):
            gaps.accept_other(two.hub, wrong, by="B", why="w")
    with closing(Ledger(tmp_path / "forger" / "ledger.sqlite", "DE")) as forger:
        gaps.note_restored(forger, archive="ab" * 32, backed_up="yesterday")
        gaps.accept_own(forger, by="A", why="w")
        with pytest.raises(LedgerBroken, match="another ledger"):
            gaps.accept_other(two.hub, gaps.stated(forger), by="B", why="w")
    with pytest.raises(ConfigurationError, match="noted no head of another party"):
        gaps.accept_other(region, statement, by="B", why="w")
    assert two.hub.head() == before, "and nothing was noted"


def test_a_head_that_another_key_signed_is_no_loss_but_another_ledger(two: Two, tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "other" / "ledger.sqlite", "DE")) as other:
        other.note({"a": 1})
        foreign = other.head()
    with pytest.raises(LedgerBroken, match="it was replaced") as error:
        gaps.check_last_known(two.region, foreign.to_json())
    assert not isinstance(error.value, LedgerRestored) and gaps.open_loss(two.region) is None
    with pytest.raises(ConfigurationError, match="not signed by the key of DE"):
        gaps.check_evidence(two.region, foreign)


def test_a_head_whose_signature_is_none_shows_no_loss(two: Two) -> None:
    forged = {**two.noted[-1].to_json(), "size": 99}
    with pytest.raises(LedgerBroken, match="not signed"):
        gaps.check_last_known(two.region, forged)
    assert gaps.open_loss(two.region) is None


def test_a_head_that_another_noted_is_evidence_where_the_ledger_itself_shows_nothing(two: Two) -> None:
    region = two.put_back()
    assert gaps.open_loss(region) is None
    gaps.check_evidence(region, two.noted[-1])  # raises ConfigurationError where it would be none


def test_a_statement_without_a_loss_is_refused(two: Two) -> None:
    gaps.note_restored(two.region, archive="ab" * 32, backed_up="now")  # put back, and nothing was lost
    gaps.accept_own(two.region, by="A", why="moved to another machine")
    gaps.check_last_known(two.region, _last(two))
    with pytest.raises(ConfigurationError, match="continues every head that hub noted of it"):
        gaps.accept_other(two.hub, gaps.stated(two.region), by="B", why="w")
