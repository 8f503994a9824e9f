"""The table of a gateway: routes that the border permits alone, and everything it was read from."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from fedsov.api.inference.codes import with_parts
from fedsov.api.inference.gateway.gateway_table import issuer_keys, read_gateway
from fedsov.errors import CertificateRefused, ConfigurationError
from fedsov.inference.routing import NoRegion, Routed, route
from fedsov.ledger.ledger import Ledger
from fedsov.runtimes.serving.jwks import KeySources
from fedsov.runtimes.serving.place import EndpointPlace, publish
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.workspace import ledger_of
from tests.inference.token_attacks import ISSUER, TokenWorld
from tests.world import ROOT

TODAY = date(2026, 11, 30)
TABLE = """
listen: 127.0.0.1:8440
issuers: issuers.yaml
entity: Example AG
regions:
  DE: {url: "http://127.0.0.1:9001", jurisdictions: [DE], hosts: [FR, CN], location: DE, entity: Example AG}
  US: {url: "http://127.0.0.1:9002", jurisdictions: [US], hosts: [DE], location: US, entity: Example Inc, distance: 5}
  OH: {url: "http://127.0.0.1:9003", jurisdictions: [US-OH], location: US-OH}
"""


@pytest.fixture(scope="module")
def tokens() -> TokenWorld:
    return TokenWorld.new()


@pytest.fixture
def folder(tmp_path: Path, tokens: TokenWorld) -> Path:
    (tmp_path / "jwks.json").write_bytes(tokens.jwks())
    (tmp_path / "issuers.yaml").write_text(tokens.issuers())
    (tmp_path / "gateway.yaml").write_text(TABLE)
    return tmp_path


def region_of(source, code: str, *down: str) -> str | int:
    health = {name: name not in down for name in source.table.regions}
    match route(code, source.table.routing, health):
        case Routed(region):
            return region.name
        case NoRegion(status):
            return status


def test_a_host_is_routed_to_where_the_border_permits_and_left_out_with_its_remedy_where_not(folder):
    source = read_gateway(folder, folder / "gateway.yaml", TODAY)
    assert [region_of(source, code) for code in ("DE", "FR", "CN", "KP")] == ["DE", "DE", 451, 451]
    assert region_of(source, "DE", "DE") == 503  # the US may not stand in: no document permits it
    assert set(source.left_out) == {"CN by DE", "DE by US"}
    assert "cn_standard_contract" in source.left_out["CN by DE"]


def test_a_document_opens_a_route_and_a_made_up_one_does_not(folder):
    register = (ROOT / "configs" / "border" / "evidence_demo.yaml").read_text()
    table = TABLE.replace("Example AG", '"Example Deutschland GmbH (fictional)"')
    table = table.replace("Example Inc", '"Example US Inc. (fictional)"')
    (folder / "gateway.yaml").write_text(table + "evidence: documents.yaml\n")
    (folder / "documents.yaml").write_text(register)
    assert region_of(read_gateway(folder, folder / "gateway.yaml", TODAY), "DE", "DE") == 503
    (folder / "documents.yaml").write_text(register.replace("example: true", "example: false"))
    source = read_gateway(folder, folder / "gateway.yaml", TODAY)
    assert region_of(source, "DE", "DE") == "US"
    assert region_of(source, "DE") == "DE"
    later = read_gateway(folder, folder / "gateway.yaml", date(2032, 6, 1))
    assert region_of(later, "DE", "DE") == 503  # the contract has expired


def test_own_jurisdictions_abroad_are_asked_about_as_well(folder):
    abroad = TABLE.replace("jurisdictions: [US], hosts: [DE]", "jurisdictions: [US, IN, CN]")
    (folder / "gateway.yaml").write_text(abroad)
    source = read_gateway(folder, folder / "gateway.yaml", TODAY)
    assert region_of(source, "CN") == 451 and "CN by US" in source.left_out


def test_parts_of_a_country_go_to_the_region_that_names_them(folder):
    source = read_gateway(folder, folder / "gateway.yaml", TODAY)
    assert [region_of(source, code) for code in ("US", "US-CA", "US-OH", "DE-BY")] == ["US", "US", "OH", "DE"]
    assert region_of(source, "US-OH", "OH") == 503
    assert region_of(source, "PT-BR") == 451


def test_every_file_that_it_was_read_from_is_named(folder):
    source = read_gateway(folder, folder / "gateway.yaml", TODAY)
    assert {path.name for path in source.files} == {"gateway.yaml", "issuers.yaml", "jwks.json"}
    assert set(issuer_keys(KeySources(source.table.issuers))[ISSUER].keys) == {"k1", "e1"}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("location: DE, entity: Example AG", "location: DE", "between whom"),
        ("location: US-OH", "distance: 1", "location is not set"),
        ("jurisdictions: [US-OH]", "jurisdictions: [US-ZZ]", "not a known ISO 3166 code"),
        ("jurisdictions: [US-OH]", "jurisdictions: []", "at least one code"),
        ('"http://127.0.0.1:9003"', '"https://oh.example"', "ca is not set"),
        ('"http://127.0.0.1:9003"', '"http://oh.example/v1"', "without a path"),
        ('"http://127.0.0.1:9003"', '"http://user@oh.example"', "without a path"),
        ("listen: 127.0.0.1:8440", "listen: 8440", "HOST:PORT"),
        ("issuers: issuers.yaml", "issuers: nowhere.yaml", "cannot be read"),
        ("issuers: issuers.yaml", "issuers: issuers.yaml\ncertificate: a.crt", "belong together"),
        ("  OH:", '  "O H":', "letters, digits"),
        ("entity: Example AG\nregions", "entitty: Example AG\nregions", "did you mean entity"),
    ],
    ids=lambda word: word[:30],
)
def test_a_table_that_cannot_be_is_refused_by_name(folder, before, after, words):
    assert before in TABLE
    (folder / "gateway.yaml").write_text(TABLE.replace(before, after))
    with pytest.raises(ConfigurationError, match=words):
        read_gateway(folder, folder / "gateway.yaml", TODAY)


def test_an_issuer_without_keys_is_said(folder):
    (folder / "jwks.json").unlink()
    with pytest.raises(ConfigurationError, match="no keys of https://idp.example"):
        issuer_keys(KeySources(read_gateway(folder, folder / "gateway.yaml", TODAY).table.issuers))


def endpoint(root: Path, name: str, issuers: str, **changes) -> EndpointPlace:
    """A region's endpoint, as the region signs it."""
    folder = root / "regions" / name
    folder.mkdir(parents=True)
    with closing(Ledger(ledger_of(folder), name)) as ledger:
        ledger.append({"act": "test"})
        usual = {"jurisdictions": with_parts([name], ()), "port": 9001, "is_tls": True}
        usual["issuers_sha256"] = sha256_hex(issuers.encode())
        place = EndpointPlace(region=name, folder=folder, region_key=ledger.key, hub_key="0" * 64, **(usual | changes))
        publish(place, ledger.sign)
    place.serving.issuers.write_text(issuers)
    return place


