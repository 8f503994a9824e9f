"""Whose requests a region takes: what its own gate permits, written down, and decided again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml

from fedsov.artifact import Party
from fedsov.border.gate import Gate, Refused
from fedsov.border.law.bundle_loader import load_bundle
from fedsov.errors import ConfigurationError
from fedsov.ledger.ledger import Ledger
from fedsov.region.admission import Place
from fedsov.region.serving.hosting import admit_hosts, categories_of_stores, hosting, own_jurisdictions, serving_gate
from fedsov.region.serving.settings import ServingSettings
from fedsov.region.settings import OwnLaw, RegionSettings
from fedsov.region.trust.parties import Parties
from fedsov.storage.workspace import ledger_of

HUB = Party("hub", "IE", "Example Holding")
DE = Party("DE", "DE", "Example GmbH")
OWN = RegionSettings("DE", law=OwnLaw(load_bundle().digest), parties=Parties(HUB, DE))
PERSONAL = ("personal",)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A region's folder in a workspace, and its ledger."""
    folder = tmp_path / "regions" / "DE"
    folder.mkdir(parents=True)
    with closing(Ledger(ledger_of(folder), "DE")) as ledger:
        yield Place(folder, ledger)


def _hosting(*codes: str) -> RegionSettings:
    return replace(OWN, serving=ServingSettings(hosts=codes))


def _entries(gate: Gate) -> list[tuple[str, str, str]]:
    bodies = [entry.body for entry in gate.ledger.entries()]
    return [(body["act"], "+".join(body["origins"]), body["verdict"]) for body in bodies]


def test_a_permitted_host_is_written_down_with_its_grounds(place: Place) -> None:
    gate = serving_gate(place, OWN)
    admit_hosts(gate, _hosting("FR"), ["FR"], PERSONAL)
    (entry,) = place.ledger.entries()
    body = entry.body
    assert (body["act"], body["kind"], body["purpose"], body["verdict"]) == ("arrive", "records", "inference", "permit")
    assert (body["origins"], body["importer"]["name"], body["exporter"]["location"]) == (["FR"], "DE", "FR")
    assert body["basis"] and body["count"] == 0 and "10,000,000 people" in body["name"]


def test_a_refused_host_is_refused_with_an_entry_and_so_is_one_of_several(place: Place) -> None:
    gate = serving_gate(place, OWN)
    with pytest.raises(
        Refused, match=r"records of KP · personal to DE \(DE\) is refused: KP -> DE: The bundle knows no"
    ):
        admit_hosts(gate, OWN, ["KP", "FR"], PERSONAL)
    assert _entries(gate) == [("arrive", "KP", "refuse"), ("arrive", "FR", "permit")]


def test_a_standing_permission_does_not_count_on_few_people_asking(place: Place) -> None:
    """China's law lets a few people's data go without a contract; nobody knows how many will ask."""
    with pytest.raises(Refused, match="CN -> DE"):
        admit_hosts(serving_gate(place, OWN), OWN, ["CN"], PERSONAL)


def test_made_up_documents_let_nobody_in(place: Place, tmp_path: Path) -> None:
    register = tmp_path / "documents.yaml"
    document = {
        "id": "c1",
        "kind": "cn_standard_contract",
        "exporter": ["CN"],
        "importer": ["DE"],
        "categories": ["personal"],
        "signed": date(2026, 1, 1),
        "owner": "somebody",
        "example": True,
    }
    register.write_text(yaml.safe_dump({"documents": [document]}))
    own = replace(OWN, evidence=register)
    with pytest.raises(Refused, match="made up"):
        admit_hosts(serving_gate(place, own), own, ["CN"], PERSONAL)


def test_each_start_decides_again_and_writes_down_what_changed(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    own = _hosting("FR", "KP")
    gate = serving_gate(place, own)
    now = hosting(gate, own, PERSONAL)
    assert (now.own, now.hosts, [*now.refused]) == (("DE",), ("FR",), ["KP"])
    assert "is refused" in now.refused["KP"]
    assert now.served == ("DE", "FR")
    before = _entries(gate)
    assert before == [("arrive", "DE", "permit"), ("arrive", "FR", "permit"), ("arrive", "KP", "refuse")]
    assert hosting(serving_gate(place, own), own, PERSONAL) == now
    assert _entries(gate) == before, "the same answer on the same grounds is no news"


def test_a_host_whose_permission_lapsed_is_served_no_more_and_the_ledger_says_so(place: Place) -> None:
    own = _hosting("FR")
    hosting(serving_gate(place, own), own, PERSONAL)
    closed = replace(serving_gate(place, own), bundle=replace(load_bundle(), rules=()))
    now = hosting(closed, own, PERSONAL)
    assert (now.hosts, now.served) == ((), ())
    last = place.ledger.entries()[-1].body
    assert (last["origins"], last["verdict"]) == (["FR"], "refuse")
    assert last["lapsed"][0].startswith("permitted by intra_jurisdiction on ")


def test_a_part_with_law_of_its_own_is_decided_by_it_and_others_with_their_country(
    place: Place, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "rules:\n- {id: own.not_ca, effect: forbid, when: [[origin, eq, US-CA]], reason: Not these., cite: our own}\n"
    )
    parts = {"US": ("US-CA", "US-OH"), "DE": ("DE-BY",)}
    own = replace(_hosting("US"), law=OwnLaw.taking(rules, OwnLaw(load_bundle().digest)))
    gate = serving_gate(place, own)
    now = hosting(gate, own, PERSONAL, parts)
    entries = _entries(gate)
    assert now.with_parts(now.own) == ("DE", "DE-BY")
    assert now.with_parts(now.hosts) == ("US", "US-OH")
    assert "Not these" in now.refused["US-CA"]
    assert entries == [
        ("arrive", code, verdict) for code, verdict in (("DE", "permit"), ("US", "permit"), ("US-CA", "refuse"))
    ]
    hosting(serving_gate(place, own), own, PERSONAL, parts)
    assert _entries(gate) == entries


def test_further_categories_are_decided_anew(place: Place) -> None:
    own = _hosting("FR")
    hosting(serving_gate(place, own), own, PERSONAL)
    hosting(serving_gate(place, own), own, ("personal", "health"))
    assert len(place.ledger.entries()) == 4


def test_a_region_serves_its_own_place_unless_its_owner_says_more() -> None:
    assert own_jurisdictions(OWN) == ("DE",)
    assert own_jurisdictions(replace(OWN, serving=ServingSettings(jurisdictions=("DE", "AT")))) == ("DE", "AT")
    with pytest.raises(ConfigurationError, match="nobody knows whom it serves"):
        own_jurisdictions(RegionSettings("DE"))


def test_without_pinned_parties_no_border_can_be_asked(place: Place) -> None:
    with pytest.raises(ConfigurationError, match="has not pinned"):
        serving_gate(place, replace(OWN, parties=Parties(region=DE)))


def test_a_region_without_stores_is_asked_for_personal_data(place: Place) -> None:
    assert categories_of_stores(place.folder) == {"personal"}
