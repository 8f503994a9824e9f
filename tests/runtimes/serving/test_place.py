"""The file that an endpoint's processes are told by: believed where its region signed it, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsov.errors import CertificateRefused, ConfigurationError
from fedsov.inference.limits import RequestLimits
from fedsov.runtimes.serving.place import EndpointPlace, needs_restart, publish, read_place
from fedsov.runtimes.serving.service import endpoint_service

OWN, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
KEY = OWN.public_key().public_bytes_raw().hex()


def place(folder: Path, **more) -> EndpointPlace:
    given = {"region": "DE", "folder": folder, "region_key": KEY, "hub_key": KEY, "jurisdictions": ("DE",)}
    return EndpointPlace(**{**given, **more})


def test_a_place_survives_its_file(tmp_path):
    whole = place(
        tmp_path, hosts=("FR",), elsewhere={"US": "US"}, limits=RequestLimits(rows=3), log={"durable": "batch"}
    )
    assert read_place(publish(whole, OWN.sign), KEY) == whole


def test_a_place_that_another_signed_is_refused(tmp_path):
    path = publish(place(tmp_path), OTHER.sign)
    with pytest.raises(CertificateRefused, match="not signed"):
        read_place(path, KEY)


def test_a_place_of_another_key_is_refused_though_that_key_signed_it(tmp_path):
    other = OTHER.public_key().public_bytes_raw().hex()
    path = publish(place(tmp_path, region_key=other), OTHER.sign)
    with pytest.raises(CertificateRefused, match="not signed"):
        read_place(path, KEY)


def test_a_changed_jurisdiction_is_refused(tmp_path):
    path = publish(place(tmp_path), OWN.sign)
    plain = json.loads(path.read_bytes())
    path.write_text(json.dumps({**plain, "hosts": ["KP"]}))
    with pytest.raises(CertificateRefused):
        read_place(path, KEY)


def test_another_region_s_file_is_refused_though_it_is_signed(tmp_path):
    path = publish(place(tmp_path / "a"), OWN.sign)
    moved = place(tmp_path / "b").path
    moved.parent.mkdir(parents=True)
    moved.write_bytes(path.read_bytes())
    with pytest.raises(CertificateRefused, match="another place"):
        read_place(moved, KEY)


def test_a_file_that_is_not_there_names_the_command_that_writes_it(tmp_path):
    with pytest.raises(ConfigurationError, match="fedsov region set"):
        read_place(tmp_path / "endpoint.json", KEY)


def test_a_region_without_a_jurisdiction_serves_nobody(tmp_path):
    with pytest.raises(ConfigurationError, match="no jurisdiction"):
        place(tmp_path, jurisdictions=())


def test_what_only_a_restart_changes_is_named(tmp_path):
    running = place(tmp_path)
    assert needs_restart(running, place(tmp_path, hosts=("FR",))) == ()
    assert needs_restart(running, place(tmp_path, port=1, workers=2)) == ("workers", "port")


def test_a_service_names_the_file_and_the_key_and_no_secret(tmp_path):
    service = endpoint_service(place(tmp_path))
    assert service.command[-2:] == [str(place(tmp_path).path), KEY]
    assert service.party == "DE (endpoint)"
