"""Synthetic rows for a region too small to federate: made inside a donor region, checked before they are offered.

`synthesise` fits SDV's Gaussian copula to at most half of the donor's people, samples, and asks
`fedsov.privacy.synthetic_check` whether the sample copies anyone and whether it is of use. A sample that fails is
refused, never repaired. The other half of the people is never shown to the generator: copying is measured
against them.

What is fitted is blunted first: a number is drawn in to the range that at least ten people (and one row in a
hundred) reach at either end, and a level that fewer than ten people have is blanked (or as many as a region's
`limits.least_people` says); a person with many rows is
still one. So neither the highest salary nor a rare nationality can be sampled. Identifiers are never in. The rows
keep the join of the donor's labels, for they are no less bound; they carry nobody's pseudonym, and they travel as
Arrow IPC bytes, the label beside them. No epsilon is promised: whether such rows may cross is the border's
decision.

SDV itself runs on the region's bench (`Sample`): it is given blunted columns and no more, and whether its rows may be
offered is checked here.

    made = synthesise(records, rows=1000, divided_by=7)
    from_bytes(to_bytes(made), region=made.region, label=made.label)
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
import pyarrow as pa

from fedsov.errors import BenchFailed, ConfigurationError, FedsovError, InputError
from fedsov.label import Label
from fedsov.partition.arrow_columns import floats, numbers, objects, text
from fedsov.partition.records import Records
from fedsov.privacy.synthetic_check import Encoded, SyntheticLimits, assess
from fedsov.protocol.job import SYNTHESIZERS
from fedsov.region.bench.tasks import THIS_PROCESS, Bench, Written, array_of, name_of

LEAST_PEOPLE = 10  # where the rows of fewer people hold a level or reach a number, the generator does not see it
MIN_DONORS = 100  # fewer people than this cannot be halved and still be described
MADE = "synthetic-"  # how the subjects of made rows begin; a person's pseudonym is hexadecimal
TARGET = "target"


class SyntheticRefused(FedsovError):
    """The rows failed their release check, or could not be made. Says why, in shares and counts, never in values."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__(f"synthetic rows refused: {'; '.join(reasons)}")
        self.reasons = reasons


def synthesise(
    records: Records,
    *,
    rows: int,
    divided_by: int | bytes,
    synthesizer: str = "gaussian_copula",
    max_rows: int = 2000,
    limits: SyntheticLimits | None = None,
    least: int = LEAST_PEOPLE,
    bench: Bench = THIS_PROCESS,
) -> Records:
    """`rows` made-up rows like `records`, that passed the release check.

    Args:
        records: what the donor may learn from; the label of all of it binds what is made.
        rows: how many to make, at least 1.
        divided_by: what divides the people into those learned from and those measured against: a seed, of rows whose
            division anybody may know, or a secret of whoever holds the rows, under which all but one person stay in
            their half when another comes or leaves. Equal records and the same again give equal rows.
        synthesizer: a name in `SYNTHESIZERS`.
        max_rows: most rows learned from, and most measured against.
        limits: of the release check.
        least: of how many people a level or a number must be that the generator sees.
        bench: where the generator runs.

    Raises SyntheticRefused, and ConfigurationError for an unknown synthesizer or where SDV is not installed.
    """
    if synthesizer not in SYNTHESIZERS:
        raise ConfigurationError(f"no synthesizer {synthesizer!r}; there is {', '.join(SYNTHESIZERS)}")
    if rows < 1:
        raise ConfigurationError(f"expected at least 1 synthetic row, got {rows}")
    shown, withheld = _divide(records, divided_by, max_rows=max_rows)
    usable = _usable(shown, least)
    drawn = _made(usable, least, bench, rows=rows, label=records.label)
    real = (_drawn_in(shown, least, like=usable), _drawn_in(withheld, least, like=usable))
    sets = _encode((drawn, *real))
    verdict = assess(sets[0], training=sets[1], holdout=sets[2], limits=limits)
    if not verdict.passed:
        raise SyntheticRefused(verdict.reasons)
    return drawn


