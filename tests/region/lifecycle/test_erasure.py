"""One erasure reaches every place of a region; what is left of the person is a keyed digest, and models are named."""

from __future__ import annotations

import json
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedsov.api.lifecycle import erasure as erasures
from fedsov.api.lifecycle.erasure import erase, lift, premises, traced
from fedsov.artifact import BASE_MODEL, Artifact, Kind
from fedsov.border.gate import Refused
from fedsov.errors import ConfigurationError, JobRefused
from fedsov.label import PUBLIC
from fedsov.ledger.ledger import Ledger
from fedsov.partition.store import Store
from fedsov.region.lifecycle import legal_holds
from fedsov.region.lifecycle.erasure import PLACES, Subject, stores_in, subject_of
from fedsov.region.lifecycle.legal_holds import Hold
from fedsov.registry.values import ModelRecord, RunRecord
from fedsov.storage.atomic_files import write_file
from fedsov.storage.workspace import ledger_of
from tests.cli.world import call
from tests.hostile.people_region import PeopleRegion, drawn
from tests.killed import lines_of_a_killed
from tests.partition.world import bytes_under, decrypted
from tests.world import called

PEOPLE, GONE, WHY = 60, "p7", "request 2026-118"
STATISTICS = "query.statistics"


@pytest.fixture(scope="module")
def answered_once(tmp_path_factory: pytest.TempPathFactory) -> PeopleRegion:
    """A region of 60 people whose run "r" got statistics and ended with a model."""
    region = PeopleRegion(tmp_path_factory.mktemp("people"))
    region.ingest(drawn(range(PEOPLE)))
    assert "statistics" in region.asked(STATISTICS, scope="shareable")
    model = ModelRecord("people-de", Path("model.safetensors"))
    record = RunRecord("r", "people", {}, (), {}, {}, (model,))
    write_file(region.folder / "models" / "r" / "record.json", json.dumps(record.to_json()).encode())
    return region


@pytest.fixture
def region(answered_once: PeopleRegion, tmp_path: Path) -> PeopleRegion:
    """The same in a workspace that a test may change."""
    return answered_once.copied(tmp_path / "copy")


def _root(region: PeopleRegion) -> Path:
    return region.place / "w"


def _subject(region: PeopleRegion, word: str = GONE) -> Subject:
    with premises(_root(region), "DE") as opened:
        return subject_of(opened.keys, word)


def _decrypted(region: PeopleRegion) -> str:
    """All that the region's key opens in its stores, as text."""
    with premises(_root(region), "DE") as opened:
        return "".join(decrypted(Store.open(path, opened.keys)) for path in stores_in(region.folder))


def _notes(region: PeopleRegion, name: str) -> list[dict[str, Any]]:
    with closing(Ledger.read(ledger_of(region.folder))) as ledger:
        return [dict(entry.body["note"][name]) for entry in ledger.notes(name)]


def test_an_erased_person_is_in_no_byte_of_the_folder_the_ledger_s_log_included(region: PeopleRegion) -> None:
    subject, income = _subject(region), next(row[1] for row in drawn(range(PEOPLE)) if row[0] == GONE)
    words = (f"'{GONE}'", subject.pseudonym, f" {income},")
    before = _decrypted(region)
    assert all(word in before for word in words), "what is looked for is there before"
    with closing(sqlite3.connect(ledger_of(region.folder))) as reader:  # it keeps the log from being folded in
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM sqlite_master").fetchall()
        done = erase(_root(region), "DE", GONE, by="A. Person", why=WHY)
        content = bytes_under(region.folder)
    assert done.removed["store"] == ["1 row of people"]
    assert any(name.endswith("-wal") and subject.digest.encode() in part for name, part in content.items())
    raw = bytes.fromhex(subject.pseudonym)
    for name, part in content.items():
        assert subject.pseudonym.encode() not in part and raw not in part and raw[:8] not in part, name
        assert f'"{GONE}"'.encode() not in part and str(income).encode() not in part, name
    after = _decrypted(region)
    assert not any(word in after for word in words)


