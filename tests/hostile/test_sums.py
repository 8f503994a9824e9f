"""One member that spoils its part of a secure sum is named, and the sum goes on without it where enough are left."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from fedsov.errors import SumRefused, TrainingFailed
from fedsov.hub.secure_sum import summed
from fedsov.privacy.secure_aggregation import secret_sharing
from fedsov.privacy.secure_aggregation.attempts import blamed, may_begin_again
from fedsov.privacy.secure_aggregation.protocol import threshold_of
from fedsov.protocol.flower_messages import record_of
from fedsov.protocol.secure_sum_messages import ADVERTISE, MASK, SHARE, UNMASK, asked_alike, said_in
from fedsov.region.secure_sum_member import SecureSumMember
from tests.hub.secure_links import BOUNDS, NAMES, START, Board, board, mean, train
from tests.region.test_secure_sum_member import MODEL, Sum, app, members, step

ES = 3
"""The node of the region that spoils sums here; the second of `NAMES`."""
SMALL_ORDER = (
    "00" * 32,
    "01" + "00" * 31,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)
"""X25519 keys with which every private key agrees on zeros (https://cr.yp.to/ecdh.html)."""


def _directory(regions: Board) -> dict[str, bytes]:
    return {home.start.region.name: bytes.fromhex(home.outbound.gate.ledger.key) for home in regions.homes.values()}


def _train(regions: Board, rounds: int = 1) -> tuple[Any, list[str]]:
    said: list[str] = []
    gather = summed(regions.names, bounds=BOUNDS, run="run", directory=_directory(regions), say=said.append)
    return train(regions, rounds=rounds, gather=gather)[0], said


def _is_mean_of(names: list[str], parameters: Mapping[str, np.ndarray]) -> bool:
    plain = mean(names, START)
    return all(np.allclose(parameters[key], array, rtol=1e-5, atol=1e-6) for key, array in plain.items())


def _garbling(regions: Board, kind: str, change: Callable[[dict[str, Any]], dict[str, Any]], node: int = ES) -> None:
    """Changes what a node answers to a step, where its region has signed or sealed nothing over it."""

    def garble(message: Message, reply: Message) -> None:
        if message.metadata.message_type == kind and message.metadata.dst_node_id == node and reply.has_content():
            (name,) = reply.content.config_records
            content = json.loads(str(reply.content.config_records[name]["json"]))
            reply.content[name] = ConfigRecord({"json": json.dumps(change(content))})

    regions.garble = garble


# ------------------------------------------------------------------ keys


@pytest.mark.parametrize("part", ["channel", "mask"])
@pytest.mark.parametrize("key", SMALL_ORDER)
def test_a_key_of_small_order_costs_its_member_the_round_and_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, key: str
) -> None:
    """Signed by its pinned key, as a hostile member's is: every other member's agreement fails under it."""
    from dataclasses import replace

    from fedsov.region import secure_sum_member

    def advertise(terms: Any, me: str, *, sign: Any, after: int) -> Any:
        state, advert = honest(terms, me, sign=sign, after=after)
        if me == "ES":
            bad = replace(advert, **{part: bytes.fromhex(key)})
            advert = replace(bad, signature=sign(bad.signed_text(terms)))
        return state, advert

    honest = secure_sum_member.advertise
    monkeypatch.setattr(secure_sum_member, "advertise", advertise)
    outcome, _ = _train(board(tmp_path, 4))
    assert outcome.rounds[0].failed == {ES: "KeyOfSmallOrder"}
    assert _is_mean_of(["DE", "FR", "IT"], outcome.parameters)


def test_a_member_that_is_told_such_a_key_refuses_and_names_whose_it_is() -> None:
    regions = members()
    under_way = Sum(regions)
    under_way.advertise()
    signed = regions["ES"].held
    assert signed is not None
    from dataclasses import replace

    from fedsov.protocol.secure_sum_messages import keys_of, keys_said

    bad = replace(keys_of("ES", under_way.keys["ES"]), mask=bytes(32))
    bad = replace(bad, signature=regions["ES"].sign(bad.signed_text(signed.terms)))
    with pytest.raises(SumRefused, match="ES's keys are of small order"):
        under_way.ask("DE", SHARE, {"keys": {**under_way.keys, "ES": keys_said(bad)}})


# ------------------------------------------------------------------ letters


def _spoiled(letters: dict[str, str], to: tuple[str, ...]) -> dict[str, str]:
    return {name: letter[:-2] + ("00" if letter[-2:] != "00" else "11") if name in to else letter
            for name, letter in letters.items()}  # fmt: skip


def test_letters_that_nobody_can_open_cost_their_sender_the_round(tmp_path: Path) -> None:
    """At e20a276 each other member refuses, is taken for lost, and one member has ended the sum of all."""
    regions = board(tmp_path, 4)
    _garbling(regions, SHARE, lambda letters: _spoiled(letters, ("DE", "FR", "IT")))
    outcome, said = _train(regions)
    assert _is_mean_of(["DE", "FR", "IT"], outcome.parameters)
    assert outcome.rounds[0].failed == {ES: "LettersUnreadable (its letters do not open for DE, FR, IT)"}
    (line,) = said
    assert "round 1 begins again without ES: ES: LettersUnreadable (its letters do not open for DE, FR, IT)" in line


