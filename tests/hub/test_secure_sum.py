"""Secure sums over Flower's messages, through the regions' doors: what the hub has, and what it cannot have."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict

from fedsov.algorithms.catalogue import ALGORITHMS, Algorithm, Need
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.errors import ConfigurationError, FedsovError, KeyUnavailable, TrainingFailed
from fedsov.hub.secure_sum import summed
from fedsov.label import PUBLIC
from fedsov.ledger import known_keys
from fedsov.privacy.secure_aggregation.fixed_point import Bounds
from fedsov.protocol import payloads
from fedsov.protocol.flower_messages import identify, new_id, pack, round_of, with_version
from fedsov.protocol.message_types import VERSION
from fedsov.protocol.secure_sum_messages import ADVERTISE, MASK, SHARE, TOLD, UNMASK, told_in
from fedsov.storage.workspace import Workspace
from tests.hub.secure_links import BOUNDS, MOVES, NAMES, START, Board, array_record, board, mean, train, updated

STEPS = (ADVERTISE, SHARE, MASK, UNMASK)
NO_BYTES = Array("uint64", (8,), "numpy.ndarray", b"")
ERROR = BOUNDS.among(6).worst_error


def _close(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for key, array in expected.items():
        one_rounding = np.spacing(np.abs(array).astype(np.float32))  # of the mean to the model's float32
        assert (np.abs(found[key] - array) <= ERROR + one_rounding).all()


# ------------------------------------------------------------------ the sum


@pytest.mark.parametrize("count", [3, 4])
def test_the_global_model_is_the_plain_mean_weighted_by_rows(tmp_path: Path, count: int) -> None:
    outcome, _ = train(board(tmp_path, count))
    _close(outcome.parameters, mean(NAMES[:count], START))
    seen = outcome.rounds[0]
    assert seen.together == {"num-examples": sum(MOVES[name][1] for name in NAMES[:count]), "contributors": count}
    assert not seen.metrics and not seen.failed


@pytest.mark.parametrize("step", STEPS)
def test_a_region_that_falls_silent_at_any_step_is_survived_and_named(tmp_path: Path, step: str) -> None:
    for gone in NAMES[:4]:
        regions = board(tmp_path / gone, 4, silent={gone: (step, 1)})
        outcome, _ = train(regions)
        left = [name for name in NAMES[:4] if name != gone or step == UNMASK]
        _close(outcome.parameters, mean(left, START))
        failed = {regions.names[node]: why for node, why in outcome.rounds[0].failed.items()}
        assert failed == ({} if step == UNMASK else {gone: "RegionProcessEnded"})


@pytest.mark.parametrize(
    "steps", [(ADVERTISE, MASK), (SHARE, UNMASK), (MASK, MASK), (MASK, SHARE), (UNMASK, UNMASK), (MASK, UNMASK)]
)
def test_a_pair_that_falls_silent_is_survived_where_six_take_part(tmp_path: Path, steps: tuple[str, str]) -> None:
    pair = dict(zip(("ES", "PL"), steps, strict=True))
    regions = board(tmp_path, 6, silent={name: (step, 1) for name, step in pair.items()})
    outcome, _ = train(regions)
    _close(outcome.parameters, mean([name for name in NAMES if pair.get(name, UNMASK) == UNMASK], START))
    assert set(outcome.rounds[0].failed) == {
        node for node, name in regions.names.items() if pair.get(name, UNMASK) != UNMASK
    }


def test_rounds_go_on_without_a_region_that_fell_silent(tmp_path: Path) -> None:
    outcome, _ = train(board(tmp_path, 4, silent={"FR": (MASK, 2)}), rounds=3)
    first = {key: array.astype(np.float32) for key, array in mean(NAMES[:4], START).items()}
    assert [seen.together["contributors"] for seen in outcome.rounds] == [4, 3, 3]
    second = {key: array.astype(np.float32) for key, array in mean(("DE", "ES", "IT"), first).items()}
    for key, array in mean(("DE", "ES", "IT"), second).items():
        np.testing.assert_allclose(outcome.parameters[key], array, rtol=1e-6)


@pytest.mark.parametrize("name", [name for name, spec in ALGORITHMS.items() if not spec.needs])
def test_every_algorithm_of_the_mean_makes_the_same_of_the_sum_as_of_the_updates(tmp_path: Path, name: str) -> None:
    options = {"fedprox": {"proximal_mu": 0.1}}.get(name, {})
    sums, _ = train(board(tmp_path / "s", 3), rounds=3, algorithm=Algorithm(name, options))
    plain = board(tmp_path / "p", 3)
    plain.homes = {node: replace(home, outbound=_plain(home.outbound)) for node, home in plain.homes.items()}
    single, _ = train(
        plain, rounds=3, algorithm=Algorithm(name, options),
        gather=lambda grid, messages, timeout: grid.send_and_receive(messages, timeout=timeout),
    )  # fmt: skip
    for key, array in single.parameters.items():
        np.testing.assert_allclose(sums.parameters[key], array, rtol=1e-5, atol=1e-6)


def _plain(outbound: Any) -> Any:
    return replace(outbound, start=replace(outbound.start, secure_sum=None))


# ------------------------------------------------------------------ too few


@pytest.mark.parametrize("step", STEPS)
def test_fewer_than_the_threshold_end_the_training_with_who_is_missing(tmp_path: Path, step: str) -> None:
    said = "of 4 regions .*takes 3 .ES: RegionProcessEnded; FR: RegionProcessEnded"
    with pytest.raises(TrainingFailed, match=said):
        train(board(tmp_path, 4, silent={"ES": (step, 1), "FR": (step, 1)}))


def test_a_sum_of_two_regions_is_not_even_begun(tmp_path: Path) -> None:
    regions = board(tmp_path, 2)
    with pytest.raises(TrainingFailed, match=r"takes at least 3 \(DE, ES may take part\)"):
        train(regions, minimum=2)
    assert not regions.sent


def test_a_round_in_which_only_two_may_take_part_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match=r"round 2: .*at least 3 \(DE, ES may take part\)"):
        train(board(tmp_path, 3), rounds=2, minimum=2, out={2: {4: "FR: a clause expired"}})


def test_fewer_contributors_than_the_federation_asks_for_are_a_failure(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="3 of at least 4"):
        train(board(tmp_path, 4, silent={"IT": (MASK, 1)}), minimum=4)


# ------------------------------------------------------------------ what the hub receives


def test_nothing_that_the_hub_receives_is_an_update_or_a_score_of_one_region(tmp_path: Path) -> None:
    regions = board(tmp_path, 4)
    train(regions, rounds=2)
    heard = b"".join(pack(reply) for reply in regions.heard)
    for name in NAMES[:4]:
        moved = updated(name, START)
        assert all(array.tobytes() not in heard for array in moved.values())
    assert b"num-examples" not in heard and b"score" not in heard
    kinds = [(sorted(reply.content.keys())) for reply in regions.heard]
    assert kinds == [*4 * [["keys"]], *4 * [["letters"]], *4 * [["list", "words"]], *4 * [["shares"]]] * 2


def test_all_masked_words_that_the_hub_receives_are_uniform_noise(tmp_path: Path) -> None:
    regions = board(tmp_path, 4, moves={name: (1e-5, rows) for name, (_, rows) in MOVES.items()})
    train(regions, rounds=2, start={"w": np.zeros((100, 400), np.float32)})
    words = [reply.content["words"]["words"].numpy() for reply in regions.heard if "words" in reply.content]
    counts = np.bincount(np.concatenate(words).view(np.uint8), minlength=256)
    expected = counts.sum() / 256
    assert 100.0 < float(((counts - expected) ** 2 / expected).sum()) < 402.0  # 255 degrees of freedom
    assert len({one.tobytes() for one in words}) == len(words) == 8


def test_the_model_carries_the_join_of_the_labels_of_all_whose_words_came(tmp_path: Path) -> None:
    _, grid = train(board(tmp_path, 4, silent={"IT": (MASK, 1)}))
    assert grid.label.origins == {"DE", "ES", "FR"}


def test_every_answer_is_in_the_region_s_ledger_and_the_words_as_an_update_bound_by_its_label(tmp_path: Path) -> None:
    regions = board(tmp_path, 3)
    train(regions, rounds=2)
    entries = [entry.body for entry in regions.homes[2].outbound.gate.ledger.entries()]
    said = [(entry["round"], entry["kind"], entry["name"], entry["origins"], entry["count"]) for entry in entries]
    first = [
        (1, "report", "keys", [], 0),
        (1, "report", "letters", [], 0),
        (1, "update", "words", ["DE"], said[2][4]),
        (1, "report", "list", [], 0),
        (1, "report", "shares", [], 0),
    ]
    assert said[:5] == first and said[2][4] > 100
    assert said[7][:4] == (2, "update", "words", ["DE", "ES", "FR"])
    assert entries[2]["tensors"] == {"words": [8]} and entries[2]["categories"] == ["health"]


def test_a_region_whose_gate_refuses_is_a_dropout_and_the_others_go_on(tmp_path: Path) -> None:
    from fedsov.artifact import Party

    regions = board(tmp_path, 4)
    home = regions.homes[3]
    elsewhere = replace(home.outbound, start=replace(home.outbound.start, hub=Party("hub", "CN", "Example Holding")))
    regions.homes[3] = replace(home, outbound=elsewhere)
    outcome, _ = train(regions)
    _close(outcome.parameters, mean(("DE", "FR", "IT"), START))
    assert outcome.rounds[0].failed == {3: "Refused"}
    last = [entry.body for entry in home.outbound.gate.ledger.entries()][2]
    assert (last["kind"], last["verdict"]) == ("update", "refuse")


# ------------------------------------------------------------------ what a region refuses


def _ask(regions: Board, node: int, kind: str, told: dict[str, Any], config: dict[str, Any] | None = None) -> Message:
    said = {"server-round": 1, "words": 8, TOLD: json.dumps(told), **(config or {})}
    records = {"arrays": _model()} if kind.startswith("train") else {}
    message = Message(RecordDict({"config": ConfigRecord(said), **records}), node, kind)
    with_version(message, VERSION)
    identify(message, new_id())
    regions.send(message, PUBLIC)
    ((reply, _),) = regions.poll(0.0)
    return reply


def _model() -> ArrayRecord:
    from fedsov.protocol.flower_messages import record_of

    return record_of(START)


def test_a_region_with_secure_sums_sends_no_update_by_itself(tmp_path: Path) -> None:
    regions = board(tmp_path, 3)
    reply = _ask(regions, 2, "train", {}, {"scope": "shareable"})
    assert reply.error.reason == "SumRefused"
    with pytest.raises(TrainingFailed, match="SumRefused"):
        train(regions, gather=lambda grid, messages, timeout: grid.send_and_receive(messages, timeout=timeout))


def test_a_region_without_secure_sums_takes_no_step_of_one(tmp_path: Path) -> None:
    regions = board(tmp_path, 3)
    regions.homes = {node: replace(home, member=None) for node, home in regions.homes.items()}
    reply = _ask(regions, 2, ADVERTISE, {"names": list(NAMES[:3])})
    assert reply.error.reason == "SumRefused"


Meddle = Callable[[dict[str, Any]], dict[str, Any]]


def _swapped(said: dict[str, Any]) -> dict[str, Any]:
    return {"keys": {**said["keys"], "ES": {**said["keys"]["ES"], "mask": "05" * 32}}}


def _tampered(said: dict[str, Any]) -> dict[str, Any]:
    letters = said["letters"].items()
    return {"letters": {name: letter[:-2] + ("00" if letter[-2:] != "00" else "11") for name, letter in letters}}


def _overlapping(said: dict[str, Any]) -> dict[str, Any]:
    return {**said, "dropped": ["ES"]}


def _without_es(said: dict[str, Any]) -> dict[str, Any]:
    return {"survivors": {name: one for name, one in said["survivors"].items() if name != "ES"}, "dropped": ["ES"]}


@pytest.mark.parametrize(
    ("step", "change", "says"),
    [
        (SHARE, _swapped, "ES's keys: not signed by its pinned key"),
        (UNMASK, _overlapping, "both its masks would be opened"),
        (UNMASK, _without_es, "2 of 3 regions survived, and it takes 3"),
    ],
)
def test_a_hub_that_meddles_is_refused_by_every_region_and_learns_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], step: str, change: Meddle, says: str
) -> None:
    regions = board(tmp_path, 3)

    def meddle(message: Message) -> Message:
        if message.metadata.message_type == step:
            message.content["config"][TOLD] = json.dumps(change(told_in(message)))
        return message

    regions.meddle = meddle
    with pytest.raises(TrainingFailed, match=r"0 of 3 regions .*SumRefused"):
        train(regions)
    assert says in capfd.readouterr().err  # the regions' own logs


def test_a_hub_that_changes_letters_gets_complaints_and_no_words(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    regions = board(tmp_path, 3)

    def meddle(message: Message) -> Message:
        if message.metadata.message_type == MASK:
            message.content["config"][TOLD] = json.dumps(_tampered(told_in(message)))
        return message

    regions.meddle = meddle
    with pytest.raises(TrainingFailed, match=r"0 of 3 regions .*LettersUnreadable"):
        train(regions)
    assert not any("words" in reply.content for reply in regions.heard)
    assert "letters of ES, FR do not open: changed, or never good" in capfd.readouterr().out


def test_an_update_that_moved_too_far_is_refused_and_its_region_named(tmp_path: Path) -> None:
    regions = board(tmp_path, 4, moves={**MOVES, "ES": (1e6, 10)})
    outcome, _ = train(regions)
    assert outcome.rounds[0].failed == {3: "TrainingFailed"}
    _close(outcome.parameters, mean(("DE", "FR", "IT"), START))


def test_bounds_that_are_not_the_regions_own_are_refused_by_the_regions(tmp_path: Path) -> None:
    regions = board(tmp_path, 4)
    member = regions.homes[2].member
    assert member is not None
    member.bounds = Bounds(clip=1.0)
    with pytest.raises(TrainingFailed, match="SumRefused"):
        train(regions)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (array_record(np.zeros(5, np.uint64)), "AnswerUnreadable"),
        (ArrayRecord({"words": NO_BYTES}), "AnswerUnreadable (an array of it is none of numpy's)"),
    ],
)
def test_an_answer_that_cannot_be_read_or_has_the_wrong_length_makes_its_region_a_dropout(
    tmp_path: Path, words: ArrayRecord, why: str
) -> None:
    regions = board(tmp_path, 4)

    def garble(message: Message, reply: Message) -> None:
        if message.metadata.message_type == MASK and message.metadata.dst_node_id == 3:
            reply.content["words"] = words

    regions.garble = garble
    outcome, _ = train(regions)
    assert outcome.rounds[0].failed == {3: why}


def _pinned(regions: Board) -> dict[str, bytes]:
    return {home.start.region.name: bytes.fromhex(home.outbound.gate.ledger.key) for home in regions.homes.values()}


@pytest.mark.parametrize("honest", [0, 1])
def test_a_region_that_signs_with_another_key_is_a_dropout_that_the_hub_names(tmp_path: Path, honest: int) -> None:
    regions = board(tmp_path, 4)
    member, other = regions.homes[3].member, Ed25519PrivateKey.generate()
    assert member is not None
    keys = iter([member.sign] * honest + [other.sign] * 2)  # of its keys, then of the list it masked among
    member.sign = lambda text: next(keys)(text)
    gather = summed(regions.names, bounds=BOUNDS, run="run", directory=_pinned(regions))
    outcome, _ = train(regions, gather=gather)
    assert outcome.rounds[0].failed == {3: "NotSignedByItsKey"}
    _close(outcome.parameters, mean(("DE", "FR", "IT"), START))


def test_a_region_without_a_letter_for_every_other_is_a_dropout(tmp_path: Path) -> None:
    regions = board(tmp_path, 4)

    def shorten(message: Message, reply: Message) -> None:
        if message.metadata.message_type == SHARE and message.metadata.dst_node_id == 3:
            letters = json.loads(str(reply.content["letters"]["json"]))
            reply.content["letters"] = ConfigRecord({"json": json.dumps({"DE": letters["DE"]})})

    regions.garble = shorten
    outcome, _ = train(regions)
    assert outcome.rounds[0].failed == {3: "AnswerUnreadable"}
    _close(outcome.parameters, mean(("DE", "FR", "IT"), START))


def test_the_hub_s_own_directory_spares_no_region_its_check(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    regions, other = board(tmp_path, 4), Ed25519PrivateKey.generate()
    member = regions.homes[3].member
    assert member is not None
    member.sign = other.sign
    lied = {**_pinned(regions), "ES": other.public_key().public_bytes_raw()}
    with pytest.raises(TrainingFailed, match=r"1 of 4 regions shared their secrets"):  # ES, who does not check itself
        train(regions, gather=summed(regions.names, bounds=BOUNDS, run="run", directory=lied))
    assert "ES's keys: not signed by its pinned key" in capfd.readouterr().err


def test_a_region_that_never_answers_is_left_behind_at_the_end_of_the_time(tmp_path: Path) -> None:
    regions = board(tmp_path, 4)
    regions.never = (4, MASK)
    gather = summed(regions.names, bounds=BOUNDS, run="run")
    outcome, _ = train(regions, gather=lambda grid, messages, _: gather(grid, messages, 0.2))
    assert outcome.rounds[0].failed == {4: "NoAnswerInTime"}
    _close(outcome.parameters, mean(("DE", "ES", "IT"), START))


# ------------------------------------------------------------------ forms of the door


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (payloads.keys, {"channel": "00" * 32, "mask": "00" * 32, "seed": "00" * 32}),
        (payloads.keys, {"channel": "00" * 32, "mask": "00" * 33, "seed": "00" * 32, "signature": "00" * 64}),
        (payloads.keys, {"channel": "Jane Canary", "mask": "00" * 32, "seed": "00" * 32, "signature": "00" * 64}),
        (payloads.letters, {"ES": "00" * 10}),
        (payloads.letters, {"Jane Canary": "00" * 126}),
        (payloads.letters, ["00" * 126]),
        (payloads.signature, {"signature": "00" * 63}),
        (payloads.signature, {"signature": "00" * 64, "note": "Jane Canary"}),
        (payloads.shares, {"seeds": {"ES": "00" * 33}, "keys": {"ES": "00" * 33}}),
        (payloads.shares, {"seeds": {"ES": "00" * 33}}),
        (payloads.shares, {"seeds": {"ES": 5}, "keys": {}}),
    ],
)
def test_what_is_no_key_share_or_signature_does_not_leave_as_one(form: Callable[[Any], Any], said: Any) -> None:
    with pytest.raises(FedsovError):
        form(said)


@pytest.mark.parametrize(
    "words", [np.zeros(8), np.zeros(7, np.uint64), np.zeros((8, 1), np.uint64), np.zeros(8, np.int64), np.zeros(0)]
)
def test_words_leave_only_as_one_vector_as_long_as_the_model(words: np.ndarray) -> None:
    assert payloads.words(array_record(np.zeros(8, np.uint64)), _model())["words"].numpy().shape == (8,)
    with pytest.raises(FedsovError, match="8 words"):
        payloads.words(array_record(words), _model())


# ------------------------------------------------------------------ configuration and directory


@pytest.mark.parametrize("name", [name for name, spec in ALGORITHMS.items() if Need.SINGLE_UPDATES in spec.needs])
def test_a_robust_algorithm_beside_secure_sums_is_refused_in_words(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"algorithm={name} looks at each region's update by itself"):
        settings(compose(["privacy=secure", f"algorithm={name}"]))
    assert settings(compose([f"algorithm={name}"])).secure_sum is None


def test_secure_sums_ask_for_three_members_in_the_plan() -> None:
    assert settings(compose(["privacy=secure"])).strategy.federated_min_regions == 3
    assert settings(compose([])).strategy.federated_min_regions == 2
    assert settings(compose(["privacy.secure_aggregation=true"])).secure_sum == Bounds()
    with pytest.raises(ConfigurationError, match="privacy.secure_aggregation must be True or False, got 'yes'"):
        settings(compose(["privacy.secure_aggregation='yes'"]))


def test_a_directory_is_laid_into_every_region_and_a_pinned_key_stays(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    known_keys.pin_keys(workspace, ["DE", "ES"])
    first = known_keys.read_keys(workspace.region("DE"))
    assert first == known_keys.read_keys(workspace.region("ES")) == known_keys.read_keys(workspace.hub)
    assert set(first) == {"DE", "ES"}
    for path in workspace.region("ES").glob("*"):
        path.unlink()
    known_keys.pin_keys(workspace, ["DE", "ES", "FR"])
    pinned, renewed = (known_keys.read_keys(workspace.region(name)) for name in ("DE", "FR"))
    assert pinned["ES"] == first["ES"] != renewed["ES"] and set(pinned) == {"DE", "ES", "FR"}
    assert known_keys.read_keys(workspace.hub) == pinned


def test_a_region_without_a_directory_says_so(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable, match="verify keys"):
        known_keys.read_keys(tmp_path)
    (tmp_path / known_keys.FILE).write_text('{"DE": "no hex"}')
    with pytest.raises(KeyUnavailable, match="verify keys"):
        known_keys.read_keys(tmp_path)


def test_rounds_are_told_apart_in_what_is_sent(tmp_path: Path) -> None:
    regions = board(tmp_path, 3)
    train(regions, rounds=2)
    assert [round_of(message) for message in regions.sent] == [1] * 12 + [2] * 12
