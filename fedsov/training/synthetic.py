"""Synthetic rows for a region too small to federate: made inside a donor region, checked before they are
offered.

`synthesise` fits SDV's Gaussian copula to at most half of the donor's people, samples, and asks
`fedsov.privacy.assessment` whether the sample copies anyone and whether it is of use. A sample that fails
is refused, never repaired. The other half of the people is never shown to the generator: copying is
measured against them.

What is fitted is blunted first: a number is drawn in to the range that at least ten rows (and one in a
hundred) reach at either end, and a level that fewer than ten hold is blanked. So neither the highest
salary nor a rare nationality can be sampled. Identifiers are never in. The rows keep the join of the
donor's labels, for they are no less bound; they carry nobody's pseudonym, and they travel as Arrow IPC
bytes, the label beside them. No epsilon is
promised: whether such rows may cross is the border's decision.

    made = synthesise(records, rows=1000, seed=7)
    from_bytes(to_bytes(made), region=made.region, label=made.label)
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from types import ModuleType

import numpy as np
import pyarrow as pa

from fedsov.errors import ConfigurationError, FedsovError, InputError
from fedsov.label import Label
from fedsov.partition.arrow import floats, numbers, objects, text
from fedsov.partition.records import Records
from fedsov.privacy.assessment import Encoded, Limits, assess

SYNTHESIZERS = ("gaussian_copula",)
MIN_ROWS = 10  # where fewer rows hold a level or reach a number, the generator does not see it
MIN_DONORS = 100  # fewer people than this cannot be halved and still be described
MADE = "synthetic-"  # how the subjects of made rows begin; a person's pseudonym is hexadecimal
TARGET = "target"


class SyntheticRefused(FedsovError):
    """The rows failed their release check, or could not be made. Says why, in shares and counts, never in
    values."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__(f"synthetic rows refused: {'; '.join(reasons)}")
        self.reasons = reasons


def synthesise(
    records: Records,
    *,
    rows: int,
    seed: int,
    synthesizer: str = "gaussian_copula",
    max_rows: int = 2000,
    limits: Limits | None = None,
) -> Records:
    """`rows` made-up rows like `records`, that passed the release check.

    Args:
        records: what the donor may learn from; the label of all of it binds what is made.
        rows: how many to make, at least 1.
        seed: divides the people into those learned from and those measured against; equal seeds, equal rows.
        synthesizer: a name in `SYNTHESIZERS`.
        max_rows: most rows learned from, and most measured against.
        limits: of the release check.

    Raises SyntheticRefused, and ConfigurationError for an unknown synthesizer or where SDV is not installed.
    """
    if synthesizer not in SYNTHESIZERS:
        raise ConfigurationError(f"no synthesizer {synthesizer!r}; there is {', '.join(SYNTHESIZERS)}")
    if rows < 1:
        raise ConfigurationError(f"expected at least 1 synthetic row, got {rows}")
    shown, withheld = _divide(records, seed=seed, max_rows=max_rows)
    label = records.label
    made = _made(shown, rows=rows, label=label)
    sets = _encode((made, shown, withheld))
    verdict = assess(sets[0], training=sets[1], holdout=sets[2], limits=limits)
    if not verdict.passed:
        raise SyntheticRefused(verdict.reasons)
    return made


def _divide(records: Records, *, seed: int, max_rows: int) -> tuple[Records, Records]:
    """Rows to learn from and rows to measure against, at most `max_rows` each; no person is in both."""
    people, first, person = np.unique(records.subjects.astype(str), return_index=True, return_inverse=True)
    if len(people) < MIN_DONORS:
        raise SyntheticRefused((f"fewer than {MIN_DONORS} people to learn from",))
    rng = np.random.default_rng(seed)
    arrival = np.argsort(np.argsort(first))  # pseudonyms differ between workspaces, the order of people does not
    learned = rng.permutation(len(people))[arrival[person]] < len(people) // 2
    order = rng.permutation(len(records))
    halves = (order[learned[order]], order[~learned[order]])
    return records.select(halves[0][:max_rows]), records.select(halves[1][:max_rows])


def _made(shown: Records, *, rows: int, label: Label) -> Records:
    """Rows sampled from a copula of the blunted rows; columns that blunting left empty stay empty."""
    columns, target = _blunted(shown)
    present = {name: values for name, values in columns.items() if not _missing(values).all()}
    fitted = {f"column {name}": values for name, values in present.items()} | {TARGET: target}
    sampled = _sample(fitted, rows=rows)
    empty = {"numeric": np.full(rows, np.nan), "categorical": np.full(rows, None, object)}
    filled = {name: sampled.get(f"column {name}", empty[shown.kinds[name]]) for name in columns}
    return _records(filled, shown.kinds, sampled[TARGET], region=shown.region, label=label)


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


