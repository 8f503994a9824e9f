"""The service that regions call: grpc.aio over mutual TLS, one long poll a region, files in pieces.

    service = ControlService(database, Access(folder), answers, hub="hub")
    port = await service.start("127.0.0.1:9093", credentials)
    ...
    await service.stop()

It keeps nothing that the database does not: any number of these may run beside each other, behind one address, and a
region's next call may reach another one. Who calls is known by the certificate and by nothing that a message says.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import grpc
from google.protobuf.json_format import MessageToDict

from fedsov.control_plane.database.bell import ChangeBell
from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.database.notices import EVERYBODY, Notices, all_notices, unseen
from fedsov.errors import FedsovError
from fedsov.protocol.control import PROTOCOL, SERVICE
from fedsov.protocol.control import control_pb2 as control
from fedsov.runtimes.deployment.control.answers import ControlAnswers, NotAnswered
from fedsov.runtimes.deployment.control.callers import Callers, TooMany
from fedsov.runtimes.deployment.control.calls import CALLS, OPTIONS, PIECE, Call
from fedsov.runtimes.deployment.control.running_reports import RunningReports
from fedsov.runtimes.deployment.hub.access import Access, Caller, NotAllowed
from fedsov.runtimes.deployment.hub.bells import Bells
from fedsov.runtimes.deployment.hub_connection import Credentials

LONGEST_WAIT = 25.0
"""Seconds of a long poll."""
MOST_AT_ONCE = 8192
"""Calls of all regions under way."""
PENDING = (
    ("grpc.server.max_pending_requests", MOST_AT_ONCE),
    ("grpc.server.max_pending_requests_hard_limit", 2 * MOST_AT_ONCE),
)
"""gRPC cancels some calls of a queue of 1,000: as many come at once where a notice is for a thousand regions."""
GRACE = 2.0
MOST_COUNTER = 2**31 - 1
"""The highest number of an approved list that a database holds."""
AGAIN = 1.0
"""Seconds after which the database is asked again that did not answer."""
_LOG = logging.getLogger(__name__)
_REGION = "region"


class ControlService:
    """The service of one process.

    Args:
        hub: the hub's name.
        on_change: called in the event loop after each change of the database, often for nothing.
    """

    def __init__(
        self,
        database: Database,
        access: Access,
        answers: ControlAnswers,
        *,
        hub: str,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.instance = secrets.token_hex(8)
        self._database, self._answers, self._hub, self._on_change = database, answers, hub, on_change
        self._callers, self._bells = Callers(access), Bells()
        self._reports = RunningReports(database)
        self._notices: Notices = {}
        self._rung = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._server: Any = None
        self._opened = ExitStack()

    async def start(self, address: str, credentials: Credentials) -> int:
        """Serves from now on; the port. Raises OSError where it cannot listen there."""
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._reports.begin)
        await self._read_notices()

        def ring() -> None:
            loop.call_soon_threadsafe(self._rung.set)

        self._opened.enter_context(ChangeBell(self._database, ring))
        self._tasks = [asyncio.create_task(each) for each in (self._follow(), self._reports.write())]
        options = (*OPTIONS, *PENDING, ("grpc.so_reuseport", 0))
        self._server = grpc.aio.server(options=options, maximum_concurrent_rpcs=MOST_AT_ONCE)
        handlers = {name: self._handler(call) for name, call in CALLS.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        try:
            port = int(self._server.add_secure_port(address, _server_credentials(credentials)))
        except RuntimeError as problem:
            raise OSError(str(problem)) from None
        await self._server.start()
        return port

    async def stop(self) -> None:
        """Answers who waits, writes what was reported, and ends."""
        self._bells.close()
        if self._server is not None:
            await self._server.stop(GRACE)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._reports.flush()
        await asyncio.to_thread(self._opened.close)

    async def _follow(self) -> None:
        """Reads the notices after each change, and wakes the regions that have not seen one."""
        while True:
            await self._rung.wait()
            self._rung.clear()
            try:
                await self._read_notices()
                self._on_change()
            except Exception as problem:  # boundary: a database that is away for a moment ends no region's news
                _LOG.warning("news for regions could not be read (%s); they are read again", _kind(problem))
                await asyncio.sleep(AGAIN)
                self._rung.set()

    async def _read_notices(self) -> None:
        before = self._notices
        self._notices = await asyncio.to_thread(self._all_notices)
        for name in {region for (region, _), _ in self._notices.items() - before.items()}:
            if name == EVERYBODY:
                self._bells.ring_every(_REGION)
            else:
                self._bells.ring((_REGION, name))

    def _all_notices(self) -> Notices:
        with self._database.reading() as connection:
            return all_notices(connection)

    def _handler(self, call: Call) -> Any:
        wanted = {"Hello": self._hello, "Watch": self._watch, "Report": self._report}.get(call.name)
        if call.is_streamed:
            return grpc.unary_stream_rpc_method_handler(self._fetch, call.request.FromString, call.write)
        act = wanted or self._asked(_snake(call.name))

        async def answer(request: Any, context: Any) -> Any:
            try:
                who = self._callers.caller(context)
                with self._callers.admitted(who):
                    return await act(who, request, context)
            except Exception as problem:  # boundary: a call that fails ends with a status, and no other call with it
                await _refuse(context, problem)

        return grpc.unary_unary_rpc_method_handler(answer, call.request.FromString, call.write)

    def _asked(self, name: str) -> Callable[[Caller, Any, Any], Any]:
        act = getattr(self._answers, name)

        async def ask(who: Caller, request: Any, context: Any) -> Any:
            if act is None:
                raise NotAnswered(f"this hub does not answer {name}")
            return await asyncio.to_thread(act, who, request)

        return ask

    async def _hello(self, who: Caller, request: control.HelloRequest, context: Any) -> control.HelloAnswer:
        if request.protocol != PROTOCOL:
            raise FedsovError(
                f"{who.name} speaks version {request.protocol} of the control plane's protocol, and the hub "
                f"{PROTOCOL}; install the hub's version of fedsov, {_software()}, in the region"
            )
        return control.HelloAnswer(protocol=PROTOCOL, software=_software(), hub=self._hub, instance=self.instance)

    async def _watch(self, who: Caller, request: control.WatchRequest, context: Any) -> control.WatchAnswer:
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        context.add_done_callback(lambda _: None if gone.done() else gone.cancel())
        seen = dict(request.seen)

        async def take() -> dict[str, int] | None:
            """What it has not seen."""
            return unseen(self._notices, who.name, seen) or None

        newest = await self._bells.answer((_REGION, who.name), take, min(LONGEST_WAIT, request.wait_ms / 1000), gone)
        self._callers.check_still(who)
        return control.WatchAnswer(newest=newest or {})

    async def _report(self, who: Caller, request: control.RunningReport, context: Any) -> control.Receipt:
        if not 0 <= request.counter <= MOST_COUNTER:
            raise FedsovError(f"{who.name} says that it serves list {request.counter}, which no list can be")
        plain = MessageToDict(request, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        self._reports.take(who.name, plain)
        return control.Receipt()

    async def _fetch(self, request: control.FetchRequest, context: Any) -> AsyncIterator[control.Piece]:
        try:
            who = self._callers.caller(context)
            with self._callers.admitted(who):
                if self._answers.fetch is None:
                    raise NotAnswered("this hub has no files")
                content = await asyncio.to_thread(self._answers.fetch, who, request.path)
                async for piece in _pieces(content, request.offset):
                    yield piece
        except Exception as problem:  # boundary: a call that fails ends with a status, and no other call with it
            await _refuse(context, problem)


async def _pieces(content: bytes | Path, offset: int) -> AsyncIterator[control.Piece]:
    """A file from an offset on; at least one piece, which says its size."""
    if isinstance(content, bytes):
        yield control.Piece(content=content[offset : offset + PIECE], size=len(content))
        for start in range(offset + PIECE, len(content), PIECE):
            yield control.Piece(content=content[start : start + PIECE])
        return
    size = content.stat().st_size
    with content.open("rb") as file:
        file.seek(offset)
        yield control.Piece(content=await asyncio.to_thread(file.read, PIECE), size=size)
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield control.Piece(content=piece)


async def _refuse(context: Any, problem: Exception) -> NoReturn:
    """Ends a call by the status of its reason; what nobody foresaw is told by its kind alone."""
    codes = (
        (NotAllowed, grpc.StatusCode.PERMISSION_DENIED),
        (TooMany, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (FileNotFoundError, grpc.StatusCode.NOT_FOUND),
        (NotAnswered, grpc.StatusCode.UNIMPLEMENTED),
        (FedsovError, grpc.StatusCode.FAILED_PRECONDITION),
    )
    if isinstance(problem, grpc.aio.AbortError):
        raise problem
    for kind, code in codes:
        if isinstance(problem, kind):
            await context.abort(code, str(problem))
    _LOG.error("a call failed: %s", type(problem).__name__, exc_info=problem)
    await context.abort(grpc.StatusCode.INTERNAL, f"the hub failed over this call ({type(problem).__name__})")
    raise problem


def _kind(problem: Exception) -> str:
    return str(problem) if isinstance(problem, FedsovError) else type(problem).__name__


def _server_credentials(credentials: Credentials) -> Any:
    """TLS with a client's certificate; the hub's own is read again where it was renewed."""
    stamps: list[tuple[int, int]] = []

    def stamp() -> tuple[int, int]:
        return credentials.certificate.stat().st_mtime_ns, credentials.authority.stat().st_mtime_ns

    def configuration() -> Any:
        pair = (credentials.key.read_bytes(), credentials.certificate.read_bytes())
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=credentials.authority.read_bytes())

    def renewed() -> Any:
        """None where the files are those of before, or are being written."""
        with suppress(OSError):
            if stamps[-1:] != [now := stamp()]:
                renewal = configuration()
                stamps.append(now)
                return renewal
        return None

    stamps.append(stamp())
    return grpc.dynamic_ssl_server_credentials(configuration(), renewed, require_client_authentication=True)


def _software() -> str:
    return version("fedsov")


def _snake(name: str) -> str:
    """
    >>> _snake("SignLists")
    'sign_lists'
    """
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
