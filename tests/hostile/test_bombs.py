"""Small files that unfold: Parquet, YAML, JSON. Each is refused by the limit that it breaks, before it is unfolded.

Beside them, whatever bytes stand in a register, a manifest, a keyring or a list of keys: each is read, or refused by
its own error. (Checkpoints: test_checkpoints.py. Frames and payloads have a file of their own.)
"""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.border.evidence.live_register import LiveRegister
from fedsov.border.evidence.register_file import load_register, read_register
from fedsov.border.law.bundle_loader import load_bundle
from fedsov.errors import ConfigurationError, FedsovError, InputError, KeyUnavailable, StoreDamaged
from fedsov.keys.local import LocalKeyring
from fedsov.ledger import known_keys
from fedsov.ledger.ledger import Ledger
from fedsov.partition.manifest import MANIFEST, Manifest, read_manifest
from fedsov.partition.sources.table_files import GREATEST_EXPANSION, LARGEST_UNPACKED, read
from fedsov.storage.bounded_files import LARGEST
from tests.border.world import DEMO
from tests.hostile.fuzzing import fuzzed
from tests.hostile.people_region import PeopleRegion, drawn, told
from tests.partition.world import spec_of

DEEP = 100_000


@contextmanager
def _memory(megabytes: int) -> Iterator[None]:
    """For the length of the block, this process may take so much more memory, as its address space is counted."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + megabytes * 2**20, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _refused(path: Path, *words: str) -> None:
    with (
        path.open("rb") as file,
        _memory(6000),
        pytest.raises(InputError, match=r"unpacks to more than [\d,]+ bytes") as no,
    ):
        read(file, path, spec_of(path))
    assert all(word in str(no.value) for word in (path.name, *words))


def test_a_parquet_file_of_numbers_that_repeat_is_refused_before_they_stand_in_memory(tmp_path: Path) -> None:
    path, rows = tmp_path / "people.parquet", 4_000_000
    one = pa.array(np.zeros(rows))
    with pq.ParquetWriter(path, pa.schema([("x", pa.float64())]), compression="zstd") as writer:
        for _ in range(40):  # 1.3 GB of zeros
            writer.write_table(pa.table({"x": one}))
    assert path.stat().st_size < 2**20
    _refused(path, f"{LARGEST_UNPACKED:,}", f"{GREATEST_EXPANSION} times")


def test_a_parquet_file_of_one_long_word_that_repeats_is_refused_before_it_stands_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "people.parquet"
    words = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000, np.int32)), pa.array(["x" * 1_000_000]))
    pq.write_table(pa.table({"word": words}), path, compression="zstd", store_schema=False)  # 20 GB
    assert path.stat().st_size < 2**20
    _refused(path)


def test_an_ordinary_parquet_file_is_read_however_often_its_words_repeat(tmp_path: Path) -> None:
    path = tmp_path / "people.parquet"
    table = pa.table(
        {"country": ["DE", "FR"] * 50_000, "age": np.arange(100_000) % 90, "free": [None, "text"] * 50_000}
    )
    pq.write_table(table, path, compression="zstd")
    with path.open("rb") as file:
        assert read(file, path, spec_of(path)).equals(table)


def _billion_laughs() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return "\n".join([*lines, "documents: [*a11]"])


YAML_BOMBS = {
    "anchors and aliases": (_billion_laughs(), "anchors and aliases are not read here"),
    "depth": ("documents: " + "[" * DEEP, "nested deeper than 30 levels"),
    "a depth of mappings": ("{a: " * DEEP, "nested deeper than 30 levels"),
    "a long number": ("documents: " + "9" * DEEP, "a number of 100000 digits"),
    "size": ("documents: []\n" + "#" * (LARGEST + 1), "larger than 16,777,216 bytes"),
}


@pytest.mark.parametrize("bomb", YAML_BOMBS)
def test_yaml_that_unfolds_is_refused_by_name_as_a_register_and_as_rules(tmp_path: Path, bomb: str) -> None:
    text, why = YAML_BOMBS[bomb]
    path = tmp_path / "documents.yaml"
    path.write_text(text)
    for reading in (lambda: load_register(path), lambda: load_bundle(path)):
        with pytest.raises(ConfigurationError, match=why):
            reading()


def test_a_register_that_became_a_bomb_while_a_run_is_open_counts_for_nothing_and_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "documents.yaml"
    path.write_text(DEMO.read_text())
    live = LiveRegister(path, Ledger(tmp_path / "ledger.sqlite", "DE"))
    assert live.knows("demo-scc-de-us")
    for text, why in YAML_BOMBS.values():
        path.write_text(text)
        assert not live.knows("demo-scc-de-us") and why in caplog.text


JSON_BOMBS = {
    "depth": b"[" * DEEP,
    "a depth of objects": b'{"a":' * DEEP,
    "a closed depth": b"[" * 400 + b"]" * 400,
    "size": b" " * (LARGEST + 1),
    "a long number": b"9" * DEEP,
}


@pytest.mark.parametrize("bomb", JSON_BOMBS)
def test_json_that_is_deep_or_large_is_refused_by_name_wherever_a_file_of_it_is_read(tmp_path: Path, bomb: str) -> None:
    for name in (MANIFEST, "keyring.json", known_keys.FILE):
        (tmp_path / name).write_bytes(JSON_BOMBS[bomb])
        (tmp_path / name).chmod(0o600)
    with pytest.raises(StoreDamaged, match=MANIFEST):
        read_manifest(tmp_path)
    with pytest.raises(KeyUnavailable, match=r"keyring\.json"):
        LocalKeyring.open(tmp_path / "keyring.json", "DE")
    with pytest.raises(KeyUnavailable, match=known_keys.FILE):
        known_keys.read_keys(tmp_path)


def _manifest() -> Manifest:
    digest = "0" * 64
    words = ("people", "DE", "key", 3, {"age": "numeric"}, digest, digest, "2026-11-23")
    return Manifest(*words, {"records": "r.parquet"}, {"r.parquet": digest})


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"records": "../../FR/store/people/r.parquet"}},
        {"sha256": {"/etc/passwd": "0" * 64}},
        {"rows": "3"},
        {"rows": -1},
        {"rows": True},
        {"kinds": ["age"]},
        {"region": None},
        {"notes": []},
        {"sha256": {"r.parquet": 7}},
    ],
    ids=str,
)
def test_a_manifest_of_odd_values_or_of_files_elsewhere_is_damage(tmp_path: Path, change: dict[str, object]) -> None:
    plain = json.loads(_manifest().to_json())
    (tmp_path / MANIFEST).write_text(json.dumps(plain))
    assert read_manifest(tmp_path) == _manifest()
    (tmp_path / MANIFEST).write_text(json.dumps(plain | change))
    with pytest.raises(StoreDamaged, match=MANIFEST):
        read_manifest(tmp_path)


_PIECES = st.sampled_from(
    ["documents:", "\n", "- ", "  ", "id: ", "kind: scc_eu", "[", "]", "{", "}", "&a", "*a", "!!python/name:os.system",
     "<<: ", "9" * 40, "2026-01-01", '"', "'", "terms: ", "\x00", "\ufeff", "|", ">", "%YAML 9.9", "---", "?", ": "]
)  # fmt: skip


@fuzzed(60)
@given(parts=st.lists(_PIECES | st.text(max_size=8), max_size=40), raw=st.binary(max_size=200))
def test_whatever_stands_in_a_register_it_is_read_or_refused_in_one_line(parts: list[str], raw: bytes) -> None:
    whole = DEMO.read_bytes()
    spot = len(raw) * 997 % len(whole)
    texts = ("".join(parts).encode("utf-8", "surrogatepass"), raw, whole[:spot] + raw + whole[spot:])
    for text in texts:
        assert _said(lambda text=text: read_register(text, "register.yaml"), ConfigurationError, "register.yaml")


def _said(reading: Callable[[], object], kind: type[FedsovError], word: str) -> bool:
    """True where something is read, or refused by this error with this word; any other error is raised."""
    try:
        reading()
    except kind as problem:
        return word in str(problem)
    return True


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@fuzzed(60)
@given(
    changes=st.dictionaries(st.sampled_from(sorted(Manifest.__slots__)) | st.text(max_size=4), _JSON, max_size=3),
    raw=st.binary(max_size=60),
)
def test_whatever_stands_in_a_manifest_it_is_whole_or_damage(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[str, object], raw: bytes
) -> None:
    folder = tmp_path_factory.mktemp("store")
    text = _manifest().to_json()
    spot = len(raw) * 31 % len(text)
    contents = (json.dumps(json.loads(text) | changes).encode(), raw, text[:spot].encode() + raw + text[spot:].encode())
    for content in contents:
        (folder / MANIFEST).write_bytes(content)
        try:
            manifest = read_manifest(folder)
        except StoreDamaged:
            continue
        assert isinstance(manifest.digest(), bytes) and isinstance(manifest.rows_digest(), str)


@fuzzed(60)
@given(raw=st.binary(max_size=200), changes=st.dictionaries(st.text(max_size=12), _JSON, max_size=3))
def test_whatever_stands_in_a_keyring_or_a_list_of_keys_it_is_read_or_unavailable(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes, changes: dict[str, object]
) -> None:
    folder = tmp_path_factory.mktemp("keys")
    LocalKeyring.create(folder / "keyring.json", "DE")
    body = json.loads((folder / "keyring.json").read_bytes())
    for content in (raw, json.dumps(body | changes).encode(), json.dumps(changes).encode()):
        for name in ("keyring.json", known_keys.FILE):
            (folder / name).write_bytes(content)
        for reading in (lambda: LocalKeyring.open(folder / "keyring.json", "DE"), lambda: known_keys.read_keys(folder)):
            assert _said(reading, KeyUnavailable, str(folder))


def test_a_plan_s_label_is_no_way_to_fill_a_region_s_ledger(tmp_path: Path) -> None:
    region = PeopleRegion(tmp_path)
    region.ingest(drawn(range(60)))
    opened = region.opened("model.name=logistic", "model.hidden=[]")
    ledger = opened.outbound.gate.ledger
    label = {"origins": ["DE"], "categories": [f"made up {word}" for word in range(3000)], "restrictions": []}
    crossings = json.dumps([["update", "hub"]])
    before = ledger.head().size
    said = told(opened, "query.propose", {"crossings": crossings, "label": json.dumps(label)})
    assert "error" in said and ledger.head().size <= before + 2  # that nothing was answered, and that this is told
    entry = json.dumps(list(ledger.entries())[-1].body)
    assert "made up" not in entry and len(entry) < 5000
    opened.close()
