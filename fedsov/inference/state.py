"""What an endpoint serves at one moment: models, jurisdictions, limits; replaced as a whole, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from fedsov.inference.limits import Rate, RequestLimits
from fedsov.inference.pages import Page, pages, path_word
from fedsov.inference.served import Served
from fedsov.inference.tokens.token_check import Claims
from fedsov.inference.versions import ModelVersions


class PredictPath(NamedTuple):
    """What a path asks for: a prediction of a model, of one version or whichever its id chooses."""

    model: str
    versions: ModelVersions[Served]
    version: Served | None = None
    is_open: bool = False
    """Whether it speaks the Open Inference Protocol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointState:
    """What an endpoint serves at one moment.

    Attributes:
        serves: the jurisdictions whose people's requests are answered here.
        elsewhere: other jurisdictions, and the region that serves each.
        models: by name the versions that were loaded.
        before_answer: whether no answer leaves before its line is on the disk.
        rates: of all requests, and of each subject.
        faults: what is not as it was approved, in sentences; none where all is.
        counter: the highest number of a list of approved versions that was believed; an older one is refused.
        listed: the number of the list that `models` come from; 0 of none.
        valid_until: seconds since 1970 after which nobody is answered, 0 for no end: whom a region may serve is decided
            anew each day.
        paths: every path that is answered, made from `models`.
    """

    region: str
    serves: frozenset[str]
    elsewhere: Mapping[str, str]
    models: Mapping[str, ModelVersions[Served]]
    limits: RequestLimits
    before_answer: bool = False
    rates: tuple[Rate, Rate] = field(default_factory=lambda: (Rate(0.0), Rate(0.0)))
    faults: tuple[str, ...] = ()
    counter: int = 0
    listed: int = 0
    valid_until: float = 0.0
    paths: Mapping[bytes, Page | PredictPath] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.paths:
            object.__setattr__(self, "paths", {**pages(self.region, self.models), **_asked(self.models)})

    def too_old(self, now: float) -> str:
        """Why nobody may be answered any more; "" where requests may."""
        if not 0.0 < self.valid_until < now:
            return ""
        day = datetime.fromtimestamp(self.valid_until, UTC)
        return f"nobody decided whom {self.region} may serve since {day:%Y-%m-%d %H:%M} UTC"

    def too_often(self, claims: Claims, now: float) -> str:
        """Why a request is more than the rates admit; "" where they admit it.

        Args:
            now: seconds of a clock that does not go back.
        """
        total, each = self.rates
        if not total.admits("", now):
            return "the endpoint is asked more often than serving.limits.per_second; wait"
        if not each.admits((claims.issuer, claims.subject), now):
            return "this subject asks more often than serving.limits.per_subject; ask again later"
        return ""

    @property
    def served(self) -> tuple[Served, ...]:
        """Every version."""
        return tuple(served for versions in self.models.values() for served in versions.all)


def _asked(models: Mapping[str, ModelVersions[Served]]) -> dict[bytes, PredictPath]:
    """The paths of predictions."""
    paths: dict[bytes, PredictPath] = {}
    for model, versions in models.items():
        name = path_word(model)
        paths[f"/v1/models/{name}/predict".encode()] = PredictPath(model, versions)
        paths[f"/v2/models/{name}/infer".encode()] = PredictPath(model, versions, is_open=True)
        for served in versions.all:
            if served.role != "shadow":
                path = f"/v2/models/{name}/versions/{served.version}/infer".encode()
                paths[path] = PredictPath(model, versions, served, is_open=True)
    return paths
