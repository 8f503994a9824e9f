"""What a person may see of rollouts and do about them, checked in one place for pages and for `/api/v1`.

An account for some regions sees the rollouts that are for a region of its own, and of them its regions alone; a number
that it does not see is answered as one that there is not. What is about the whole of a rollout is for accounts of every
region. Each act is noted in the hub's ledger with the person's name before it is tried: a name that was signed in, and
not one that somebody typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from fedsov.control_plane.pages.rights import check_region
from fedsov.control_plane.pages.site import Site
from fedsov.control_plane.people.roles import Person, Right
from fedsov.control_plane.rollouts import tables
from fedsov.control_plane.rollouts.status import status_of
from fedsov.errors import ConfigurationError, FedsovError, printable

NOTE = "person_act"
"""What the hub's ledger calls the note of something that a signed-in person did."""
ActName = Literal["approve", "start", "freeze", "rollback"]
RIGHTS: Mapping[str, Right] = {
    "approve": Right.APPROVE,
    "start": Right.OPERATE,
    "freeze": Right.OPERATE,
    "rollback": Right.OPERATE,
}
LONGEST_WHY = 1000


class NotThere(FedsovError):
    """There is nothing of this number or name that the person may see."""


def rollouts_seen_by(site: Site, person: Person) -> list[dict[str, Any]]:
    """Every rollout that a person sees, the newest first."""
    with site.database.reading() as connection:
        numbers = [rollout.number for rollout, _ in tables.every(connection)]
        listed = [status_of(connection, number).to_json() for number in numbers]
    return [seen for each in listed if (seen := _seen(each, person))]


def rollout_seen_by(site: Site, person: Person, number: int) -> dict[str, Any]:
    """A rollout as a person sees it. Raises NotThere, also for one that is for others' regions alone."""
    try:
        with site.database.reading() as connection:
            seen = _seen(status_of(connection, number).to_json(), person)
    except ConfigurationError:
        seen = None
    if seen is None:
        raise NotThere(f"there is no rollout {number}, or your account is for none of its regions")
    return seen


def act_on_rollout(
    site: Site, person: Person, number: int, act: ActName, *, region: str, why: str, seen: str = ""
) -> str:
    """Does something about a rollout for a person; returns what came of it.

    Args:
        region: whose approval it is; "" for the hub's, and for what is about the whole rollout.
        seen: how far the rollout was on the page that the person acted on; "" of a program that did not look.

    Raises NotThere, Forbidden, ConfigurationError; as the act does.
    """
    shown = rollout_seen_by(site, person, number)
    if region and act != "approve":
        raise ConfigurationError(f"{act} is about the whole rollout; leave the region out")
    check_region(person, RIGHTS[act], region)
    if region and region not in shown["regions"]:
        raise NotThere(f"rollout {number} is not for a region of that name")
    start = None if site.acts.start is None else partial(site.acts.start, seen=seen)
    acts = {"approve": site.acts.approve, "start": start, "freeze": site.acts.freeze}
    perform = (acts | {"rollback": site.acts.rollback})[act]
    if perform is None:
        raise ConfigurationError(f"this hub's pages cannot {act}; `fedsov rollout {act} {number}` does in its home")
    reason = checked_why(why)
    about = {"rollout": number, "region": region, "by": person.name, "why": reason}
    site.note({NOTE: {"act": f"rollout {act}", **about}})
    return perform(number, region=region, by=person.name, why=reason)


def propose_rollout(
    site: Site, person: Person, model: str, version: int, *, regions: list[str], canary: str, why: str
) -> int:
    """Proposes a rollout for a person; returns its number. Raises Forbidden, ConfigurationError; as the act does."""
    check_region(person, Right.OPERATE, "")
    if site.acts.propose is None:
        raise ConfigurationError("this hub's pages cannot propose; `fedsov rollout propose MODEL VERSION` does")
    reason = checked_why(why)
    about = {"model": model, "version": version, "by": person.name, "why": reason}
    site.note({NOTE: {"act": "rollout propose", **about}})
    return site.acts.propose(model, version, regions=regions, canary=canary, by=person.name, why=reason)


def checked_why(why: str) -> str:
    """A person's reason as a ledger keeps it. Raises ConfigurationError for none, and for a very long one."""
    reason = " ".join(printable(word) for word in why.split())
    if not reason:
        raise ConfigurationError("the ledger keeps a reason of each act; write why")
    if len(reason) > LONGEST_WHY:
        raise ConfigurationError(f"the reason has {len(reason)} letters; write at most {LONGEST_WHY}")
    return reason


def _seen(rollout: dict[str, Any], person: Person) -> dict[str, Any] | None:
    """What a person sees of a rollout; None where it is for others' regions alone."""
    if person.is_for_all:
        return rollout
    hidden = {name for name in rollout["regions"] if not person.is_for(name)}
    regions = {
        name: {**step, "why": _without(step["why"], hidden)}
        for name, step in rollout["regions"].items()
        if name not in hidden
    }
    events = [each for each in rollout["events"] if not each["region"] or person.is_for(each["region"])]
    return (
        {
            **rollout,
            "regions": regions,
            "events": [{**each, "why": _without(each["why"], hidden)} for each in events],
            "canary": rollout["canary"] if person.is_for(rollout["canary"]) else "",
            "why": _without(rollout["why"], hidden),
            "next": [sentence for sentence in rollout["next"] if _without(sentence, hidden)],
        }
        if regions
        else None
    )


def _without(sentence: str, hidden: set[str]) -> str:
    """A sentence; "" where it names a region that is hidden."""
    words = {word.strip(".,:;()`'\"") for word in sentence.split()}
    return "" if words & hidden else sentence
