"""What a region's process is told when it starts, as plain values that can travel to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from fedsov.artifact import Party
from fedsov.border.lawbook import Bundle
from fedsov.config import BorderSettings
from fedsov.federation.clock import Calendar
from fedsov.privacy.fixed_point import Bounds


@dataclass(frozen=True, slots=True)
class RegionBrief:
    """All that a region's process is told: itself, its folder, whom it may speak to, and what to do.

    Attributes:
        region, hub, peers: parties; `peers` are the other regions, with their public keys (hexadecimal).
        folder: the region's own folder.
        work: what its ClientApp is to do (`fedsov.training.work.Work`, as JSON).
        evidence, rules: the register of documents and additional rules, as paths; `unsafe` opens the border.
        today: the day of the first round, or None for this region's own clock at every decision.
        days_per_round: of a rehearsal (`fedsov.federation.clock`).
        sums: the bounds of secure sums, outside which nothing of a joint model's training leaves; None without them.
        beside: a second process of the region, which makes synthetic rows while the first trains, and nothing else.
        noted: size and digest of this region's ledger when the hub last noted them; the ledger must continue them.
    """

    region: Party
    hub: Party
    folder: Path
    run: str
    work: Mapping[str, Any]
    evidence: Path | None
    rules: Path | None
    unsafe: bool
    today: date | None
    peers: Mapping[str, Party] = field(default_factory=dict)
    peer_keys: Mapping[str, str] = field(default_factory=dict)
    noted: Mapping[str, Any] | None = None
    days_per_round: int = 0
    sums: Bounds | None = None
    beside: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values for the line."""
        return {
            "region": self.region.to_json(),
            "hub": self.hub.to_json(),
            "folder": str(self.folder),
            "run": self.run,
            "work": dict(self.work),
            "evidence": str(self.evidence) if self.evidence else None,
            "rules": str(self.rules) if self.rules else None,
            "unsafe": self.unsafe,
            "today": self.today.isoformat() if self.today else None,
            "days_per_round": self.days_per_round,
            "peers": {name: party.to_json() for name, party in self.peers.items()},
            "peer_keys": dict(self.peer_keys),
            "beside": self.beside,
            "sums": None if self.sums is None else asdict(self.sums),
            "noted": None if self.noted is None else dict(self.noted),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> RegionBrief:
        """The inverse of `to_json`."""
        return RegionBrief(
            region=Party.from_json(value["region"]),
            hub=Party.from_json(value["hub"]),
            folder=Path(value["folder"]),
            run=value["run"],
            work=value["work"],
            evidence=Path(value["evidence"]) if value["evidence"] else None,
            rules=Path(value["rules"]) if value["rules"] else None,
            unsafe=value["unsafe"],
            today=date.fromisoformat(value["today"]) if value["today"] else None,
            days_per_round=value["days_per_round"],
            peers={name: Party.from_json(party) for name, party in value["peers"].items()},
            peer_keys=value["peer_keys"],
            sums=None if value["sums"] is None else Bounds(**value["sums"]),
            noted=value["noted"],
            beside=value["beside"],
        )

    def calendar(self) -> Calendar:
        """The days this region decides on."""
        return Calendar.of(self.today, self.days_per_round)

    def bundle(self) -> Bundle:
        """The rules this region decides by: its own copy, read here."""
        return BorderSettings(self.evidence, self.rules, self.unsafe).bundle()
