"""The coordinator: Flower's SuperLink behind mutual TLS, with long polls and whole messages in one request.

A party is who its certificate says: `spiffe://fedsov/region/NAME` reaches the fleet alone, the hub and its operators
reach runs and jobs. Each request is asked anew: a certificate that was taken back or has ended is refused at its next
request. The certificate is the authentication, so that clocks may differ. Nothing here looks into a message.

| request | who | what |
|---|---|---|
| POST /fedsov/v1/fleet/hello | region | its node, and this process's name; a region says so when it begins |
| POST /fedsov/v1/fleet/pull | region | the next message as a parcel; waits for one (`fedsov-wait`) |
| POST /fedsov/v1/fleet/push | region | the parcel of an answer |
| POST /fedsov/v1/fleet/beat, /bye | region | a sign of life, answered with the number of the list below; that it goes |
| POST /fedsov/v1/fleet/revoked | region | the list of revoked certificates, which the hub's ledger signed |
| GET /fedsov/v1/regions | hub, operator | the regions, and which are connected |
| POST /fedsov/v1/runs, /runs/beat, /runs/end | hub | begins a run of Flower's, says that it goes on, ends it |
| POST /fedsov/v1/grid/send, /receive | hub | a run's messages to regions; their answers, waited for |
| POST /fedsov/v1/jobs ... | operator | `fedsov.runtimes.deployment.hub.jobs` |
| /v1/fleet; /v1/control, /v1/runtime | region; hub, its own operator | Flower's own, where `--stock-port` asks |

A message that was handed out stays here until the region names it in its next pull: a broken connection gets it again.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool

from fedsov import __version__
from fedsov.errors import CertificateRefused, FedsovError, KeyUnavailable
from fedsov.keys.certificates import HUB_OPERATOR
from fedsov.protocol.message_types import VERSION
from fedsov.runtimes.deployment.hub.access import Access, Caller, NotAllowed
from fedsov.runtimes.deployment.hub.answer_space import AnswerSpace, SpaceFull, half_of_memory
from fedsov.runtimes.deployment.hub.bells import Bells
from fedsov.runtimes.deployment.hub.flower_server import Handed, RunTicket, RunUnknown, SuperLink
from fedsov.runtimes.deployment.hub.jobs import Jobs
from fedsov.runtimes.deployment.hub.party_requests import (
    Act,
    Answer,
    NotServed,
    PartyRequest,
    Receive,
    Scope,
    Send,
    body_of,
    disconnected,
    error_body,
    length_of,
    respond,
)
from fedsov.runtimes.deployment.parcels import ParcelDamaged
from fedsov.runtimes.deployment.paths import HAS, PREFIX, TOKEN

LARGEST_PARCEL, LARGEST_TEXT, LARGEST_WORD = 1 << 30, 1 << 26, 1 << 16
BUSY = 503
REGION, HUB, OPERATOR = "region", "hub", "operator"
PUSH = "fleet/push"
STOCK: Mapping[str, frozenset[str]] = {
    "/v1/fleet/": frozenset({REGION}),
    "/v1/control/": frozenset({HUB, OPERATOR}),
    "/v1/runtime/": frozenset({HUB, OPERATOR}),
    "/health": frozenset({REGION, HUB, OPERATOR}),
}


@dataclass(slots=True)
class _Region:
    """A region that said hello: its node, its certificate, and the message that it was handed and has not named yet."""

    node: int
    serial: str
    handed: Handed | None = None
    alone: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class _Poller:
    """A run's last answers, until it asks for the next."""

    run: int
    number: str = ""
    parcel: bytes | None = None
    alone: asyncio.Lock = field(default_factory=asyncio.Lock)