def test_every_place_is_named_with_what_became_of_it_and_the_ledger_says_who_and_why(region: PeopleRegion) -> None:
    subject = _subject(region)
    plain = erase(_root(region), "DE", GONE, by="A. Person", why=WHY).to_json()
    assert (
        set(plain["places"]) == {"log of requests", *(place.name for place in PLACES)}
        and plain["subject"] == subject.digest
    )
    begun, done = _notes(region, "erasure")
    assert (begun["state"], done["state"], done["places"]) == ("begun", "done", ["store"])
    for note in (begun, done):
        assert (note["subject"], note["by"], note["why"]) == (subject.digest, "A. Person", WHY)


def test_after_an_erasure_the_region_tells_no_statistics(region: PeopleRegion) -> None:
    erase(_root(region), "DE", _trained_on(region), why=WHY)
    assert region.asked(STATISTICS, scope="shareable", run="s")["error"].startswith("AnswerWithheld")


def _trained_on(region: PeopleRegion) -> str:
    """Somebody whom the region trains on: only its owner can look."""
    opened = region.opened()
    try:
        incomes = set(opened.outbound.session.divided("shareable").train.columns["income"].tolist())
    finally:
        opened.close()
    return next(row[0] for row in drawn(range(PEOPLE)) if row[1] in incomes)


def test_lineage_names_the_models_that_learned_of_the_person_and_by_what_that_is_known(region: PeopleRegion) -> None:
    trained = _trained_on(region)
    done = erase(_root(region), "DE", trained, why=WHY)
    (version,) = done.versions
    assert (version.run, version.model, version.part) == ("r", "people-de", "training")
    assert "stood behind the run's statistics" in version.basis
    assert traced(_root(region), "DE") == {done.digest: [version]} and not traced(_root(region), "DE").get(trained)
    erase(_root(region), "DE", "p-nobody", why=WHY)
    assert [len(versions) for versions in traced(_root(region), "DE").values()] == [1, 0]


def _sends(region: PeopleRegion, run: str) -> None:
    """An update of people's rows leaves for the hub; of run "r" one for a base model too."""
    opened = region.opened(run=run)
    try:
        gate, label = opened.outbound.gate, opened.outbound.session.label("shareable")
        for each in (gate, replace(gate, purpose=BASE_MODEL))[: 2 if run == "r" else 1]:
            bound = label if each is gate else PUBLIC
            each.cross(Artifact(Kind.UPDATE, bound, b"weights", 40, "arrays"), opened.start.hub)
    finally:
        opened.close()


def test_lineage_names_the_hub_s_models_that_the_region_s_updates_went_into(region: PeopleRegion) -> None:
    for run in ("r", "unrecorded"):
        _sends(region, run)
    trained = _trained_on(region)
    versions = erase(_root(region), "DE", trained, why=WHY).versions
    after = ", with all that began with it,"
    assert [(version.run, version.model, version.part) for version in versions] == [
        ("r", "people-de", "training"),
        ("r", f"the hub's global model{after}", "training"),
        ("r", f"the hub's base model{after}", "training"),
        ("unrecorded", f"the hub's global model{after}", "training"),
    ]
    assert "this region's updates went into it" in versions[1].basis and "no record is here" in versions[3].basis
    shown = call("erase", "--lineage", "--region", "DE", f"workspace={_root(region)}").out
    assert "the hub's global model, with all that began with it, of run r: training rows of people, by" in shown


def test_an_update_that_was_refused_went_into_no_model_of_the_hub(region: PeopleRegion) -> None:
    opened = region.opened(run="refused")
    try:
        label = replace(opened.outbound.session.label("all"), restrictions=frozenset({"no_export"}))
        gate, artifact = opened.outbound.gate, Artifact(Kind.UPDATE, label, b"weights", 60, "arrays")
        with pytest.raises(Refused):
            gate.cross(artifact, replace(opened.start.hub, location="KP"))
    finally:
        opened.close()
    assert [version.run for version in erase(_root(region), "DE", _trained_on(region), why=WHY).versions] == ["r"]


ERASING = """
import sys
from pathlib import Path
from fedsov.api.lifecycle.erasure import erase
print("begun", flush=True)
erase(Path(sys.argv[1]), "DE", sys.argv[2], by="A", why="request")
print("done", flush=True)
"""


