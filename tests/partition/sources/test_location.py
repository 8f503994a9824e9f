"""Where a mixed source lies: shares, who stays, and what is said."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from fedsov.artifact import Crossing, Party
from fedsov.border.decisions import Decision, Permit, Refusal
from fedsov.errors import InputError
from fedsov.partition.arrival import Conditions
from fedsov.partition.ingest import ingest, store_folder
from fedsov.partition.lifecycle.quarantine import send_home
from fedsov.partition.manifest import read_manifest
from fedsov.partition.sorting import IngestReport, SortedSource, survey
from fedsov.partition.sources import open_source
from fedsov.partition.sources.location import (
    NO_WAY_HOME,
    SentHome,
    Share,
    SourceLocation,
    sent_home,
    shares_of,
    ways_of,
)
from tests.partition.world import ATLAS, bytes_under, people, read, spec_of, store_of, two_regions, written

DAY = date(2026, 11, 23)
PERMIT = Permit(("free",), (), (), (), "bundle")
REFUSAL = Refusal(
    ("eu.scc",), (), "DE -> US: needs clauses.", ("clauses (scc_eu)",), "Obtain clauses.", "bundle", ("DE",)
)


def surveyed(folder: Path) -> SortedSource:
    spec = spec_of(written(folder, people()))
    with open_source(spec) as source:
        return survey(source, ATLAS, two_regions(), {})


def ingested(folder: Path, stays: dict[str, str], *, may_go: bool = False) -> IngestReport:
    conditions = Conditions(location="US", send_home=lambda shares: SentHome(stays), may_go_home=lambda share: may_go)
    return ingest(
        spec_of(written(folder, people())), atlas=ATLAS, regions=two_regions(), workspace=folder / "w", release=None,
        today=lambda: DAY, conditions=conditions,
    )  # fmt: skip


def located(*, is_stated: bool = True, holds: bool = True) -> SourceLocation:
    return SourceLocation(Party("router", "US", "Example"), is_stated, holds)


def said(where: SourceLocation, *, home: Decision, out: Decision, folder: Path) -> SentHome:
    def judge(crossing: Crossing) -> Decision:
        return home if crossing.source.name == "router" else out

    shares = [share for share in shares_of(surveyed(folder)) if share.region.name == "EU"]
    return sent_home([ways_of(share, "people", where, judge, DAY) for share in shares], where)


def test_a_share_has_the_label_of_all_its_rows_and_more_rows_than_there_are_in_tens(tmp_path: Path) -> None:
    source = surveyed(tmp_path)
    for share in shares_of(source):
        place = source.homes.regions.index(share.region)
        rows = int(source.combinations.counts[source.homes.home == place].sum())
        assert share.rows % 10 == 0 and rows < share.rows <= rows + 10
        assert share.label.categories >= {"financial"} and share.label.origins <= share.region.jurisdictions
        assert Share.from_json(share.to_json()) == share


def test_rows_that_may_not_go_home_are_in_the_shared_quarantine_and_in_no_other_file(tmp_path: Path) -> None:
    reason = f"{NO_WAY_HOME} US to region EU"
    report = ingested(tmp_path, {"EU": reason})
    assert report.quarantined == {reason: 60 - report.stored["US"]} and report.stored["EU"] == 0
    assert len(read(tmp_path / "w", "EU").target) == 0 and not list(
        (tmp_path / "w/regions").glob("*/store/quarantine@*")
    )
    held = store_of(tmp_path / "w", "quarantine")
    assert set(held.read().columns["fedsov:reason"]) == {reason}
    with pytest.raises(InputError, match="ledger show REGION --refused"):
        send_home(held, np.ones(held.manifest.rows, bool), store_of(tmp_path / "w", "EU"), "DE")


def test_what_stayed_is_asked_again_and_goes_home_once_it_may(tmp_path: Path) -> None:
    ingested(tmp_path, {"EU": f"{NO_WAY_HOME} US to region EU"})
    before = bytes_under(tmp_path / "w")
    assert ingested(tmp_path, {}).up_to_date and bytes_under(tmp_path / "w") == before
    report = ingested(tmp_path, {}, may_go=True)
    assert not report.up_to_date and not report.quarantined and report.stored["EU"] == 60 - report.stored["US"]


def test_every_manifest_says_where_the_source_lay(tmp_path: Path) -> None:
    report = ingested(tmp_path, {})
    assert report.location == "US"
    for name in ("US", "EU", "quarantine"):
        assert read_manifest(store_folder(tmp_path / "w", name, "people")).notes["location"] == "US"


def test_where_the_border_refuses_the_way_home_the_line_says_so_and_what_is_missing(tmp_path: Path) -> None:
    sent = said(located(), home=REFUSAL, out=PERMIT, folder=tmp_path)
    assert sent.stays == {"EU": f"{NO_WAY_HOME} US to region EU"}
    (line,) = sent.said
    assert "rows of EU may not go home from US" in line and "stay in quarantine: clauses (scc_eu)" in line


def test_rows_that_should_never_have_been_there_are_named_and_go_home(tmp_path: Path) -> None:
    sent = said(located(), home=PERMIT, out=REFUSAL, folder=tmp_path)
    (line,) = sent.said
    assert not sent.stays and line.startswith("rows of DE residents lie in US") and "collect them in DE" in line


@pytest.mark.parametrize(
    ("where", "why"), [(located(holds=False), "are examples"), (located(is_stated=False, holds=False), "nobody said")]
)
def test_examples_and_rows_of_which_nobody_said_where_they_lie_are_not_held_back_and_it_is_said(
    where: SourceLocation, why: str, tmp_path: Path
) -> None:
    sent = said(where, home=REFUSAL, out=PERMIT, folder=tmp_path)
    assert not sent.stays and "nothing was held back" in sent.said[-1] and why in sent.said[-1]
    assert sent.said[0].startswith("dataset.location is not set") == (not where.is_stated)
