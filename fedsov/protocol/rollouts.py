"""What hub and region exchange so that a version may be rolled out: plain values, as JSON on the wire.

    hub    -> region   RolloutCandidate        a version that the hub approved for this region, and its files by digest
    region -> hub      SignedLists      its list in force, the next one with the version, and the way back; its half
    hub    -> region   RolesToSign      both lists whole, and the repository's metadata that names each
    region -> hub      RoleSignatures   its half of these

After that nobody is asked any more: the hub publishes the list forward, or the list back. A region's approver signs the
way back with the way there. What these bytes mean stands in `fedsov.inference.approved`, and in the control plane.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from fedsov.checks import instance, only, real, store, text, text_mapping, whole
from fedsov.errors import ConfigurationError
from fedsov.label import Label

FORWARD, BACK = DIRECTIONS = ("forward", "back")
"""The list that has the version, and the one that takes a region back to what it served."""
OK, WATCHING, ERRORS, SLOW, DRIFT = WORDS = ("ok", "watching", "errors", "slow", "drift")
"""What a region says of a version over its window: no fault in a whole window; not enough requests yet; a fault."""
FAULTS = (ERRORS, SLOW, DRIFT)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutCandidate:
    """A version that the hub approved for a region.

    Attributes:
        rollout: its number at the hub.
        digest: SHA-256 of the parameters as they are registered.
        mode, share: how it is to answer, as in `fedsov.inference.approved`.
        verdict, report: of its attack test.
        evaluation: how its run measured it, by metric.
        registry: whose registry holds it, ``hub`` or a region's name; a region's own model has no `files` here.
        dataset: that it was trained on; "" where its registry does not say.
        files: SHA-256 of each file that the hub hands out, by name.
        by, why, at: who approved it at the hub.
    """

    rollout: int
    region: str
    model: str
    version: int
    digest: str
    mode: str
    share: float
    label: Label
    verdict: str
    report: str
    registry: str
    dataset: str = ""
    evaluation: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    by: str
    why: str
    at: str

    def __post_init__(self) -> None:
        words = ("region", "model", "digest", "mode", "verdict", "report", "registry", "dataset", "by", "why", "at")
        store(
            self,
            rollout=whole("rollout", self.rollout, at_least=1),
            version=whole("version", self.version, at_least=1),
            share=real("share", self.share, above=0.0, at_most=1.0),
            label=instance("label", self.label, Label, "a label"),
            files=text_mapping("files", self.files),
            **{name: text(name, getattr(self, name)) for name in words},
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        return plain | {
            "label": self.label.to_json(),
            "files": dict(self.files),
            "evaluation": dict(self.evaluation),
        }

    @staticmethod
    def from_json(plain: Any) -> RolloutCandidate:
        """The inverse of `to_json`. Raises ConfigurationError for anything else."""
        given = only("candidate", plain, [each.name for each in fields(RolloutCandidate)])
        try:
            return RolloutCandidate(**{**given, "label": Label.from_json(given["label"])})
        except (KeyError, TypeError) as error:
            raise ConfigurationError(f"a candidate that this version of fedsov does not know: {error}") from None


def candidate_message(document: bytes) -> bytes:
    """What the hub's ledger key signs of a candidate's JSON."""
    return b"fedsov rollout candidate 1\n" + document


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedLists:
    """A region's approval: `current` as hub and region signed it (b"" of none), `forward` and `back` with its half.

    `role_version` is the version of its role's metadata that the region trusts: a hub that was restored from an older
    copy learns from it where to go on. Where the region begins a new list, `current` is empty, and `begins_after` is
    the number of the list that its ledger noted last. `by`, `why` and `at` are its approver's.
    """

    rollout: int
    region: str
    by: str
    why: str
    at: str
    current: bytes
    forward: bytes
    back: bytes
    role_version: int = 0
    begins_after: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RolesToSign:
    """The hub's answer: both lists with both signatures, and the role metadata for each, which the region signs."""

    rollout: int
    forward: bytes
    back: bytes
    forward_role: bytes
    back_role: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSignatures:
    """A region's signatures (Ed25519) of both metadata."""

    rollout: int
    region: str
    forward: bytes
    back: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowReport:
    """What a region says of a version that it serves: a word of `WORDS`, and the list that its endpoint has.

    `counter` is the approved list's number; `requests` is banded, as everything about use is.
    """

    region: str
    model: str
    version: int
    counter: int
    word: str
    requests: str = ""
