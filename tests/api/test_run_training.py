"""What a run's configuration says of its training: schedules, the end of a training, steps and losses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from fedsov.algorithms.local_steps import Schedule
from fedsov.api import train
from fedsov.api.result import RunResult
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.errors import ConfigurationError, InputError, TrainingFailed
from tests.api.test_resume import _assert_same, _killed, _resume, _words
from tests.world import answered, fedsov, people

Parameters = Mapping[str, np.ndarray]


def _trained(place: Path, *more: str) -> RunResult:
    place.mkdir(exist_ok=True)
    return train.train_settings(settings(compose(_words(place, *more))), progress=lambda _: None)


def _global_model(result: RunResult) -> Parameters:
    (path,) = result.workspace.glob("hub/models/*/people/model.safetensors")
    return load_file(path)


def _asked(*overrides: str):
    return settings(compose(overrides))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("cosine", Schedule("cosine")),
        ("{name:cosine,least:0.2,warmup:2}", Schedule("cosine", least=0.2, warmup=2)),
        ("{name:step,every:3,by:0.1}", Schedule("step", every=3, by=0.1)),
        ("{name:constant,warmup:1}", Schedule(warmup=1)),
    ],
)
def test_a_schedule_is_set_by_its_name_or_with_its_numbers(given: str, expected: Schedule) -> None:
    assert _asked(f"federation.schedule={given}").federation.schedule == expected


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("linear", "schedule must be one of constant, cosine, step, got 'linear'"),
        ("{name:cosine,every:3}", "federation.schedule.every is not a setting"),
        ("{name:step,every:0}", "every must be a whole number of 1 or more, got 0"),
        ("{least:0.1}", "schedule must be one of .*'None'"),
        ("[cosine]", "schedule must be one of .*cosine"),
    ],
)
def test_a_schedule_that_would_be_ignored_or_is_none_is_refused(given: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        _asked(f"federation.schedule={given}")


@pytest.mark.parametrize(
    ("given", "rounds", "told"),
    [
        ("{name:step,every:1,by:1e-30}", 3, "in round 3 of 3: learning_rate must be a number of"),
        ("{name:step,every:1,by:0.5}", 2000, "in round 2000 of 2000"),
        ("{name:step,every:1,by:1e300}", 2, "in round 2 of 2"),
        ("{name:step,every:1,by:1e300}", 3, "in round 3 of 3.*got inf"),
        ("{name:cosine,least:1e-320}", 2, "in round 2 of 2"),
    ],
)
def test_a_schedule_that_leaves_a_round_without_a_rate_is_refused_before_anything_runs(
    given: str, rounds: int, told: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"federation.schedule {told}"):
        _asked(f"federation.schedule={given}", f"federation.rounds={rounds}")
    assert _asked(f"federation.schedule={given}", "federation.rounds=1").federation.rounds == 1


@pytest.mark.long
def test_the_regions_step_at_the_round_s_rate(tmp_path: Path) -> None:
    still = "federation.schedule={name:step,every:1,by:1e-9}"
    one = _trained(tmp_path / "one", "federation.rounds=1", still)
    three = _trained(tmp_path / "three", "federation.rounds=3", still)
    for name, array in _global_model(one).items():
        np.testing.assert_allclose(_global_model(three)[name], array, atol=1e-6)


@pytest.mark.long
def test_a_scheduled_run_that_is_killed_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    schedule = "federation.schedule={name:cosine,least:0.1,warmup:1}"
    whole = _trained(tmp_path / "whole", schedule)
    words = _words(tmp_path / "killed", schedule)
    _killed(words, line="global model, round 2/3")
    _assert_same(_resume(tmp_path / "killed" / "w").workspace, whole.workspace)


WILD = ("federation.schedule={name:step,every:2,by:3}", "federation.rounds=9")
"""From round 5 on the steps are far too long, so that losses rise."""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunResult, list[str]]:
    lines: list[str] = []
    words = _words(tmp_path_factory.mktemp("stopped"), *WILD, "federation.patience=2")
    return train.train_settings(settings(compose(words)), progress=lines.append), lines


def _losses(result: RunResult) -> list[float]:
    each = [seen.metrics.values() for seen in result.rounds]
    return [np.average([one["loss"] for one in some], weights=[one["num-examples"] for one in some]) for some in each]


def test_a_run_ends_when_its_loss_stays_with_the_parameters_of_the_best_round(
    stopped: tuple[RunResult, list[str]], tmp_path: Path
) -> None:
    result, losses = stopped[0], _losses(stopped[0])
    best = int(np.argmin(losses))  # the model after so many rounds
    assert len(losses) == best + 3 < 9 and best >= 1
    whole = _trained(tmp_path, WILD[0], f"federation.rounds={best}")
    for name, array in _global_model(whole).items():
        assert np.array_equal(_global_model(result)[name], array)


def test_a_run_that_stopped_says_so_and_why(stopped: tuple[RunResult, list[str]]) -> None:
    result, lines = stopped
    ran, why = (
        len(result.rounds),
        "no lesser mean validation loss in 2 rounds; the model is the one that came into round",
    )
    assert any(line.startswith(f"global model: stopped after round {ran}/9: {why}") for line in lines)
    said = result.to_json()["rounds"]
    assert (said["planned"], said["run"]) == (9, ran) and said["stopped"].startswith(why)
    assert f"The federated training ended after {ran} of 9 rounds: {why}" in str(result)
    assert not any(
        "pre-training" in line and "stopped" in line for line in lines
    )  # patience is the federated training's


@pytest.mark.long
def test_a_run_with_patience_that_is_killed_ends_in_the_same_round_with_the_same_bits(
    stopped: tuple[RunResult, list[str]], tmp_path: Path
) -> None:
    words, ran = _words(tmp_path, *WILD, "federation.patience=2"), len(stopped[0].rounds)
    for line in (
        *(f"global model, round {number}/9" for number in (1, ran - 2, ran)),  # the best one has begun ran - 2
        "global model: stopped",
        "finish: ",
    ):
        _killed(words, line=line)
    result = _resume(tmp_path / "w")
    _assert_same(result.workspace, stopped[0].workspace)
    assert result.to_json()["rounds"] == stopped[0].to_json()["rounds"]


def test_a_run_that_is_not_patient_has_all_its_rounds(tmp_path: Path) -> None:
    result = _trained(tmp_path, "federation.rounds=2")
    assert result.to_json()["rounds"] == {"planned": 2, "run": 2, "stopped": ""}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("privacy=record",), "under privacy=record no score leaves a region; set federation.patience=null"),
        (("privacy=secure",), "under privacy=secure the hub hears no region's scores; set"),
        (
            ("privacy=record", "privacy.secure_aggregation=true"),
            "no score leaves a region; under privacy=secure the hub",
        ),
    ],
)
def test_patience_is_refused_where_the_hub_hears_no_losses(words: tuple[str, ...], told: str) -> None:
    assert _asked(*words).federation.patience is None
    with pytest.raises(ConfigurationError, match=told):
        _asked(*words, "federation.patience=3")


@pytest.mark.parametrize("value", ["0", "-1", "2.5", "true", "soon"])
def test_patience_is_a_whole_number_of_rounds(value: str) -> None:
    with pytest.raises(ConfigurationError, match="federation.patience must be a whole number of 1 or more"):
        _asked(f"federation.patience={value}")


@pytest.mark.parametrize("key", ["batch", "accumulate", "epochs"])
@pytest.mark.parametrize("value", ["2.5", "-1", "true", "few"])
def test_what_is_counted_is_a_whole_number(key: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"model.fine_tune.{key} must be a whole number"):
        _asked(f"model.fine_tune.{key}={value}")


@pytest.mark.long
def test_a_run_accumulates_batches_as_if_they_were_larger(tmp_path: Path) -> None:
    words = ("federation.rounds=1", "strategy.order=[federated]")
    found = [
        _global_model(
            _trained(tmp_path / name, *words, f"model.round.batch={batch}", f"model.round.accumulate={count}")
        )
        for name, batch, count in (("several", 8, 4), ("one", 32, 1), ("small", 8, 1))
    ]
    assert all(np.array_equal(found[0][name], array) for name, array in found[1].items())
    assert any(not np.array_equal(found[0][name], array) for name, array in found[2].items())


ONLY_FEDERATED = (
    "strategy.order=[federated]",
    "federation.rounds=2",
    "model.fine_tune.epochs=2",
    "model.from_scratch.epochs=2",
)


def _weighing(*weights: float, of: tuple[str, ...] = ("round", "from_scratch", "fine_tune")) -> list[str]:
    return [f"model.{occasion}.class_weights={list(weights)}" for occasion in of]


@pytest.mark.long
def test_class_weights_of_a_binary_run_move_its_model_and_weights_of_one_do_not(tmp_path: Path) -> None:
    none = _trained(tmp_path / "none", *ONLY_FEDERATED)
    ones = _trained(tmp_path / "ones", *ONLY_FEDERATED, *_weighing(1.0, 1.0))
    more = _trained(tmp_path / "more", *ONLY_FEDERATED, *_weighing(1.0, 9.0))
    _assert_same(none.workspace, ones.workspace, models=4)
    biases = [float(_global_model(result)["2.bias"][0]) for result in (none, more)]
    assert biases[1] > biases[0] + 0.05  # rows of 1 count nine times, so that the base rate rises
    first = [seen.metrics[2]["loss"] for seen in (none.rounds[0], more.rounds[0])]
    assert first[1] > 2 * first[0]  # of the same model, by the loss that is minimised


_LABELS = ["dataset.task=multilabel", "dataset.target_above_region_median=false"]
_NUMBERS = ["dataset.task=regression", "dataset.target_above_region_median=false"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (_weighing(1.0, of=("round",)), r"model.round.class_weights must be \[\] or 2 numbers above 0, got \[1.0\]"),
        (_weighing(1.0, 0.0, of=("fine_tune",)), "model.fine_tune.class_weights must be"),
        (["model.from_scratch.class_weights=3"], "model.from_scratch.class_weights must be"),
        (["model.round.class_weights=[a,b]"], "model.round.class_weights must be"),
        (["model.round.class_weights=[1,1e39]"], "model.round.class_weights must be"),  # infinite in float32
        (["model.from_scratch.class_weights=[1,1e-46]"], "model.from_scratch.class_weights must be"),  # and 0
        (["model.round.loss=multiclass"], "model.round.loss is 'multiclass', and the loss of dataset.task=binary is"),
        (["dataset.task=multiclass"], "what is said of the target is binary"),
        (["dataset.task=ranking"], "dataset.task must be one of .*, got 'ranking'"),
        (["dataset.classes=[a,b,c]"], "a target has one rule"),
        (
            ["dataset.classes=[a,b,c]", "dataset.target_above_region_median=false"],
            "dataset.task is 'binary', and what is said of the target is multiclass",
        ),
        (["dataset.classes=[a]", "dataset.target_above_region_median=false"], "two classes or more, each once"),
        (
            ["dataset.classes=['1','1.0',2]", "dataset.target_above_region_median=false"],
            "two classes or more, each once",
        ),
        (["dataset.classes=abc"], "dataset.classes must be a list"),
        (["dataset.task=regression"], r"regression has dataset.target_scale=\[LOW, HIGH\]"),
        (["federation.max_update_norm=0"], "federation.max_update_norm must be a number above 0, or null, got 0"),
        (["federation.max_update_norm=far"], "federation.max_update_norm must be a number above 0"),
        (["federation.max_update_norm=1", "privacy=secure"], "a secure sum shows the hub their sum"),
        (
            [*_LABELS, "dataset.classes=[a,b]", "dataset.label_separator=null"],
            "what is said of the target is multiclass",
        ),
        ([*_LABELS, 'dataset.label_separator=";"'], "is for names in dataset.classes"),
        ([*_LABELS, 'dataset.classes=["a;b",c]', 'dataset.label_separator=";"'], "and stands in no name"),
        ([*_LABELS, 'dataset.classes=[" a",c]', 'dataset.label_separator=";"'], "' a', which no value can name"),
        ([*_LABELS, 'dataset.classes=["",c]', 'dataset.label_separator=";"'], "'', which no value can name"),
        (["dataset.target_scale=[0,1]"], "a target has one rule"),
        (
            [*_NUMBERS, "dataset.target_scale=[2,1]"],
            r"must be \[LOW, HIGH\], LOW below HIGH, finite in float32; got \[2.0, 1.0\]",
        ),
        ([*_NUMBERS, "dataset.target_scale=[1]"], "LOW below HIGH"),
        ([*_NUMBERS, "dataset.target_scale=[0,inf]"], "LOW below HIGH"),
        ([*_NUMBERS, "dataset.target_scale=[-1e308,1e308]"], "finite in float32"),
        ([*_NUMBERS, "dataset.target_scale=[a,b]"], "two numbers as"),
        ([*_NUMBERS, "dataset.target_scale=[0,1]", "model.fine_tune.class_weights=[1,2]"], "numbers have no classes"),
    ],
)
def test_weights_losses_and_tasks_that_do_not_fit_are_refused_by_their_key(words: list[str], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        _asked(*words)


def _three_classes(place: Path, *more: str, numbers: bool = False) -> list[str]:
    """The age and the number of visits tell three classes apart."""
    rng, lines = np.random.default_rng(0), ["country,age,visits,kind"]
    for country, count in {"AT": 400, "DE": 450, "FR": 120}.items():
        for label in rng.integers(0, 3, count):
            age, visits = rng.normal((25, 45, 65)[label], 9), rng.normal((2, 7, 4)[label], 2)
            lines.append(f"{country},{age:.1f},{visits:.1f},{(1, 2, 5)[label] if numbers else 'abc'[label]}")
    return [
        *people(place, lines, target="kind"),
        "dataset.task=multiclass",
        f"dataset.classes={'[1,2,5]' if numbers else '[a,b,c]'}",
        "federation.rounds=4",
        "strategy.order=[federated]",
        "strategy.federated.min_rows=200",
        *more,
    ]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    words = _three_classes(tmp_path_factory.mktemp("three"))
    return train.train_settings(settings(compose(words)), progress=lambda _: None)


def test_a_run_learns_several_classes(three: RunResult) -> None:
    assert _global_model(three)["2.bias"].shape == (3,)
    said = three.to_json()["regions"]
    assert {name: one["strategy"] for name, one in said.items()} == {
        "AT": "federated",
        "DE": "federated",
        "FR": "local",
    }
    assert all(one["score"] > 0.9 and 0 < one["gain_se"] < 0.1 for name, one in said.items() if name != "FR")
    assert said["FR"]["score"] > 0.9  # the mean of each class against the others
    losses = _losses(three)
    assert losses[-1] < losses[0] and losses[-1] < 0.5 < np.log(3)


def test_a_run_of_several_classes_is_resumed_to_the_same_bits_and_may_end_early(
    three: RunResult, tmp_path: Path
) -> None:
    words = _three_classes(tmp_path, "federation.patience=4")
    _killed(words, line="global model, round 2/4")
    _assert_same(_resume(tmp_path / "w").workspace, three.workspace, models=4)


def test_a_small_region_gets_synthetic_rows_of_several_classes_that_are_numbers(tmp_path: Path) -> None:
    words = _three_classes(
        tmp_path, "strategy.order=[federated,synthetic]", "strategy.synthetic.min_donor_rows=300", numbers=True
    )
    result = train.train_settings(settings(compose(words)), progress=lambda _: None)
    fr = result.results["FR"]
    assert fr.strategy == "synthetic" and fr.score is not None and fr.score > 0.9, (fr, result.refusals)


@pytest.mark.long
def test_a_private_run_learns_several_classes_with_weights(tmp_path: Path) -> None:
    words = _three_classes(
        tmp_path,
        "privacy=record",
        "privacy.batch=50",
        "dataset.bounds={age:[0,100],visits:[-9,20]}",
        "federation.rounds=2",
        *_weighing(1, 2, 1),
    )
    result = train.train_settings(settings(compose(words)), progress=lambda _: None)
    assert _global_model(result)["2.bias"].shape == (3,) and len(result.privacy) == 2


def test_a_value_that_is_no_class_ends_the_run_with_one_line(tmp_path: Path) -> None:
    words = _three_classes(tmp_path, "dataset.classes=[a,b,x]")
    with pytest.raises(InputError, match="target 'kind' has 1 different values that are none of dataset.classes"):
        train.train_settings(settings(compose(words)), progress=lambda _: None)


def test_attacks_are_refused_on_several_classes(three: RunResult) -> None:
    done = fedsov("attack", "--region", "DE", *_three_classes(three.workspace.parent))
    assert done.returncode == 2 and "attacks are made on outcomes of 0 and 1" in done.stderr


@pytest.mark.long
def test_a_compressed_run_of_several_classes_with_schedule_and_patience_is_resumed_to_the_same_bits(
    tmp_path: Path,
) -> None:
    words = (
        "federation.compression=topk",
        "federation.schedule={name:step,every:2,by:7}",
        "federation.rounds=8",
        "federation.patience=1",
        "algorithm=fedavgm",
        *_weighing(1, 2, 1, of=("round",)),
    )
    whole = train.train_settings(settings(compose(_three_classes(tmp_path / "whole", *words))), progress=lambda _: None)
    assert whole.stopped and len(whole.rounds) < 8, _losses(whole)
    killed = _three_classes(tmp_path / "killed", *words)
    for number in range(1, len(whole.rounds) + 1):
        _killed(killed, line=f"global model, round {number}/8")
    result = _resume(tmp_path / "killed" / "w")
    _assert_same(result.workspace, whole.workspace, models=4)
    assert result.stopped == whole.stopped


def _numbers(place: Path, *more: str) -> list[str]:
    """The age and the number of visits tell what a visit costs, on a scale that regions share."""
    rng, lines = np.random.default_rng(0), ["country,age,visits,cost"]
    for country, count in {"AT": 400, "DE": 450, "FR": 120}.items():
        for age, visits, noise in zip(*rng.normal(size=(3, count)), strict=True):
            lines.append(
                f"{country},{45 + 9 * age:.1f},{5 + 2 * visits:.1f},{500 + 80 * age - 60 * visits + 30 * noise:.2f}"
            )
    return [
        *people(place, lines, target="cost"),
        "dataset.task=regression",
        "dataset.target_scale=[200,800]",
        "federation.rounds=4",
        "strategy.order=[federated,synthetic]",
        "strategy.federated.min_rows=200",
        "strategy.synthetic.min_donor_rows=300",
        *more,
    ]


@pytest.mark.long
def test_a_run_learns_numbers_and_is_resumed_to_the_same_bits(tmp_path: Path) -> None:
    lines: list[str] = []
    result = train.train_settings(settings(compose(_numbers(tmp_path / "whole"))), progress=lines.append)
    said = result.to_json()
    assert said["measure"] == "r2" and "R²" in str(result)
    assert {name: one["strategy"] for name, one in said["regions"].items()} == {
        "AT": "federated",
        "DE": "federated",
        "FR": "synthetic",
    }
    assert all(0.75 < one["score"] <= 1 for one in said["regions"].values())  # 10,000 of 10,900 can be explained
    assert _losses(result)[-1] < _losses(result)[0] / 2
    assert any("validation R² (start of round) AT" in line for line in lines)
    _killed(_numbers(tmp_path / "killed"), line="global model, round 2/4")
    _assert_same(_resume(tmp_path / "killed" / "w").workspace, result.workspace, models=4)


def test_a_number_beyond_float32_on_its_scale_is_refused_before_any_store_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"target 'cost' has a value too far from dataset.target_scale"):
        train.train_settings(settings(compose(_numbers(tmp_path, "dataset.target_scale=[0,1e-38]"))), progress=print)
    assert not list(tmp_path.glob("w/regions/*/*.parquet"))


def test_a_private_run_learns_numbers_and_says_no_score(tmp_path: Path) -> None:
    words = _numbers(tmp_path, "privacy=record", "dataset.bounds={age:[0,100],visits:[-9,20]}", "federation.rounds=2")
    result = train.train_settings(settings(compose(words)), progress=lambda _: None)
    assert all(one.score is None for one in result.regions) and len(result.privacy) == 2
    assert all(np.isfinite(array).all() for array in _global_model(result).values())


@pytest.mark.long
def test_updates_longer_than_the_bound_are_refused_with_their_regions(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingFailed, match=r"AT: its update has norm .*; at most 0\.001 is accepted .*; DE: its update has norm"
    ):
        _trained(tmp_path / "short", "federation.max_update_norm=0.001")
    unbounded, bounded = (_trained(tmp_path / name, f"federation.max_update_norm={name}") for name in ("null", "1000"))
    _assert_same(bounded.workspace, unbounded.workspace)


@pytest.mark.long
def test_a_network_of_an_installed_package_is_trained_and_a_broken_one_named(tmp_path: Path) -> None:
    place = tmp_path / "site" / "mine-1.0.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (place / "entry_points.txt").write_text("[fedsov.networks]\nmine = mine:build\nbroken = mine:nothing\n")
    layers = "nn.Linear(inputs, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, outputs)"
    (tmp_path / "site" / "mine.py").write_text(
        f"from torch import nn\n\n\ndef build(inputs, outputs):\n    return nn.Sequential({layers})\n"
    )
    known = {"PYTHONPATH": str(tmp_path / "site")}
    words = [*_words(tmp_path / "run"), "model.hidden=[]", "--json"]
    said = answered(fedsov("train", "model.name=mine", *words, env=known))
    assert all(one["score"] is not None for one in said["regions"].values())
    done = fedsov("train", "model.name=broken", *words, env=known)
    assert done.returncode == 2 and "network 'broken' is mine:nothing, which cannot be imported" in done.stderr
    done = fedsov("train", "model.name=mine", *words)
    assert done.returncode == 2 and "unknown network 'mine'" in done.stderr


def _labels(place: Path, *more: str, odd: str = "") -> list[str]:
    """The age tells who reads and the number of visits who writes; some do both, some neither."""
    rng, lines = np.random.default_rng(0), ["country,age,visits,does"]
    for country, count in {"AT": 400, "DE": 450, "FR": 120}.items():
        for age, visits, *noise in zip(*rng.normal(size=(4, count)), strict=True):
            does = [name for name, at in (("read", age + noise[0] / 3), ("write", visits + noise[1] / 3)) if at > 0]
            lines.append(f"{country},{45 + 9 * age:.1f},{5 + 2 * visits:.1f},{';'.join(does) or ';'}")
    lines += [f"DE,1,1,{odd}"] * bool(odd)
    return [
        *people(place, lines, target="does"),
        "dataset.task=multilabel",
        "dataset.classes=[read,write]",
        'dataset.label_separator=";"',
        "federation.rounds=4",
        "strategy.order=[federated,synthetic]",
        "strategy.federated.min_rows=200",
        "strategy.synthetic.min_donor_rows=300",
        *more,
    ]


def test_a_run_learns_labels_of_which_a_row_may_have_several(tmp_path: Path) -> None:
    result = train.train_settings(settings(compose(_labels(tmp_path))), progress=lambda _: None)
    assert _global_model(result)["2.bias"].shape == (2,)
    assert [one.strategy for one in result.regions] == ["federated", "federated", "synthetic"]
    assert all(one.score is not None and one.score > 0.9 and one.gain is not None for one in result.regions)
    assert _losses(result)[-1] < _losses(result)[0]


def test_a_label_that_nobody_declared_is_refused_before_any_store_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 different labels that are none of dataset.classes"):
        train.train_settings(settings(compose(_labels(tmp_path, odd="read;sing"))), progress=lambda _: None)


def test_a_target_of_text_where_numbers_are_learned_is_told_what_would_help(tmp_path: Path) -> None:
    words = _labels(tmp_path, "dataset.task=regression", "dataset.classes=[]", "dataset.label_separator=null")
    with pytest.raises(
        InputError, match="'does' is no number in row 1; choose another dataset.target, or a task of names"
    ):
        train.train_settings(settings(compose([*words, "dataset.target_scale=[0,1]"])), progress=lambda _: None)
