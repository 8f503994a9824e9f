"""What a hub proposes of a region's settings, and what the region answers: plain values, each signed by who says it.

    proposal = SettingsProposal("DE", 7, {"limits.rounds": ProposedSetting("40", by="A. Person", why="...", number=7)})
    proposal.to_text()                                # published as configuration/DE.json
    answer = SettingsAnswer("DE", 7, in_force={"limits.rounds": "40"})
    answer.signed(ledger)                             # to the hub

A proposal is all that stands proposed, not only what is new: a region that was away misses nothing. A value is written
as `fedsov region set` takes it. An answer tells the settings that the region lets a hub propose, and no other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from fedsov.checks import section, store, text, text_mapping, whole
from fedsov.errors import ConfigurationError, RepositoryRefused
from fedsov.keys import signed_text
from fedsov.keys.signed_text import holds_ed25519
from fedsov.storage.bounded_files import parsed_json

PROPOSAL, ANSWER = "fedsov proposed settings 1", "fedsov settings in force 1"
LAW = "law.bundle"
"""The setting that takes a bundle of law, which is published beside the proposal."""


def proposal_path(region: str) -> str:
    """Where a region's proposal is in the repository."""
    return f"configuration/{region}.json"


def law_path(digest: str) -> str:
    """Where a bundle of law is in the repository, by its own digest (hexadecimal)."""
    return f"configuration/law-{digest[:32]}.json"


@dataclass(frozen=True, slots=True)
class ProposedSetting:
    """A setting's value as `fedsov region set` takes it, who proposed it and why, and in which proposal."""

    value: str
    by: str
    why: str
    number: int


@dataclass(frozen=True, slots=True)
class SettingsProposal:
    """What stands proposed to a region.

    Attributes:
        number: of the newest proposal in it; it only grows.
        settings: by key.
    """

    region: str
    number: int
    settings: Mapping[str, ProposedSetting] = field(default_factory=dict)

    def to_text(self) -> bytes:
        """For the repository, whose signatures it is under."""
        settings = {key: asdict(each) for key, each in sorted(self.settings.items())}
        plain = {"format": PROPOSAL, "region": self.region, "number": self.number, "settings": settings}
        return json.dumps(plain, indent=1).encode()

    @staticmethod
    def from_text(content: bytes) -> SettingsProposal:
        """The inverse of `to_text`. Raises RepositoryRefused for a text that this version does not know."""
        try:
            plain = parsed_json(content)
            if plain["format"] != PROPOSAL:
                raise ValueError(f"it is {str(plain['format'])[:60]!r}")
            settings = {
                key: ProposedSetting(**section(f"settings.{key}", each, ProposedSetting))
                for key, each in plain["settings"].items()
            }
            return SettingsProposal(
                text("region", plain["region"]), whole("number", plain["number"], at_least=1), settings
            )
        except (ValueError, KeyError, TypeError, AttributeError, ConfigurationError) as problem:
            raise RepositoryRefused(
                f"what the hub proposes of settings cannot be read by this version of fedsov ({problem}); nothing was "
                "changed; let both use the same version"
            ) from None


@dataclass(frozen=True, slots=True)
class SettingsAnswer:
    """What a region says to a proposal.

    Attributes:
        number: of the proposal; 0 where it saw none.
        in_force: the value of each setting that a hub may propose, as `fedsov region set` takes it.
        refused: why a proposed setting was not taken, by key.
        changes: what a new law decides otherwise of what the region permits today, in sentences.
        waits: why nothing could be changed now; "" where it could.
        digest: SHA-256 of region.yaml; at: when, ISO 8601.
    """

    region: str
    number: int
    in_force: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    waits: str = ""
    digest: str = ""
    at: str = ""

    def __post_init__(self) -> None:
        store(
            self,
            number=whole("number", self.number, at_least=0),
            in_force=text_mapping("in_force", self.in_force),
            refused=text_mapping("refused", self.refused),
            changes=tuple(text("changes", each) for each in self.changes),
            **{name: text(name, getattr(self, name)) for name in ("region", "waits", "digest", "at")},
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "changes": list(self.changes)}

    def signed(self, sign: Callable[[bytes], bytes]) -> bytes:
        """For the hub, signed by the region's ledger key."""
        return signed_text.written(ANSWER, self.to_json(), sign)

    @staticmethod
    def from_signed(content: bytes, key: str) -> SettingsAnswer:
        """The answer in a text that this key (hexadecimal) signed. Raises CertificateRefused, ConfigurationError."""

        def holds(plain: Mapping[str, Any], message: bytes, signature: bytes) -> bool:
            return holds_ed25519(key, message, signature)

        plain = signed_text.read(content, ANSWER, holds, called="what a region says of its settings")
        return SettingsAnswer.from_json(plain)

    @staticmethod
    def from_json(plain: Any) -> SettingsAnswer:
        """The inverse of `to_json`. Raises ConfigurationError."""
        given = section("answer", plain, SettingsAnswer)
        if not isinstance(given.get("changes", []), list):
            raise ConfigurationError("changes must be a list of texts")
        return SettingsAnswer(**{**given, "changes": tuple(given.get("changes", []))})
