"""The keys of issuers, from files and URLs: read again when they change, fetched again when a token names a new one.

    sources = KeySources(table)
    check = TokenCheck(table, sources.look())           # at the start, and every second or so: what is due is fetched
    try:
        claims = check.check(headers, now)
    except KeyUnknown as refused:                        # a provider may have rotated its keys a moment ago
        check.replace_keys(sources.renew(refused.issuer))    # in a thread: it may wait for the network
        claims = check.check(headers, now)

| when | what happens |
|---|---|
| a file changed | it is read again at the next look |
| a URL was fetched `REFRESH` seconds ago | it is fetched again |
| a token names an unknown key | its issuer's URL is fetched, at most once in `LEAST` seconds, whoever asks how often |
| the URL does not answer, or answers what is no key set | the old keys go on, and `faults` says so |
| it has not answered for `LONGEST` seconds | the old keys are dropped, and `faults` says so: nobody of it is believed |

A fetch is over TLS with the system's authorities (http to this machine alone), takes at most `SECONDS` and 256 KiB,
asks no proxy, and follows a redirect to the same host and scheme alone.
"""

from __future__ import annotations

import http.client
import logging
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from fedsov.errors import ConfigurationError, FedsovError
from fedsov.inference.tokens.issuers import Issuer, IssuerTable
from fedsov.inference.tokens.key_sets import LARGEST, KeySet, read_key_set
from fedsov.storage.bounded_files import TooLarge, read_bounded

REFRESH, LEAST, LONGEST = 300.0, 10.0, 24 * 3600.0
SECONDS = 5.0
MOST_REDIRECTS = 3
_LOG = logging.getLogger("fedsov.serving")

Fetch = Callable[[str], bytes]
"""The bytes at a URL. Raises ConfigurationError where there are none."""


def fetch(url: str) -> bytes:
    """What a URL answers. Raises ConfigurationError for no answer, another than 200, too much, or another host."""
    deadline, address = time.monotonic() + SECONDS, url
    for _ in range(MOST_REDIRECTS + 1):
        try:
            content, location = _asked(address, deadline)
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise ConfigurationError(f"{address} does not answer: {problem or type(problem).__name__}") from None
        if location is None:
            return content
        other = urljoin(address, location)
        if urlsplit(other)[:2] != urlsplit(url)[:2]:
            raise ConfigurationError(f"{url} sends elsewhere, to {urlsplit(other).netloc}; write that address itself")
        address = other
    raise ConfigurationError(f"{url} sends from address to address; write the last one itself")


def _asked(url: str, deadline: float) -> tuple[bytes, str | None]:
    """The content, or where it is instead. Raises OSError, HTTPException, and ConfigurationError for another status."""
    parts = urlsplit(url)
    left = max(0.1, deadline - time.monotonic())
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "https":
        secure = ssl.create_default_context()
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(host, port, timeout=left, context=secure)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=left)
    try:
        path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        connection.request("GET", path, headers={"Accept": "application/json", "Connection": "close"})
        answer = connection.getresponse()
        if answer.status in (301, 302, 303, 307, 308):
            return b"", answer.getheader("Location") or ""
        if answer.status != 200:
            raise ConfigurationError(f"{url} answers {answer.status}")
        return _bounded(answer, url, deadline), None
    finally:
        connection.close()


def _bounded(answer: http.client.HTTPResponse, url: str, deadline: float) -> bytes:
    content = b""
    while piece := answer.read1(65536):
        content += piece
        if len(content) > LARGEST:
            raise ConfigurationError(f"{url} answers with more than {LARGEST:,} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError("it takes too long")
    return content


@dataclass(slots=True)
class _Source:
    """What is known of one issuer's keys.

    Attributes:
        seen: what the file looked like when it was read.
        tried, answered: when its URL was asked last, and when it last answered with keys.
    """

    issuer: Issuer
    keys: KeySet = field(default_factory=KeySet)
    fault: str = ""
    seen: tuple[int, int, int] | None = None
    tried: float = float("-inf")
    answered: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)


class KeySources:
    """The keys of a table's issuers; no call raises for a source that cannot be read."""

    def __init__(
        self, table: IssuerTable, *, fetch: Fetch = fetch, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.table = table
        self._sources = {issuer.issuer: _Source(issuer) for issuer in table.issuers}
        self._fetch, self._clock = fetch, clock

    @property
    def keys(self) -> Mapping[str, KeySet]:
        """The keys of each issuer that has some."""
        return {name: source.keys for name, source in self._sources.items() if source.keys.keys}

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with a source, in a sentence each."""
        return tuple(source.fault for source in self._sources.values() if source.fault)

    def look(self) -> Mapping[str, KeySet]:
        """Reads the files that changed, fetches what is due, and returns the keys."""
        for source in self._sources.values():
            if not source.issuer.has_url:
                self._read(source)
            elif self._clock() - source.tried >= (REFRESH if source.keys.keys and not source.fault else LEAST):
                self._ask(source)
        return self.keys

    def renew(self, issuer: str) -> Mapping[str, KeySet]:
        """Looks for newer keys of an issuer, one of which a token named, and returns the keys of all.

        Of many that ask at once, one fetches and the others wait for it.
        """
        source = self._sources.get(issuer)
        if source is not None and source.issuer.has_url:
            self._ask(source)
        elif source is not None:
            self._read(source)
        return self.keys

    def _read(self, source: _Source) -> None:
        path = Path(source.issuer.jwks)
        with source.lock:
            try:
                about = path.stat()
                seen = (about.st_ino, about.st_size, about.st_mtime_ns)
                if seen == source.seen:
                    return
                source.seen = seen
                self._take(source, read_bounded(path, largest=LARGEST))
            except (OSError, TooLarge) as problem:
                self._fail(source, f"the keys of {source.issuer.issuer} cannot be read from {path}: {problem}")
            except FedsovError as problem:
                self._fail(source, str(problem))

    def _ask(self, source: _Source) -> None:
        with source.lock:
            if self._clock() - source.tried < LEAST:
                return  # this thread may have waited for another that asked
            source.tried = self._clock()
            try:
                self._take(source, self._fetch(source.issuer.jwks))
                source.answered = source.tried
            except FedsovError as problem:
                self._fail(source, str(problem))

    def _take(self, source: _Source, content: bytes) -> None:
        keys = read_key_set(content, source.issuer)
        for line in keys.ignored:
            if line not in source.keys.ignored:
                _LOG.warning("keys of %s: %s; it is left out", source.issuer.issuer, line)
        if source.keys.keys and keys.keys != source.keys.keys:
            _LOG.info("%s has other keys now: %s", source.issuer.issuer, ", ".join(sorted(keys.keys)))
        source.keys, source.fault = keys, ""

    def _fail(self, source: _Source, problem: str) -> None:
        """Keeps the old keys, but those of a URL no longer than `LONGEST`."""
        age = self._clock() - source.answered
        if source.issuer.has_url and source.keys.keys and age > LONGEST:
            source.keys = KeySet()
        goes_on = "the keys read before go on" if source.keys.keys else "no token of it is believed"
        fault = f"{problem}; {goes_on}"
        if fault != source.fault:
            _LOG.error("%s", fault)
        source.fault = fault
