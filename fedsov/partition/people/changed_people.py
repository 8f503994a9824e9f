"""Who stands behind an answer, so that two versions of a data set are compared person by person.

A person is a pseudonym of the store and a keyed digest of the person's rows. Two answers about nearly the same people
tell, by their difference, of those who changed: so many must change before there is a second one.

A table may name nobody; then each row is a person whose pseudonym need not outlive the next ingestion. So people are
matched by what their rows hold, too: equal rows are the same person's, and of rows that left and rows that came the
larger number counts.

>>> import numpy as np
>>> columns, who = {"age": np.array([30.0, 40.0])}, np.array(["a", "b"])
>>> before = people_of(columns, who, np.array([True, True]), secret=b"k")
>>> after = people_of({"age": np.array([30.0, 41.0])}, who, np.array([True, True]), secret=b"k")
>>> compared(before, before).changed, compared(before, after)
(0, ChangedPeople(changed=1, gone=0, columns=False))
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fedsov.storage.atomic_files import pack_arrays, unpack_arrays

SIZE = 16
"""Bytes of a pseudonym and of a digest."""


@dataclass(frozen=True, slots=True)
class People:
    """The people behind an answer.

    Attributes:
        chosen: pseudonym to the digest of the rows, of those that the answer is computed from.
        others: of those beside them in the scope: with another division they might have been chosen.
        columns: the digest of the columns' names and kinds.
        public: the digest of rows that count as nobody's.
    """

    chosen: Mapping[bytes, bytes]
    others: Mapping[bytes, bytes]
    columns: bytes
    public: bytes

    @property
    def version(self) -> str:
        """What tells one version of these rows from another, in hexadecimal; those beside them do not matter."""
        pairs = b"".join(key + self.chosen[key] for key in sorted(self.chosen))
        return hashlib.sha256(self.columns + self.public + len(self.chosen).to_bytes(SIZE, "big") + pairs).hexdigest()


@dataclass(frozen=True, slots=True)
class ChangedPeople:
    """How two answers' people differ: how many `changed`, how many of the first are `gone`, whether `columns` did."""

    changed: int
    gone: int
    columns: bool


def people_of(columns: Mapping[str, np.ndarray], persons: np.ndarray, chosen: np.ndarray, *, secret: bytes) -> People:
    """The people of (N,) rows.

    Args:
        columns: (N,) arrays by name, numbers with NaN or objects of str and None: all that an answer may look at.
        persons: (N,) pseudonyms; ``""`` for a row that counts as nobody's.
        chosen: (N,) True for the rows that the answer is computed from; all of a person's rows, or none.
        secret: the key of the digests, up to 64 bytes.
    """
    names = sorted(columns)
    kinds = hashlib.blake2b(repr([(name, columns[name].dtype.kind) for name in names]).encode(), digest_size=SIZE)
    wide = np.concatenate([_bytes_of(columns[name]) for name in names] or [np.zeros((len(persons), 0), np.uint8)], 1)
    step, raw = wide.shape[1], wide.tobytes()
    rows: dict[tuple[str, bool], list[bytes]] = defaultdict(list)
    for place, owner in enumerate(zip(np.asarray(persons).astype(str).tolist(), chosen.tolist(), strict=True)):
        rows[owner].append(_digest(raw[place * step : (place + 1) * step], secret))
    public = sorted(digest for is_chosen in (True, False) for digest in rows.pop(("", is_chosen), []))
    groups: tuple[dict[bytes, bytes], dict[bytes, bytes]] = ({}, {})
    for (person, is_chosen), digests in rows.items():
        groups[not is_chosen][_digest(person.encode(), secret)] = _digest(b"".join(sorted(digests)), secret)
    return People(*groups, kinds.digest(), _digest(b"".join(public), secret))


def packed(versions: Sequence[People]) -> bytes:
    """Several versions in one: each pair of a pseudonym and a digest once, and two bits of it for each version.

    32 bytes for whoever came or changed: ten thousand people of whom a thousand change a hundred times are 6 MB.
    """
    pairs = sorted({pair for people in versions for group in _groups(people) for pair in group.items()})
    place = {pair: index for index, pair in enumerate(pairs)}
    bits = np.zeros((len(versions), 2, len(pairs)), bool)
    for version, people in enumerate(versions):
        for group, members in enumerate(_groups(people)):
            bits[version, group, [place[pair] for pair in members.items()]] = True
    heads = b"".join(people.columns + people.public for people in versions)
    arrays = {"heads": heads, "pairs": b"".join(name + digest for name, digest in pairs)}
    bytewise = {name: np.frombuffer(content, np.uint8).reshape(-1, 2 * SIZE) for name, content in arrays.items()}
    return pack_arrays({**bytewise, "bits": np.packbits(bits, axis=2)})


