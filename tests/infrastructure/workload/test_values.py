import pytest

from fedsov.errors import CertificateRefused, ConfigurationError
from fedsov.infrastructure.workload.values import Listener, Reachable, Workload
from fedsov.storage.party_file import HubAddress


def _workload(**chosen):
    return Workload(**{"party": "DE", "role": "region", "hub": HubAddress("hub.example"), **chosen})


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"role": "hubb"}, "did you mean hub"),
        ({"hub": HubAddress("a b")}, "hub.host is 'a b'"),
        ({"hub": HubAddress("$(id)")}, "hub.host"),
        ({"image": "x:1\nuser: root"}, "image is"),
        ({"program": "python"}, "program is 'python'; expected an absolute path"),
        ({"program": "/opt/../bin/python"}, "program"),
        ({"home": "/home/jane/fedsov"}, "/home is hidden from services"),
        ({"home": "/var/lib/a b"}, "home is"),
        ({"hub_networks": ("hub.example",)}, "write networks such as"),
        ({"member_networks": ("10.0.0.1/8",)}, "has host bits set"),
        ({"memory": 10}, "memory must be"),
        ({"health_port": 80}, "health_port must be"),
        ({"uid": 0}, "uid must be"),
        ({"listeners": (Listener("predict", 8081),)}, "two listeners have the port 8081"),
        ({"listeners": (Listener("health", 8443),)}, "two listeners have the name health"),
    ],
)
def test_what_would_become_something_else_in_a_file_is_refused(chosen, said):
    with pytest.raises(ConfigurationError, match=said.replace("$", r"\$")):
        _workload(**chosen)


def test_a_party_has_the_name_of_its_certificate():
    with pytest.raises(CertificateRefused, match="cannot be in a certificate"):
        _workload(party="DE; rm -rf /")


@pytest.mark.parametrize(
    "made", [lambda: Listener("A b", 8443), lambda: Listener("x", 80), lambda: Reachable("x", "y", 1)]
)
def test_listeners_and_services_are_checked(made):
    with pytest.raises(ConfigurationError):
        made()


def test_names_are_small_letters_and_differ_where_parties_do():
    names = {party: _workload(party=party).name for party in ("DE", "US-CA", "US_CA", "_", "x" * 63)}
    assert names["DE"] == "fedsov-region-de" and names["US-CA"] == "fedsov-region-us-ca"
    assert len(set(names.values())) == len(names)
    assert all(len(name) <= 63 and name.replace("-", "").isalnum() and name == name.lower() for name in names.values())
    assert _workload(role="hub", party="world").name == "fedsov-hub"


def test_the_hub_has_its_address_from_its_host_or_from_its_networks():
    assert _workload(hub=HubAddress("203.0.113.7")).hub_addresses == ("203.0.113.7/32",)
    assert _workload(hub=HubAddress("2001:db8::7")).hub_addresses == ("2001:db8::7/128",)
    assert _workload(hub_networks=("198.51.100.0/24",)).hub_addresses == ("198.51.100.0/24",)
    assert _workload().hub_addresses == () and _workload().asks_names
    assert not _workload(hub=HubAddress("203.0.113.7")).asks_names


def test_a_name_that_stands_for_one_address_is_not_asked_for():
    assert _workload(hub_networks=("203.0.113.7/32",)).hub_address == "203.0.113.7"
    for several in ((), ("203.0.113.0/24",), ("203.0.113.7/32", "2001:db8::7/128")):
        assert _workload(hub_networks=several).hub_address == ""
    assert _workload(hub=HubAddress("203.0.113.7")).hub_address == ""
