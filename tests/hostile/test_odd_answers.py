"""An answer that can be unpacked and is odd all the same costs its region that answer, and the hub says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from fedsov.errors import TrainingFailed
from fedsov.hub import federated_training, region_queries
from fedsov.hub.finishing import RunOutputs, finish, order_synthetic, receive_synthetic
from fedsov.hub.planning.plan_values import Plan, RegionPlan
from fedsov.label import Scope
from fedsov.protocol.flower_messages import LOST, reason_of
from tests.hub.world import Answer, Reply, World, connected, profile, text, update

DEEP = "[" * 100_000 + "]" * 100_000


def _odd(content: RecordDict, ordinary: Callable[[str, Message], Reply]) -> Answer:
    """DE answers oddly, the others as always."""
    return lambda name, message: content if name == "DE" else ordinary(name, message)


def _json(name: str, written: str) -> RecordDict:
    return RecordDict({name: ConfigRecord({"json": written})})


ODD_TEXTS = [
    DEEP,
    '{"rows": ' + DEEP,
    "not JSON",
    "",
    "null",
    "[]",
    "{}",
    "5",
    '"text"',
    "1" * 5000,
    '{"rows": 1e999, "public": 0, "shareable": 5, "classes": 2, "label": {}}',
]


def _profiled(name: str, _: Message) -> RecordDict:
    return text("profile", profile(name))


ODD_PROFILES = [
    *(_json("profile", written) for written in ODD_TEXTS),
    *(
        text("profile", {**profile("DE"), **change})
        for change in (
            {"rows": "600"},
            {"rows": -1},
            {"rows": True},
            {"rows": 6.5},
            {"rows": None},
            {"classes": [2]},
            {"label": None},
            {"label": {"origins": "DE", "categories": [], "restrictions": []}},
            {"label": {"origins": [["DE"]], "categories": [], "restrictions": []}},
            {"more": 1},
        )
    ),
    RecordDict(),
    RecordDict({"profile": ConfigRecord({"json": 5})}),
    RecordDict({"profile": ConfigRecord({"json": "{}", "more": 1})}),
    RecordDict({"profile": MetricRecord({"rows": 600})}),
    RecordDict({"profile": ConfigRecord({"json": [1, 2]}), "other": ConfigRecord({})}),
]


@pytest.mark.parametrize("odd", ODD_PROFILES, ids=range(len(ODD_PROFILES)))
def test_a_profile_of_any_other_form_leaves_the_region_out_and_the_others_are_planned(
    tmp_path: Path, odd: RecordDict
) -> None:
    world = World(tmp_path, {"query.profile": _odd(odd, _profiled)})
    with connected(world) as run:
        plan, found = region_queries.planned(run)
    assert plan.region("DE").strategy == "none"
    assert "did not say what it has (AnswerUnreadable (" in plan.region("DE").reasons[-1]
    assert plan.following("federated") == ("FR", "US") and [each.rows for each in found][1:] == [600, 600]


@pytest.mark.parametrize("written", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
@pytest.mark.parametrize("kind", ["statistics", "privacy", "ledger"])
def test_a_text_of_any_other_form_is_an_error_of_that_region(tmp_path: Path, kind: str, written: str) -> None:
    world = World(tmp_path, {f"query.{kind}": lambda name, _: _json(kind, written)})
    with connected(world) as run:
        (reply,) = region_queries.ask(run, ["DE"], f"query.{kind}", {"scope": "shareable"}).values()
    assert reply.error.code == LOST and reason_of(reply).startswith("AnswerUnreadable (")


@pytest.mark.parametrize(
    "odd",
    [
        {"numeric": {"age": {"n": 40, "mean": "high", "squared_deviations": 1.0, "missing": 0}}, "categorical": {}},
        {"numeric": {"age": {"n": -40, "mean": 1.0, "squared_deviations": 1.0, "missing": 0}}, "categorical": {}},
        {"numeric": {"age": {"n": 40, "mean": 1e300, "squared_deviations": 1.0, "missing": 0}}, "categorical": {}},
        {"numeric": {"age": {"n": 2**60, "mean": 1.0, "squared_deviations": 1.0, "missing": 0}}, "categorical": {}},
        {"numeric": {}, "categorical": {"age": {"levels": {"a": 50}, "other": 0, "missing": 0}}},
        {"numeric": {"weight": {"n": 40, "mean": 1.0, "squared_deviations": 1.0, "missing": 0}}, "categorical": {}},
    ],
)
def test_features_are_agreed_on_without_a_region_whose_statistics_cannot_be(tmp_path: Path, odd: Any) -> None:
    from tests.hub.world import statistics

    answer = _odd(text("statistics", odd), lambda *_: text("statistics", statistics()))
    said: list[str] = []
    with connected(World(tmp_path, {"query.statistics": answer})) as run:
        run.progress = said.append
        features = federated_training.agree_on_features(run, ["DE", "FR"], Scope.SHAREABLE)
    assert [name for name, _, _ in features.numeric] == ["age"] and features.numeric[0][1] == pytest.approx(19.5)
    assert any("features are agreed on without DE" in line for line in said)


@pytest.mark.parametrize("n", [2**53, 3000])
def test_a_region_that_describes_more_rows_than_it_told_does_not_set_the_scale_of_all(tmp_path: Path, n: int) -> None:
    """A mean of 2^53 claimed rows is the mean of the federation."""
    from tests.hub.world import statistics

    odd = {"numeric": {"age": {"n": n, "mean": 1e9, "squared_deviations": 1.0, "missing": 0}}, "categorical": {}}
    answer = _odd(text("statistics", odd), lambda *_: text("statistics", statistics()))
    said: list[str] = []
    with connected(World(tmp_path, {"query.statistics": answer})) as run:
        run.progress = said.append
        features = federated_training.agree_on_features(run, ["DE", "FR"], Scope.SHAREABLE, {"DE": 600, "FR": 600})
    assert features.numeric[0][1] == pytest.approx(19.5)
    assert "features are agreed on without DE: it describes far more than the 600 rows that it told before" in said[0]


def test_a_price_that_is_none_is_said_and_hinders_nobody(tmp_path: Path) -> None:
    fits = {"fits": True, "epsilon": 1.0, "delta": 1e-5, "steps": 10, "noise_multiplier": 1.0, "clip": 1.0}
    honest = text("privacy", {**fits, "spent_with": 1.0, "lifetime_epsilon": 4.0})
    said: list[str] = []
    for odd in ({"fits": "yes"}, {"fits": True, "epsilon": [1]}, {"fits": True, "epsilon": 10**400}, {"epsilon": 1}):
        world = World(tmp_path, {"query.privacy": _odd(text("privacy", odd), lambda *_: honest)})
        with connected(world) as run:
            run.progress = said.append
            region_queries.price_privacy(run, ["DE", "FR"])
            assert [line.split(":")[0] for line in run.privacy] == ["FR"]
        assert any("what it costs DE is not known (AnswerUnreadable (" in line for line in said)


@pytest.mark.parametrize(
    "change",
    [
        {"head": 5},
        {"head": {}, "path": {}},
        {"refusals": [{"kind": ["update"]}]},
        {"refusals": [5]},
        {"refusals": "none"},
        {"permitted": "many"},
        {"path": [5]},
        {"more": 1},
    ],
)
def test_an_account_of_a_ledger_that_is_none_leaves_the_others_noted(tmp_path: Path, change: Any) -> None:
    from tests.hub.world import ledger_of

    def answer(name: str, _: Message) -> RecordDict:
        honest = {**ledger_of(tmp_path, name), "permitted": 1, "refused": 0, "refusals": []}
        return text("ledger", {**honest, **change} if name == "DE" else honest)

    said: list[str] = []
    with connected(World(tmp_path, {"query.ledger": answer})) as run:
        run.progress = said.append
        assert sorted(region_queries.ledgers(run)) == ["FR", "US"]
    assert any("ledgers: region DE" in line and "its head is not noted" in line for line in said)


# ------------------------------------------------------------------ updates


def _with(content: RecordDict, name: str, record: Any) -> RecordDict:
    content[name] = record
    return content


def _array(**changes: Any) -> Array:
    array = Array(np.zeros((1, 16), np.float32))
    for name, value in changes.items():
        setattr(array, name, value)
    return array


def _announcing(shape: str, descr: str = "'<f4'") -> bytes:
    """A file of numpy's that announces a shape and holds 64 bytes."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (117 - len(text)) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(64)


