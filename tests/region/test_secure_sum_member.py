"""A region's part in secure sums, step by step without a hub: what it answers, to whom, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict

from fedsov.errors import FedsovError, SumRefused, TrainingFailed
from fedsov.privacy.secure_aggregation.fixed_point import Bounds, summed
from fedsov.privacy.secure_aggregation.protocol import Terms
from fedsov.privacy.secure_aggregation.unmasking import opened_sum
from fedsov.protocol.flower_messages import config_of, identify, new_id, pack, parameters_of, record_of, unpack
from fedsov.protocol.secure_sum_messages import (
    ADVERTISE,
    MASK,
    SHARE,
    TOLD,
    UNMASK,
    asked_alike,
    hexed,
    keys_of,
    opened_of,
    said_in,
    unhexed,
)
from fedsov.region.journal import Journal
from fedsov.region.secure_sum_member import App, SecureSumMember, change
from tests.own_settings import SECRET

NAMES = ("DE", "ES", "FR", "IT")
BOUNDS = Bounds()
MODEL = {"w": np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3), "b": np.array([0.5], np.float32)}
ROWS = {"DE": 100, "ES": 30, "FR": 7, "IT": 60}
WORDS = 7 + 1
"""The model's numbers, and the weight."""


def _moved(name: str) -> dict[str, np.ndarray]:
    return {key: (array + np.float32(0.25) * ROWS[name]).astype(np.float32) for key, array in MODEL.items()}


def app(name: str, *, rows: int | None = None, arrays: Mapping[str, np.ndarray] | None = None) -> App:
    """An app that knows nothing of sums: it answers a round with its parameters."""

    def train(message: Message) -> Message:
        metrics = MetricRecord({"num-examples": ROWS[name] if rows is None else rows, "loss": 0.5, "score": 0.7})
        content = RecordDict({"arrays": record_of(_moved(name) if arrays is None else arrays), "metrics": metrics})
        return Message(content, reply_to=message)

    return train


def no_app(message: Message) -> Message:
    """For steps that are none of the app's business."""
    raise AssertionError("the app was asked")


def members(names: Sequence[str] = NAMES, **changes: Any) -> dict[str, SecureSumMember]:
    """Regions that were given each other's verify keys beforehand."""
    keys = {name: Ed25519PrivateKey.generate() for name in names}
    directory = {name: key.public_key().public_bytes_raw() for name, key in keys.items()}
    return {
        name: SecureSumMember(name, "run", keys[name].sign, directory, BOUNDS, journal=Journal(), **changes)
        for name in names
    }


def step(kind: str, told: Mapping[str, Any], *, number: int = 1, words: int = WORDS, **config: Any) -> Message:
    """A step's question as it arrives; with the model where it is to be masked."""
    if kind == ADVERTISE:
        alike = asked_alike(step(MASK, {}, number=number, words=words, **config))
        told = {"question": alike, **told}
    said = {"server-round": number, "words": words, TOLD: json.dumps(told), **config}
    content = RecordDict({"config": ConfigRecord(said)})
    if kind == MASK:
        content["arrays"] = record_of(MODEL)
    message = Message(content, 2, kind)
    identify(message, new_id())
    return unpack(pack(message))


@dataclass
class Sum:
    """A round's sum under way among these regions, as far as it has come."""

    regions: Mapping[str, SecureSumMember]
    number: int = 1

    def ask(self, name: str, kind: str, told: Mapping[str, Any], answer: App = no_app, **config: Any) -> Message:
        return self.regions[name].answer(step(kind, told, number=self.number, **config), answer)

    def advertise(self, told: Mapping[str, Any] | None = None, **config: Any) -> None:
        told = {"names": sorted(self.regions), **(told or {})}
        self.keys = {name: said_in(self.ask(name, ADVERTISE, told, **config), "keys") for name in self.regions}

    def share(self) -> None:
        self.sent = {name: said_in(self.ask(name, SHARE, {"keys": self.keys}), "letters") for name in self.regions}

    def letters_to(self, name: str) -> dict[str, Any]:
        return {"letters": {sender: sent[name] for sender, sent in self.sent.items() if sender != name}}

    def mask(self, apps: Mapping[str, App]) -> None:
        replies = {name: self.ask(name, MASK, self.letters_to(name), one) for name, one in apps.items()}
        self.masked = {name: reply.content.array_records["words"]["words"].numpy() for name, reply in replies.items()}
        self.lists = {name: said_in(reply, "list")["signature"] for name, reply in replies.items()}

    def told_at_the_end(self) -> dict[str, Any]:
        return {"survivors": self.lists, "dropped": sorted(set(self.sent) - set(self.masked))}

    def opened(self) -> tuple[np.ndarray, int]:
        """(P,) weighted mean of how far the survivors moved, and their rows."""
        shares = {name: said_in(self.ask(name, UNMASK, self.told_at_the_end()), "shares") for name in self.masked}
        names, question = tuple(sorted(self.regions)), asked_alike(step(MASK, {}))
        terms = Terms("run", self.number, names, WORDS, BOUNDS.among(len(names)), question)
        plain = opened_sum(
            terms,
            {name: keys_of(name, said) for name, said in self.keys.items()},
            summed(list(self.masked.values())),
            among=self.sent,
            opened={name: opened_of(said) for name, said in shares.items()},
        )
        return terms.fixed.decoded(plain)