def _blunted(shown: Records) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Columns and target in which nothing stands out; rows whose target would be blanked are left out."""
    target = _blunt(shown.target)
    kept = ~_missing(target)
    if kept.sum() < 2 * MIN_ROWS:
        raise SyntheticRefused((f"fewer than {2 * MIN_ROWS} rows have a target that ten rows share",))
    return {name: _blunt(shown.columns[name])[kept] for name in shown.kinds}, target[kept]


def _blunt(values: np.ndarray) -> np.ndarray:
    """(N,) the same values, numbers drawn in to where `MIN_ROWS` and 1 % lie, rare levels and short
    columns blank."""
    if values.dtype.kind == "f":
        known = np.sort(values[~np.isnan(values)])
        if len(known) < 2 * MIN_ROWS:
            return np.full(len(values), np.nan)
        cut = max(MIN_ROWS, len(known) // 100)
        return np.clip(values, known[cut - 1], known[-cut])
    counts = Counter(values.tolist())
    return np.array([value if counts[value] >= MIN_ROWS else None for value in values.tolist()], object)


def _missing(values: np.ndarray) -> np.ndarray:
    return np.isnan(values) if values.dtype.kind == "f" else np.array([value is None for value in values], bool)


def _sample(fitted: Mapping[str, np.ndarray], *, rows: int) -> dict[str, np.ndarray]:
    """Sampled columns of the same names and types. A number with two values is a level to the copula: a
    normal margin, rounded, would hardly ever give the rarer one."""
    copula = _copula()
    flags = {name for name, values in fitted.items() if values.dtype.kind == "f" and _is_flag(values)}
    columns = {name: _as_levels(values) if name in flags else values for name, values in fitted.items()}
    kinds = {name: "numeric" if values.dtype.kind == "f" else "categorical" for name, values in columns.items()}
    try:
        sampled = copula.fit_and_sample(columns, kinds, rows=rows)
    except copula.FAILURES as error:
        raise SyntheticRefused((f"the synthesizer failed with {type(error).__name__}",)) from None
    return {name: values.astype(np.float64) if name in flags else values for name, values in sampled.items()}


def _copula() -> ModuleType:
    try:
        from fedsov.training import copula
    except ImportError:
        raise ConfigurationError('synthetic rows need SDV; install it: pip install "fedsov[synthetic]"') from None
    return copula


def _is_flag(values: np.ndarray) -> bool:
    return len(np.unique(values[~np.isnan(values)])) <= 2


def _as_levels(values: np.ndarray) -> np.ndarray:
    return np.array([None if np.isnan(value) else repr(value) for value in values.tolist()], object)


def _encode(sets: tuple[Records, Records, Records]) -> list[Encoded]:
    """Made, shown and withheld rows as comparable numbers; scales and levels come from the two real sets
    together."""
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
    """(N, K) numbers in 0 to 1 by their rank among `pool`, or levels as indicators; different levels lie 1
    apart."""
    if pool.dtype.kind != "f":
        levels = np.array(sorted(set(pool.tolist()) - {None}), object)
        return (values[:, None] == levels[None, :]).astype(np.float64) / np.sqrt(2)
    known = np.sort(pool[~np.isnan(pool)])
    if not len(known):
        return np.zeros((len(values), 0))
    distinct = np.unique(known)
    ranks = (np.searchsorted(known, distinct, "left") + np.searchsorted(known, distinct, "right")) / (2 * len(known))
    absent = np.isnan(values)
    places = np.where(absent, 0.5, np.interp(values, distinct, ranks))
    return np.column_stack([places, absent]) if len(known) < len(pool) else places[:, None]


def _outcome(target: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """(N,) 0.0 or 1.0: above the pool's median, or its higher value of two, or its most frequent level."""
    if target.dtype.kind != "f":
        return (target == Counter(sorted(pool.tolist())).most_common(1)[0][0]).astype(np.float64)
    cut = float(np.median(pool)) if len(np.unique(pool)) > 2 else float(pool.min())
    return (target > cut).astype(np.float64)


def to_bytes(made: Records) -> bytes:
    """Rows that `synthesise` made, as Arrow IPC. Raises ValueError for any other rows: they do not travel."""
    if not all(str(subject).startswith(MADE) for subject in made.subjects):
        raise ValueError("expected rows made by synthesise; these have people's pseudonyms")
    arrays = [_arrow(made.columns[name]) for name in made.kinds] + [_arrow(made.target)]
    names = [f"column {name}" for name in made.kinds] + [TARGET]
    table = pa.table(arrays, names=names).replace_schema_metadata({"kinds": json.dumps(dict(made.kinds))})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def _arrow(values: np.ndarray) -> pa.Array:
    return numbers(values) if values.dtype.kind == "f" else text(values.tolist())


def from_bytes(content: bytes, *, region: str, label: Label) -> Records:
    """The rows in `content`, made in `region` and bound by `label`. Raises InputError for anything
    unreadable."""
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
