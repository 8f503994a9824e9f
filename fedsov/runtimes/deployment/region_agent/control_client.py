"""The way from a region to the control plane's service: gRPC over mutual TLS, on one connection, which any thread uses.

    with ControlClient(address, Credentials.of(folder, hub_key)) as client:
        client.hello()
        client.watch({"approved": 7}, wait=20.0)      # {'approved': 8}, or {} in time
        content = client.fetch("artifacts/" + sha256, most=1 << 28)

A call that fails is not made again here. `HubUnreachable` is an outage, `ControlRefused` an answer.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from itertools import chain
from types import TracebackType
from typing import Any, TypeVar

import grpc

from fedsov.errors import CertificateRefused, ConfigurationError, FedsovError
from fedsov.protocol.control import PROTOCOL
from fedsov.protocol.control import control_pb2 as control
from fedsov.runtimes.deployment.control.calls import CALLS, OPTIONS
from fedsov.runtimes.deployment.hub_connection import Credentials, HubUnreachable
from fedsov.storage.party_file import HubAddress

T = TypeVar("T")
SECONDS = 30.0
"""Seconds that an answer is waited for."""
SECONDS_OF_REPORT = 5.0
"""The same of a report, which comes again soon: one that fails says that the hub is away."""
KEEPALIVE = (
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


class ControlRefused(FedsovError):
    """The control plane does not do what a region asks for; `code` is gRPC's word."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


