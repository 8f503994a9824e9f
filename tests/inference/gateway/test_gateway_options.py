"""What a table can say beside: TLS to regions and at the gateway, words of a provider, several issuers."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from fedsov.api.inference.codes import with_parts
from fedsov.errors import ConfigurationError
from fedsov.inference.gateway.table import GatewayTable, HostPort, Upstream
from fedsov.inference.routing import RoutingTable, ServingRegion
from fedsov.inference.tokens.issuers import IssuerTable
from fedsov.inference.tokens.key_sets import KeySet, read_key_set
from fedsov.runtimes.serving.gateway_files import check, put_files, render
from tests.inference.gateway.certificates import self_signed
from tests.inference.gateway.world import COMMANDS, free_port, running, wait_until
from tests.inference.token_attacks import PREDICT, TokenWorld

KINDS = ("haproxy", "envoy", "nginx")


class SecureRegion:
    """A region that speaks TLS, with a certificate of its own making, and answers the code that it was told."""

    def __init__(self, folder: Path, host: str = "localhost") -> None:
        self.certificate, key = self_signed(folder, host, authority=False)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate, key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            with self._context.wrap_socket(connection, server_side=True) as secure:
                while head := secure.recv(65536).decode("latin-1"):
                    codes = [line[16:] for line in head.lower().split("\r\n") if line.startswith("x-jurisdiction: ")]
                    body = json.dumps({"codes": codes}).encode()
                    secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        except OSError:
            return


def table(tokens: TokenWorld, port: int, upstream: Upstream, *, issuers: IssuerTable, **more: Any) -> GatewayTable:
    routing = RoutingTable((ServingRegion("DE", frozenset({"DE"}), frozenset({"FR"})),))
    return GatewayTable(
        listen=HostPort("127.0.0.1", port), issuers=issuers, regions={"DE": upstream}, routing=routing, **more
    )


def issuers_of(tokens: TokenWorld, **changes: Any) -> tuple[IssuerTable, dict[str, KeySet]]:
    plain = json.loads(tokens.issuers())
    plain["issuers"][0] |= changes
    listed = IssuerTable.from_json(plain)
    return listed, {each.issuer: read_key_set(tokens.jwks(), each) for each in listed.issuers}


def post(port: int, token: str, context: ssl.SSLContext | None = None) -> tuple[int, str]:
    import http.client

    if context is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    else:
        connection = http.client.HTTPSConnection("localhost", port, timeout=5, context=context)
    try:
        connection.request("POST", PREDICT, body=b"", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def tokens() -> TokenWorld:
    return TokenWorld.new()


@pytest.mark.parametrize("kind", KINDS)
def test_a_region_s_certificate_is_checked_with_its_own_authority_and_for_its_host(
    kind: str, tokens: TokenWorld, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    region, other = SecureRegion(tmp_path), self_signed(tmp_path / "other", "localhost")[0]
    elsewhere = SecureRegion(tmp_path, "de.example")
    issuers, keys = issuers_of(tokens)
    cases = [
        (200, region.certificate, "localhost", region.port, ""),
        (200, elsewhere.certificate, "127.0.0.1", elsewhere.port, "de.example"),
        (503, other, "localhost", region.port, ""),  # a stranger's authority
        (503, elsewhere.certificate, "localhost", elsewhere.port, ""),  # a certificate for another name
    ]
    for number, (status, ca, host, upstream_port, name) in enumerate(cases):
        folder, port = tmp_path / f"{kind}-{number}", free_port()
        upstream = Upstream("DE", HostPort(host, upstream_port), Path(ca), server_name=name)
        put_files(kind, folder, render(kind, table(tokens, port, upstream, issuers=issuers), keys, folder))
        checked = check(kind, folder)
        assert checked.is_valid, checked.text
        with running(COMMANDS[kind](folder), port, tmp_path / "log"):
            wait_until(lambda at=port, wanted=status: post(at, tokens.token("DE"))[0] == wanted, 5, what=f"{status}")
            time.sleep(1.2)  # regions were looked at meanwhile
            assert post(port, tokens.token("DE"))[0] == status


@pytest.mark.parametrize("kind", KINDS)
def test_a_gateway_speaks_tls_where_the_table_says_so(kind: str, tokens: TokenWorld, tmp_path: Path) -> None:
    region = SecureRegion(tmp_path)
    issuers, keys = issuers_of(tokens)
    (tmp_path / "own").mkdir()
    certificate, key = self_signed(tmp_path / "own", "localhost")
    folder, port = tmp_path / kind, free_port()
    upstream = Upstream("DE", HostPort("localhost", region.port), Path(region.certificate))
    secure = table(tokens, port, upstream, issuers=issuers, certificate=Path(certificate), key=Path(key))
    put_files(kind, folder, render(kind, secure, keys, folder))
    context = ssl.create_default_context(cafile=certificate)
    with running(COMMANDS[kind](folder), port, tmp_path / "log"):
        wait_until(lambda: post(port, tokens.token("DE"), context)[0] == 200, 5, what="an answer over TLS")
        with pytest.raises(ssl.SSLError):
            post(port, tokens.token("DE"), ssl.create_default_context())


@pytest.mark.parametrize("kind", KINDS)
def test_two_issuers_may_say_the_same_word_and_mean_different_codes(
    kind: str, tokens: TokenWorld, tmp_path: Path
) -> None:
    """One says GE for Germany and Frankreich for FR, the other means Georgia by GE."""
    other = TokenWorld.new(issuer="https://another.example")
    first, second = (json.loads(each.issuers())["issuers"][0] for each in (tokens, other))
    first |= {"mapping": {"GE": "DE", "Frankreich": "FR", "Georgia": "GE"}, "claim": "country"}
    issuers = IssuerTable.from_json({"issuers": [first, second]})
    keys = {
        each.issuer: read_key_set(world.jwks(), each)
        for each, world in zip(issuers.issuers, (tokens, other), strict=True)
    }
    region, folder, port = SecureRegion(tmp_path), tmp_path / kind, free_port()
    upstream = Upstream("DE", HostPort("localhost", region.port), Path(region.certificate))
    put_files(kind, folder, render(kind, table(tokens, port, upstream, issuers=issuers), keys, folder))
    with running(COMMANDS[kind](folder), port, tmp_path / "log"):
        wait_until(lambda: post(port, other.token("DE"))[0] == 200, 5, what="an answer")
        answers = {word: post(port, tokens.token(None, country=word)) for word in ("GE", "Frankreich", "DE", "Georgia")}
        assert [answers[word] for word in ("GE", "Frankreich", "DE")] == [
            (200, '{"codes": ["de"]}'), (200, '{"codes": ["fr"]}'), (200, '{"codes": ["de"]}'),
        ]  # fmt: skip
        assert answers["Georgia"][0] == 451
        assert post(port, other.token("GE"))[0] == 451
        assert post(port, other.token(None, country="GE"))[0] in (401, 403, 451)
        stranger = tokens.token(None, country="GE", iss="https://another.example")
        assert post(port, stranger)[0] == 401  # signed by the first, in the name of the second


def test_what_a_gateway_cannot_check_is_refused_with_a_way_out(tokens: TokenWorld, tmp_path: Path) -> None:
    jwk = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key()))
    plain = json.loads(tokens.issuers())
    plain["issuers"][0]["algorithms"] = ["EdDSA"]
    issuers = IssuerTable.from_json(plain)
    keys = {tokens.issuer: read_key_set(json.dumps({"keys": [jwk | {"kid": "o1"}]}).encode(), issuers.issuers[0])}
    upstream = Upstream("DE", HostPort("127.0.0.1", 9))
    for kind in ("haproxy", "nginx"):
        with pytest.raises(ConfigurationError, match="cannot check EdDSA.*or render envoy"):
            render(kind, table(tokens, 8440, upstream, issuers=issuers), keys, tmp_path)
    put_files("envoy", tmp_path, render("envoy", table(tokens, 8440, upstream, issuers=issuers), keys, tmp_path))
    assert check("envoy", tmp_path).is_valid
    by_address = Upstream("DE", HostPort("127.0.0.1", 9), tmp_path / "ca.crt")
    plain_issuers, plain_keys = issuers_of(tokens)
    with pytest.raises(ConfigurationError, match="set regions.DE.server_name"):
        render("haproxy", table(tokens, 8440, by_address, issuers=plain_issuers), plain_keys, tmp_path)
    dotted, keys = issuers_of(tokens, claim="https://idp.example/country")
    with pytest.raises(ConfigurationError, match="reads a dot"):
        render("envoy", table(tokens, 8440, upstream, issuers=dotted), keys, tmp_path)


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_a_claim_with_dots_and_slashes_is_read(kind: str, tokens: TokenWorld, tmp_path: Path) -> None:
    claim = "https://idp.example/country"
    issuers, keys = issuers_of(tokens, claim=claim)
    region, folder, port = SecureRegion(tmp_path), tmp_path / kind, free_port()
    upstream = Upstream("DE", HostPort("localhost", region.port), Path(region.certificate))
    put_files(kind, folder, render(kind, table(tokens, port, upstream, issuers=issuers), keys, folder))
    with running(COMMANDS[kind](folder), port, tmp_path / "log"):
        wait_until(lambda: post(port, tokens.token(None, **{claim: "DE"}))[0] == 200, 5, what="an answer")
        assert post(port, tokens.token("DE"))[0] == 451


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_broken_is_found_by_the_gateway_s_own_program(kind: str, tokens: TokenWorld, tmp_path: Path) -> None:
    issuers, keys = issuers_of(tokens)
    upstream = Upstream("DE", HostPort("localhost", 9), tmp_path / "nowhere.crt")
    put_files(
        kind, tmp_path / kind, render(kind, table(tokens, 8440, upstream, issuers=issuers), keys, tmp_path / kind)
    )
    checked = check(kind, tmp_path / kind)
    assert checked.is_valid is False and "nowhere.crt" in checked.text


@pytest.mark.parametrize("kind", KINDS)
def test_a_country_of_hundreds_of_parts_is_taken(kind: str, tokens: TokenWorld, tmp_path: Path) -> None:
    issuers, keys = issuers_of(tokens)
    upstream = Upstream("GB", HostPort("127.0.0.1", 9))
    routing = RoutingTable((ServingRegion("GB", frozenset(with_parts(["GB", "US", "FR"], others=()))),))
    whole = GatewayTable(listen=HostPort("127.0.0.1", 8440), issuers=issuers, regions={"GB": upstream}, routing=routing)
    assert len(routing.codes()) > 300
    put_files(kind, tmp_path / kind, render(kind, whole, keys, tmp_path / kind))
    checked = check(kind, tmp_path / kind)
    assert checked.is_valid, checked.text