def test_two_members_that_spoil_their_letters_are_left_out_where_six_take_part(tmp_path: Path) -> None:
    regions = board(tmp_path, 6)
    others = tuple(name for name in NAMES if name not in ("ES", "NL"))

    def garble(message: Message, reply: Message) -> None:
        if message.metadata.message_type == SHARE and message.metadata.dst_node_id in (ES, 6):
            letters = json.loads(str(reply.content["letters"]["json"]))
            reply.content["letters"] = ConfigRecord({"json": json.dumps(_spoiled(letters, others))})

    regions.garble = garble
    outcome, _ = _train(regions)
    assert _is_mean_of(list(others), outcome.parameters)
    assert set(outcome.rounds[0].failed) == {ES, 6}


def test_a_letter_that_one_member_cannot_open_costs_its_sender_where_four_take_part(tmp_path: Path) -> None:
    regions = board(tmp_path, 4)
    _garbling(regions, SHARE, lambda letters: _spoiled(letters, ("DE",)))
    outcome, _ = _train(regions)
    assert _is_mean_of(["DE", "FR", "IT"], outcome.parameters)


def test_of_two_that_contradict_each_other_both_are_left_out_where_enough_remain(tmp_path: Path) -> None:
    regions = board(tmp_path, 6)
    _garbling(regions, SHARE, lambda letters: _spoiled(letters, ("DE",)))
    outcome, _ = _train(regions)
    assert _is_mean_of(["FR", "IT", "NL", "PL"], outcome.parameters)
    assert set(outcome.rounds[0].failed) == {2, ES}


def test_a_member_that_complains_of_all_is_left_out_itself(tmp_path: Path) -> None:
    regions = board(tmp_path, 4)

    def garble(message: Message, reply: Message) -> None:
        if message.metadata.message_type == MASK and message.metadata.dst_node_id == ES:
            complaint = {"complaint": ConfigRecord({"json": json.dumps({"letters": ["DE", "FR", "IT"]})})}
            reply.__dict__["_content"] = RecordDict(complaint)

    regions.garble = garble
    outcome, _ = _train(regions)
    assert _is_mean_of(["DE", "FR", "IT"], outcome.parameters)
    assert "its complaint stands alone" in outcome.rounds[0].failed[ES]


def test_where_too_few_would_be_left_the_training_ends_with_whose_letters_they_were(tmp_path: Path) -> None:
    regions = board(tmp_path, 3)
    _garbling(regions, SHARE, lambda letters: _spoiled(letters, ("DE", "FR")))
    with pytest.raises(TrainingFailed, match=r"ES: LettersUnreadable \(its letters do not open for DE, FR\)"):
        _train(regions)


@pytest.mark.parametrize("kind", [ADVERTISE, SHARE, MASK, UNMASK])
@pytest.mark.parametrize("odd", [[], 5, None, {"DE": 5}, {"seeds": [], "keys": {}}, {"keys": {"DE": "zz"}}])
def test_an_answer_of_odd_types_at_any_step_costs_its_member_alone(tmp_path: Path, kind: str, odd: Any) -> None:
    regions = board(tmp_path, 4)
    _garbling(regions, kind, lambda _: odd)
    outcome, _ = _train(regions)
    left = list(NAMES[:4]) if kind == UNMASK else ["DE", "FR", "IT"]
    assert _is_mean_of(left, outcome.parameters)
    if kind != UNMASK:
        assert outcome.rounds[0].failed[ES].startswith("AnswerUnreadable")


# ------------------------------------------------------------------ shares at the end


def _other_share(share: str) -> str:
    value = (int(share, 16) + 1) % secret_sharing.PRIME
    return value.to_bytes(secret_sharing.SIZE, "big").hex()


def _lying(said: dict[str, Any]) -> dict[str, Any]:
    return {what: {name: _other_share(share) for name, share in several.items()} for what, several in said.items()}


def test_a_false_share_is_left_out_and_who_gave_it_is_said(tmp_path: Path) -> None:
    regions = board(tmp_path, 4)
    _garbling(regions, UNMASK, _lying)
    outcome, said = _train(regions)
    assert _is_mean_of(list(NAMES[:4]), outcome.parameters)
    assert said == ["round 1: ES gave false shares of others' secrets; left out"]


def test_shares_of_fewer_regions_than_were_asked_for_are_no_answer(tmp_path: Path) -> None:
    """A member that leaves a survivor out made the hub take it for gone, and look for a key that nobody gave."""
    regions = board(tmp_path, 4)
    _garbling(regions, UNMASK, lambda said: {**said, "seeds": {"ES": said["seeds"]["ES"]}})
    outcome, _ = _train(regions)
    assert _is_mean_of(list(NAMES[:4]), outcome.parameters)


