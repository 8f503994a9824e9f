"""A restored region, and a restored hub, as their owners and the others live through it."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fedsov.api.backups.accepting import accept_own, accept_statement
from fedsov.api.ledger_audit import verify_all
from fedsov.errors import ConfigurationError, LedgerBroken
from fedsov.ledger import gaps
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import continuations, noted_heads
from fedsov.privacy.budget import Budget, read
from fedsov.privacy.events import Event
from fedsov.region.private_run import BUDGET_FILE
from fedsov.region.worker import ClosedRegion, open_region
from fedsov.storage.workspace import ledger_of
from tests.api.backups.world import backup, restore
from tests.cli.world import call
from tests.hostile.people_region import PeopleRegion, told


def _hub(home: Path) -> Ledger:
    return Ledger(ledger_of(home / "hub"), "hub")


def _opened(region: PeopleRegion, home: Path) -> str:
    """Opens the region as this hub does, and has both note the other's head, as at a run's end; why not, or ""."""
    with closing(_hub(home)) as hub:
        heads = noted_heads(hub)
        start = replace(region.start(), last_known_head=heads.get("DE"), hub_head=continuations(hub))
        opened = open_region(start)
        if isinstance(opened, ClosedRegion):
            return opened.failure
        hub.note({"told": ["DE"]})
        answer = told(opened, "query.ledger", continuations(hub))
        opened.close()
        hub.note({"heads": {"DE": answer["ledger"]["head"]}})
        return ""


def _reserve(region: PeopleRegion, run: str) -> None:
    """A private release: reserved, and noted."""
    budget = Budget.open(region.folder / BUDGET_FILE, lifetime=(4.0, 1e-6))
    _, head = budget.reserve(run, "training", [Event("gaussian", 50.0)], dataset="people", rows=200)
    with closing(Ledger(ledger_of(region.folder), "DE")) as ledger:
        ledger.note({"privacy": {"head": head._asdict()}}, run=run)


def test_a_region_of_yesterday_is_known_by_the_hub_and_goes_on_once_both_accepted_it(
    region: PeopleRegion, home: Path, tmp_path: Path
) -> None:
    region.set("privacy.require=none")
    _reserve(region, "r1")
    assert _opened(region, home) == ""
    yesterday = backup(home, "DE", tmp_path / "yesterday")
    _reserve(region, "r2")
    assert _opened(region, home) == ""
    restore(yesterday.path, home, replaces="DE")
    assert _opened(region, home) == "LedgerRestored"
    assert "cut or rewritten" in {found.owner: found.fault for found in verify_all(home)}["DE"]
    with pytest.raises(ConfigurationError, match="--why TEXT"):
        accept_own(home, "DE", by="A. Person", why=" ")
    loss = accept_own(home, "DE", by="A. Person", why="disk of 3 March", out=tmp_path / "gap.json")
    assert loss.spent == "all of the lifetime budget, for everybody"
    book = read(region.folder / BUDGET_FILE)
    assert book is not None and len(book.entries) == 2 and book.left() == 0.0, "r2 is not there, so all is spent"
    assert _opened(region, home) == "LedgerRestored", "the hub noted a later head, and has not accepted"
    taken = accept_statement(home, "hub", loss.statement, by="B. Person", why="told by phone")
    assert taken.owner == "DE" and len(taken.abandoned) == 1
    assert _opened(region, home) == "" and _opened(region, home) == ""
    assert not [found.sentence() for found in verify_all(home) if found.fault]
    with pytest.raises(ConfigurationError, match="nothing shows"):
        accept_own(home, "DE", by="A. Person", why="once more")


def test_a_hub_of_yesterday_is_known_by_the_region_and_goes_on_once_both_accepted_it(
    region: PeopleRegion, home: Path, tmp_path: Path
) -> None:
    assert _opened(region, home) == ""
    yesterday = backup(home, "hub", tmp_path / "yesterday")
    assert _opened(region, home) == ""
    restore(yesterday.path, home, replaces="hub")
    refused = call("plan", *region.words(), "--quiet")
    assert refused.code == 5 and "the ledger of hub was put back" in refused.line, "its own runs refuse"
    assert _opened(region, home) == "HubRestored", "and so does the region, whatever the hub says of itself"
    loss = accept_own(home, "hub", by="A. Person", why="disk of 3 March")
    assert _opened(region, home) == "HubRestored", "the region noted a later head, and has not accepted"
    taken = accept_statement(home, "DE", loss.statement, by="B. Person", why="told by phone")
    assert taken.owner == "hub" and len(taken.abandoned) == 1
    assert _opened(region, home) == "" and _opened(region, home) == ""
    assert not [found.sentence() for found in verify_all(home) if found.fault]
    assert call("plan", *region.words(), "--quiet").code == 0


def test_a_hub_that_was_put_back_by_a_copy_is_refused_before_a_row_is_read(
    region: PeopleRegion, home: Path, tmp_path: Path
) -> None:
    assert _opened(region, home) == ""
    shutil.copytree(home / "hub", tmp_path / "yesterday")
    assert _opened(region, home) == ""
    with closing(Ledger.read(ledger_of(region.folder))) as own:
        noted = noted_heads(own)["hub"]
    shutil.rmtree(home / "hub")
    shutil.copytree(tmp_path / "yesterday", home / "hub")
    assert _opened(region, home) == "HubRestored"
    with pytest.raises(ConfigurationError, match="--head FILE"):
        accept_own(home, "hub", by="A", why="snapshot of the machine")
    (tmp_path / "head.json").write_text(json.dumps(noted))
    loss = accept_own(home, "hub", by="A", why="snapshot of the machine", head=tmp_path / "head.json")
    assert loss.spent == "" and loss.statement == home / "gap-hub.json"
    accept_statement(home, "DE", loss.statement, by="B", why="told by phone")
    assert _opened(region, home) == "" and _opened(region, home) == ""
    assert not [found.sentence() for found in verify_all(home) if found.fault]


def test_a_region_that_was_put_back_by_a_copy_knows_it_from_the_hub_and_remembers_it(
    region: PeopleRegion, home: Path, tmp_path: Path
) -> None:
    region.set("privacy.require=none")
    assert _opened(region, home) == ""
    shutil.copytree(region.folder, tmp_path / "yesterday")
    _reserve(region, "r2")
    assert _opened(region, home) == ""
    shutil.rmtree(region.folder)
    shutil.copytree(tmp_path / "yesterday", region.folder)
    assert _opened(region, home) == "LedgerRestored"
    start = replace(region.start(), last_known_head=None)  # a hub that forgets what it noted helps nothing
    with closing(_hub(home)) as hub:
        start = replace(start, hub_head=continuations(hub))
    opened = open_region(start)
    assert isinstance(opened, ClosedRegion) and opened.failure == "LedgerRestored"
    loss = accept_own(home, "DE", by="A", why="snapshot of the machine")
    assert "all of the lifetime budget" in loss.spent


def test_a_budget_alone_that_is_older_is_refused_and_its_loss_can_be_accepted(
    region: PeopleRegion, home: Path, tmp_path: Path
) -> None:
    _reserve(region, "r1")
    shutil.copy(region.folder / BUDGET_FILE, tmp_path / "older")
    _reserve(region, "r2")
    shutil.copy(tmp_path / "older", region.folder / BUDGET_FILE)
    assert _opened(region, home) == "BudgetBroken"
    accept_own(home, "DE", by="A", why="the budget's file was put back")
    book = read(region.folder / BUDGET_FILE)
    assert book is not None and book.left() == 0.0
    with closing(Ledger.read(ledger_of(region.folder))) as ledger:
        assert ledger.notes(gaps.GAP)[-1].body["note"][gaps.GAP]["why"] == "the budget's file was put back"


def test_nothing_is_accepted_of_a_file_that_is_no_statement_or_a_ledger_that_does_not_verify(
    home: Path, tmp_path: Path
) -> None:
    for text in ("", "{}", "[]", '{"format": "fedsov gap 1"}'):
        (tmp_path / "gap.json").write_text(text)
        with pytest.raises(ConfigurationError, match="no statement"):
            accept_statement(home, "hub", tmp_path / "gap.json", by="B", why="w")
    with pytest.raises(ConfigurationError, match="unknown ledger owner 'FR'"):
        accept_own(home, "FR", by="A", why="w")
    (home / "hub" / "signing.key").unlink()
    with pytest.raises(LedgerBroken, match="signing key"):
        accept_own(home, "hub", by="A", why="w")
