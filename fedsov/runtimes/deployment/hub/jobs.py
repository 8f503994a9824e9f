"""Jobs at the hub: what operators submitted, where each stands, and what it told so far.

An operator submits a configuration and follows the job's lines; the hub's dispatcher takes one job after another, runs
it in a process of its own, and tells its lines and its result. A job outlives whoever submitted it, the coordinator and
the dispatcher: it is a file, and a job that was running when the dispatcher ended is handed out again, to go on.

    deployment/jobs/ID.json     the job, its state, its result          deployment/jobs/ID.lines     a line of JSON each

| request | who | what |
|---|---|---|
| POST /fedsov/v1/jobs | operator | submits one: {"kind": "train", "config": {...}} |
| GET /fedsov/v1/jobs | operator | all of them, the newest last |
| POST /fedsov/v1/jobs/follow | operator | lines after a number, waited for; state, and at the end the result |
| POST /fedsov/v1/jobs/stop | operator | asks for its end |
| POST /fedsov/v1/jobs/next | hub | the dispatcher takes the next one, waited for |
| POST /fedsov/v1/jobs/tell | hub | lines, a state, a result |
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsov.errors import ConfigurationError
from fedsov.keys.certificates import HUB, OPERATOR
from fedsov.runtimes.deployment.hub.bells import Bells
from fedsov.storage.atomic_files import write_file
from fedsov.storage.private_files import make_private_folder

if TYPE_CHECKING:
    from fedsov.runtimes.deployment.hub.coordinator import PartyRequest

WAITING, RUNNING, STOPPING, DONE, FAILED, STOPPED = "waiting", "running", "stopping", "done", "failed", "stopped"
ENDED = (DONE, FAILED, STOPPED)
LINES_AT_ONCE = 1000
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


class Jobs:
    """The jobs of a hub, in a folder. Used by the coordinator's one thread alone."""

    def __init__(self, folder: Path, bells: Bells) -> None:
        self._folder, self._bells = folder, bells
        self._jobs: dict[str, Job] = {}
        make_private_folder(folder)
        for path in sorted(folder.glob("*.json")):
            job = Job(**json.loads(path.read_text()))
            self._jobs[job.id] = job

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
            return [_listed(job) for job in sorted(self._jobs.values(), key=lambda job: job.submitted)]
        asked, now = request.json(), datetime.now(UTC)
        identifier = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        kind, config = asked.get("kind"), asked.get("config")
        if not isinstance(kind, str) or not isinstance(config, dict):
            raise ConfigurationError("a job has a kind and a config")
        self._put(Job(identifier, kind, config, request.who.name, now.isoformat(timespec="seconds")))
        self._bells.ring(("jobs", 0))
        return {"id": identifier}

    async def _follow(self, request: PartyRequest) -> Any:
        """Lines after a number of them, as soon as there are any, or the job has ended."""
        asked = request.json()
        job, after = self._job(asked), int(asked.get("after", 0))

        async def take() -> Any:
            """What has come since, or None."""
            written, now = self._lines(job.id), self._jobs[job.id]
            lines = written[after : after + LINES_AT_ONCE]
            if not lines and now.state not in ENDED:
                return None
            ended = now.state in ENDED and after + len(lines) >= len(written)
            return {**_listed(now), "lines": lines, "ended": ended, "result": now.result if ended else None}

        news = await self._bells.answer(("job", job.id), take, request.wait, request.gone)
        return news or {**_listed(self._jobs[job.id]), "lines": [], "ended": False, "result": None}

    async def _stop(self, request: PartyRequest) -> Any:
        job = self._job(request.json())
        if job.state not in ENDED:
            self._put(replace(job, state=STOPPED if job.state == WAITING else STOPPING))
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
            """The first of them there is; one that is to be stopped and that nobody runs is stopped here."""
            for job in self._jobs.values():
                if job.state == STOPPING and job.dispatcher == dispatcher:
                    return {"stop": job.id}
                if is_busy:
                    continue
                if job.state == WAITING or (job.state == RUNNING and job.dispatcher != dispatcher):
                    self._put(replace(job, state=RUNNING, dispatcher=dispatcher))
                    return {"job": asdict(job)}
                if job.state == STOPPING:
                    self._put(replace(job, state=STOPPED))
                    self._bells.ring(("job", job.id))
            return None

        return await self._bells.answer(("jobs", 0), take, request.wait, request.gone)

    async def _tell(self, request: PartyRequest) -> Any:
        asked = request.json()
        job = self._job(asked)
        if job.state in ENDED:
            return None
        if lines := asked.get("lines"):
            with open(self._folder / f"{job.id}.lines", "a", encoding="utf-8") as file:
                file.writelines(json.dumps(str(line)) + "\n" for line in lines)
        changes = {key: asked[key] for key in ("state", "run", "result") if key in asked}
        if changes:
            self._put(replace(job, **changes))
        self._bells.ring(("job", job.id))
        return None

    def _job(self, asked: Mapping[str, Any]) -> Job:
        """The job that is named, by its id or its run's name, or the ``latest``. Raises ConfigurationError."""
        name = str(asked.get("id", ""))
        if name == "latest" and self._jobs:
            return max(self._jobs.values(), key=lambda job: job.submitted)
        if name == "latest":
            raise ConfigurationError("the hub has no job yet; `fedsov train runtime=deployment` submits one")
        newest_first = reversed(self._jobs.values())  # a run that went on has several jobs
        for job in newest_first:
            if name and name in (job.id, job.run):
                return job
        raise ConfigurationError(f"the hub has no job {name!r}; `fedsov status` lists them")

    def _lines(self, identifier: str) -> list[str]:
        path = self._folder / f"{identifier}.lines"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def _put(self, job: Job) -> None:
        write_file(self._folder / f"{job.id}.json", json.dumps(asdict(job)).encode())
        self._jobs[job.id] = job


def _listed(job: Job) -> dict[str, str]:
    """What is told of a job beside its lines and its result."""
    names = ("id", "kind", "by", "submitted", "state", "run")
    return {name: str(getattr(job, name)) for name in names}