def _divide(records: Records, by: int | bytes, *, max_rows: int) -> tuple[Records, Records]:
    """Rows to learn from and rows to measure against, at most `max_rows` each; no person is in both."""
    people, first, person = np.unique(records.subjects.astype(str), return_index=True, return_inverse=True)
    if len(people) < MIN_DONORS:
        raise SyntheticRefused((f"fewer than {MIN_DONORS} people to learn from",))
    if isinstance(by, bytes):
        rng, place = np.random.default_rng(int.from_bytes(by, "big")), _keyed_places(people, by)
    else:
        rng = np.random.default_rng(by)
        arrival = np.argsort(np.argsort(first))  # pseudonyms differ between workspaces, the order of people does not
        place = rng.permutation(len(people))[arrival]
    learned = place[person] < len(people) // 2
    order = rng.permutation(len(records))
    halves = (order[learned[order]], order[~learned[order]])
    return records.select(halves[0][:max_rows]), records.select(halves[1][:max_rows])


def _keyed_places(people: np.ndarray, key: bytes) -> np.ndarray:
    """(P,) the place of each of (P,) people in an order that follows from the key and each one's pseudonym alone."""
    digests = [hashlib.blake2b(str(one).encode(), key=key, digest_size=16).digest() for one in people.tolist()]
    return np.argsort(np.argsort(np.array(digests, "S16")))


def _usable(shown: Records, least: int) -> Records:
    """The rows whose target blunting leaves: a row without one cannot be fitted."""
    with_target = shown.select(~_missing(_blunt(shown.target, shown.subjects, least)))
    if len(set(with_target.subjects.tolist())) < 2 * least:
        raise SyntheticRefused((f"fewer than {2 * least} people have a target that {least} people share",))
    return with_target


def _made(usable: Records, least: int, bench: Bench, *, rows: int, label: Label) -> Records:
    """Rows sampled from a copula of the blunted rows; columns that blunting left empty stay empty."""
    columns = {name: _blunt(usable.columns[name], usable.subjects, least) for name in usable.kinds}
    target = _blunt(usable.target, usable.subjects, least)
    present = {name: values for name, values in columns.items() if not _missing(values).all()}
    fitted = {f"column {name}": values for name, values in present.items()} | {TARGET: target}
    sampled = _sample(fitted, bench, rows=rows)
    empty = {"numeric": np.full(rows, np.nan), "categorical": np.full(rows, None, object)}
    filled = {name: sampled.get(f"column {name}", empty[usable.kinds[name]]) for name in columns}
    return _records(filled, usable.kinds, sampled[TARGET], region=usable.region, label=label)


def _records(
    columns: Mapping[str, np.ndarray],
    kinds: Mapping[str, str],
    target: np.ndarray,
    *,
    region: str,
    label: Label,
) -> Records:
    subjects = np.array([f"{MADE}{row:06d}" for row in range(len(target))], object)
    return Records(region, columns, kinds, target, subjects, (label,), np.zeros(len(target), np.int64))


def _blunt(values: np.ndarray, subjects: np.ndarray, least: int) -> np.ndarray:
    """(N,) the same values, numbers drawn in to their `_bounds`; rare levels and columns without bounds blank."""
    if values.dtype.kind == "f":
        bounds = _bounds(values, subjects, least)
        return np.full(len(values), np.nan) if bounds is None else np.clip(values, *bounds)
    people = Counter(value for value, _ in set(zip(values.tolist(), subjects.tolist(), strict=True)))
    return np.array([value if people[value] >= least else None for value in values.tolist()], object)


def _bounds(values: np.ndarray, subjects: np.ndarray, least: int) -> tuple[float, float] | None:
    """The numbers that `least` people and 1 % of rows reach at either end; None where there are too few people
    for two ends, or one person's many rows make them overlap."""
    order = np.argsort(values, kind="stable")[: np.count_nonzero(~np.isnan(values))]  # NaN sorts last
    if len(set(subjects[order].tolist())) < 2 * least:
        return None
    low, high = (_reached(values[side], subjects[side], least) for side in (order, order[::-1]))
    return (low, high) if low <= high else None