def unpacked(content: bytes) -> list[People]:
    """The inverse of `packed`."""
    arrays = unpack_arrays(content)
    pairs, heads = ([(word[:SIZE], word[SIZE:]) for word in map(bytes, arrays[name])] for name in ("pairs", "heads"))
    bits = np.unpackbits(arrays["bits"], axis=2, count=len(pairs)).astype(bool)
    members = [[dict(pairs[at] for at in np.flatnonzero(row)) for row in groups] for groups in bits]
    return [
        People(chosen, others, columns, public)
        for (chosen, others), (columns, public) in zip(members, heads, strict=True)
    ]


def versions_with(content: bytes, names: Collection[bytes]) -> np.ndarray:
    """(versions,) bool: which of the `packed` versions one of these people (`keyed_name`) is in."""
    arrays = unpack_arrays(content)
    pairs, bits = arrays["pairs"], arrays["bits"]
    heads = np.frombuffer(b"".join(name[:8] for name in names), np.uint64)
    alike = np.flatnonzero(np.isin(np.ascontiguousarray(pairs[:, :8]).view(np.uint64)[:, 0], heads))
    places = np.array([place for place in alike.tolist() if pairs[place, :SIZE].tobytes() in names], np.int64)
    of_people = bits[:, :, places // 8] >> (7 - places % 8).astype(np.uint8) & 1
    return np.asarray(of_people.any(axis=(1, 2)))


def _groups(people: People) -> tuple[Mapping[bytes, bytes], Mapping[bytes, bytes]]:
    return people.chosen, people.others


def keyed_name(person: str, secret: bytes) -> bytes:
    """What `People` knows a pseudonym by."""
    return _digest(person.encode(), secret)


def compared(before: People, now: People) -> ChangedPeople:
    """How the people of an answer differ from those of one before.

    Of those chosen, and of all in the scope, the smaller number counts: a new division of the same people changes
    nobody, and newcomers who were not chosen changed nothing.
    """
    if before.columns != now.columns:
        return _by_pseudonym(before, now)
    scopes = [{**people.others, **people.chosen} for people in (before, now)]
    changed = min(_changed(before.chosen, now.chosen), _changed(scopes[0], scopes[1]))
    left = Counter(scopes[0].values()) - Counter(scopes[1].values())
    gone = sum(1 for person, digest in before.chosen.items() if person not in scopes[1] and left[digest])
    return ChangedPeople(changed, gone, columns=False)


def divided_anew(before: People, now: People) -> bool:
    """Whether somebody behind both was chosen for one and not for the other: two divisions of the same people."""
    if before.columns != now.columns:
        return bool(before.chosen.keys() & now.others.keys() or before.others.keys() & now.chosen.keys())
    return _crossed(before.chosen, now.chosen, before.others, now.others) or _crossed(
        before.others, now.others, before.chosen, now.chosen
    )


def _crossed(
    left: Mapping[bytes, bytes],
    left_now: Mapping[bytes, bytes],
    reached: Mapping[bytes, bytes],
    reached_now: Mapping[bytes, bytes],
) -> bool:
    """Whether rows went from one side of a division to the other."""
    gone, came = Counter(left.values()), Counter(reached_now.values())
    return bool((gone - Counter(left_now.values())) & (came - Counter(reached.values())))


def share_somebody(before: People, now: People) -> bool:
    """Whether a pseudonym is in both."""
    return not {*before.chosen, *before.others}.isdisjoint({*now.chosen, *now.others})


def _changed(before: Mapping[bytes, bytes], now: Mapping[bytes, bytes]) -> int:
    first, second = Counter(before.values()), Counter(now.values())
    return max((first - second).total(), (second - first).total())


def _by_pseudonym(before: People, now: People) -> ChangedPeople:
    """Where the columns are others, rows cannot be compared, but whose they are can."""
    first, second = ({*people.chosen, *people.others} for people in (before, now))
    left, came = len(first - second), len(second - first)
    return ChangedPeople(max(left, came), left if first & second else 0, columns=True)


def _digest(content: bytes, secret: bytes) -> bytes:
    return hashlib.blake2b(content, key=secret, digest_size=SIZE).digest()


def _bytes_of(values: np.ndarray) -> np.ndarray:
    """(N, W) bytes that are equal where values are; a missing number and each zero have one form."""
    if values.dtype.kind in "fiub":
        numbers = np.asarray(values, np.float64) + 0.0
        numbers = np.where(np.isnan(numbers), np.nan, numbers)
        return np.ascontiguousarray(numbers).view(np.uint8).reshape(len(values), 8)
    words = values.tolist()
    digests = {word: hashlib.blake2b(repr(word).encode(), digest_size=SIZE).digest() for word in set(words)}
    return np.frombuffer(b"".join(digests[word] for word in words), np.uint8).reshape(len(words), SIZE)