def test_the_regions_of_a_workspace_say_whom_they_serve_and_where(folder, tokens):
    issuers = tokens.issuers(str(folder / "jwks.json"))
    de = endpoint(folder, "DE", issuers, hosts=("FR",))
    endpoint(folder, "US", issuers, port=9002, is_tls=False)
    source = read_gateway(folder, None, TODAY)
    assert [region_of(source, code) for code in ("DE", "DE-BY", "FR", "US-OH", "KP")] == ["DE", "DE", "DE", "US", 451]
    secure, plain = source.table.regions["DE"], source.table.regions["US"]
    assert (secure.ca, secure.certified_name, plain.ca) == (de.serving.certificate, "localhost", None)
    assert de.path in source.files and str(source.table.listen) == "127.0.0.1:8440"
    changed = json.loads(de.path.read_text())
    de.path.write_text(json.dumps(changed | {"hosts": ["FR", "US"]}))
    with pytest.raises(CertificateRefused, match=r"endpoint\.json"):
        read_gateway(folder, None, TODAY)


def test_regions_that_believe_different_issuers_need_a_table(folder, tokens):
    endpoint(folder, "DE", tokens.issuers(str(folder / "jwks.json")))
    endpoint(folder, "US", tokens.issuers(str(folder / "other.json")))
    with pytest.raises(ConfigurationError, match="different tables of issuers"):
        read_gateway(folder, None, TODAY)


def test_a_part_that_its_region_s_gate_refused_is_not_routed_there_and_a_decision_that_lapsed_routes_nobody(
    folder, tokens
):
    issuers = tokens.issuers(str(folder / "jwks.json"))
    endpoint(folder, "DE", issuers, jurisdictions=("DE", "DE-BE"))
    us = endpoint(folder, "US", issuers, valid_until=1.0)
    source = read_gateway(folder, None, TODAY)
    assert [region_of(source, code) for code in ("DE", "DE-BE", "DE-BY", "US")] == ["DE", "DE", 451, 451]
    assert us.path in source.files and any("by US. Nobody decided" in line for line in source.lines())


def test_a_table_of_issuers_that_the_settings_did_not_take_is_not_believed_by_a_gateway(folder, tokens):
    place = endpoint(folder, "DE", tokens.issuers(str(folder / "jwks.json")))
    place.serving.issuers.write_text(tokens.issuers(str(folder / "other.json")))
    with pytest.raises(ConfigurationError, match="is not the table that the settings of DE took"):
        read_gateway(folder, None, TODAY)


def test_a_workspace_without_endpoints_says_what_to_do(tmp_path):
    with pytest.raises(ConfigurationError, match="up --serve"):
        read_gateway(tmp_path, None, TODAY)