def test_a_member_that_dealt_false_shares_costs_its_round_and_later_ones_go_on_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its letters open, but what is in them makes no secret: only the last step can tell."""
    from fedsov.privacy.secure_aggregation import protocol

    def share(state: Any, adverts: Any, *, directory: Any) -> Any:
        if state.me != "ES":
            return honest(state, adverts, directory=directory)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(protocol.secret_sharing, "split", dealt_falsely)
            return honest(state, adverts, directory=directory)

    def dealt_falsely(secret: bytes, *, threshold: int, holders: int, draw: Any) -> dict[int, bytes]:
        return {at: bytes([0]) + draw(32) for at in range(1, holders + 1)}

    from fedsov.region import secure_sum_member

    honest = protocol.share
    monkeypatch.setattr(secure_sum_member, "share", share)
    outcome, _ = _train(board(tmp_path, 4), rounds=2)
    first, second = outcome.rounds
    assert "FalseSecret" in first.failed[ES] and "the secret of ES" in first.failed[ES] and not first.together
    assert second.together["contributors"] == 3 and "ES" in second.left_out[ES]
    assert _is_mean_of(["DE", "FR", "IT"], outcome.parameters)


# ------------------------------------------------------------------ what a second attempt may tell


def _advertised(regions: Mapping[str, SecureSumMember], names: list[str]) -> None:
    regions["DE"].answer(step(ADVERTISE, {"names": names}), app("DE"))


def test_a_round_is_begun_again_among_fewer_and_never_among_others_or_after_it_was_opened() -> None:
    regions = members(("DE", "ES", "FR", "IT", "NL"))
    _advertised(regions, ["DE", "ES", "FR", "IT"])
    _advertised(regions, ["DE", "ES", "FR"])
    for names in (["DE", "ES", "FR"], ["DE", "ES", "FR", "IT"], ["DE", "FR", "NL"]):
        with pytest.raises(SumRefused, match="round 1 was answered before"):
            _advertised(regions, names)
    opened = Sum(members())
    opened.advertise()
    opened.share()
    opened.mask({name: app(name) for name in opened.regions})
    opened.opened()
    with pytest.raises(SumRefused, match="round 1 was answered before"):
        _advertised(opened.regions, ["DE", "ES", "FR"])


def test_what_was_masked_in_an_earlier_attempt_is_never_opened() -> None:
    under_way = Sum(members())
    under_way.advertise()
    under_way.share()
    under_way.mask({name: app(name) for name in under_way.regions})
    _advertised(under_way.regions, ["DE", "ES", "FR"])
    with pytest.raises(SumRefused):
        under_way.ask("DE", UNMASK, under_way.told_at_the_end())


@pytest.mark.parametrize("count", range(4, 40))
def test_no_two_attempts_of_a_round_can_both_be_opened(count: int) -> None:
    """An earlier attempt takes a threshold of those that did not go on, a later one of those that did."""
    names = [f"R{at:02}" for at in range(count)]
    for left in range(3, count):
        allowed = may_begin_again(names, names, names[:left])
        both = any(
            went_on >= threshold_of(left) and count - went_on >= threshold_of(count) for went_on in range(left + 1)
        )
        assert not (allowed and both)
        assert allowed or left < count - 2


def test_whom_complaints_speak_against_does_not_depend_on_their_order() -> None:
    complaints = {"DE": ["ES", "IT"], "FR": ["ES"], "IT": ["ES"], "ES": ["DE"]}
    again = dict(reversed(complaints.items()))
    assert blamed(complaints, members=6, fewest=3) == blamed(again, members=6, fewest=3) != []


@pytest.mark.parametrize("own_digest", [False, True])
def test_no_member_adds_its_part_to_a_sum_of_which_another_was_sent_another_model(own_digest: bool) -> None:
    """Under a unit that no row reaches the others' parts were 0, and the opened sum DE's own update."""
    regions = members()
    dead = {"arrays": record_of({"w": MODEL["w"] * 0 - 50, "b": MODEL["b"]})}

    def sent(name: str, told: Mapping[str, Any]) -> Message:
        question = step(MASK, told)
        return question if name == "DE" else Message(RecordDict({**question.content, **dead}), 2, MASK)

    under_way = Sum(regions)
    asked = {name: {"question": asked_alike(sent(name if own_digest else "DE", {}))} for name in regions}
    told = {name: {"names": sorted(regions), **asked[name]} for name in regions}
    under_way.keys = {name: said_in(under_way.ask(name, ADVERTISE, told[name]), "keys") for name in regions}
    if own_digest:  # what each was asked is in what it signed, so that none believes another's keys
        with pytest.raises(SumRefused, match="not signed by its pinned key, or another than this region has"):
            under_way.share()
        return
    under_way.share()
    assert regions["DE"].answer(step(MASK, under_way.letters_to("DE")), app("DE")).has_content()
    for name in sorted({*regions} - {"DE"}):
        with pytest.raises(SumRefused, match="another thing than its members signed"):
            regions[name].answer(sent(name, under_way.letters_to(name)), app(name))
