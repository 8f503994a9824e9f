from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fedsov.artifact import Artifact, Kind
from fedsov.border.law.bundle_loader import load_atlas
from fedsov.errors import ConfigurationError, InputError, KeyUnavailable, StoreDamaged, WorkspaceUnusable
from fedsov.jurisdiction import Region
from fedsov.label import PUBLIC, Label
from fedsov.model.targets import TargetRule
from fedsov.partition import ingest as ingest_module
from fedsov.partition.classify import ClassifyRules, ConsentRule, RestrictionRule
from fedsov.partition.further.merged_files import REASON
from fedsov.partition.ingest import key_settings, store_folder
from fedsov.partition.sources import OpenSource, read_source
from tests.partition.world import (
    ATLAS,
    CANARY,
    NAMES,
    agree,
    bytes_under,
    keys_of,
    people,
    read,
    region,
    run,
    spec_of,
    stackoverflow,
    store_of,
    two_regions,
    written,
)

SHARED = Path(__file__).parents[3] / "shared" / "data"


def test_stackoverflow_goes_home_to_five_countries(tmp_path: Path) -> None:
    report = run(stackoverflow(), tmp_path, {code: region(code) for code in NAMES})
    assert report.stored == {"US": 2791, "GB": 1023, "DE": 757, "IN": 538, "CA": 485}
    assert (report.rows_in, report.quarantined) == (5594, {})
    records = read(tmp_path, "DE", "stackoverflow")
    assert records.label == Label(frozenset({"DE"}), frozenset({"financial", "personal"}))
    assert np.isfinite(records.target).all()
    assert len(set(records.subjects)) == 757


def test_rows_in_are_rows_stored_and_quarantined_and_each_has_a_reason(tmp_path: Path) -> None:
    countries = ["DE"] * 40 + ["US"] * 15 + [None, "", "Atlantis", "IN", "Germany"]
    report = run(spec_of(written(tmp_path, people(country=countries))), tmp_path)
    assert report.stored == {"US": 15, "EU": 41}
    assert report.quarantined == {
        "jurisdiction missing": 2,
        "jurisdiction unknown": 1,
        "no region holds IN": 1,
    }
    assert report.rows_in == sum(report.stored.values()) + sum(report.quarantined.values())
    held = read(tmp_path, "quarantine")
    assert sorted(held.columns[REASON]) == sorted(
        ["jurisdiction missing"] * 2 + ["jurisdiction unknown", "no region holds IN"]
    )
    assert held.label.origins == {"ZZ", "IN"}
    assert store_of(tmp_path, "quarantine").identifiers()["country"].tolist() == [
        None,
        None,
        "Atlantis",
        "IN",
    ]


def test_a_row_without_a_subject_waits_where_the_data_set_names_one_and_what_follows_is_said(tmp_path: Path) -> None:
    table = people(country=["DE"] * 40 + ["US"] * 20)
    passports = [" " if row < 12 else None if row == 59 else str(name) for row, name in enumerate(table["passport"])]
    table = table.set_column(1, "passport", pa.array(passports, pa.string()))
    report = run(spec_of(written(tmp_path, table)), tmp_path / "w")
    assert (report.stored, report.quarantined) == ({"US": 19, "EU": 28}, {"subject 'passport' missing": 13})
    assert report.said == (
        "10 rows or more have no subject (dataset.subject=passport) and wait in quarantine: `fedsov erase --subject` "
        "would never find them; name their people in the source",
    )
    assert len(read(tmp_path / "w", "EU", "quarantine@people")) == 12
    report = run(spec_of(written(tmp_path, table), subject=None), tmp_path / "w")
    assert (report.stored, report.said) == ({"US": 20, "EU": 40}, ())


def test_a_source_of_which_every_row_has_a_fault_is_refused_by_the_fault(tmp_path: Path) -> None:
    table = people(passport=pa.array([None] * 60, pa.string()))
    with pytest.raises(InputError, match=r"every row of people .* a fault \(subject 'passport' missing\); mend"):
        run(spec_of(written(tmp_path, table)), tmp_path / "w")


