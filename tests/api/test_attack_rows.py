"""The rows of an attack test: a region's under its own keys, without those that are restricted, or a public table's."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from fedsov.api.attack_rows import Attacked, of_region, of_table
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import Settings, settings
from fedsov.errors import ConfigurationError, InputError, JobRefused, KeyUnavailable, StoreDamaged
from fedsov.ledger.ledger import Ledger
from fedsov.model.targets import TargetRule
from fedsov.partition.classify import ClassifyRules, RestrictionRule
from fedsov.partition.description import description_of
from fedsov.protocol.job import Asked
from fedsov.region.admission import Place, settle
from fedsov.region.settings_file import Change, read_settings, write_settings
from fedsov.storage.workspace import ledger_of
from tests.partition.world import keys_of, people, read, run, spec_of, store_folder, written

ALL = 10_000
NO_EXPORT = ClassifyRules(restrictions=(RestrictionRule("contract", "closed", "no_export"),))


@cache
def _defaults() -> Settings:
    return settings(compose([]))


def _settings(folder: Path, **dataset: object) -> Settings:
    """A table of 60 people in two regions, and a workspace beside it."""
    return replace(_defaults(), workspace=folder / "w", dataset=spec_of(folder / "people.parquet", **dataset))


def _ingested(folder: Path, **dataset: object) -> Settings:
    chosen = _settings(folder, **dataset)
    written(folder, people())
    asked = Asked(description=description_of(chosen.dataset))
    for region in run(chosen.dataset, chosen.workspace).regions:
        folder = chosen.workspace / "regions" / region.name
        with closing(Ledger(ledger_of(folder), region.name)) as ledger:
            settle(Place(folder, ledger), keys_of(chosen.workspace, region.name), "people", asked, run="r")
    (chosen.workspace / "hub").mkdir(exist_ok=True)
    return chosen


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A table whose closed contracts bind their rows, divided among the regions US and EU."""
    return _ingested(tmp_path_factory.mktemp("table"), classify=NO_EXPORT)


def _same(one: Attacked, other: Attacked) -> bool:
    return np.array_equal(one.X, other.X) and np.array_equal(one.y, other.y)


# ------------------------------------------------------------------ a region's rows


def test_a_region_s_rows_are_those_that_no_restriction_binds(table: Settings) -> None:
    rows, whole = of_region(table, "US", most=ALL), read(table.workspace, "US")
    free = int(whole.unrestricted.sum())
    assert 0 < free < len(whole) and rows.held == len(rows.X) == len(rows.y) == free
    assert rows.where == "US" and rows.label == whole.select(whole.unrestricted).label
    assert rows.label.origins == {"US"} and not rows.label.restrictions


def test_inputs_are_standardised_and_named_and_outcomes_are_the_target_s(table: Settings) -> None:
    rows, whole = of_region(table, "US", most=ALL), read(table.workspace, "US")
    assert len(rows.names) == rows.X.shape[1] and "age" in rows.names and set(np.unique(rows.y)) == {0.0, 1.0}
    assert abs(rows.X[:, rows.names.index("age")].mean()) < 1e-6
    wages = whole.select(whole.unrestricted).target.astype(float)
    assert rows.y.tolist() == (wages > np.median(wages)).astype(float).tolist()


def test_at_most_so_many_rows_are_drawn_by_the_seed_in_the_store_s_order(table: Settings) -> None:
    whole = of_region(table, "US", most=ALL)
    some, again = (of_region(table, "US", most=8) for _ in range(2))
    other = of_region(replace(table, seed=table.seed + 1), "US", most=8)
    assert len(some.y) == 8 and some.held == whole.held
    assert _same(some, again) and not _same(some, other)
    places = [next(place for place, row in enumerate(whole.X) if np.array_equal(row, wanted)) for wanted in some.X]
    assert places == sorted(places) and some.y.tolist() == whole.y[places].tolist()


def test_an_unknown_region_or_data_set_and_a_workspace_without_a_run_are_refused(
    table: Settings, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="unknown region with rows of people 'FR'; there are EU, US"):
        of_region(table, "FR", most=ALL)
    other = replace(table, dataset=replace(table.dataset, name="other"))
    with pytest.raises(ConfigurationError, match="unknown region with rows of other 'US'; there are none"):
        of_region(other, "US", most=ALL)
    with pytest.raises(ConfigurationError, match="holds no run yet"):
        of_region(replace(table, workspace=tmp_path), "US", most=ALL)
    with pytest.raises(ConfigurationError, match="must be letters, digits"):
        of_region(table, "../US", most=ALL)