class ControlClient:
    """A connection to the service.

    Args:
        address: where it listens.
        credentials: by which both know each other; read again where they were renewed.
    """

    def __init__(self, address: HubAddress, credentials: Credentials) -> None:
        self.address, self._credentials = address, credentials
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._stamp: tuple[int, ...] = ()

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection, and with it every call under way; the next one makes another."""
        with self._lock:
            if self._channel is not None:
                self._channel.close()
            self._channel = None

    def hello(self, *, timeout: float = SECONDS) -> control.HelloAnswer:
        """The first call. Raises as each call."""
        asked = control.HelloRequest(protocol=PROTOCOL, software=version("fedsov"))
        answer: control.HelloAnswer = self._ask("Hello", asked, timeout)
        return answer

    def watch(self, seen: Mapping[str, int], *, wait: float) -> dict[str, int]:
        """The subjects of which there is something newer, with their numbers; none where the wait ended first."""
        asked = control.WatchRequest(seen=dict(seen), wait_ms=int(wait * 1000))
        return dict(self._ask("Watch", asked, wait + SECONDS).newest)

    def fetch(self, path: str, *, most: int, timeout: float = SECONDS) -> bytes:
        """A file. Raises ControlRefused for one that is larger than `most` bytes; FileNotFoundError."""
        return b"".join(self.pieces(path, most=most, timeout=timeout))

    def pieces(self, path: str, *, most: int, timeout: float = SECONDS) -> Iterator[bytes]:
        """A file, a piece at a time, as it comes; what is longer than `most` bytes is broken off. Raises as `fetch`."""
        size = 0
        try:
            stream = self._connected().unary_stream(
                CALLS["Fetch"].path, CALLS["Fetch"].write, control.Piece.FromString
            )(control.FetchRequest(path=path), timeout=timeout)
            for piece in stream:
                size += len(piece.content)
                if max(size, piece.size) > most:
                    stream.cancel()
                    raise ControlRefused(
                        "OUT_OF_RANGE", f"{path} at the hub is larger than {most:,} bytes, the most taken"
                    )
                yield piece.content
        except grpc.RpcError as error:
            raise self._problem(error, path) from None

    def stream(self, path: str, *, most: int, timeout: float = SECONDS) -> Iterator[bytes] | None:
        """As `pieces`; None for a file that the hub does not have for this region."""
        pieces = self.pieces(path, most=most, timeout=timeout)
        try:
            first = next(pieces)
        except FileNotFoundError:
            return None
        return chain([first], pieces)

    def report(self, running: control.RunningReport) -> control.Receipt:
        """What runs in the region."""
        receipt: control.Receipt = self._ask("Report", running, SECONDS_OF_REPORT)
        return receipt

    def candidate(self, request: control.CandidateRequest) -> control.CandidateAnswer:
        """A version that waits for this region's signature."""
        answer: control.CandidateAnswer = self._ask("Candidate", request, SECONDS)
        return answer

    def sign_lists(self, lists: control.HalfSignedLists) -> control.RoleDrafts:
        """The region's half of its next list and of the way back; what it signs next."""
        drafts: control.RoleDrafts = self._ask("SignLists", lists, SECONDS)
        return drafts

    def sign_roles(self, signatures: control.RoleSignatures) -> control.Receipt:
        """The region's signatures of the metadata of both."""
        receipt: control.Receipt = self._ask("SignRoles", signatures, SECONDS)
        return receipt

    def release_metrics(self, release: control.MetricsRelease) -> control.Receipt:
        """Anonymous metrics that passed the region's gate."""
        receipt: control.Receipt = self._ask("ReleaseMetrics", release, SECONDS)
        return receipt

    def witness(self, document: bytes) -> bytes:
        """What this region says of its ledger and of others' (`WitnessQuestion`); the hub's `WitnessAnswer`."""
        answer: control.WitnessMessage = self._ask("Witness", control.WitnessMessage(document=document), SECONDS)
        return bytes(answer.document)

    def answer_configuration(self, answer: control.ConfigurationAnswer) -> control.Receipt:
        """The settings that are in force in the region."""
        receipt: control.Receipt = self._ask("AnswerConfiguration", answer, SECONDS)
        return receipt

    def _ask(self, name: str, request: Any, timeout: float) -> Any:
        call = CALLS[name]
        try:
            asked = self._connected().unary_unary(call.path, call.write, call.answer.FromString)
            return asked(request, timeout=timeout)
        except grpc.RpcError as error:
            raise self._problem(error, name) from None
        except ValueError:  # gRPC's, where another thread closed the channel meanwhile
            raise HubUnreachable(f"the connection to the control plane at {self.address} was closed") from None

    def _connected(self) -> grpc.Channel:
        """The channel; a new one where the certificate or the list of revoked ones changed.

        Raises HubUnreachable where nobody answers, or somebody who is not the hub; ConfigurationError.
        """
        with self._lock:
            stamp = tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in self._files())
            if self._channel is not None and stamp == self._stamp:
                return self._channel
            self._check_hub()
            if self._channel is not None:
                self._channel.close()
            self._channel, self._stamp = self._new_channel(), stamp
            return self._channel

    def _files(self) -> list[Any]:
        own = self._credentials
        return [path for path in (own.authority, own.certificate, own.key, own.revoked) if path is not None]

    def _check_hub(self) -> None:
        """gRPC says nothing of the other's certificate but that the authority signed it for this host: looked at here.

        Raises HubUnreachable.
        """
        context = self._credentials.context()
        context.set_alpn_protocols(["h2"])
        try:
            with (
                socket.create_connection((self.address.host, self.address.port), timeout=SECONDS) as plain,
                context.wrap_socket(plain, server_hostname=self.address.host) as secured,
            ):
                self._credentials.check_hub(secured.getpeercert(binary_form=True) or b"")
        except CertificateRefused as error:
            raise HubUnreachable(f"the hub at {self.address} is not believed: {error}") from None
        except OSError as error:
            why = getattr(error, "verify_message", None) or error.strerror or type(error).__name__
            raise HubUnreachable(f"the control plane at {self.address} cannot be reached: {why}") from None

    def _new_channel(self) -> grpc.Channel:
        own = self._credentials
        try:
            texts = own.authority.read_bytes(), own.key.read_bytes(), own.certificate.read_bytes()
        except OSError as error:
            raise ConfigurationError(
                f"the certificate of this party cannot be used ({error}); `fedsov doctor` says what is missing"
            ) from None
        host = f"[{self.address.host}]" if ":" in self.address.host else self.address.host
        options = (*OPTIONS, *KEEPALIVE)
        return grpc.secure_channel(f"{host}:{self.address.port}", grpc.ssl_channel_credentials(*texts), options)

    def _problem(self, error: Any, what: str) -> FedsovError | FileNotFoundError:
        code, why = error.code(), str(error.details() or "")
        if code in _AWAY:
            return HubUnreachable(f"the control plane at {self.address} cannot be reached: {why or code.name}")
        if code == grpc.StatusCode.NOT_FOUND:
            return FileNotFoundError(f"{what} is not at the hub: {why}")
        return ControlRefused(code.name, why or f"the control plane answered {code.name}")
