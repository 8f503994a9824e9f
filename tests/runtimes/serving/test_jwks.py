"""Keys from files and URLs: rotation, a URL that is away, and what is not followed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fedsov.errors import ConfigurationError
from fedsov.inference.tokens.issuers import IssuerTable
from fedsov.inference.tokens.token_check import KeyUnknown, TokenCheck, TokenRefused
from fedsov.runtimes.serving.jwks import LEAST, LONGEST, REFRESH, KeySources, fetch
from tests.inference.token_attacks import ISSUER, TokenWorld


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Provider:
    """An identity provider's URL, in memory."""

    def __init__(self, content: bytes) -> None:
        self.content, self.asked, self.is_away = content, 0, False

    def __call__(self, url: str) -> bytes:
        self.asked += 1
        if self.is_away:
            raise ConfigurationError(f"{url} does not answer: timed out")
        return self.content


@pytest.fixture(scope="module")
def worlds() -> tuple[TokenWorld, TokenWorld]:
    first = TokenWorld.new()
    return first, TokenWorld(first.stranger, first.rsa, first.curve)


def table(world: TokenWorld, jwks: str) -> IssuerTable:
    return IssuerTable.from_json(json.loads(world.issuers(jwks)))


def headers(token: str) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", b"Bearer " + token.encode())]


URL = "https://idp.example/jwks.json"


def renamed(world: TokenWorld, key_id: str) -> bytes:
    """The issuer's keys, the first under another id."""
    plain = json.loads(world.jwks())
    plain["keys"][0]["kid"] = key_id
    return json.dumps(plain).encode()


def test_a_token_of_a_key_that_was_just_rotated_in_passes_after_one_fetch(worlds):
    world, _ = worlds
    provider, clock = Provider(world.jwks()), Clock()
    sources = KeySources(table(world, URL), fetch=provider, clock=clock)
    check = TokenCheck(table(world, URL), sources.look())
    provider.content = renamed(world, "k2")
    clock.now += LEAST
    with pytest.raises(KeyUnknown) as unknown:
        check.check(headers(world.token("DE", kid="k2")), time.time())
    check.replace_keys(sources.renew(unknown.value.issuer))
    assert check.check(headers(world.token("DE", kid="k2")), time.time()).key_id == "k2"
    with pytest.raises(TokenRefused):
        check.check(headers(world.token("DE", kid="k1")), time.time())


def test_unknown_keys_make_at_most_one_fetch_in_a_while_however_many_ask(worlds):
    world, _ = worlds
    provider, clock = Provider(world.jwks()), Clock()
    sources = KeySources(table(world, URL), fetch=provider, clock=clock)
    sources.look()
    clock.now += LEAST
    asking = [threading.Thread(target=sources.renew, args=(ISSUER,)) for _ in range(8)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    for _ in range(100):
        assert set(sources.renew(ISSUER)[ISSUER].keys) == {"k1", "e1"}
        assert set(sources.renew("https://nobody.example")) == {ISSUER}
    assert provider.asked == 2


def test_a_url_is_asked_again_after_a_while_and_sooner_where_it_failed(worlds):
    world, _ = worlds
    provider, clock = Provider(world.jwks()), Clock()
    sources = KeySources(table(world, URL), fetch=provider, clock=clock)
    for later, asked in ((0, 1), (REFRESH - 1, 1), (1, 2)):
        clock.now += later
        sources.look()
        assert provider.asked == asked
    provider.is_away = True
    clock.now += REFRESH
    sources.look()
    clock.now += LEAST
    sources.look()
    assert provider.asked == 4


def test_where_the_url_is_away_the_old_keys_go_on_for_a_day_and_no_longer_and_it_is_said(worlds):
    world, _ = worlds
    provider, clock = Provider(world.jwks()), Clock()
    sources = KeySources(table(world, URL), fetch=provider, clock=clock)
    sources.look()
    provider.is_away = True
    clock.now += LONGEST
    assert set(sources.look()[ISSUER].keys) == {"k1", "e1"}
    assert "the keys read before go on" in sources.faults[0]
    clock.now += LEAST
    assert sources.look() == {}
    assert "no token of it is believed" in sources.faults[0]
    provider.is_away = False
    clock.now += LEAST
    assert set(sources.look()) == {ISSUER} and sources.faults == ()


def test_what_is_no_key_set_changes_nothing_and_is_said(worlds):
    world, _ = worlds
    provider, clock = Provider(world.jwks()), Clock()
    sources = KeySources(table(world, URL), fetch=provider, clock=clock)
    sources.look()
    for content in (b"<html>", b'{"keys": []}'):
        provider.content = content
        clock.now += REFRESH
        assert set(sources.look()[ISSUER].keys) == {"k1", "e1"}
        assert "the keys read before go on" in sources.faults[0]


def test_a_file_is_read_again_when_it_is_another(worlds, tmp_path):
    world, _ = worlds
    path = tmp_path / "jwks.json"
    sources = KeySources(table(world, str(path)))
    assert sources.look() == {} and "cannot be read" in sources.faults[0]
    path.write_bytes(world.jwks())
    assert set(sources.look()[ISSUER].keys) == {"k1", "e1"} and sources.faults == ()
    path.write_bytes(renamed(world, "newer-key"))
    assert "newer-key" in sources.renew(ISSUER)[ISSUER].keys


@pytest.fixture
def site() -> Iterator[dict[str, object]]:
    """A server on this machine whose paths answer as a test says: (status, headers, body)."""
    answers: dict[str, object] = {}

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, more, body = answers[self.path]
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    answers["url"] = f"http://127.0.0.1:{server.server_address[1]}"
    yield answers
    server.shutdown()


def test_a_fetch_follows_the_same_host_alone_and_takes_a_bounded_answer(site):
    url = str(site["url"])
    site["/a"] = (302, {"Location": "/b"}, b"")
    site["/b"] = (200, {}, b"{}")
    site["/away"] = (302, {"Location": "http://127.0.0.1:1/b"}, b"")
    site["/round"] = (302, {"Location": "/round"}, b"")
    site["/large"] = (200, {}, b" " * (2**18 + 1))
    site["/gone"] = (404, {}, b"")
    assert fetch(f"{url}/a") == b"{}"
    for path, words in {
        "/away": "sends elsewhere",
        "/round": "from address to address",
        "/large": "more than 262,144 bytes",
        "/gone": "answers 404",
    }.items():
        with pytest.raises(ConfigurationError, match=words):
            fetch(url + path)
    with pytest.raises(ConfigurationError, match="does not answer"):
        fetch("http://127.0.0.1:1/jwks.json")


def test_a_fetch_believes_no_certificate_that_nobody_vouches_for(tmp_path):
    """TLS with a certificate of its own making."""
    import ssl

    from tests.inference.gateway.certificates import self_signed

    certificate, key = self_signed(tmp_path, "localhost")
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.raises(ConfigurationError, match="certificate verify failed"):
        fetch(f"https://localhost:{server.server_address[1]}/jwks.json")
    server.shutdown()
    assert Path(certificate).exists()
