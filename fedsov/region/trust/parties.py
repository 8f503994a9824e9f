"""The parties that a region deals with, as its owner pinned them: the hub, the region itself, and its peers.

Whether something may cross follows from where a party's machines are, who it is, who owns it, and its part in the law.
A job states all that of the parties it names, so that a hub that says "I am in DE" would open the border by a word:
`region.yaml` pins them (``parties``; their keys are ``keys.NAME``), and a job that states another place, entity, owner
or role of a pinned party is refused. In one workspace a region's first ingestion pins the parties as its settings
describe them (`Parties.completed`); from then on only `fedsov region set` changes them.

>>> pinned = Parties(hub=Party("hub", "US", "Bank Inc."))
>>> pinned.contradictions("DE", Parties(hub=Party("hub", "DE", "Bank Inc.")))[0].split("; ")[1]
'`fedsov region set DE parties.hub.location=DE` would change it'
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fedsov.artifact import Party
from fedsov.border.law.bundle_loader import load_atlas
from fedsov.checks import mapping, section, shown, text
from fedsov.errors import ConfigurationError, unknown
from fedsov.jurisdiction import party_settings
from fedsov.protocol.job import RegionStart
from fedsov.region.own_dataset import in_shell

WORDS = ("name", "location", "entity", "owners", "role")
GROUPS = ("hub", "region", "peers.NAME")
"""What is pinned of whom, under ``parties``; only of the hub its name is."""


@dataclass(frozen=True, slots=True)
class Parties:
    """The parties that are pinned, or that a job states.

    Attributes:
        hub: whom answers go to; None where nobody was pinned.
        region: the region itself, as a party to crossings; None where nothing was pinned.
        peers: other regions, by their names.
    """

    hub: Party | None = None
    region: Party | None = None
    peers: Mapping[str, Party] = field(default_factory=dict)

    @staticmethod
    def from_settings(region: str, plain: Any) -> Parties:
        """The group ``parties`` of a region's settings. Raises ConfigurationError, naming the key."""
        given = section("parties", plain, Parties)
        own = mapping("parties.peers", given.get("peers", {}), "a mapping as {NAME: {location: ..., entity: ...}}")
        peers = {text("a name in parties.peers", name): part for name, part in own.items()}
        return Parties(
            None if given.get("hub") is None else Party.from_settings("parties.hub", given["hub"], load_atlas()),
            None if given.get("region") is None else _named("parties.region", region, given["region"]),
            {name: _named(f"parties.peers.{name}", name, part) for name, part in peers.items()},
        )

    @staticmethod
    def of(start: RegionStart) -> Parties:
        """Those that a job states."""
        return Parties(start.hub, start.region, start.peers)

    def to_json(self) -> dict[str, Any]:
        """Plain values, as in the file."""
        return {
            "hub": None if self.hub is None else self.hub.to_json(),
            "region": None if self.region is None else _nameless(self.region),
            "peers": {name: _nameless(party) for name, party in self.peers.items()},
        }

    def contradictions(self, region: str, stated: Parties) -> list[str]:
        """A sentence for each pinned party that is stated otherwise; `region` is the one that pinned them."""
        both = {group: (pinned, dict(stated._groups()).get(group)) for group, pinned in self._groups()}
        return [
            f"region {region} has pinned {_differing(group, pinned, other)}; `fedsov region set {region} "
            f"{' '.join(words(group, other, beside=pinned))}` would change it"
            for group, (pinned, other) in both.items()
            if other is not None and other != pinned
        ]

    def unsaid(self, region: str, stated: Parties) -> list[str]:
        """A sentence for the hub and the region itself where nobody pinned them: nothing leaves to whoever says so."""
        pinned = dict(self._groups())
        return [
            f"region {region} has not pinned where {'the hub' if group == 'hub' else 'itself'} is and whose (parties."
            f"{group}); `fedsov ingest` in its workspace does, or `fedsov region set {region} "
            f"{' '.join(words(group, party))}`"
            for group, party in stated._groups()
            if group in ("hub", "region") and group not in pinned
        ]

    def completed(self, stated: Parties) -> Parties:
        """With whom nobody pinned so far as a job states them; peers at the region's first ingestion alone."""
        peers = {**stated.peers, **self.peers} if self.region is None else self.peers
        return Parties(self.hub or stated.hub, self.region or stated.region, peers)

    def listed(self) -> str:
        """Who is pinned where, in a clause."""
        who = [f"{_called(group)} in {party.location} ({party.entity})" for group, party in self._groups()]
        return ", ".join(who) or "nobody"

    def _groups(self) -> Iterator[tuple[str, Party]]:
        """Those that are said, by their places in the group."""
        if self.hub is not None:
            yield "hub", self.hub
        if self.region is not None:
            yield "region", self.region
        for name, party in sorted(self.peers.items()):
            yield f"peers.{name}", party


def words(group: str, party: Party, *, beside: Party | None = None) -> list[str]:
    """The words KEY=VALUE, for a shell, that pin a party; of one that is pinned those that differ from `beside`."""
    plain = party.to_json() if group == "hub" else _nameless(party)
    before = {"owners": [], "role": "controller"} if beside is None else beside.to_json()
    keys = [key for key in WORDS if key in plain and (key not in before or plain[key] != before[key])]
    return [in_shell(f"parties.{group}.{key}", plain[key]) for key in keys]


def put(plain: dict[str, Any], key: str, value: Any) -> None:
    """Puts a value under a key of the group, such as ``hub.location``. Raises ConfigurationError for one that is none.

    null instead of a party takes it away.
    """
    group, _, word = key.rpartition(".")
    if key in ("hub", "region") and value is None:
        plain[key] = None
    elif key.startswith("peers.") and value is None and key.removeprefix("peers.") in plain["peers"]:
        del plain["peers"][key.removeprefix("peers.")]
    elif group in ("hub", "region") and word in WORDS:
        plain[group] = {**(plain[group] or {}), word: value}
    elif group.startswith("peers.") and word in WORDS:
        plain["peers"].setdefault(group.removeprefix("peers."), {})[word] = value
    else:
        known = [f"parties.{group}.{word}" for group in GROUPS for word in WORDS]
        raise ConfigurationError(unknown("setting", f"parties.{key}", known))


def _named(group: str, name: str, plain: Any) -> Party:
    given = section(group, plain, Party, without=("name",))
    return Party(**party_settings(group, {**given, "name": name}, load_atlas()))


def _nameless(party: Party) -> dict[str, Any]:
    return {key: value for key, value in party.to_json().items() if key != "name"}


def _called(group: str) -> str:
    return {"hub": "the hub", "region": "itself"}.get(group, f"its peer {group.removeprefix('peers.')}")


def _differing(group: str, pinned: Party, stated: Party) -> str:
    """Such as: the hub hub (parties.hub) with location 'US', and this job says location 'DE'."""
    old, new = pinned.to_json(), stated.to_json()
    keys = [key for key in WORDS if old[key] != new[key]]
    ours, theirs = (", ".join(f"{key} {shown(plain[key])}" for key in keys) for plain in (old, new))
    return f"{_called(group)} (parties.{group}) with {ours}, and this job says {theirs}"
