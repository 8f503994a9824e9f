"""What a region may sign: its own list with what was agreed, and the way back to that list. Nothing else is taken."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fedsov.errors import ApprovalRefused, ConfigurationError
from fedsov.inference.approved import ApprovedList, read_approved
from fedsov.ledger.ledger import Ledger
from fedsov.protocol.rollouts import SignedLists
from tests.control_plane.rollouts.world import NOW, HubWorld, Region, version_of


@pytest.fixture
def world(tmp_path: Path) -> Iterator[HubWorld]:
    with HubWorld.begin(tmp_path, "DE", "FR") as begun:
        yield begun


@pytest.fixture(scope="module")
def proposed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubWorld]:
    """A world with version 2 proposed as rollout 1, which nobody signs."""
    with HubWorld.begin(tmp_path_factory.mktemp("proposed"), "DE", "FR") as begun:
        begun.propose(2)
        yield begun


def _with(change: Callable[[HubWorld, Region, SignedLists], SignedLists]) -> Callable[[HubWorld, Region], SignedLists]:
    def made(world: HubWorld, region: Region) -> SignedLists:
        candidate = world.rollouts.candidate(1, "DE")
        return change(world, region, region.lists(candidate, world.key))

    return made


def _forward(change: Callable[[ApprovedList], ApprovedList]) -> Callable[[HubWorld, Region], SignedLists]:
    """The list forward, changed and signed by the region."""

    def changed(world: HubWorld, region: Region, lists: SignedLists) -> SignedLists:
        version = version_of(world.rollouts.candidate(1, "DE"))
        listed = change(region.listed(world.key).with_version(version, at=NOW))
        return replace(lists, forward=region.half(listed, world.key))

    return _with(changed)


def _version(**changed: object) -> Callable[[HubWorld, Region], SignedLists]:
    return _forward(lambda listed: replace(listed, versions=(replace(listed.versions[0], **changed),)))


def _of_another_ledger(world: HubWorld, region: Region, lists: SignedLists) -> SignedLists:
    other = Region("DE", world.regions["FR"].ledger)
    return other.lists(world.rollouts.candidate(1, "DE"), world.key)


@pytest.mark.parametrize(
    "attack",
    [
        _version(digest="ff" * 32),
        _version(mode="canary", share=0.5),
        _version(verdict="pass"),
        _version(version=3),
        _version(model="others"),
        _version(registry="DE"),
        _forward(lambda listed: replace(listed, counter=7)),
        _forward(lambda listed: replace(listed, region="FR")),
        _forward(lambda listed: listed.with_version(replace(listed.versions[0], model="others"), at=NOW)),
        _with(lambda world, region, lists: replace(lists, back=lists.forward)),
        _with(lambda world, region, lists: replace(lists, forward=lists.back)),
        _with(lambda world, region, lists: replace(lists, forward=lists.forward.replace(b"tried", b"tired"))),
        _with(lambda world, region, lists: replace(lists, forward=b"{}")),
        _with(lambda world, region, lists: replace(lists, current=lists.forward)),
        _with(lambda world, region, lists: replace(lists, begins_after=5)),
        _with(_of_another_ledger),
    ],
)
def test_a_region_s_half_that_says_anything_else_than_was_agreed_is_refused(
    proposed: HubWorld, attack: Callable[[HubWorld, Region], SignedLists]
) -> None:
    with pytest.raises(ApprovalRefused):
        proposed.rollouts.take_lists(attack(proposed, proposed.regions["DE"]))
    assert proposed.rollouts.status(1).rollout.steps["DE"].state == "unsigned"
    assert proposed.rollouts.published("DE") is None


def test_a_signature_of_another_region_s_approver_signs_nothing(world: HubWorld) -> None:
    number = world.propose(2)
    region = world.regions["DE"]
    roles = world.rollouts.take_lists(region.lists(world.rollouts.candidate(number, "DE"), world.key))
    foreign = world.regions["FR"].signatures(roles)
    with pytest.raises(ApprovalRefused, match="not signed by DE"):
        world.rollouts.take_signatures(replace(foreign, region="DE"))
    with pytest.raises(ConfigurationError, match="FR has shown no lists"):
        world.rollouts.take_signatures(foreign)
    both = region.signatures(roles)
    with pytest.raises(ApprovalRefused, match="not signed by DE"):
        world.rollouts.take_signatures(replace(both, back=both.forward))
    assert world.rollouts.status(number).rollout.steps["DE"].state == "unsigned", "one approval of two"


def test_the_hub_signs_the_very_text_that_the_region_signed(world: HubWorld) -> None:
    number = world.propose(2)
    region = world.regions["DE"]
    lists = region.lists(world.rollouts.candidate(number, "DE"), world.key)
    roles = world.rollouts.take_lists(lists)
    forward, back = (read_approved(each, world.key, region.ledger.key) for each in (roles.forward, roles.back))
    assert (forward.counter, back.counter, len(forward.versions), back.versions) == (1, 2, 1, ())
    assert region.half(forward, world.key) == lists.forward


def test_a_region_that_lags_behind_its_published_list_signs_nothing_new(world: HubWorld) -> None:
    first = world.propose(1)
    world.sign(first)
    world.rollouts.start(first, by="A", why="x", at_once=True)
    second = world.propose(2)
    with pytest.raises(ApprovalRefused, match=r"DE showed its list 0, and list 1 is published for it"):
        world.sign(second, "DE")
    world.take()
    world.sign(second, "DE")


def test_a_hub_that_was_put_back_goes_on_after_the_list_that_a_region_shows(world: HubWorld, tmp_path: Path) -> None:
    """The region's list has the hub's own signature: that is what the hub believes, not its database."""
    first = world.propose(1)
    world.sign(first)
    world.rollouts.start(first, by="A", why="x", at_once=True)
    world.take()
    with HubWorld.begin(tmp_path, url=f"sqlite:///{tmp_path}/older.sqlite") as older:
        assert older.rollouts.wanted() == {}
        older.regions = world.regions
        with older.rollouts.database.changing() as connection:
            for name, region in world.regions.items():
                older.rollouts.repository.enroll(connection, name, region.ledger.key)
                region.role_version = 9
        number = older.propose(2)
        older.sign(number)
        older.rollouts.start(number, by="A", why="x", at_once=True)
        older.take()
        assert older.champions() == {"DE": 2, "FR": 2}
        assert {region.listed(older.key).counter for region in world.regions.values()} == {2}


def test_another_hub_s_list_is_not_signed(world: HubWorld, tmp_path: Path) -> None:
    world.propose(2)
    other = Ledger(tmp_path / "other.sqlite", "hub")
    try:
        lists = world.regions["DE"].lists(world.rollouts.candidate(1, "DE"), other.key)
    finally:
        other.close()
    with pytest.raises(ApprovalRefused, match="is for the hub whose key is"):
        world.rollouts.take_lists(lists)


def test_a_region_that_breaks_off_while_it_signs_anew_is_unsigned_and_holds_up_no_other(world: HubWorld) -> None:
    number = world.propose(2, canary="FR")
    world.sign(number)
    region = world.regions["DE"]
    world.rollouts.take_lists(region.lists(world.rollouts.candidate(number, "DE"), world.key))
    assert world.rollouts.status(number).rollout.steps["DE"].state == "unsigned"
    world.rollouts.start(number, by="A", why="x")
    world.take()
    assert world.champions() == {"DE": None, "FR": 2}
    world.sign(number, "DE")
    world.rollouts.start(number, by="A", why="x")
    world.take()
    assert world.champions() == {"DE": 2, "FR": 2}


def test_a_list_that_was_overtaken_while_a_region_signed_it_is_not_taken(world: HubWorld) -> None:
    """The region would refuse it for its number, and the rollout would never end."""
    first = world.propose(1)
    world.sign(first)
    world.rollouts.start(first, by="A", why="x", at_once=True)
    world.take()
    second, region = world.propose(2), world.regions["DE"]
    roles = world.rollouts.take_lists(region.lists(world.rollouts.candidate(second, "DE"), world.key))
    world.rollouts.rollback(first, by="A", why="complaints")
    with pytest.raises(ApprovalRefused, match=r"list 2 was published for DE while it signed rollout 2 \(people 2\)"):
        world.rollouts.take_signatures(region.signatures(roles))
    world.take()
    world.sign(second)
    world.rollouts.start(second, by="A", why="x", at_once=True)
    world.take()
    assert world.champions() == {"DE": 2, "FR": 2}


def test_two_people_who_start_a_rollout_at_once_begin_one_wave(world: HubWorld) -> None:
    number = world.propose(2)
    world.sign(number)
    seen = world.rollouts.status(number).rollout.progress
    answers: list[object] = []

    def start(person: str) -> None:
        try:
            answers.append(world.rollouts.start(number, by=person, why="x", seen=seen))
        except ConfigurationError as error:
            answers.append(str(error))

    threads = [threading.Thread(target=start, args=(person,)) for person in ("A", "B")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    (refused,) = (answer for answer in answers if isinstance(answer, str))
    assert "went on since this was shown, and is running now; nothing was done" in refused
    assert world.rollouts.status(number).rollout.at("published") == ("DE",)
    now = world.rollouts.status(number).rollout.progress
    assert world.rollouts.start(number, by="A", why="x", seen=now).rollout.at("published") == ("DE", "FR")


@pytest.mark.parametrize("version", [-1, 2**31, 2**62])
def test_a_version_that_no_role_can_have_is_refused(proposed: HubWorld, version: int) -> None:
    region = proposed.regions["DE"]
    lists = replace(region.lists(proposed.rollouts.candidate(1, "DE"), proposed.key), role_version=version)
    with pytest.raises(ApprovalRefused, match="says that its role has version"):
        proposed.rollouts.take_lists(lists)


@pytest.mark.parametrize("number", [-1, 0, 7, 2**31, 2**70])
def test_a_number_that_no_rollout_has_is_named(proposed: HubWorld, number: int) -> None:
    with pytest.raises(ConfigurationError, match=f"no rollout {number}; there are 1"):
        proposed.rollouts.start(number, by="A", why="x")