def masked_sum(regions: Mapping[str, SecureSumMember], *, without: str = "", number: int = 1) -> Sum:
    """A sum before its last step; one region may fall silent before it masks."""
    under_way = Sum(regions, number)
    under_way.advertise()
    under_way.share()
    under_way.mask({name: app(name) for name in regions if name != without})
    return under_way


# ------------------------------------------------------------------ what it answers


@pytest.mark.parametrize("without", ["", "ES"])
def test_the_sum_of_what_the_members_answer_is_the_mean_change_weighted_by_rows(without: str) -> None:
    moved, weight = masked_sum(members(), without=without).opened()
    rows = {name: count for name, count in ROWS.items() if name != without}
    expected = sum(0.25 * count * count for count in rows.values()) / sum(rows.values())
    assert weight == sum(rows.values())
    np.testing.assert_allclose(moved, np.full(7, expected), rtol=1e-6)


def test_the_words_of_a_region_tell_nothing_of_its_update_without_the_others() -> None:
    once, again = masked_sum(members()), masked_sum(members())
    assert not set(once.masked["DE"].tolist()) & set(again.masked["DE"].tolist())
    plain = BOUNDS.among(4).encoded(np.full(7, 25.0), ROWS["DE"])
    assert not set(once.masked["DE"].tolist()) & set(plain.tolist())


def test_only_words_and_a_signature_leave_where_the_app_answered_parameters_and_metrics() -> None:
    under_way = masked_sum(members(), without="DE")
    reply = under_way.ask("DE", MASK, under_way.letters_to("DE"), app("DE"))
    assert set(reply.content) == {"words", "list"}
    words = reply.content.array_records["words"]["words"].numpy()
    assert (words.dtype, words.shape) == (np.uint64, (WORDS,))


def test_the_app_sees_an_ordinary_round_on_the_rows_of_the_table_whatever_the_hub_says() -> None:
    under_way, seen = Sum(members()), list[Message]()
    under_way.advertise(scope="all", mu=0.5)
    under_way.share()

    def watching(message: Message) -> Message:
        seen.append(message)
        return app("DE")(message)

    asked = step(MASK, under_way.letters_to("DE"), scope="all", mu=0.5)
    under_way.regions["DE"].answer(asked, watching)
    (round_message,) = seen
    config = config_of(round_message)
    assert round_message.metadata.message_type == "train"
    assert round_message.metadata.message_id == asked.metadata.message_id
    assert (config["scope"], config["mu"], TOLD in config) == ("shareable", 0.5, False)
    assert all(np.array_equal(array, MODEL[name]) for name, array in parameters_of(round_message).items())


def test_no_word_is_about_a_frozen_parameter() -> None:
    regions = members(frozen=("b",))
    under_way = Sum(regions)
    told = {"names": sorted(regions)}
    under_way.keys = {name: said_in(under_way.ask(name, ADVERTISE, told, words=7), "keys") for name in regions}
    under_way.share()
    under_way.mask({name: app(name, arrays={"w": _moved(name)["w"]}) for name in regions})
    assert {words.shape for words in under_way.masked.values()} == {(7,)}


# ------------------------------------------------------------------ what it refuses


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["DE", "ES"], "at least 3"),
        (["DE"], "at least 3"),
        ([], "at least 3"),
        (["DE", "ES", "ZZ"], "region DE has pinned no key of ZZ.* parties.peers.ZZ.location=CODE"),
        (["ES", "FR", "IT"], "DE is no member"),
    ],
)
def test_no_keys_are_advertised_for_two_or_among_strangers_or_without_itself(names: list[str], why: str) -> None:
    with pytest.raises(SumRefused, match=why):
        members()["DE"].answer(step(ADVERTISE, {"names": names}), no_app)


def test_a_round_is_summed_once_and_no_earlier_one_again() -> None:
    regions = members()
    for number in (1, 2):
        masked_sum(regions, number=number).opened()
    for number in (1, 2):
        with pytest.raises(SumRefused, match=f"round {number} was answered before"):
            Sum(regions, number).advertise()
    Sum(regions, 3).advertise()


@pytest.mark.parametrize("kind", [SHARE, MASK, UNMASK])
@pytest.mark.parametrize("number", [1, 3])
def test_a_step_of_a_round_without_its_keys_is_refused(kind: str, number: int) -> None:
    regions = members()
    Sum(regions, 2).advertise()
    told = {"keys": {}, "letters": {}, "survivors": {}, "dropped": []}
    with pytest.raises(SumRefused, match=f"advertised no keys for round {number}"):
        Sum(regions, number).ask("DE", kind, told, app("DE"))


