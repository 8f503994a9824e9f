"""The way to a coordinator: HTTP over mutual TLS, one request at a time on one connection, of the standard library.

    with HubConnection(HubAddress("127.0.0.1"), Credentials.of(folder)) as connection:
        status, body = connection.post("/fedsov/v1/fleet/pull", headers={...}, timeout=40.0)

A connection that broke is made anew at the next request. Nothing else is ever connected to, and no proxy is asked for.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from fedsov.errors import CertificateRefused, ConfigurationError, FedsovError
from fedsov.keys.certificates import HUB, identity_of
from fedsov.keys.revocation import check_not_revoked, read
from fedsov.runtimes.deployment.paths import WAITS
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import PORT, HubAddress

T = TypeVar("T")
SECONDS = 30.0
"""Seconds that an answer is waited for, where a request says nothing else."""
OUTAGE = 300.0
"""Seconds for which a coordinator that is away is asked again."""
FRESH = 30.0
"""Seconds after which a connection is made anew: whoever answers is checked again, also by a newer list of revoked."""
LARGEST_ANSWER = 1 << 30
"""Bytes of an answer; a larger one is not read."""
LARGEST_UNSAID = 1 << 20
"""The same of an answer that does not say its length, which none of a coordinator's is but an error."""
FORBIDDEN = 403


class HubUnreachable(FedsovError):
    """The coordinator cannot be reached, or broke off; the message says where and why."""


class HubRefused(FedsovError):
    """The coordinator does not take this party's request; `status` is HTTP's."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def parse_address(text: str) -> HubAddress:
    """An address as HOST:PORT, or HOST alone for the usual port. Raises ConfigurationError."""
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        host, port = text, str(PORT)
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigurationError(f"the hub's address is {text!r}; expected HOST:PORT, such as hub.example:{PORT}")
    return HubAddress(host.strip("[]"), int(port))


@dataclass(frozen=True, slots=True)
class Credentials:
    """The files by which a party is known, and by which it knows the hub.

    Attributes:
        authority: the certificate of the authority that it believes.
        certificate, key: its own.
        revoked: the list of revoked certificates, where it keeps one; None where it has none.
        hub_key: the key (Ed25519, hexadecimal) that signs that list.
    """

    authority: Path
    certificate: Path
    key: Path
    revoked: Path | None = None
    hub_key: str = ""

    @staticmethod
    def of(folder: DeploymentFolder, hub_key: str = "") -> Credentials:
        """A party's own; with the hub's key it looks for the hub's certificate among the revoked ones."""
        return Credentials(folder.authority, folder.certificate, folder.key, folder.revoked, hub_key)

    @staticmethod
    def of_operator(folder: DeploymentFolder) -> Credentials:
        """Those by which jobs are submitted from the hub's home."""
        return Credentials(folder.authority, folder.operator_certificate, folder.operator_key)

    def check_hub(self, certificate: bytes) -> None:
        """Raises CertificateRefused where a certificate (DER) that the authority signed is no hub's, or was revoked."""
        who = identity_of(certificate)
        if who.role != HUB:
            raise CertificateRefused(f"{who.name}, a {who.role}, answers in the hub's place")
        if self.hub_key and self.revoked is not None and self.revoked.exists():
            check_not_revoked(read(self.revoked.read_bytes(), self.hub_key), who.serial, who.name)

    def context(self) -> ssl.SSLContext:
        """TLS 1.3 towards a party that the authority signed. Raises ConfigurationError for files that are not there."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            context.load_verify_locations(self.authority)
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"the certificate of this party cannot be used ({self.certificate}: {error}); "
                "`fedsov doctor` says what is missing"
            ) from None
        return context


class HubConnection:
    """One connection. Each thread has its own.

    Args:
        address: where the coordinator listens.
        credentials: by which it and this party know each other; read again at every new connection, so that a
            certificate may be renewed while the party goes on.
    """

    def __init__(self, address: HubAddress, credentials: Credentials) -> None:
        self.address, self._credentials = address, credentials
        self._connection: http.client.HTTPSConnection | None = None
        self._made = 0.0

    def __enter__(self) -> HubConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def another(self) -> HubConnection:
        """Another connection to the same place, for another thread."""
        return HubConnection(self.address, self._credentials)

    def interrupt(self) -> None:
        """Breaks off the request under way, from another thread or a signal's handler: it raises HubUnreachable."""
        if self._connection is not None and self._connection.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._connection.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes the connection; the next request makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def post(
        self, path: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None, timeout: float = SECONDS
    ) -> tuple[int, bytes]:
        """A request's status and body.

        Raises:
            HubUnreachable: nobody answered, or the answer broke off. Whether the request was served is not known.
            HubRefused: the answer is 400 or above.
        """
        return self._ask("POST", path, body, headers or {}, timeout)

    def get(self, path: str, *, timeout: float = SECONDS) -> Any:
        """A JSON answer. Raises as `post`."""
        _, body = self._ask("GET", path, b"", {}, timeout)
        return json.loads(body or b"null")

    def post_json(self, path: str, value: Any, *, headers: Mapping[str, str] | None = None, wait: float = 0.0) -> Any:
        """A JSON request's JSON answer; the coordinator waits up to `wait` seconds for one. Raises as `post`."""
        waiting = {**(headers or {}), WAITS: f"{wait:g}"} if wait else headers
        _, body = self.post(path, json.dumps(value).encode(), headers=waiting, timeout=wait + SECONDS)
        return json.loads(body or b"null")

    def _ask(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], timeout: float
    ) -> tuple[int, bytes]:
        try:
            connection = self._connected(timeout)
            connection.request(method, path, body=body or None, headers=dict(headers))
            response = connection.getresponse()
            status, answer = response.status, _body(response)
        except KeyboardInterrupt:
            self.close()  # in the midst of a request; the next one needs another connection
            raise
        except CertificateRefused as error:
            self.close()
            raise HubUnreachable(f"the hub at {self.address} is not believed: {error}") from None
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise HubUnreachable(f"the hub at {self.address} cannot be reached: {_reason(error)}") from None
        if status == FORBIDDEN:
            self.close()  # its certificate may be renewed by the next request
        if status >= 400:
            raise HubRefused(status, why_refused(answer) or f"the hub answered with status {status}")
        return status, answer

    def _connected(self, timeout: float) -> http.client.HTTPSConnection:
        if time.monotonic() - self._made > FRESH:
            self.close()
        if self._connection is None:
            context = self._credentials.context()
            self._connection = http.client.HTTPSConnection(
                self.address.host, self.address.port, timeout=timeout, context=context
            )
            self._connection.connect()
            self._credentials.check_hub(self._connection.sock.getpeercert(binary_form=True) or b"")
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._made = time.monotonic()
        self._connection.timeout = timeout
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout)
        return self._connection