def _reached(numbers: np.ndarray, subjects: np.ndarray, least: int) -> float:
    """The first number up to which lie `least` different people and 1 % of rows."""
    _, first = np.unique(subjects.astype(str), return_index=True)
    return float(numbers[max(int(np.sort(first)[least - 1]), len(numbers) // 100 - 1)])


def _drawn_in(records: Records, least: int, *, like: Records) -> Records:
    """The rows with their numbers within the bounds of `like`, as made rows are.

    Without this a made row at a bound would equal a row learned from, the one that set the bound, and hardly
    ever another person's: not because it was copied, but because it was drawn in.
    """

    def clipped(values: np.ndarray, pattern: np.ndarray) -> np.ndarray:
        return _clipped(values, pattern, like.subjects, least)

    columns = {name: clipped(values, like.columns[name]) for name, values in records.columns.items()}
    return replace(records, columns=columns, target=clipped(records.target, like.target))


def _clipped(values: np.ndarray, like: np.ndarray, subjects: np.ndarray, least: int) -> np.ndarray:
    bounds = _bounds(like, subjects, least) if like.dtype.kind == "f" else None
    return values if bounds is None else np.clip(values, *bounds)


def _missing(values: np.ndarray) -> np.ndarray:
    return np.isnan(values) if values.dtype.kind == "f" else np.array([value is None for value in values], bool)


def _sample(fitted: Mapping[str, np.ndarray], bench: Bench, *, rows: int) -> dict[str, np.ndarray]:
    """Sampled columns of the same names and types. A number with two values is a level to the copula: a
    normal margin, rounded, would hardly ever give the rarer one."""
    flags = {name for name, values in fitted.items() if values.dtype.kind == "f" and _is_flag(values)}
    columns = {name: _as_levels(values) if name in flags else values for name, values in fitted.items()}
    kinds = {name: "numeric" if values.dtype.kind == "f" else "categorical" for name, values in columns.items()}
    sampled = bench.do(Sample(columns, kinds, rows))
    return {name: values.astype(np.float64) if name in flags else values for name, values in sampled.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Asks for so many rows of a Gaussian copula fitted to columns; text is answered by its place among the levels."""

    columns: Mapping[str, np.ndarray]
    kinds: Mapping[str, str]
    rows: int

    def run(self) -> Written:
        """Raises ConfigurationError where SDV is not installed."""
        sdv_copula = _copula()
        try:
            sampled = sdv_copula.fit_and_sample(self.columns, self.kinds, rows=self.rows)
        except sdv_copula.FAILURES as error:
            return Written({"failed": type(error).__name__}, {})
        return Written({}, {name: self._coded(name, values) for name, values in sampled.items()})

    def read(self, answer: Written) -> dict[str, np.ndarray]:
        """The sampled columns, of the same types. Raises SyntheticRefused where none could be sampled."""
        if "failed" in answer.plain:
            raise SyntheticRefused((f"the synthesizer failed with {name_of(answer.plain['failed'])}",))
        return {name: self._decoded(name, answer) for name in self.columns}

    def _coded(self, name: str, values: np.ndarray) -> np.ndarray:
        if self.kinds[name] == "numeric":
            return values
        places = {level: place for place, level in enumerate(_levels(self.columns[name]))}
        return np.array([-1 if value is None else places[value] for value in values.tolist()], np.int64)

    def _decoded(self, name: str, answer: Written) -> np.ndarray:
        if self.kinds[name] == "numeric":
            return array_of(answer, name, shape=(self.rows,), dtype=np.float64)
        levels, codes = _levels(self.columns[name]), array_of(answer, name, shape=(self.rows,), dtype=np.int64)
        if ((codes < -1) | (codes >= len(levels))).any():
            raise BenchFailed(f"model code answered with a level that column {name!r} has not")
        decoded: np.ndarray = np.array([*levels, None], object)[codes]
        return decoded


def _levels(values: np.ndarray) -> list[str]:
    return sorted({str(value) for value in values.tolist() if value is not None})


def _copula() -> ModuleType:
    try:
        from fedsov.region.strategies import sdv_copula
    except ImportError:
        raise ConfigurationError('synthetic rows need SDV; install it: pip install "fedsov[synthetic]"') from None
    return sdv_copula


def _is_flag(values: np.ndarray) -> bool:
    return len(np.unique(values[~np.isnan(values)])) <= 2


def _as_levels(values: np.ndarray) -> np.ndarray:
    return np.array([None if np.isnan(value) else repr(value) for value in values.tolist()], object)


def _encode(sets: tuple[Records, Records, Records]) -> list[Encoded]:
    """Made, shown and withheld rows as comparable numbers; scales and levels are those of both real sets together."""
    real = sets[1:]
    names = sorted(sets[0].kinds)
    pools = {name: np.concatenate([each.columns[name] for each in real]) for name in names}
    answers = np.concatenate([each.target for each in real])
    return [
        Encoded(
            np.concatenate([_scaled(each.columns[name], pools[name]) for name in names], axis=1),
            _scaled(each.target, answers),
            _outcome(each.target, answers),
        )
        for each in sets
    ]


def _scaled(values: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """(N, K) numbers in 0 to 1 by their rank among `pool`, or levels as indicators; different levels lie 1 apart."""
    if pool.dtype.kind != "f":
        levels = np.array(sorted(set(pool.tolist()) - {None}), object)
        indicators: np.ndarray = (values[:, None] == levels[None, :]).astype(np.float64)
        return indicators / math.sqrt(2)
    present = np.sort(pool[~np.isnan(pool)])
    if not len(present):
        return np.zeros((len(values), 0))
    distinct = np.unique(present)
    below, upto = (np.searchsorted(present, distinct, "left"), np.searchsorted(present, distinct, "right"))
    ranks = (below + upto) / (2 * len(present))
    absent = np.isnan(values)
    places = np.where(absent, 0.5, np.interp(values, distinct, ranks))
    return np.column_stack([places, absent]) if len(present) < len(pool) else places[:, None]


def _outcome(target: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """(N,) 0.0 or 1.0: above the pool's median, or its higher value of two, or its most frequent level."""
    if target.dtype.kind != "f":
        most_frequent = Counter(sorted(pool.tolist())).most_common(1)[0][0]
        above: np.ndarray = target == most_frequent
    else:
        above = target > (float(np.median(pool)) if len(np.unique(pool)) > 2 else float(pool.min()))
    outcome: np.ndarray = above.astype(np.float64)
    return outcome


def to_bytes(rows: Records) -> bytes:
    """Rows that `synthesise` made, as Arrow IPC. Raises ValueError for any other rows: they do not travel."""
    if not all(str(subject).startswith(MADE) for subject in rows.subjects):
        raise ValueError("expected rows made by synthesise; these have people's pseudonyms")
    arrays = [_arrow(rows.columns[name]) for name in rows.kinds] + [_arrow(rows.target)]
    names = [f"column {name}" for name in rows.kinds] + [TARGET]
    table = pa.table(arrays, names=names).replace_schema_metadata({"kinds": json.dumps(dict(rows.kinds))})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _arrow(values: np.ndarray) -> pa.Array:
    return numbers(values) if values.dtype.kind == "f" else text(values.tolist())


def from_bytes(content: bytes, *, region: str, label: Label) -> Records:
    """The rows in `content`, made in `region` and bound by `label`. Raises InputError for anything unreadable."""
    try:
        with pa.ipc.open_stream(content) as stream:
            table = stream.read_all()
        table.validate(full=True)
        kinds = json.loads((table.schema.metadata or {})[b"kinds"])
        columns = {name: _values(table[f"column {name}"], kind) for name, kind in kinds.items()}
        is_text = pa.types.is_large_string(table.schema.field(TARGET).type)
        target = _values(table[TARGET], "categorical" if is_text else "numeric")
    except (pa.ArrowException, LookupError, ValueError, TypeError, OSError, AttributeError):
        raise InputError(f"the synthetic rows from region {region!r} cannot be read; ask for them again") from None
    if _missing(target).any() or any(
        values.dtype.kind == "f" and np.isinf(values).any() for values in columns.values()
    ):
        raise InputError(f"the synthetic rows from region {region!r} hold infinite values or lack a target; refused")
    return _records(columns, kinds, target, region=region, label=label)


def _values(column: pa.ChunkedArray, kind: str) -> np.ndarray:
    read = {"numeric": floats, "categorical": objects}
    return read[kind](column)