class Coordinator:
    """An ASGI application around Flower's; who calls stands in the scope's ``extensions`` (`tls_server`)."""

    def __init__(
        self,
        link: SuperLink,
        bells: Bells,
        access: Access,
        jobs: Jobs,
        *,
        serves_stock: bool = False,
        space: AnswerSpace | None = None,
    ) -> None:
        self._link, self._bells, self._access, self._jobs = link, bells, access, jobs
        self._space = space or AnswerSpace(half_of_memory())
        self._serves_stock = serves_stock
        self.instance = secrets.token_hex(8)
        self._regions: dict[str, _Region] = {}
        self._pollers: dict[str, _Poller] = {}
        fleet, hub, people = frozenset({REGION}), frozenset({HUB}), frozenset({HUB, OPERATOR})
        self._acts: dict[str, tuple[frozenset[str], Act]] = {
            "fleet/hello": (fleet, self._hello),
            "fleet/pull": (fleet, self._pull),
            "fleet/push": (fleet, self._push),
            "fleet/beat": (fleet, self._beat),
            "fleet/bye": (fleet, self._bye),
            "fleet/revoked": (fleet, self._list_revoked),
            "regions": (people, self._list_regions),
            "runs": (hub, self._begin_run),
            "runs/end": (hub, self._end_run),
            "runs/beat": (hub, self._beat_run),
            "grid/send": (hub, self._send),
            "grid/receive": (hub, self._receive),
            **{name: (frozenset(roles), act) for name, (roles, act) in jobs.acts().items()},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or hands it to Flower's application."""
        if scope["type"] != "http":
            await self._link.app(scope, receive, send)
            return
        try:
            who = await self._caller(scope)
            if not scope["path"].startswith(f"{PREFIX}/"):
                _check_stock(who, scope["path"], is_served=self._serves_stock)
                await self._link.app(scope, receive, send)
                return
            status, body = await self._answered(who, scope, receive)
        except NotAllowed as refused:
            status, body = 403, error_body(refused)
        except NotServed as refused:
            status, body = refused.status, error_body(refused)
        await respond(send, status, body)

    async def _caller(self, scope: Scope) -> Caller:
        """Who calls. A region that is refused by the certificate by which it said hello is connected no more."""
        try:
            return self._access.caller(scope)
        except NotAllowed:
            named = self._access.named(scope)
            region = None if named is None else self._regions.get(named.name)
            if named is not None and region is not None and (named.role, named.serial) == (REGION, region.serial):
                await self._forget(named.name)
            raise

    async def _answered(self, who: Caller, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        name = scope["path"].removeprefix(f"{PREFIX}/").rstrip("/")
        act = next((self._acts[key] for key in (name, name.partition("/")[0]) if key in self._acts), None)
        if act is None:
            raise NotServed(404, f"there is no {scope['path']}")
        roles, answer = act
        if who.role not in roles:
            raise NotAllowed(f"a certificate of a {who.role} does not reach {scope['path']}")
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        largest = LARGEST_PARCEL if name in (PUSH, "grid/send") else LARGEST_WORD if REGION in roles else LARGEST_TEXT
        size = length_of(headers, largest)
        async with AsyncExitStack() as reading:
            if name == PUSH:
                await reading.enter_async_context(self._room_for(who.name, size))
            return await self._acted(answer, PartyRequest(who, name, headers, await body_of(receive, size)), receive)

    @asynccontextmanager
    async def _room_for(self, region: str, size: int) -> AsyncIterator[None]:
        """Room for an answer that is read. Raises NotServed where there is none."""
        with ExitStack() as reading:
            try:
                reading.enter_context(self._space.reading(region, size))
            except SpaceFull:
                await self._end_those_over()
                try:
                    reading.enter_context(self._space.reading(region, size))
                except SpaceFull as full:
                    raise NotServed(BUSY, str(full)) from None
            yield

    async def _acted(self, act: Act, request: PartyRequest, receive: Receive) -> tuple[int, bytes]:
        """An act's answer to a request whose body is there."""
        request.gone = gone = asyncio.ensure_future(disconnected(receive))
        try:
            answer = await act(request)
        except NotAllowed:
            raise
        except (ParcelDamaged, RunUnknown, FedsovError) as error:
            raise NotServed(410 if isinstance(error, RunUnknown) else 400, str(error)) from None
        finally:
            gone.cancel()
        if answer is None:
            return 204, b""
        return 200, answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    async def _hello(self, request: PartyRequest) -> Answer:
        """A region begins: its node is registered under its certificate's key, and what it was handed is handed again.

        A node that another key of this region had is forgotten: its certificate was renewed. A poll that still
        waits, on a connection that broke without a word, loses no message.
        """
        node = await run_in_threadpool(self._link.register, request.who.name, request.who.public_key)
        region = self._regions.setdefault(request.who.name, _Region(node, request.who.serial))
        if region.node != node:
            await run_in_threadpool(self._link.unregister, region.node)
            region = self._regions[request.who.name] = _Region(node, request.who.serial)
        region.serial = request.who.serial
        await run_in_threadpool(self._link.beat, node)
        self._bells.ring(("regions", 0))
        return {"node": str(node), "instance": self.instance, "fedsov": __version__, "protocol": VERSION}

    def _region(self, request: PartyRequest) -> _Region:
        region = self._regions.get(request.who.name)
        if region is None:
            raise NotServed(409, "this coordinator began anew; say hello first")
        return region

    async def _pull(self, request: PartyRequest) -> Answer:
        region = self._region(request)
        await run_in_threadpool(self._link.beat, region.node)
        async with region.alone:
            if (handed := region.handed) is not None:
                goes_on = await run_in_threadpool(self._link.goes_on, handed.run)
                if goes_on and handed.message != request.headers.get(HAS, ""):
                    return handed.parcel
                await run_in_threadpool(self._link.delivered, handed.message)
                region.handed = None
            take = _in_a_thread(self._link.take_for_node, region.node)
            region.handed = await self._bells.answer(("node", region.node), take, request.wait, request.gone)
            self._check_still(request.who)
            return None if region.handed is None else region.handed.parcel

    def _check_still(self, who: Caller) -> None:
        """Raises NotAllowed for a party that was revoked while it waited; its message waits for its successor."""
        try:
            self._access.check(who)
        except (CertificateRefused, KeyUnavailable) as error:
            raise NotAllowed(str(error)) from None

    async def _push(self, request: PartyRequest) -> Answer:
        node, metas = self._region(request).node, list[Any]()

        def check(message: Any) -> str:
            metas.append(message.metadata)
            return "" if message.metadata.src_node_id == node else "a region answers for itself alone"

        stored: list[str] = await run_in_threadpool(lambda: self._link.store(request.body, check=check))
        for meta, name in zip(metas, stored, strict=True):
            if name:
                size = len(request.body) // len(stored)
                self._space.keep(request.who.name, int(meta.run_id), str(meta.reply_to_message_id), size)
        return stored

    async def _end_those_over(self) -> None:
        """Answers of runs that ended, or whose process was killed, wait for nobody."""
        goes_on = {run: await run_in_threadpool(self._link.goes_on, run) for run in self._space.runs()}
        self._space.ended(lambda run: not goes_on.get(run, True))

    async def _beat(self, request: PartyRequest) -> Answer:
        await run_in_threadpool(self._link.beat, self._region(request).node)
        return {"revoked": self._access.revocations}

    async def _list_revoked(self, request: PartyRequest) -> Answer:
        return self._access.list_of_revoked()

    async def _bye(self, request: PartyRequest) -> Answer:
        await self._forget(request.who.name)
        return None

    async def _forget(self, name: str) -> None:
        """A region is connected no more, until it says hello again."""
        region = self._regions.pop(name, None)
        if region is not None:
            await run_in_threadpool(self._link.sign_off, region.node)
            self._bells.ring(("regions", 0))

    async def _list_regions(self, request: PartyRequest) -> Answer:
        online = await run_in_threadpool(self._link.online)
        nodes = {name: region.node for name, region in self._regions.items()}
        return {
            "instance": self.instance,
            "regions": {
                name: {"node": str(nodes.get(name, 0)), "connected": nodes.get(name) in online}
                for name in sorted({*self._access.approved(REGION), *nodes})
            },
            "revoked": {
                name: f"{entry.at[:10]}: {entry.why}" for name, entry in sorted(self._access.revoked_regions().items())
            },
        }

    async def _begin_run(self, request: PartyRequest) -> Answer:
        application = str(request.json().get("application", ""))
        for token, poller in list(self._pollers.items()):  # of runs whose process was killed, nobody said the end
            if not await run_in_threadpool(self._link.goes_on, poller.run):
                self._pollers.pop(token, None)
                await run_in_threadpool(self._link.forget, poller.run)
        ticket = await run_in_threadpool(self._link.begin_run, application)
        return {"run": str(ticket.run), "token": ticket.token, "instance": self.instance}

    async def _end_run(self, request: PartyRequest) -> Answer:
        ticket = await self._ticket(request)
        await run_in_threadpool(self._link.end_run, ticket, str(request.json().get("status", "failed")))
        self._pollers.pop(ticket.token, None)
        return None

    async def _beat_run(self, request: PartyRequest) -> Answer:
        await self._ticket(request)
        return None

    async def _ticket(self, request: PartyRequest) -> RunTicket:
        return await run_in_threadpool(self._link.task_of, request.headers.get(TOKEN, ""))

    async def _send(self, request: PartyRequest) -> Answer:
        ticket = await self._ticket(request)

        def check(message: Any) -> str:
            return "" if message.metadata.run_id == ticket.run else "a message of another run"

        return await run_in_threadpool(lambda: self._link.store(request.body, check=check))

    async def _receive(self, request: PartyRequest) -> Answer:
        """Answers that came; the same ones where this request came before (`number`)."""
        ticket, body = await self._ticket(request), request.json()
        poller, number = self._pollers.setdefault(ticket.token, _Poller(ticket.run)), str(body.get("number", ""))
        async with poller.alone:
            if number and poller.number == number:
                return poller.parcel
            names = [str(name) for name in body["ids"]]
            take = self._taking(ticket.run, names)
            poller.parcel = await self._bells.answer(("run", ticket.run), take, request.wait, request.gone)
            poller.number = number
            return poller.parcel

    def _taking(self, run: int, names: list[str]) -> Callable[[], Awaitable[bytes | None]]:
        async def take() -> bytes | None:
            """The answers that there are; they wait no more."""
            waiting = self._space.waiting(names)
            parcel = await run_in_threadpool(self._link.take_replies, run, names)
            if parcel is not None:
                self._space.taken(waiting)
            return parcel

        return take


def _in_a_thread(act: Callable[..., Any], *given: Any) -> Callable[[], Awaitable[Any]]:
    return lambda: run_in_threadpool(act, *given)


def _check_stock(who: Caller, path: str, *, is_served: bool) -> None:
    if not is_served and path != "/health":
        raise NotAllowed(
            f"a certificate of a {who.role} does not reach {path}: Flower's own interfaces are served where the hub is "
            "begun with --stock-port"
        )
    roles = next((roles for prefix, roles in STOCK.items() if path.startswith(prefix)), frozenset[str]())
    if who.role not in roles:
        raise NotAllowed(f"a certificate of a {who.role} does not reach {path}")
    if who.role == OPERATOR and who.name != HUB_OPERATOR and path != "/health":
        raise NotAllowed(
            f"operator {who.name} does not reach {path}: Flower's own interfaces tell and stop runs of every operator, "
            "and are served to the hub's own alone; submit by `fedsov train runtime=deployment`"
        )