@pytest.mark.parametrize("kind", [MASK, UNMASK])
def test_a_step_out_of_turn_is_refused(kind: str) -> None:
    under_way = Sum(members())
    under_way.advertise()
    with pytest.raises(SumRefused):
        under_way.ask("DE", kind, {"letters": {}, "survivors": {}, "dropped": []}, app("DE"))


def test_another_list_of_survivors_is_refused_and_the_same_one_is_answered_again() -> None:
    under_way = masked_sum(members())
    lists = under_way.told_at_the_end()
    first, again = (said_in(under_way.ask("DE", UNMASK, lists), "shares") for _ in range(2))
    assert first == again
    fewer = {name: signature for name, signature in under_way.lists.items() if name != "ES"}
    with pytest.raises(SumRefused, match="other"):
        under_way.ask("DE", UNMASK, {"survivors": fewer, "dropped": ["ES"]})


def _started(folder: Path) -> dict[str, SecureSumMember]:
    """Regions that remember what earlier processes of theirs answered."""
    regions = members()
    for name, member in regions.items():
        member.journal = Journal.open(folder / name, "run", SECRET)
    return regions


def test_a_region_that_was_started_anew_masks_only_over_the_model_as_before(tmp_path: Path) -> None:
    """A hub that comes to a round again with another model would learn the difference of two sums."""
    masked_sum(_started(tmp_path))
    again = _started(tmp_path)
    changed = record_of({**MODEL, "b": np.array([0.75], np.float32)})
    under_way, other = Sum(again), step(MASK, {})
    other.content["arrays"] = changed
    under_way.advertise({"question": asked_alike(other)})
    under_way.share()
    other = step(MASK, under_way.letters_to("DE"))
    other.content["arrays"] = changed
    with pytest.raises(SumRefused, match="round 1 already, with other model"):
        again["DE"].answer(other, no_app)


def test_a_region_that_was_started_anew_opens_only_the_sum_that_it_opened_before(tmp_path: Path) -> None:
    masked_sum(_started(tmp_path)).opened()
    under_way = masked_sum(_started(tmp_path), without="ES")
    with pytest.raises(SumRefused, match="round 1 already, with other survivors and dropped"):
        under_way.ask("DE", UNMASK, under_way.told_at_the_end())


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        (app("DE", arrays={"w": MODEL["w"]}), FedsovError, "arrays are not those of the model"),
        (app("DE", arrays={**MODEL, "b": np.zeros(2, np.float32)}), FedsovError, "arrays are not those of the model"),
        (app("DE", arrays={**MODEL, "b": np.array([np.nan], np.float32)}), TrainingFailed, "not finite"),
        (app("DE", arrays={**MODEL, "b": np.array([1e6], np.float32)}), TrainingFailed, "moved by more than 64"),
        (app("DE", rows=0), TrainingFailed, "a weight of 0 is not in 1 to"),
    ],
)
def test_an_update_that_cannot_be_summed_does_not_leave(
    answer: Callable[[Message], Message], error: type[FedsovError], why: str
) -> None:
    under_way = masked_sum(members(), without="DE")
    with pytest.raises(error, match=why):
        under_way.ask("DE", MASK, under_way.letters_to("DE"), answer)


def test_an_app_that_fails_ends_the_step() -> None:
    under_way = masked_sum(members(), without="DE")
    failing = lambda message: Message(Error(1, "out of memory"), reply_to=message)  # noqa: E731
    with pytest.raises(FedsovError, match="the app answered an error: out of memory"):
        under_way.ask("DE", MASK, under_way.letters_to("DE"), failing)


# ------------------------------------------------------------------ the change of a model


def test_a_change_is_in_float64_in_the_order_of_the_model_s_arrays() -> None:
    updated = {"b": MODEL["b"] + 1, "w": MODEL["w"] + np.arange(6, dtype=np.float32).reshape(2, 3)}
    moved = change(record_of(MODEL), ArrayRecord({name: Array(array) for name, array in updated.items()}))
    assert moved.dtype == np.float64
    np.testing.assert_allclose(moved, [0, 1, 2, 3, 4, 5, 1], atol=1e-6)
    far = {name: np.full_like(array, 1e8) for name, array in MODEL.items()}
    near = {name: np.ones_like(array) for name, array in MODEL.items()}
    assert change(record_of(near), record_of(far)).tolist() == [99999999.0] * 7


def test_letters_are_told_in_hexadecimal() -> None:
    under_way = Sum(members())
    under_way.advertise()
    under_way.share()
    assert hexed(unhexed(under_way.sent["DE"])) == under_way.sent["DE"]
    assert set(under_way.sent["DE"]) == {"ES", "FR", "IT"}