def _body(response: http.client.HTTPResponse) -> bytes:
    """An answer's body. Raises HTTPException for one that is too large."""
    if response.length is None:
        return response.read(LARGEST_UNSAID)
    if response.length > LARGEST_ANSWER:
        raise http.client.HTTPException(f"it answers with {response.length:,} bytes")
    return response.read()


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not believed ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def why_refused(answer: bytes) -> str:
    """The reason in a refusal's body; "" where it says none."""
    try:
        return str(json.loads(answer)["error"])
    except (ValueError, KeyError, TypeError):
        return ""


@dataclass(slots=True)
class Pause:
    """Longer and longer between attempts, until one succeeds; cut short by a stop. In seconds."""

    stop: threading.Event
    first: float = 0.1
    most: float = 5.0
    seconds: float = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """The next one is the shortest."""
        self.seconds = self.first

    def wait(self) -> bool:
        """Waits; True where it was told to stop."""
        told, self.seconds = self.stop.wait(self.seconds), min(self.most, 2 * self.seconds)
        return told


def again(
    ask: Callable[[], T],
    *,
    outage: float = OUTAGE,
    say: Callable[[str], None] = lambda line: None,
    stop: threading.Event | None = None,
) -> T:
    """What a request gives, made again while the coordinator is away, for `outage` seconds at most.

    Raises HubRefused; HubUnreachable after that time, or once `stop` is set.
    """
    until, told = time.monotonic() + outage, False
    pause = Pause(stop or threading.Event(), first=0.05, most=1.0)
    while True:
        try:
            answer = ask()
        except HubUnreachable as error:
            if time.monotonic() > until or pause.wait():
                raise
            if not told:
                say(f"waiting: {error}; it is asked again for {outage:.0f} s")
            told = True
        else:
            if told:
                say("the hub answers again")
            return answer
