"""SDV itself, on a small invented region."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from fedsov.errors import ConfigurationError, InputError
from fedsov.label import PUBLIC, Label
from fedsov.partition.records import Records
from fedsov.privacy.synthetic_check import SyntheticLimits
from fedsov.region.strategies import synthetic
from fedsov.region.strategies.synthetic import SyntheticRefused, from_bytes, synthesise, to_bytes

DE = Label(frozenset({"DE"}), frozenset({"financial"}))
SECRET = "Unobtainium mining"
RICHEST = 9_999_999.0
KINDS = {"years": "numeric", "remote": "numeric", "field": "categorical", "rarely asked": "numeric"}


def region(rows: int = 900, *, seed: int = 0, labels: tuple[Label, ...] = (DE,)) -> Records:
    """Salaries that grow with years and with working remotely, one very rich person, one of a rare field."""
    rng = np.random.default_rng(seed)
    years = np.round(rng.gamma(3.0, 3.0, rows), 1)
    remote = (rng.random(rows) < 0.15).astype(float)
    field = rng.choice(np.array(["web", "games", None], object), rows, p=[0.6, 0.3, 0.1])
    salary = np.round(40_000 + 4_000 * years + 30_000 * remote + rng.normal(0, 9_000, rows))
    years[rng.random(rows) < 0.1] = np.nan
    salary[17], field[17] = RICHEST, SECRET
    seldom = np.full(rows, np.nan)
    seldom[:5] = 1.5
    columns = {"years": years, "remote": remote, "field": field, "rarely asked": seldom}
    subjects = np.array([f"{row:032x}" for row in range(rows)], object)
    return Records("DE", columns, KINDS, salary, subjects, labels, np.arange(rows) % len(labels))


@pytest.fixture(scope="module")
def made() -> Records:
    return synthesise(region(), rows=500, divided_by=1)


def test_made_rows_have_the_donor_s_columns_and_the_join_of_its_labels(made):
    assert (len(made), made.region, dict(made.kinds)) == (500, "DE", KINDS)
    assert made.label == DE
    mixed = synthesise(region(labels=(PUBLIC, DE)), rows=20, divided_by=1, limits=SyntheticLimits(1.0, 1.0, 1.0))
    assert mixed.labels == (DE,)
    assert not mixed.public.any()
    assert all(str(subject).startswith("synthetic-") for subject in made.subjects)
    assert np.isfinite(made.target).all()


def test_made_rows_resemble_the_donor_s(made):
    real = region()
    assert set(made.columns["remote"]) == {0.0, 1.0}
    assert made.columns["remote"].mean() == pytest.approx(real.columns["remote"].mean(), abs=0.05)
    assert set(made.columns["field"]) == {"web", "games", None}
    assert np.isnan(made.columns["years"]).mean() == pytest.approx(0.1, abs=0.05)
    raised = made.target[made.columns["remote"] == 1].mean() - made.target[made.columns["remote"] == 0].mean()
    assert 8_000 < raised < 45_000  # real: 30,000; a copula weakens what a flag tells


def test_what_few_people_have_is_never_made():
    for seed in range(3):
        made = synthesise(region(), rows=2000, divided_by=seed)
        assert SECRET not in set(made.columns["field"])
        assert np.isnan(made.columns["rarely asked"]).all()
        shown = np.sort(region().target)
        assert made.target.max() <= shown[-10]
        assert made.target.min() >= shown[9]


def test_how_many_are_few_is_as_the_region_says():
    rows = region()
    seldom = rows.columns["rarely asked"].copy()
    seldom[5:200] = np.arange(195.0)
    rows = replace(rows, columns={**rows.columns, "rarely asked": seldom})
    assert not np.isnan(synthesise(rows, rows=500, divided_by=0).columns["rarely asked"]).all()
    made = synthesise(rows, rows=2000, divided_by=0, least=70)
    assert np.isnan(made.columns["rarely asked"]).all()
    assert made.target.max() <= np.sort(rows.target)[-70]


def test_what_few_people_have_in_many_rows_is_never_made():
    rows = region()
    crowd = np.concatenate([np.arange(900), np.full(40, 17)])  # the rich one of a rare field, forty times more
    made = synthesise(rows.select(crowd), rows=1000, divided_by=0, limits=SyntheticLimits(1.0, 1.0, 1.0))
    assert SECRET not in set(made.columns["field"])
    assert made.target.max() <= np.sort(rows.target)[-10]


def test_bounds_are_where_ten_people_lie_however_many_rows_they_have():
    subjects = np.repeat([f"p{person}" for person in range(40)], [30, *[1] * 38, 30])
    values = np.repeat(np.arange(40.0), [30, *[1] * 38, 30])
    assert synthetic._bounds(values, subjects, 10) == (9.0, 30.0)
    blunted = synthetic._blunt(np.append(values, np.nan), np.append(subjects, "p0"), 10)
    assert (np.nanmin(blunted), np.nanmax(blunted), int(np.isnan(blunted).sum())) == (9.0, 30.0, 1)
    assert synthetic._bounds(np.arange(1e4), np.arange(1e4).astype(str), 10) == (99.0, 9900.0)


def test_a_column_of_few_people_or_of_one_persons_many_rows_has_no_bounds():
    values = np.arange(60.0)
    assert synthetic._bounds(values, np.repeat([f"p{person}" for person in range(19)], [42, *[1] * 18]), 10) is None
    long = np.append(np.arange(19.0), np.arange(5_000.0) + 19)
    one = np.array([f"p{min(row, 19)}" for row in range(len(long))])
    assert synthetic._bounds(long, one, 10) is None
    assert np.isnan(synthetic._blunt(long, one, 10)).all()


def test_levels_are_kept_where_ten_people_have_them():
    subjects = np.array([*(f"p{row // 2}" for row in range(18)), *(f"q{row}" for row in range(10)), "r"], object)
    levels = np.array([*["many rows"] * 18, *["many people"] * 10, None], object)
    assert synthetic._blunt(levels, subjects, 10).tolist() == [*[None] * 18, *["many people"] * 10, None]


def test_rows_drawn_in_are_compared_with_rows_drawn_in():
    rng = np.random.default_rng(5)
    waited = rng.exponential(10.0, 2000)
    late = (waited + rng.normal(0, 4, 2000) > 12).astype(float)
    subjects = np.array([f"{row:032x}" for row in range(2000)], object)
    narrow = Records("DE", {"waited": waited}, {"waited": "numeric"}, late, subjects, (DE,), np.zeros(2000, int))
    made = synthesise(narrow, rows=1000, divided_by=1)
    assert (made.columns["waited"] == made.columns["waited"].min()).mean() > 0.05


def test_the_seed_decides(made):
    again, other = synthesise(region(), rows=500, divided_by=1), synthesise(region(), rows=500, divided_by=2)
    np.testing.assert_array_equal(made.target, again.target)
    np.testing.assert_array_equal(made.columns["years"], again.columns["years"])
    assert (made.target != other.target).any()


def test_the_people_measured_against_are_never_shown():
    rows = region(400)
    twice = rows.select(np.concatenate([np.arange(400), np.arange(400)]))
    shown, withheld = synthetic._divide(twice, 3, max_rows=300)
    assert not set(shown.subjects) & set(withheld.subjects)
    assert (len(shown), len(withheld)) == (300, 300)
    assert set(shown.subjects) != set(synthetic._divide(twice, 4, max_rows=300)[0].subjects)


def test_a_secret_divides_people_by_who_they_are_and_a_newcomer_moves_at_most_one_of_them():
    rows = region(401)
    shown, withheld = synthetic._divide(rows, b"secret", max_rows=300)
    assert not set(shown.subjects) & set(withheld.subjects) and abs(len(shown) - len(withheld)) == 1
    again = synthetic._divide(rows.select(np.arange(401)[::-1]), b"secret", max_rows=300)[0]
    assert set(again.subjects) == set(shown.subjects)
    fewer = synthetic._divide(rows.select(np.arange(400)), b"secret", max_rows=300)[0]
    assert len(set(fewer.subjects) ^ set(shown.subjects) - {rows.subjects[400]}) <= 1
    other = synthetic._divide(rows, b"another", max_rows=300)[0]
    assert 70 < len(set(other.subjects) & set(shown.subjects)) < 130  # half of a half


@pytest.mark.parametrize("copied", [1.0, 0.2])
def test_a_generator_that_copies_is_refused(monkeypatch, copied):
    fitted = synthetic._sample

    def copying(columns, bench, *, rows):
        honest = fitted(columns, bench, rows=rows)
        taken = round(copied * rows)
        return {name: np.concatenate([columns[name][:taken], honest[name][taken:]]) for name in columns}

    monkeypatch.setattr(synthetic, "_sample", copying)
    with pytest.raises(SyntheticRefused, match="training row") as refused:
        synthesise(region(2000), rows=900, divided_by=1)
    assert refused.value.reasons


def test_a_generator_that_makes_noise_is_refused(monkeypatch):
    fitted = synthetic._sample

    def noise(columns, bench, *, rows):
        rng = np.random.default_rng(0)
        return {name: rng.permutation(values) for name, values in fitted(columns, bench, rows=rows).items()}

    monkeypatch.setattr(synthetic, "_sample", noise)
    with pytest.raises(SyntheticRefused, match="AUC"):
        synthesise(region(), rows=500, divided_by=1)


def test_a_failing_generator_says_its_type_and_no_value(monkeypatch):
    from fedsov.region.strategies import sdv_copula

    def fail(columns, kinds, *, rows):
        raise ValueError(f"bad row: {SECRET}")

    monkeypatch.setattr(sdv_copula, "fit_and_sample", fail)
    with pytest.raises(SyntheticRefused, match="failed with ValueError") as refused:
        synthesise(region(), rows=10, divided_by=1)
    assert SECRET not in str(refused.value)
    assert refused.value.__context__ is None


@pytest.mark.parametrize("target", ["flag", "text"])
def test_targets_may_be_flags_or_text(target):
    rows = region()
    high = rows.target > np.median(rows.target)
    answers = {"flag": high.astype(float), "text": np.where(high, "yes", "no").astype(object)}[target]
    columns = {**rows.columns, "target": rows.columns["years"] + np.random.default_rng(1).normal(size=900)}
    kinds = {**KINDS, "target": "numeric"}
    asked = Records("DE", columns, kinds, answers, rows.subjects, rows.labels, rows.label_of)
    made = synthesise(asked, rows=400, divided_by=1)
    assert set(made.target) == set(answers)
    assert set(from_bytes(to_bytes(made), region="DE", label=DE).target) == set(answers)


def test_too_few_people_or_one_class_are_refused():
    with pytest.raises(SyntheticRefused, match="fewer than 100 people"):
        synthesise(region(60), rows=10, divided_by=1)
    rows = region()
    flat = Records("DE", rows.columns, KINDS, np.ones(900), rows.subjects, rows.labels, rows.label_of)
    with pytest.raises(SyntheticRefused, match="one class only"):
        synthesise(flat, rows=100, divided_by=1)
    words = np.array([f"word {row}" for row in range(900)], object)
    rare = Records("DE", rows.columns, KINDS, words, rows.subjects, rows.labels, rows.label_of)
    with pytest.raises(SyntheticRefused, match="fewer than 20 people have a target that 10 people share"):
        synthesise(rare, rows=100, divided_by=1)


def test_an_unknown_synthesizer_and_no_rows_are_configuration_errors():
    with pytest.raises(ConfigurationError, match="no synthesizer 'gan'; there is gaussian_copula"):
        synthesise(region(), rows=10, divided_by=1, synthesizer="gan")
    with pytest.raises(ConfigurationError, match="at least 1 synthetic row, got 0"):
        synthesise(region(), rows=0, divided_by=1)


def test_without_sdv_the_way_out_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fedsov.region.strategies.sdv_copula", None)
    monkeypatch.delattr("fedsov.region.strategies.sdv_copula", raising=False)
    with pytest.raises(ConfigurationError, match=r"pip install \"fedsov\[synthetic\]\""):
        synthesise(region(), rows=10, divided_by=1)


def test_bytes_carry_columns_and_target_and_no_person(made):
    content = to_bytes(made)
    there = from_bytes(content, region="DE", label=made.label)
    assert (there.label, dict(there.kinds), len(there)) == (made.label, KINDS, len(made))
    for name in KINDS:
        np.testing.assert_array_equal(there.columns[name], made.columns[name])
    np.testing.assert_array_equal(there.target, made.target)
    assert b"0000000000" not in content.replace(b"\0", b"")
    with pytest.raises(ValueError, match="people's pseudonyms"):
        to_bytes(region())


def test_bytes_that_are_not_such_rows_are_refused(made):
    content = to_bytes(made)
    broken = [b"", b"nonsense", content[: len(content) // 2], content.replace(b"numeric", b"numerik")]
    broken += [content.replace(b'"kinds', b'"kinks'), content.replace(b"column years", b"column tears")]
    for each in [*broken, b"\x80\x04\x95" + content]:
        if each != content:
            with pytest.raises(InputError, match="from region 'DE' cannot be read"):
                from_bytes(each, region="DE", label=DE)


def test_infinite_values_are_refused(made):
    endless = {**made.columns, "years": np.full(len(made), np.inf)}
    rows = Records("DE", endless, KINDS, made.target, made.subjects, made.labels, made.label_of)
    with pytest.raises(InputError, match="infinite values"):
        from_bytes(to_bytes(rows), region="DE", label=DE)
