"""A coordinator in this process, asked by calls in place of connections: for tests of what it answers to whom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fedsov.api import region_settings
from fedsov.api.deployment.approvals import approve, examine
from fedsov.api.deployment.authority import AuthorityFolder, given_passphrase, open_authority
from fedsov.api.deployment.operators import operators
from fedsov.api.deployment.trial import Trial, set_up_trial
from fedsov.keys.certificates import der_of, fingerprint
from fedsov.runtimes.deployment.hub.access import CERTIFICATE, Access
from fedsov.runtimes.deployment.hub.answer_space import AnswerSpace
from fedsov.runtimes.deployment.hub.bells import Bells
from fedsov.runtimes.deployment.hub.coordinator import Coordinator
from fedsov.runtimes.deployment.hub.flower_server import open_superlink
from fedsov.runtimes.deployment.hub.jobs import Jobs
from fedsov.runtimes.deployment.paths import PREFIX
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress

ADDRESS = HubAddress("127.0.0.1", 9092)


def trial_of(folder: Path, *names: str, now: datetime | None = None) -> Trial:
    """The certificates of a hub, an operator and regions that have keys and a ledger, and nothing else."""
    for name in names:
        region_settings.init(folder, name)
    return set_up_trial(folder, names, ADDRESS, now=now)


def further_operator(trial: Trial, name: str, home: Path, *, days: int = 365, now: datetime | None = None) -> Path:
    """The home of a further operator of a trial: requested, approved and accepted as the commands do it."""
    now, authority = now or datetime.now(UTC), AuthorityFolder(trial.hub.root / "ca")
    opened = open_authority(authority, given_passphrase(authority.passphrase))
    asked = operators.ask(home, name, ADDRESS, trusted=fingerprint(opened.text), now=now)
    answer_operator(trial, asked, home, days=days, now=now)
    return home


def answer_operator(trial: Trial, asked: Path, home: Path, *, days: int = 365, now: datetime | None = None) -> None:
    """Approves an operator's request, and has their home accept the package."""
    now, authority = now or datetime.now(UTC), AuthorityFolder(trial.hub.root / "ca")
    opened = open_authority(authority, given_passphrase(authority.passphrase))
    examined = examine(trial.hub.home, asked.read_bytes(), opened.text)
    done = approve(trial.hub.home, examined, opened, days=days, now=now, by="a test", why="a test")
    operators.accept(home, done.package.read_bytes(), now=now)


class HubSide:
    """A coordinator over the home of a trial.

    Args:
        space: for answers of regions; the coordinator's own by default.
        serves_stock: whether Flower's own interfaces are served.
        options: such as the `database` of Flower's state; in memory by default.
    """

    last: str = ""
    """The message that a test's region was handed last."""

    def __init__(
        self, trial: Trial, *, space: AnswerSpace | None = None, serves_stock: bool = False, **options: Any
    ) -> None:
        self.trial, self.bells = trial, Bells()
        self.link = open_superlink(self.bells.ring, **options)
        access = Access(trial.hub)
        self.jobs = jobs = Jobs(trial.hub.root / "jobs", self.bells, submitters=access.submitters)
        self.application = Coordinator(self.link, self.bells, access, jobs, space=space, serves_stock=serves_stock)
        self.operators: dict[str, DeploymentFolder] = {}

    def certificate(self, who: str) -> bytes:
        """The certificate (DER) of ``hub``, an operator or a region."""
        hub = self.trial.hub
        paths = {"hub": hub.certificate, "operator": hub.operator_certificate}
        paths |= {name: folder.certificate for name, folder in self.operators.items()}
        path = paths.get(who) or self.trial.regions[who].certificate
        return der_of(path.read_bytes())

    def ask(
        self, who: str | None, path: str, body: bytes = b"", *, method: str = "POST", **headers: str
    ) -> tuple[int, bytes]:
        """The status and body of a request by a party's certificate, or by none."""
        return asyncio.run(self.asking(who, path, body, method=method, **headers))

    async def asking(
        self, who: str | None, path: str, body: bytes = b"", *, method: str = "POST", **headers: str
    ) -> tuple[int, bytes]:
        """As `ask`, within a loop."""
        events, sent = [{"type": "http.request", "body": body, "more_body": False}], list[dict[str, Any]]()

        async def receive() -> dict[str, Any]:
            if events:
                return events.pop(0)
            await asyncio.sleep(3600)
            return {"type": "http.disconnect"}

        async def send(event: Any) -> None:
            sent.append(event)

        named = {"content-length": str(len(body)), **{key.replace("_", "-"): value for key, value in headers.items()}}
        scope = {
            "type": "http",
            "method": method,
            "path": path if path.startswith("/") else f"{PREFIX}/{path}",
            "headers": [(key.encode(), value.encode()) for key, value in named.items()],
            "extensions": {} if who is None else {CERTIFICATE: self.certificate(who)},
        }
        await self.application(scope, receive, send)
        return sent[0]["status"], b"".join(event.get("body", b"") for event in sent[1:])

    def tell(self, who: str, path: str, value: Mapping[str, Any] | None = None, **headers: str) -> Any:
        """The JSON answer to a JSON request that is served."""
        body = b"" if value is None else json.dumps(value).encode()
        status, answer = self.ask(who, path, body, **headers)
        assert status in (200, 204), (status, answer)
        return json.loads(answer or b"null")