def test_rows_are_not_read_without_the_region_s_keys_nor_from_a_damaged_store(tmp_path: Path) -> None:
    chosen = _ingested(tmp_path)
    store = store_folder(chosen.workspace, "US", "people")
    largest = max((path for path in store.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = largest.read_bytes()
    largest.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(StoreDamaged):
        of_region(chosen, "US", most=ALL)
    (chosen.workspace / "regions" / "US" / "keyring.json").unlink()
    with pytest.raises(KeyUnavailable):
        of_region(chosen, "US", most=ALL)


def test_rows_that_the_region_describes_otherwise_are_not_attacked_and_the_refusal_is_an_entry(
    table: Settings, tmp_path: Path
) -> None:
    shutil.copytree(table.workspace, tmp_path / "w")
    copy = replace(table, workspace=tmp_path / "w")
    for changes in ({"classify": ClassifyRules()}, {"subject": None}, {"target": TargetRule("age")}):
        with pytest.raises(JobRefused, match="US has the rows of people under another description"):
            of_region(replace(copy, dataset=replace(copy.dataset, **changes)), "US", most=ALL)
    with closing(Ledger.read(ledger_of(tmp_path / "w" / "regions" / "US"))) as ledger:
        assert sum("refused_job" in entry.body.get("note", {}) for entry in ledger.entries()) == 3


def test_a_region_all_of_whose_rows_are_restricted_has_none_to_attack(tmp_path: Path) -> None:
    closed = ClassifyRules(restrictions=tuple(RestrictionRule("contract", word, "x") for word in ("open", "closed")))
    with pytest.raises(InputError, match="US has no row of people that no restriction binds"):
        of_region(_ingested(tmp_path, classify=closed), "US", most=ALL)


# ------------------------------------------------------------------ a public table


def test_a_public_table_is_bound_by_nothing_and_read_as_its_settings_describe_it(tmp_path: Path) -> None:
    chosen = _settings(tmp_path, drop=("name", "job"))
    written(tmp_path, people())
    rows = of_table(chosen, most=ALL)
    assert rows.label.is_public and rows.where == str(chosen.dataset.path)
    assert (rows.held, len(rows.X)) == (60, 60) and rows.y.sum() == 30
    assert "age" in rows.names and not {"passport", "wage", "country"} & set(rows.names)
    assert rows.unused["job"] == "dataset.drop" and "job" not in " ".join(rows.names)


def test_rows_of_a_public_table_that_would_be_quarantined_are_left_out(tmp_path: Path) -> None:
    wages = [None, *np.linspace(10, 90, 59)]
    chosen = _settings(tmp_path, missing_target="quarantine")
    written(tmp_path, people(wage=wages))
    assert of_table(chosen, most=ALL).held == 59


def test_a_text_target_is_an_outcome_and_as_many_rows_are_drawn_as_asked_for(tmp_path: Path) -> None:
    chosen = _settings(tmp_path, target=TargetRule("contract", positive="open"))
    written(tmp_path, people())
    rows = of_table(chosen, most=25)
    assert (len(rows.y), rows.held) == (25, 60) and set(np.unique(rows.y)) == {0.0, 1.0}
    assert _same(rows, of_table(chosen, most=25))


def test_a_table_that_is_not_there_or_lacks_the_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"people\.parquet"):
        of_table(_settings(tmp_path), most=ALL)
    written(tmp_path, people())
    with pytest.raises(InputError, match="salary"):
        of_table(_settings(tmp_path, target=TargetRule("salary")), most=ALL)


def test_rows_past_their_period_are_not_attacked(tmp_path: Path) -> None:
    chosen = _ingested(tmp_path)
    assert of_region(chosen, "US", most=ALL).held
    folder = chosen.workspace / "regions" / "US"
    with closing(Ledger(ledger_of(folder), "US")) as ledger:
        own = replace(read_settings(folder, ledger), retention_days=30)
        write_settings(folder, keys_of(chosen.workspace, "US"), ledger, Change(own, "A. Person", "a period"))
        ledger.append(
            {"at": "2090-01-01T00:00:00Z", "run": "", "act": "note", "owner": "US", "note": {"opened": "later"}}
        )
    with pytest.raises(InputError, match="no row of people"):
        of_region(chosen, "US", most=ALL)