def test_each_row_keeps_its_values_on_the_way_home(tmp_path: Path) -> None:
    table = people()
    run(spec_of(written(tmp_path, table)), tmp_path)
    records, identifiers = read(tmp_path, "EU"), store_of(tmp_path, "EU").identifiers()
    expected = [row for row in table.to_pylist() if row["country"] in ("Germany", "de")]
    assert identifiers["name"].tolist() == [row["name"] for row in expected]
    assert records.columns["job"].tolist() == [row["job"] for row in expected]
    assert records.target.tolist() == [row["wage"] for row in expected]
    assert records.subjects.tolist() == keys_of(tmp_path, "EU").pseudonyms(
        f"subject:{row['passport']}" for row in expected
    )


def test_a_second_ingest_is_up_to_date_and_rewrites_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of(written(tmp_path, people()))
    workspace = tmp_path / "w"
    first = run(spec, workspace)
    before = {path: path.stat().st_mtime_ns for path in workspace.rglob("*")}
    monkeypatch.setattr(OpenSource, "scan", lambda _: pytest.fail("the source was read"))
    second = run(spec, workspace)
    assert second == replace(first, up_to_date=True)
    assert before == {path: path.stat().st_mtime_ns for path in workspace.rglob("*")}


def test_a_changed_source_setting_or_region_is_ingested_again(tmp_path: Path) -> None:
    workspace = tmp_path / "w"
    spec = spec_of(written(tmp_path, people()))
    run(spec, workspace)
    assert not run(replace(spec, drop=("age",)), workspace).up_to_date
    assert "age" not in read(workspace, "EU").columns
    assert not run(spec, workspace, "auto").up_to_date
    assert run(spec, workspace, "auto").up_to_date
    assert not run(spec_of(written(tmp_path, people(61))), workspace, "auto").up_to_date


def test_described_columns_are_checked_and_decide_nothing_of_a_store(tmp_path: Path) -> None:
    spec = spec_of(written(tmp_path, people()))
    run(spec, tmp_path / "w")
    everywhere = {"bounds": ("wage", "age"), "levels": ("job", "country")}
    assert run(replace(spec, described=everywhere), tmp_path / "w").up_to_date
    with pytest.raises(InputError, match=r"^dataset\.bounds names column 'agee'.*; it has 'age'"):
        run(replace(spec, described={"bounds": ("agee",)}), tmp_path / "w")


def test_a_store_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    spec = spec_of(written(tmp_path, people()))
    run(spec, tmp_path / "w")
    (store_folder(tmp_path / "w", "US", "people") / "manifest.json").unlink()
    assert not run(spec, tmp_path / "w").up_to_date
    assert len(read(tmp_path / "w", "US"))


def test_a_record_has_one_home_when_the_regions_change(tmp_path: Path) -> None:
    spec = spec_of(written(tmp_path, people()))
    run(spec, tmp_path / "w")
    report = run(spec, tmp_path / "w", "auto")
    assert [home.name for home in report.regions] == ["DE", "US"]
    assert not store_folder(tmp_path / "w", "EU", "people").exists()


def test_a_named_region_without_rows_gets_an_empty_store(tmp_path: Path) -> None:
    report = run(spec_of(written(tmp_path, people())), tmp_path, {**two_regions(), "IN": region("IN")})
    assert report.stored["IN"] == 0
    assert len(read(tmp_path, "IN")) == 0


