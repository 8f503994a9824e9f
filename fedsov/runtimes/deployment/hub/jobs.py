"""Jobs at the hub: what operators submitted, where each stands, and what it told so far.

An operator submits a configuration and follows the job's lines; the hub's dispatcher takes one job after another, runs
it in a process of its own, and tells its lines and its result. An operator reads, stops and resumes their own jobs; of
another's they see who submitted it when, and how it stands. The hub's own operator does so with every job. A job that
waits when its operator is revoked is not begun. A job outlives whoever submitted it, the coordinator and
the dispatcher: it is a file, and a job that was running when the dispatcher ended is handed out again, to go on.

    deployment/jobs/ID.json     the job, its state, its result          deployment/jobs/ID.lines     a line of JSON each

Jobs that ended are removed after a number of days, and the oldest of them where there are many (`JobRetention`). What a
run left in the hub's ledger, checkpoints and registry stays. Files are read and written beside the loop of requests.

| request | who | what |
|---|---|---|
| POST /fedsov/v1/jobs | operator | submits one: {"kind": "train", "config": {...}} |
| GET /fedsov/v1/jobs | operator | all of them, the newest last; the run's name of their own alone |
| POST /fedsov/v1/jobs/follow | operator | of their own: lines after a number, waited for; state, and the result |
| POST /fedsov/v1/jobs/stop | operator | of their own: asks for its end |
| POST /fedsov/v1/jobs/next | hub | the dispatcher takes the next one, waited for |
| POST /fedsov/v1/jobs/tell | hub | lines, a state, a result |
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsov.errors import ConfigurationError, counted
from fedsov.keys.certificates import HUB, HUB_OPERATOR, OPERATOR
from fedsov.runtimes.deployment.hub.access import Caller, NotAllowed
from fedsov.runtimes.deployment.hub.bells import Bells
from fedsov.storage.atomic_files import write_file
from fedsov.storage.private_files import make_private_folder

if TYPE_CHECKING:
    from fedsov.runtimes.deployment.hub.party_requests import PartyRequest

WAITING, RUNNING, STOPPING, DONE, FAILED, STOPPED = "waiting", "running", "stopping", "done", "failed", "stopped"
ENDED = (DONE, FAILED, STOPPED)
LINES_AT_ONCE = 1000
MOST_WAITING = 100
"""Jobs of one operator that wait; a further one is refused."""
_LOG = logging.getLogger(__name__)
Act = Callable[["PartyRequest"], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Job:
    """A job that was submitted.

    Attributes:
        kind: what is to be done, such as ``train``.
        config: the composed configuration.
        by: the operator who submitted it.
        dispatcher: the dispatcher that runs it; "" before.
        run: the run's name, once it began.
        result: what it ended with; None before.
    """

    id: str
    kind: str
    config: Mapping[str, Any] = field(repr=False)
    by: str
    submitted: str
    state: str = WAITING
    dispatcher: str = ""
    run: str = ""
    result: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRetention:
    """How long jobs that ended are kept.

    Attributes:
        most: the newest so many.
        days: for so many days after they were submitted.
    """

    most: int = 500
    days: int = 90

    def over(self, jobs: Iterable[Job], now: datetime) -> list[Job]:
        """Those that are kept no longer."""
        ended = sorted((job for job in jobs if job.state in ENDED), key=lambda job: job.submitted)[::-1]
        before = (now - timedelta(days=self.days)).isoformat(timespec="seconds")
        return [job for place, job in enumerate(ended) if place >= self.most or job.submitted < before]

    def sentence(self) -> str:
        """As a person reads it."""
        return f"jobs that ended are kept for {counted(self.days, 'day')}, and the newest {self.most} of them"


KEPT = JobRetention()


class Jobs:
    """The jobs of a hub, in a folder. Used by the coordinator's one loop alone.

    Args:
        submitters: the names of those who may submit jobs now.
    """

    def __init__(
        self,
        folder: Path,
        bells: Bells,
        retention: JobRetention = KEPT,
        *,
        submitters: Callable[[], Collection[str]],
    ) -> None:
        self._folder, self._bells, self._retention, self._submitters = folder, bells, retention, submitters
        self._jobs: dict[str, Job] = {}
        self._alone = asyncio.Lock()
        make_private_folder(folder)
        for path in sorted(folder.glob("*.json")):
            try:
                job = Job(**json.loads(path.read_text()))
            except (ValueError, TypeError):
                _LOG.warning("%s is no job, and is passed over; remove it, or restore it from your copy", path)
            else:
                self._jobs[job.id] = job
        self._remove(self._retention.over(self._jobs.values(), datetime.now(UTC)))

    def acts(self) -> dict[str, tuple[Iterable[str], Act]]:
        """Requests by their path, who may make them, and what answers."""
        people, hub = (HUB, OPERATOR), (HUB,)
        return {
            "jobs": (people, self._submit_or_list),
            "jobs/follow": (people, self._follow),
            "jobs/stop": (people, self._stop),
            "jobs/next": (hub, self._next),
            "jobs/tell": (hub, self._tell),
        }

    async def _submit_or_list(self, request: PartyRequest) -> Any:
        if not request.body:
            return [_shown(job, request.who) for job in sorted(self._jobs.values(), key=lambda job: job.submitted)]
        asked, now, who = request.json(), datetime.now(UTC), request.who.name
        identifier = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        kind, config = asked.get("kind"), asked.get("config")
        if not isinstance(kind, str) or not isinstance(config, dict):
            raise ConfigurationError("a job has a kind and a config")
        if kind == "resume" and not _sees_every_job(request.who):
            config = {**config, "run": self._own_run(str(config.get("run", "")), request.who)}
        if sum(job.state == WAITING and job.by == who for job in self._jobs.values()) >= MOST_WAITING:
            raise ConfigurationError(
                f"{MOST_WAITING} jobs of {who} wait already; `fedsov status` lists them, `fedsov stop JOB` stops one"
            )
        async with self._alone:
            await self._put(Job(identifier, kind, config, who, now.isoformat(timespec="seconds")))
        self._bells.ring(("jobs", 0))
        return {"id": identifier}

    async def _follow(self, request: PartyRequest) -> Any:
        """Lines after a number of them, as soon as there are any, or the job has ended."""
        asked = request.json()
        job, after = self._job(asked, request.who), int(asked.get("after", 0))

        async def take() -> Any:
            """What has come since, or None."""
            now = self._jobs.get(job.id, job)
            lines = await asyncio.to_thread(self._lines, job.id, after)
            if not lines and now.state not in ENDED:
                return None
            ended = now.state in ENDED and len(lines) < LINES_AT_ONCE
            return {**_listed(now), "lines": lines, "ended": ended, "result": now.result if ended else None}

        news = await self._bells.answer(("job", job.id), take, request.wait, request.gone)
        return news or {**_listed(self._jobs.get(job.id, job)), "lines": [], "ended": False, "result": None}

    async def _stop(self, request: PartyRequest) -> Any:
        async with self._alone:
            job = self._job(request.json(), request.who)
            if job.state in ENDED:
                return _listed(job)
            await self._put(replace(job, state=STOPPED if job.state == WAITING else STOPPING))
            self._bells.ring(("job", job.id))
            self._bells.ring(("jobs", 0))
        return _listed(self._jobs[job.id])

    async def _next(self, request: PartyRequest) -> Any:
        """The next job for a dispatcher, or one of its own that is to be stopped; waited for.

        One that is busy is told of the latter alone.
        """
        asked = request.json()
        dispatcher, is_busy = str(asked.get("dispatcher", "")), bool(asked.get("busy"))

        async def take() -> Any:
            """The first of them there is."""
            async with self._alone:
                return await self._for_dispatcher(dispatcher, is_busy=is_busy)

        return await self._bells.answer(("jobs", 0), take, request.wait, request.gone)

    async def _for_dispatcher(self, dispatcher: str, *, is_busy: bool) -> Any:
        """What a dispatcher is told; a job that is to be stopped and that nobody runs is stopped here."""
        for job in list(self._jobs.values()):
            if job.state == STOPPING and job.dispatcher == dispatcher:
                return {"stop": job.id}
            if is_busy:
                continue
            if job.state == WAITING and job.by not in self._submitters():
                await self._withdraw(job)
                continue
            if job.state == WAITING or (job.state == RUNNING and job.dispatcher != dispatcher):
                await self._put(replace(job, state=RUNNING, dispatcher=dispatcher))
                return {"job": asdict(self._jobs[job.id])}
            if job.state == STOPPING:
                await self._put(replace(job, state=STOPPED))
                self._bells.ring(("job", job.id))
        return None

    async def _withdraw(self, job: Job) -> None:
        """Stops a job that waits, and whose operator is no member any more. Whoever calls it is alone."""
        line = f"not begun: {job.by} is no operator of this hub any more; another operator may submit it anew"
        await asyncio.to_thread(self._append, job.id, [line])
        await self._put(replace(job, state=STOPPED))
        self._bells.ring(("job", job.id))
        _LOG.warning("job %s is %s", job.id, line)

    async def _tell(self, request: PartyRequest) -> Any:
        asked = request.json()
        async with self._alone:
            job = self._job(asked, request.who)
            if job.state in ENDED:
                return None
            if lines := asked.get("lines"):
                await asyncio.to_thread(self._append, job.id, [str(line) for line in lines])
            changes = {key: asked[key] for key in ("state", "run", "result") if key in asked}
            if changes:
                await self._put(replace(job, **changes))
            self._bells.ring(("job", job.id))
        return None

    def _job(self, asked: Mapping[str, Any], who: Caller) -> Job:
        """The job that is named, by its id or its run's name, or the ``latest`` of whoever asks.

        Raises ConfigurationError where there is none, NotAllowed for another operator's.
        """
        name = str(asked.get("id", ""))
        own = [job for job in self._jobs.values() if _may_read(who, job)]
        if name == "latest" and own:
            return max(own, key=lambda job: job.submitted)
        if name == "latest":
            whose = "the hub has no job" if not self._jobs else f"{who.name} has no job at the hub"
            raise ConfigurationError(f"{whose} yet; `fedsov train runtime=deployment` submits one")
        named = [job for job in self._jobs.values() if name and name in (job.id, job.run)]
        for job in reversed(named):  # a run that went on has several jobs
            if _may_read(who, job):
                return job
        if named:
            raise NotAllowed(
                f"job {named[-1].id} is {named[-1].by}'s; an operator reads, stops and resumes their own jobs, and the "
                "hub's own operator every job: ask at the hub"
            )
        raise ConfigurationError(
            f"the hub has no job {name!r}; `fedsov status` lists them, and {self._retention.sentence()}"
        )

    def _own_run(self, name: str, who: Caller) -> str:
        """The name of a run of whoever asks to resume it. Raises as `_job`."""
        job = self._job({"id": name}, who)
        if not job.run:
            raise ConfigurationError(f"job {job.id} began no run; submit it anew by `fedsov train runtime=deployment`")
        return job.run

    def _append(self, identifier: str, lines: Iterable[str]) -> None:
        with open(self._folder / f"{identifier}.lines", "a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)

    def _lines(self, identifier: str, after: int) -> list[str]:
        """A job's lines after so many, `LINES_AT_ONCE` of them at most."""
        try:
            with open(self._folder / f"{identifier}.lines", encoding="utf-8") as file:
                return [json.loads(line) for line in islice(file, after, after + LINES_AT_ONCE) if line.endswith("\n")]
        except FileNotFoundError:
            return []

    async def _put(self, job: Job) -> None:
        """Writes a job down, and removes those whose time is over. Whoever calls it is alone."""
        await asyncio.to_thread(write_file, self._folder / f"{job.id}.json", json.dumps(asdict(job)).encode())
        self._jobs[job.id] = job
        if job.state in ENDED:
            over = self._retention.over(self._jobs.values(), datetime.now(UTC))
            await asyncio.to_thread(self._remove, over)

    def _remove(self, jobs: Iterable[Job]) -> None:
        """Removes jobs that ended, and says which."""
        names = []
        for job in jobs:
            for kind in ("lines", "json"):  # the job last: one that was cut is removed at the next time
                (self._folder / f"{job.id}.{kind}").unlink(missing_ok=True)
            self._jobs.pop(job.id, None)
            names.append(job.id)
        if names:
            _LOG.warning("removed of %s: %s", self._retention.sentence(), ", ".join(names))


def _sees_every_job(who: Caller) -> bool:
    return who.role == HUB or who.name == HUB_OPERATOR


def _may_read(who: Caller, job: Job) -> bool:
    """Whether a party may read, stop and resume a job."""
    return _sees_every_job(who) or job.by == who.name


def _shown(job: Job, who: Caller) -> dict[str, str]:
    """A job in the list of all of them."""
    return _listed(job) if _may_read(who, job) else {**_listed(job), "run": ""}


def _listed(job: Job) -> dict[str, str]:
    """What is told of a job beside its lines and its result."""
    names = ("id", "kind", "by", "submitted", "state", "run")
    return {name: str(getattr(job, name)) for name in names}
