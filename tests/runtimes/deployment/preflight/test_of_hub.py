from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from fedsov.keys.certificates import new_authority
from fedsov.storage.party_file import HubAddress, PartyFile, write_party
from tests.runtimes.deployment.preflight.a_party import AHub, findings, problems, region_of


@pytest.fixture
def examined(workspace, hub):
    return region_of(workspace)


def _called(examined, host, port):
    write_party(examined.folder.party, PartyFile("EU", "region", HubAddress(host, port)))


def test_a_name_without_an_address_is_told(examined, hub):
    _called(examined, "hub.invalid", hub.address.port)
    found = findings(examined)
    assert "hub.invalid has no address" in found["hub's name"].problem and "/etc/hosts" in found["hub's name"].mend
    assert [name for name, each in found.items() if not each.made] == [
        "hub's port",
        "control plane's port",
        "handshake",
        "clock",
    ]


def test_a_port_on_which_nobody_listens_is_told(examined):
    _called(examined, "127.0.0.1", 1)
    assert "127.0.0.1:1 cannot be reached (Connection refused)" in problems(examined)["hub's port"]


def test_a_hub_of_another_authority_is_told(examined):
    other = new_authority("a long passphrase of a test", now=datetime.now(UTC))
    examined.folder.authority.write_bytes(other.certificate)
    found = findings(examined)
    assert not found["certificate"].is_well and not found["handshake"].made
    from fedsov.runtimes.deployment.preflight import of_hub
    from fedsov.runtimes.deployment.preflight.values import Amiss

    with pytest.raises(Amiss, match=r"is not believed \(.*; somebody may stand between|is not believed"):
        of_hub.handshake(examined)


def test_a_hub_that_refuses_this_party_is_told_with_its_reason(examined, hub: AHub):
    hub.status, hub.body = 403, {"error": "EU is no approved region of this hub"}
    found = problems(examined)
    assert "answers with status 403: EU is no approved region of this hub" in found["handshake"]


def test_a_listener_without_tls_is_told(examined):
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as plain:

        def answer():
            for _ in range(2):
                line, _ = plain.accept()
                line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                line.close()

        threading.Thread(target=answer, daemon=True).start()
        _called(examined, "127.0.0.1", plain.getsockname()[1])
        assert "handshake" in problems(examined)


@pytest.mark.parametrize(("minutes", "way"), [(10, "behind"), (-10, "ahead of")])
def test_clocks_that_are_apart_are_told(examined, hub: AHub, minutes, way):
    hub.date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    line = problems(examined)["clock"]
    assert f"s {way} the hub's, and 300 s are allowed; let NTP keep both clocks" in line


def test_clocks_that_are_a_little_apart_are_well_and_a_hub_without_one_is_told(examined, hub: AHub):
    hub.date = format_datetime(datetime.now(UTC) + timedelta(minutes=4), usegmt=True)
    assert problems(examined) == {}
    hub.date = "yesterday"
    assert "told no time that can be read" in problems(examined)["clock"]