@pytest.mark.parametrize("seed", range(2))
def test_an_erasure_that_is_killed_and_run_again_ends_the_same(region: PeopleRegion, seed: int) -> None:
    trained = _trained_on(region)
    lines_of_a_killed(ERASING, str(_root(region)), trained, chance=random.Random(seed))
    done = erase(_root(region), "DE", trained, why=WHY)
    assert _subject(region, trained).pseudonym not in _decrypted(region)
    assert _notes(region, "erasure")[-1]["state"] == "done"
    assert [version.part for version in traced(_root(region), "DE")[done.digest]] == ["training"]


def test_what_a_killed_erasure_had_traced_is_kept_by_the_next(
    region: PeopleRegion, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = _trained_on(region)
    stopped = erasures.erasure.PLACES[1]

    def stop(*_: object) -> list[str]:
        raise KeyboardInterrupt

    halted = (PLACES[0], type(stopped)(stopped.name, stopped.holds, stopped.fate, stop), *PLACES[2:])
    with monkeypatch.context() as patch:
        patch.setattr(erasures.erasure, "PLACES", halted)
        with pytest.raises(KeyboardInterrupt):
            erase(_root(region), "DE", trained, why=WHY)
    assert [said["state"] for said in _notes(region, "erasure")] == ["begun"]
    assert [version.part for version in erase(_root(region), "DE", trained, why=WHY).versions] == ["training"]


def test_a_source_that_brings_an_erased_person_back_is_refused_until_they_are_given_anew(region: PeopleRegion) -> None:
    erase(_root(region), "DE", GONE, why=WHY)
    again = called("ingest", *region.words(), "--rebuild", "--quiet")
    assert again.returncode == 9 and "rows of people whom region DE erased" in again.stderr, again.stderr
    assert GONE not in again.stderr and _subject(region).pseudonym not in _decrypted(region)
    lift(_root(region), "DE", GONE, why="a new contract")
    assert called("ingest", *region.words(), "--rebuild", "--quiet").returncode == 0
    assert _subject(region).pseudonym in _decrypted(region)


def test_rows_on_a_legal_hold_are_not_erased_until_it_ends(region: PeopleRegion) -> None:
    digest = _subject(region).digest
    for hold in (Hold("people"), Hold("people", digest)):
        with closing(Ledger(ledger_of(region.folder), "DE")) as ledger:
            legal_holds.place(ledger, hold, by="A. Person", why="case 12")
        with pytest.raises(JobRefused, match=r"case 12\); `fedsov retention release DE --dataset people"):
            erase(_root(region), "DE", GONE, why=WHY)
        with closing(Ledger(ledger_of(region.folder), "DE")) as ledger:
            legal_holds.release(ledger, hold, by="A. Person", why="closed")
    assert erase(_root(region), "DE", GONE, why=WHY).removed["store"] == ["1 row of people"]


def test_the_reason_of_an_erasure_does_not_name_the_person(region: PeopleRegion) -> None:
    with pytest.raises(ConfigurationError, match="names the subject") as refused:
        erase(_root(region), "DE", GONE, why=f"{GONE.upper()} asked")
    assert GONE not in str(refused.value) and not _notes(region, "erasure")
    with pytest.raises(ConfigurationError, match="--why is empty"):
        erase(_root(region), "DE", GONE, why=" ")
    with pytest.raises(ConfigurationError, match="--subject is empty"):
        erase(_root(region), "DE", " ", why=WHY)


def test_the_reason_for_taking_a_person_s_rows_again_does_not_name_the_person(region: PeopleRegion) -> None:
    erase(_root(region), "DE", GONE, why=WHY)
    for by, why in (("", f"{GONE} gave them anew"), (GONE, "a new contract")):
        with pytest.raises(ConfigurationError, match="names the subject") as refused:
            lift(_root(region), "DE", GONE, by=by, why=why)
        assert GONE not in str(refused.value)
    assert [said["state"] for said in _notes(region, "erasure")] == ["begun", "done"]
