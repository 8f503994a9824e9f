"""Supervises processes of parties: starts each, says what it waits for, starts it again, and ends it cleanly.

    run([Service("DE", "region", [sys.executable, "-m", "fedsov.runtimes.deployment.region.region_main", "DE"])],
        HealthListener(port=8081))      # returns after SIGTERM or SIGINT

It promises:

- A process that ends by itself is started again, however it ended, after a pause that doubles up to a limit and is
  short again once a process has lived long enough (`Backoff`). It is never given up, and each restart is one line: why
  the process ended, how long it lived, when it starts again.
- SIGTERM and SIGINT ask the process to end by SIGTERM. What has not ended after `grace` seconds, or at a second signal,
  is killed, with its whole group.
- Whatever a process leaves behind of its group is killed when it ends, and all of it when the supervisor itself is
  killed (`fedsov.runtimes.deployment.supervision.supervised`). A process that leaves its group must see to its own end.
- The health listener answers also while no process runs.
- The process's output is passed on where it is log lines. The rest may quote a row and is left out, but for the type
  and place of an error, unless the party holds no rows.

It decides nothing, opens no store and no key, and costs no CPU between events.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import IO

from fedsov.errors import FedsovError, counted
from fedsov.runtimes.deployment.supervision.health import Health, HealthListener, HealthState, continued, serve_health
from fedsov.runtimes.deployment.supervision.last_words import LastWords
from fedsov.runtimes.deployment.supervision.log_lines import LogLines, log_entry
from fedsov.runtimes.deployment.supervision.supervised import CAN_LEASH, DESCRIPTORS, leash

LONGEST_LINE = 1 << 20
THREADS = 2
"""Of each process: what waits for its end, and what clears up after it. With fewer, an end would be seen by nobody."""
SECONDS_TO_DRAIN = 1.0
"""How long output is read after its process ended, where another process still holds its pipe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Pauses before restarts, in seconds.

    Attributes:
        first: after a process that lived long enough, and after the first that did not.
        most: the longest pause.
        lived: how long a process has to live for the next pause to be the first one again.
    """

    first: float = 0.5
    most: float = 30.0
    lived: float = 60.0

    def after(self, pause: float, lived: float) -> float:
        """The next pause.

        Args:
            pause: the last one, 0 before any.
            lived: seconds that the process lived.

        >>> [Backoff().after(pause, 1.0) for pause in (0, 0.5, 1, 20)], Backoff().after(20, 60)
        ([0.5, 1.0, 2.0, 30.0], 0.5)
        """
        return self.first if not pause or lived >= self.lived else min(2 * pause, self.most)


@dataclass(frozen=True, slots=True)
class Service:
    """One process of a party.

    Attributes:
        party: the party's name, `role` is ``hub``, ``region`` or ``operator``.
        command: the program and its words; it calls `under_supervisor` first thing.
        environment: variables beside those of this process.
        grace: seconds between SIGTERM and SIGKILL.
        holds_rows: False lets the process's whole output be logged.
        descriptors: what it is handed beside the two of its supervisor.
    """

    party: str
    role: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    grace: float = 10.0
    backoff: Backoff = Backoff()
    holds_rows: bool = True
    descriptors: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """How the end is asked for: `asked` for a clean one, `at_once` for what does not want to wait for it."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self) -> None:
        """A clean end, or one at once where that was asked for already."""
        (self.at_once if self.asked.is_set() else self.asked).set()


def run(services: Sequence[Service], listener: HealthListener | None, *, plain: bool = False) -> None:
    """Supervises processes until SIGTERM or SIGINT, in the main thread; the listener tells the health of the first.

    Args:
        listener: where health is told; None for nowhere.
        plain: sentences for a terminal in place of lines of JSON.

    Raises ConfigurationError where it cannot listen.
    """
    asyncio.run(_run(services, listener, plain))


async def _run(services: Sequence[Service], listener: HealthListener | None, plain: bool) -> None:
    stop, healths, loop = Stop(), [Health() for _ in services], asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS * len(services)))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.ask)
    async with AsyncExitStack() as opened:
        if listener is not None:
            first, lines = services[0], LogLines(services[0].party, plain=plain)
            serving = serve_health(healths[0], listener, party=first.party, role=first.role)
            port = await opened.enter_async_context(serving)
            lines.info("listening", f"its health is told on {listener.host}:{port}", host=listener.host, port=port)
        await asyncio.gather(
            *(
                supervise(service, LogLines(service.party, plain=plain), health, stop)
                for service, health in zip(services, healths, strict=True)
            )
        )


async def supervise(service: Service, lines: LogLines, health: Health, stop: Stop) -> None:
    """Runs the service until a stop is asked for; several may run in one loop."""
    if not CAN_LEASH:
        lines.warning("no leash", "where this supervisor is killed, its process goes on: end it by hand")
    pause = 0.0
    while True:
        began = time.monotonic()
        end = await _live(service, lines, health, stop)
        lived = time.monotonic() - began
        if stop.asked.is_set():
            return
        pause = service.backoff.after(pause, lived)
        _say_restart(lines, health, f"{end} after {lived:.1f} s", pause)
        if await _either(pause, stop.asked):
            return


