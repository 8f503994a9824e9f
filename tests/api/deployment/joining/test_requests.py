"""A request speaks of one region, whose ledger signed all of it."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace

import pytest

from fedsov.api.deployment.joining.requests import JoinRequest, read_request, written_request
from fedsov.errors import CertificateRefused
from fedsov.keys.certificates import new_key, request
from fedsov.ledger.ledger import Ledger
from fedsov.storage.workspace import Workspace, ledger_of
from tests.api.deployment.world import Deployment


def _signed(deployment: Deployment, asked: JoinRequest) -> bytes:
    with closing(Ledger(ledger_of(Workspace(deployment.home("DE")).region("DE")), "DE")) as ledger:
        return written_request(asked, ledger.sign)


def test_a_request_that_was_written_is_read(deployment: Deployment) -> None:
    text = deployment.join("DE").read_bytes()
    asked = read_request(text)
    assert _signed(deployment, asked) == text
    assert (asked.name, asked.number) == ("DE", 1) and len(asked.key_digest) == 64


def test_a_request_that_was_changed_is_refused(deployment: Deployment) -> None:
    plain = json.loads(deployment.join("DE").read_bytes())
    for part in ("settings_digest", "sealing_key", "at", "number", "name"):
        changed = {**plain, part: 7 if part == "number" else "ab" * 32}
        with pytest.raises(CertificateRefused, match="the request is not signed"):
            read_request(json.dumps(changed).encode())


def test_a_hubs_or_another_partys_name_in_the_certificate_request_is_refused(deployment: Deployment) -> None:
    asked = read_request(deployment.join("DE").read_bytes())
    for role, name in (("hub", "DE"), ("region", "US"), ("operator", "DE")):
        text = _signed(deployment, replace(asked, csr=request(new_key(), role, name).decode()))
        with pytest.raises(CertificateRefused, match=f"asks for the certificate of the {role} {name}"):
            read_request(text)


@pytest.mark.parametrize("change", [{"number": 0}, {"sealing_key": "zz"}, {"name": "", "csr": ""}])
def test_a_signed_request_that_says_nonsense_is_refused(deployment: Deployment, change: dict[str, object]) -> None:
    asked = read_request(deployment.join("DE").read_bytes())
    with pytest.raises(CertificateRefused):
        read_request(_signed(deployment, replace(asked, **change)))


def test_a_sealing_key_that_another_ledger_signed_is_refused(deployment: Deployment) -> None:
    asked, other = (read_request(deployment.join(name).read_bytes()) for name in ("DE", "US"))
    sealing = {"sealing_key": other.sealing_key, "sealing_signature": other.sealing_signature}
    with pytest.raises(CertificateRefused, match="the sealing key in the request of DE is not signed"):
        read_request(_signed(deployment, replace(asked, **sealing)))
    louder = replace(asked, verify_key=asked.verify_key.upper())
    with pytest.raises(CertificateRefused, match="must be written in small letters"):
        read_request(_signed(deployment, louder))
