"""A hub proposes settings to its regions, and sees what each has in force: `fedsov config`.

    propose(home, ["limits.rounds=40"], regions=["DE"], by="A. Person", why="longer trainings")
    for each in proposed(home): each.states

The hub's ledger notes a proposal before it is published, and each answer that is another than before. Nothing here
changes a region: its agent takes what its own region.yaml lets a hub propose (`region_configuration`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fedsov.api.control.configuration.configuration_answers import NOTE
from fedsov.api.control.control_hub import ControlHub, control_hub
from fedsov.api.region_settings import UNSAID, user
from fedsov.border.law.bundle_file import read_bundle_file
from fedsov.control_plane.configuration.standing import ProposalAuthor, ProposedToRegion, standing
from fedsov.control_plane.configuration.standing import propose as put
from fedsov.control_plane.configuration.standing import withdraw as take_off
from fedsov.errors import ConfigurationError, unknown
from fedsov.ledger.ledger import entry_time
from fedsov.protocol.proposed_settings import LAW
from fedsov.region.proposals import PROPOSABLE, may_propose
from fedsov.region.settings import RegionSettings
from fedsov.storage.bounded_files import TooLarge, read_bounded


def propose(
    home: Path,
    words: Sequence[str],
    *,
    regions: Sequence[str] = (),
    law: Path | None = None,
    by: str = "",
    why: str = "",
) -> tuple[ProposedToRegion, ...]:
    """Proposes settings KEY=VALUE to regions; what stands proposed to each.

    Args:
        regions: those that are meant; all that belong to the hub where none is named.
        law: a signed bundle of law, which goes with the proposal.

    Raises ConfigurationError for a setting that no hub can propose, a value that cannot be, or an unknown region;
    LedgerBroken, WorkspaceUnusable.
    """
    values, text = checked(words), b""
    if law is not None:
        values[LAW], text = _law(law)
    elif LAW in values:
        raise ConfigurationError(f"{LAW} takes the law itself; give its file: --law FILE")
    if not values:
        raise ConfigurationError("nothing is proposed; give KEY=VALUE, such as limits.rounds=40, or --law FILE")
    author = ProposalAuthor(by or user(), why or UNSAID, entry_time())
    with control_hub(home) as hub:
        _note(hub, "proposed", regions, author, settings=values)
        with hub.database.changing() as connection:
            numbers = put(connection, hub.repository, values, regions, author, law=text)
        return _standing(hub, numbers)


def withdraw(
    home: Path, keys: Sequence[str], *, regions: Sequence[str] = (), by: str = "", why: str = ""
) -> tuple[ProposedToRegion, ...]:
    """Takes settings off what stands proposed; a region keeps what it took. Raises as `propose`."""
    author = ProposalAuthor(by or user(), why or UNSAID, entry_time())
    with control_hub(home) as hub:
        _note(hub, "withdrew", regions, author, keys=list(keys))
        with hub.database.changing() as connection:
            numbers = take_off(connection, hub.repository, keys, regions)
        return _standing(hub, numbers)


def proposed(home: Path, regions: Sequence[str] = ()) -> tuple[ProposedToRegion, ...]:
    """What stands proposed to each region, and what it says; all regions' where none is named.

    Raises ConfigurationError for a region to which nothing was proposed, and that answered nothing.
    """
    with control_hub(home) as hub:
        return _standing(hub, regions)


def checked(words: Sequence[str]) -> dict[str, str]:
    """Settings by key, each one that a hub can propose and whose value can be.

    Raises ConfigurationError, naming the setting.
    """
    values: dict[str, str] = {}
    for word in words:
        key, equals, value = (part.strip() for part in word.partition("="))
        if not equals:
            raise ConfigurationError(f"{word!r} is no setting; write KEY=VALUE, such as limits.rounds=40")
        if not may_propose(PROPOSABLE, key):
            raise ConfigurationError(unknown("setting that a hub may propose", key, PROPOSABLE))
        RegionSettings("REGION").changed([word])
        values[key] = value
    return values


def _law(path: Path) -> tuple[str, bytes]:
    """The digest of a bundle of law, and its text."""
    try:
        return read_bundle_file(path).bundle.digest, read_bounded(path)
    except (OSError, TooLarge) as problem:
        raise ConfigurationError(
            f"{path} cannot be read ({problem}); `fedsov border bundle export` writes one"
        ) from None


def _note(hub: ControlHub, act: str, regions: Sequence[str], author: ProposalAuthor, **more: object) -> None:
    meant = list(regions) or sorted(hub.repository.enrolled())
    for name in meant:
        if name not in hub.repository.enrolled():
            raise ConfigurationError(unknown("region", name, hub.repository.enrolled()))
    hub.ledger.note({NOTE: {"act": act, "regions": meant, **more, "by": author.by, "why": author.why}})


def _standing(hub: ControlHub, names: Sequence[str] | Mapping[str, int]) -> tuple[ProposedToRegion, ...]:
    with hub.database.reading() as connection:
        every = {each.proposal.region: each for each in standing(connection)}
    for name in names:
        if name not in every:
            raise ConfigurationError(
                f"nothing was proposed to {name}, and it answered nothing; `fedsov config propose`"
            )
    return tuple(every[name] for name in (names or every))