ODD_ARRAYS = [
    _array(data=b""),
    _array(data=b"PK\x03\x04" + bytes(100)),
    _array(data=_announcing("(4294967296,)")),
    _array(data=_announcing("(-1, -16)")),
    _array(data=_announcing("(1, 17)")),
    _array(data=_announcing("(" * 5000)),
    _array(data=_announcing("(1, 8)", "'|O'")),
    _array(data=_announcing("(1, 16)", "'<U1'")),
    _array(data=_announcing("(1, 16)") + b"more"),
    _array(shape=(2**40,)),
    _array(dtype="float64"),
    _array(stype="torch.Tensor"),
]


def _train(tmp_path: Path, answer: Answer, regions: tuple[str, ...] = ("DE", "FR", "US")) -> tuple[Any, list[str]]:
    said: list[str] = []
    with connected(World(tmp_path, {"train": answer})) as run:
        run.progress = said.append
        profiles = [each for each in region_queries.profiles(run) if each.region in regions]
        return federated_training.train_together(run, profiles, Scope.SHAREABLE, what="global model", minimum=2), said


@pytest.mark.parametrize("array", ODD_ARRAYS, ids=range(len(ODD_ARRAYS)))
def test_an_array_of_odd_bytes_costs_its_region_the_round_and_nothing_is_allocated_for_it(
    tmp_path: Path, array: Array
) -> None:
    def answer(name: str, message: Message) -> RecordDict:
        content = update(message, 1.0)
        if name == "DE":
            first = next(iter(content.array_records["arrays"]))
            content["arrays"] = ArrayRecord({**content.array_records["arrays"], first: array})
        return content

    model, said = _train(tmp_path, answer)
    assert [list(record.failed) for record in model.rounds] == [[2], [2]]
    assert all("without DE (AnswerUnreadable (" in line for line in said if "round" in line)


