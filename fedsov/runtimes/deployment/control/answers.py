"""What answers each call of ``control.proto``: a function of the subject that it belongs to, handed to the service.

    answers = ControlAnswers(fetch=files.fetch, candidate=rollouts.candidate)

Each is called in a thread of the service, with the party whose certificate the connection has, and its request. A
`NotAllowed` that it raises is a refusal, any other `FedsovError` a reason why not now; both reach the region as they
are. A call without a function is answered by a sentence that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fedsov.errors import FedsovError
from fedsov.protocol.control import control_pb2 as control
from fedsov.runtimes.deployment.hub.access import Caller


class NotAnswered(FedsovError):
    """A call for which this hub has no function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlAnswers:
    """The functions, by call.

    Attributes:
        fetch: the file of a path, as its bytes or where it lies; raises `NotAllowed` for one that is not this region's,
            FileNotFoundError for one that there is not.
    """

    fetch: Callable[[Caller, str], bytes | Path] | None = None
    candidate: Callable[[Caller, control.CandidateRequest], control.CandidateAnswer] | None = None
    sign_lists: Callable[[Caller, control.HalfSignedLists], control.RoleDrafts] | None = None
    sign_roles: Callable[[Caller, control.RoleSignatures], control.Receipt] | None = None
    release_metrics: Callable[[Caller, control.MetricsRelease], control.Receipt] | None = None
    witness: Callable[[Caller, control.WitnessMessage], control.WitnessMessage] | None = None
    answer_configuration: Callable[[Caller, control.ConfigurationAnswer], control.Receipt] | None = None
