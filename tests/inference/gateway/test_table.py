"""The table of a gateway as its file says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.errors import ConfigurationError
from fedsov.inference.gateway.table import GatewayLimits, HostPort, Upstream, address_of, read_table

TABLE = """
listen: "[::1]:8440"
issuers: issuers.yaml
limits: {body: 2048}
regions:
  DE: {url: "https://de.example", ca: ca.crt, server_name: endpoint, jurisdictions: [DE], location: DE}
  US: {url: "http://[::1]:9000/", jurisdictions: [US], hosts: [CA], location: US, distance: 2.5}
"""


def test_a_table_is_read_with_its_files_beside_it(tmp_path: Path) -> None:
    written = read_table(TABLE.encode(), tmp_path / "gateway.yaml")
    assert written.listen == HostPort("[::1]", 8440) and written.listen.bare_host == "::1"
    assert written.limits == GatewayLimits(body=2048)
    secure, plain = written.regions["DE"], written.regions["US"]
    assert (secure.address, secure.ca, secure.certified_name) == (
        HostPort("de.example", 443), tmp_path / "ca.crt", "endpoint",
    )  # fmt: skip
    assert secure.has_dns_name and not plain.has_dns_name
    assert plain == Upstream("US", HostPort("[::1]", 9000), None, ("US",), ("CA",), "US", distance=2.5)


@pytest.mark.parametrize("word", ["8440", ":8440", "127.0.0.1:99999", "127.0.0.1", "a b:1", "host:1 injected", 8440])
def test_an_address_is_a_host_and_a_port(word: object) -> None:
    with pytest.raises(ConfigurationError, match="HOST:PORT"):
        address_of("listen", word)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("limits: {body: 2048}", "limits: {body: 10}", "limits.body"),
        ("limits: {body: 2048}", "limits: {rows: 10}", "limits.rows is not a setting"),
        ("limits: {body: 2048}", "health: /a b", "a path such as"),
        ("server_name: endpoint", 'server_name: "a b"', "a DNS name"),
        ("distance: 2.5", "distance: -1", "distance"),
        ("distance: 2.5", "color: red", "color is not a setting"),
        ("  US:", "  DE:", "given twice"),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path: Path, before: str, after: str, words: str) -> None:
    assert before in TABLE
    with pytest.raises(ConfigurationError, match=words):
        read_table(TABLE.replace(before, after).encode(), tmp_path / "gateway.yaml")