def _say_restart(lines: LogLines, health: Health, end: str, pause: float) -> None:
    waits_for = f"its process to start again in {pause:.3g} s: it {end}"
    health.change(lambda state: replace(state, waits_for=waits_for, connected=False, restarts=state.restarts + 1))
    restarts = health.state.restarts
    text = f"its process {end}; it starts again in {pause:.3g} s ({counted(restarts, 'restart')})"
    lines.warning("restart", text, reason=end, pause=pause, restarts=restarts)


@dataclass(slots=True)
class _Life:
    """What is learnt of one process while it lives."""

    words: LastWords = field(default_factory=LastWords)


async def _live(service: Service, lines: LogLines, health: Health, stop: Stop) -> str:
    """One process from its start to its end; gives how it ended, as the end of "the process ..."."""
    life = _Life()
    try:
        async with _started(service, lines, health, life) as process:
            await _until_end(process, service, lines, stop)
    except OSError as error:
        return f"could not be started ({error.strerror})"
    return how_it_ended(process.returncode or 0, life.words)


@asynccontextmanager
async def _started(
    service: Service, lines: LogLines, health: Health, life: _Life
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A process on its leash, whose report and output are read until it has ended; nothing of it is left then."""
    leash_end, ours = os.pipe()
    report, report_end = os.pipe()
    try:
        process = subprocess.Popen(
            service.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(leash_end, report_end, *service.descriptors),
            start_new_session=True,
            env={**os.environ, **service.environment, DESCRIPTORS: f"{leash_end},{report_end}"},
        )
        leash(leash_end, process.pid)
    except OSError:
        os.close(ours)
        os.close(report)
        raise
    finally:
        os.close(leash_end)
        os.close(report_end)
    lines.info("start", f"its process starts (number {process.pid})", process=process.pid)
    earlier = replace(health.state, waits_for="its process to start")
    health.change(lambda _: earlier)
    readers = [
        asyncio.create_task(_read(os.fdopen(report, "rb"), _reported(lines, health, earlier))),
        asyncio.create_task(_read(process.stdout, _written(service, lines, life))),
    ]
    try:
        yield process
    finally:
        await asyncio.to_thread(_end, process)
        os.close(ours)
        await asyncio.wait(readers, timeout=SECONDS_TO_DRAIN)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)


async def _until_end(process: subprocess.Popen[bytes], service: Service, lines: LogLines, stop: Stop) -> None:
    """Until the process has ended, by itself or because a stop was asked for; it is not reaped yet."""
    ended = asyncio.create_task(asyncio.to_thread(_wait, process.pid))
    if not await _first(ended, stop.asked):
        asked_at = time.monotonic()
        lines.info("stop", f"its process is asked to end, and has {service.grace:g} s for it")
        os.kill(process.pid, signal.SIGTERM)
        if not await _first(ended, stop.at_once, service.grace):
            lines.warning("killed", f"its process did not end in {time.monotonic() - asked_at:.1f} s, and is killed")
            os.killpg(process.pid, signal.SIGKILL)
        await ended
        lines.info("stopped", f"its process ended in {time.monotonic() - asked_at:.1f} s")
    await ended


def _wait(pid: int) -> None:
    """Until a process has ended; it stays a zombie, whose number nobody else can have."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kills what is left of the process and its group, and reaps it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


async def _first(ended: asyncio.Task[None], event: asyncio.Event, seconds: float | None = None) -> bool:
    """Whether the process ended, before the event and within the seconds."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({ended, waiting}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return ended.done()


async def _either(seconds: float, event: asyncio.Event) -> bool:
    """Whether the event came within the seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await event.wait()
    return False


async def _read(pipe: IO[bytes] | None, on_line: Callable[[str], None]) -> None:
    """Every line of a pipe until its end; of one that is too long, the rest is left out."""
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                continue
            if not line:
                return
            on_line(line.decode("utf-8", "replace").rstrip("\n"))
    finally:
        transport.close()


def _reported(lines: LogLines, health: Health, earlier: HealthState) -> Callable[[str], None]:
    """Takes a line of the process's report."""

    def take(line: str) -> None:
        """One line; a state that changes what is waited for is logged."""
        before = health.waits_for()
        try:
            state = continued(earlier, HealthState.from_json(line))
        except FedsovError:
            lines.warning("report unread", "its process reported something that is no state of a process")
            return
        health.change(lambda _: state)
        if state.waits_for and state.waits_for != before:
            lines.info("waits", f"waits for {state.waits_for}")
        elif before and not state.waits_for:
            lines.info("ready", "is ready")

    return take


def _written(service: Service, lines: LogLines, life: _Life) -> Callable[[str], None]:
    """Takes a line that the process wrote."""

    def take(line: str) -> None:
        life.words = life.words.after(line)
        if entry := log_entry(line):
            lines.pass_on(entry)
        elif line.strip() and not service.holds_rows:
            lines.info("output", line)

    return take


def how_it_ended(code: int, words: LastWords) -> str:
    """How a process ended, as the end of "the process ...".

    Args:
        code: its exit code, or the number of the signal that killed it, below 0.
    """
    left_out = f"{counted(words.withheld, 'line')} of its output left out, for they may quote rows"
    cause = words.error or (left_out if words.withheld else "")
    said = f" ({cause})" if cause else ""
    if code >= 0:
        return f"ended by itself with code {code}{said}"
    name = signal.Signals(-code).name
    hint = ", by a person or for a lack of memory" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}{said}"