ODD_METRICS = [
    {"num-examples": 100, "contributors": 1000},
    {"num-examples": [100, 100], "loss": 0.5, "score": 0.5},
    {"num-examples": 100, "loss": [0.5], "score": 0.5},
    {"num-examples": 100, "loss": 0.5, "score": 0.5, "weight": 7},
]


@pytest.mark.parametrize("metrics", ODD_METRICS, ids=range(len(ODD_METRICS)))
def test_metrics_of_odd_names_or_types_cost_their_region_the_round(tmp_path: Path, metrics: Any) -> None:
    """`contributors` is the hub's own word, for a sum of several: an update that says it passed for all of them."""

    def answer(name: str, message: Message) -> RecordDict:
        content = update(message, 1.0)
        return _with(content, "metrics", MetricRecord(metrics)) if name == "DE" else content

    model, _ = _train(tmp_path, answer)
    assert [set(record.metrics) for record in model.rounds] == [{3, 4}, {3, 4}]
    assert all("AnswerUnreadable" in record.failed[2] and not record.together for record in model.rounds)


def test_one_region_that_says_it_is_many_does_not_end_a_training_alone(tmp_path: Path) -> None:
    def answer(name: str, message: Message) -> Any:
        content = update(message, 1.0)
        metrics = MetricRecord({"num-examples": 100, "contributors": 1000})
        return _with(content, "metrics", metrics) if name == "DE" else "StoreDamaged"

    with pytest.raises(TrainingFailed, match="0 of at least 2 regions sent an update"):
        _train(tmp_path, answer)


def test_a_second_record_of_arrays_costs_its_region_the_round(tmp_path: Path) -> None:
    def answer(name: str, message: Message) -> RecordDict:
        content = update(message, 1.0)
        return _with(content, "more", content["arrays"]) if name == "DE" else content

    model, _ = _train(tmp_path, answer)
    assert [set(record.metrics) for record in model.rounds] == [{3, 4}, {3, 4}]


def test_the_words_of_a_failing_region_reach_no_terminal_as_they_are(tmp_path: Path) -> None:
    def answer(name: str, message: Message) -> Any:
        return "\x1b[2J" * 100_000 if name == "DE" else update(message, 1.0)

    _, said = _train(tmp_path, answer)
    assert not any("\x1b" in line for line in said) and max(map(len, said)) < 5000


# ------------------------------------------------------------------ what is made at the end


@pytest.mark.parametrize("rows", [2**40, "text", [1, 2], 1.5])
def test_sealed_rows_that_are_no_bytes_leave_their_recipient_without_and_the_run_goes_on(
    tmp_path: Path, rows: Any
) -> None:
    """`bytes(2**40)` is a terabyte of zeros."""
    answer = RecordDict({"parcels": ConfigRecord({"FR": rows})})
    plan = RegionPlan("FR", 600, "synthetic", ("few rows",), donor="DE")
    outputs = RunOutputs()
    with connected(World(tmp_path, {"query.synthesise": lambda *_: answer})) as run:
        receive_synthetic(run, order_synthetic(run, [plan]), outputs)
    assert "AnswerUnreadable (" in outputs.failures["FR"] and not outputs.parcels


def test_a_result_of_odd_scores_fails_that_region_alone(tmp_path: Path) -> None:
    scores = dict.fromkeys(("score", "local_score", "gain", "gain_se", "validation_score"), 0.5)
    honest = text("metrics", {**scores, "test_rows": 20, "selected": "local"})
    for odd in ({"score": "good"}, {"test_rows": -5}, {"selected": "\x1b[2J"}, {"selected": ["local"]}, {"gain": [1]}):
        written = json.dumps({**scores, "test_rows": 20, "selected": "local", **odd})
        plans = tuple(RegionPlan(name, 600, "local", ("no",)) for name in ("DE", "FR"))
        outputs = RunOutputs()
        world = World(tmp_path, {"query.finish": _odd(_json("metrics", written), lambda *_: honest)})
        with connected(world) as run:
            finish(run, Plan(plans), ["DE", "FR"], outputs)
        assert list(outputs.results) == ["FR"] and "AnswerUnreadable" in outputs.failures["DE"]