def _failing(raised: BaseException) -> object:
    calls = []

    def fail_at_the_second(*arguments: object, **named: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise raised
        return _STAGE(*arguments, **named)  # type: ignore[arg-type]

    return fail_at_the_second


_STAGE = ingest_module.stage_store


@pytest.mark.parametrize("raised", [WorkspaceUnusable("full"), KeyboardInterrupt()])
def test_an_error_or_an_interruption_leaves_the_old_stores_byte_identical(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: BaseException
) -> None:
    run(spec_of(written(tmp_path, people())), tmp_path / "w")
    before = bytes_under(tmp_path / "w")
    changed = spec_of(written(tmp_path, people(80)))
    monkeypatch.setattr(ingest_module, "stage_store", _failing(raised))
    with pytest.raises(type(raised)):
        run(changed, tmp_path / "w")
    assert bytes_under(tmp_path / "w") == before
    monkeypatch.setattr(ingest_module, "stage_store", _STAGE)
    assert run(changed, tmp_path / "w").rows_in == 80


def test_bad_input_leaves_the_old_stores_byte_identical(tmp_path: Path) -> None:
    run(spec_of(written(tmp_path, people())), tmp_path / "w")
    before = bytes_under(tmp_path / "w")
    for table in (
        people(age=[float("inf")] * 60),
        people(wage=[None] * 60),
        people(country=["Atlantis"] * 60),
    ):
        with pytest.raises(InputError):
            run(spec_of(written(tmp_path, table)), tmp_path / "w")
        assert bytes_under(tmp_path / "w") == before


def test_a_commit_cut_between_two_regions_is_mended_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = spec_of(written(tmp_path, people()))
    run(old, tmp_path / "w")
    (tmp_path / "new").mkdir()
    new = spec_of(written(tmp_path / "new", people(80)))
    commit, calls = ingest_module.Staged.commit, []

    def cut(staged: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return commit(staged)  # type: ignore[arg-type]

    monkeypatch.setattr(ingest_module.Staged, "commit", cut)
    with pytest.raises(KeyboardInterrupt):
        run(new, tmp_path / "w")
    monkeypatch.setattr(ingest_module.Staged, "commit", commit)
    assert len(read(tmp_path / "w", "US")) + len(read(tmp_path / "w", "EU")) not in (60, 80)
    assert not run(old, tmp_path / "w").up_to_date
    assert len(read(tmp_path / "w", "US")) + len(read(tmp_path / "w", "EU")) == 60
    assert len(list(store_folder(tmp_path / "w", "EU", "people").iterdir())) == 3


def test_no_byte_on_disk_holds_the_canary(tmp_path: Path) -> None:
    spec = spec_of(written(tmp_path, people()))
    for country in ("DE", "Atlantis"):
        source = written(tmp_path, people(country=[country, *["US"] * 59]))
        report = run(replace(spec, path=source), tmp_path / "w")
        assert CANARY[0] not in repr(report)
        for content in bytes_under(tmp_path / "w").values():
            for secret in CANARY:
                assert secret.encode() not in content
                assert secret.encode("utf-16-le") not in content
    where = store_of(tmp_path / "w", "quarantine").identifiers()
    assert (where["name"][0], where["passport"][0]) == CANARY


def test_no_region_receives_another_regions_values_even_decrypted(tmp_path: Path) -> None:
    jobs = ["only in DE" if row % 2 else "only in US" for row in range(60)]
    countries = ["DE" if row % 2 else "US" for row in range(60)]
    run(spec_of(written(tmp_path, people(job=jobs, country=countries))), tmp_path)
    for name, other in (("EU", b"only in US"), ("US", b"only in DE")):
        opened = store_of(tmp_path, name).table("records")[1]
        assert other not in b"".join(bytes(part) for column in opened.columns for chunk in column.chunks
                                     for part in chunk.buffers() if part)  # fmt: skip
        assert set(read(tmp_path, name).columns["job"]) == {f"only in {'DE' if name == 'EU' else 'US'}"}


def test_a_canary_in_the_jurisdiction_column_is_not_reported(tmp_path: Path) -> None:
    countries = [CANARY[0], *["DE"] * 59]
    report = run(spec_of(written(tmp_path, people(country=countries))), tmp_path / "w")
    assert report.quarantined == {"jurisdiction unknown": 1}
    assert all(CANARY[0].encode() not in content for content in bytes_under(tmp_path / "w").values())
    with pytest.raises(InputError, match="no row of people has a region") as caught:
        run(spec_of(written(tmp_path, people(country=[CANARY[0]] + ["Oz"] * 59))), tmp_path / "w")
    assert "Canary" not in str(caught.value)
    assert "'Oz'" in str(caught.value)


def test_a_restriction_binds_its_rows_and_consent_does_not_lift_it(tmp_path: Path) -> None:
    rules = ClassifyRules(restrictions=(RestrictionRule("contract", "closed", "no_export"),))
    spec = spec_of(written(tmp_path, people()), classify=rules, consent=ConsentRule(share=1.0, document="d"))
    run(spec, tmp_path, release=agree)
    records = read(tmp_path, "EU")
    closed = records.columns["contract"] == "closed"
    assert (records.unrestricted == ~closed).all()
    assert (records.public == ~closed).all()


def test_consent_is_put_to_the_region_and_only_its_answer_makes_rows_public(tmp_path: Path) -> None:
    asked: list[tuple[Region, Artifact]] = []

    def only_eu(home: Region, artifact: Artifact) -> bool:
        asked.append((home, artifact))
        return home.name == "EU"

    spec = spec_of(written(tmp_path, people(200)), consent=ConsentRule(share=0.1, seed=3, document="consent-1"))
    report = run(spec, tmp_path, release=only_eu)
    eu, us = read(tmp_path, "EU"), read(tmp_path, "US")
    assert us.public.sum() == 0
    assert eu.public.sum() == round(0.1 * report.stored["EU"])
    assert eu.select(eu.public).label == PUBLIC
    for home, artifact in asked:
        assert artifact.kind is Kind.RECORDS
        assert artifact.evidence == ("consent-1",)
        assert artifact.count == round(0.1 * report.stored[home.name])
        assert artifact.label.origins == ({"DE"} if home.name == "EU" else {"US"})
        assert b"Canary" not in artifact.content


def test_the_same_seed_draws_the_same_people_in_every_workspace(tmp_path: Path) -> None:
    spec = spec_of(written(tmp_path, people(200)), consent=ConsentRule(share=0.2, seed=3, document="d"))
    for name in ("a", "b"):
        run(spec, tmp_path / name, release=agree)
    one, two = read(tmp_path / "a", "US"), read(tmp_path / "b", "US")
    assert (one.public == two.public).all()
    assert (one.subjects != two.subjects).all()


def test_a_person_consents_for_all_of_their_rows(tmp_path: Path) -> None:
    table = people(200, passport=[f"P{row % 40}" for row in range(200)], country=["DE"] * 200)
    run(
        spec_of(written(tmp_path, table), consent=ConsentRule(share=0.5, document="d")),
        tmp_path,
        release=agree,
    )
    records = read(tmp_path, "EU")
    assert records.public.sum() == 100
    assert not set(records.subjects[records.public]) & set(records.subjects[~records.public])


def test_consent_can_be_a_column(tmp_path: Path) -> None:
    rule = ConsentRule(column="contract", equals="open", document="d")
    learned = {"contract": "categorical"}
    run(spec_of(written(tmp_path, people()), consent=rule, kinds=learned), tmp_path, release=agree)
    records = read(tmp_path, "EU")
    assert (records.public == (records.columns["contract"] == "open")).all()


def test_infinite_values_are_refused_made_missing_or_quarantined(tmp_path: Path) -> None:
    ages = [1.0, 2.0, float("inf"), -float("inf"), *([3.0, 4.0] * 28)]
    path = written(tmp_path, people(age=ages, country=["DE"] * 60))
    with pytest.raises(
        InputError, match=r"column 'age' has 2 infinite values, first in row 3; set dataset\.nonfinite="
    ):
        run(spec_of(path), tmp_path / "w")
    run(spec_of(path, nonfinite="missing"), tmp_path / "w")
    assert np.isnan(read(tmp_path / "w", "EU").columns["age"]).sum() == 2
    report = run(spec_of(path, nonfinite="quarantine"), tmp_path / "w")
    assert (report.stored["EU"], report.quarantined) == (58, {"infinite value in column 'age'": 2})


def test_a_missing_target_is_refused_or_quarantined(tmp_path: Path) -> None:
    path = written(tmp_path, people(wage=[1.0, None, float("nan"), *([3.0, 4.0, 5.0] * 19)]))
    with pytest.raises(InputError, match="target 'wage' is missing in 2 rows, first in row 2"):
        run(spec_of(path), tmp_path)
    assert run(spec_of(path, missing_target="quarantine"), tmp_path).quarantined == {"target 'wage' missing": 2}


def test_a_target_of_words_stays_words(tmp_path: Path) -> None:
    run(spec_of(written(tmp_path, people()), target=TargetRule("job", positive="nurse")), tmp_path)
    assert set(read(tmp_path, "EU").target) == {"nurse", "clerk"}


def test_a_word_in_a_numeric_column_names_the_row_and_not_the_word(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="column 'name' is no number in row 1") as caught:
        run(spec_of(written(tmp_path, people()), kinds={"name": "numeric"}), tmp_path)
    assert "Canary" not in str(caught.value)


def test_aliases_name_codes_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, people(country=["cleveland"] * 30 + ["zürich"] * 30))
    report = run(spec_of(path, aliases={"Cleveland": "US-OH", "Zürich": "DE"}), tmp_path, "auto")
    assert report.stored == {"DE": 30, "US-OH": 30}
    assert [home.location for home in report.regions] == ["DE", "US"]
    with pytest.raises(ConfigurationError, match="maps 'x' to 'Atlantis'"):
        run(spec_of(path, aliases={"x": "Atlantis"}), tmp_path)


def test_a_region_that_cannot_name_a_folder_is_refused(tmp_path: Path) -> None:
    for name in ("../EU", "", "quarantine", "a b"):
        with pytest.raises(ConfigurationError, match="cannot name a folder"):
            run(spec_of(written(tmp_path, people())), tmp_path, {name: region("DE")})


def test_a_lost_keyring_is_not_replaced_while_stores_need_it(tmp_path: Path) -> None:
    run(spec_of(written(tmp_path, people())), tmp_path / "w")
    (key_settings(tmp_path / "w", "US").folder / "keyring.json").unlink()
    with pytest.raises(KeyUnavailable, match=r"US has no keyring at .*keyring.json; restore it from its backup"):
        run(spec_of(written(tmp_path, people(80))), tmp_path / "w")


def test_a_tampered_quarantine_manifest_is_named(tmp_path: Path) -> None:
    spec = spec_of(written(tmp_path, people()))
    run(spec, tmp_path / "w")
    path = store_folder(tmp_path / "w", "quarantine", "people") / "manifest.json"
    path.write_text(path.read_text().replace('"rows_in": 60', '"rows_in": 61'))
    with pytest.raises(StoreDamaged, match=r"quarantine/store/people/manifest\.json"):
        run(spec, tmp_path / "w")


def test_heart_disease_goes_home_by_parts_of_countries(tmp_path: Path) -> None:
    spec = spec_of(
        SHARED / "heart_uci4" / "data.parquet", name="heart", jurisdiction="jurisdiction",
        target=TargetRule("target", positive="1"), subject=None, drop=("num",), classify=ClassifyRules(),
    )  # fmt: skip
    report = run(spec, tmp_path, "auto", atlas=load_atlas())
    assert sum(report.stored.values()) == report.rows_in == 920
    assert "US-OH" in report.stored
    assert read(tmp_path, "US-OH", "heart").label.origins == {"US-OH"}


def test_every_hotel_booking_is_stored_or_quarantined(tmp_path: Path) -> None:
    source = SHARED / "hotel_bookings" / "data.parquet"
    spec = spec_of(
        source,
        name="hotel",
        target=TargetRule("is_canceled", positive="1"),
        subject=None,
        classify=ClassifyRules(),
    )
    report = run(spec, tmp_path, "auto", atlas=load_atlas())
    assert report.rows_in == pq.read_metadata(source).num_rows == 119_390
    assert sum(report.stored.values()) + sum(report.quarantined.values()) == report.rows_in
    assert report.quarantined["jurisdiction missing"] == 488
    assert report.stored["CN"] == 1279 + 999
    assert len(read(tmp_path, "PT", "hotel")) == 48_590
    again = run(spec, tmp_path, "auto", atlas=load_atlas())
    assert again == replace(report, up_to_date=True)


def test_the_small_world_is_what_the_tests_think(tmp_path: Path) -> None:
    table = read_source(spec_of(written(tmp_path, people())))
    assert isinstance(table, pa.Table)
    assert table.column("name")[0].as_py() == CANARY[0]
    assert ATLAS.code("Germany") == "DE"
