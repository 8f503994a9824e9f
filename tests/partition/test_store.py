import base64
import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest

from fedsov.errors import KeyUnavailable, StoreDamaged, WorkspaceUnusable
from fedsov.keys.local import LocalKeyring
from fedsov.label import PUBLIC, Label
from fedsov.partition import encrypted_parquet
from fedsov.partition import store as store_module
from fedsov.partition.arrow_columns import numbers, text
from fedsov.partition.further.merged_files import LABEL
from fedsov.partition.ingest import store_folder
from fedsov.partition.lifecycle.rekeying import rekey
from fedsov.partition.manifest import sealing
from fedsov.partition.store import FOLD, JURISDICTION, SUBJECT, TARGET, Contents, Store, write_store
from tests.partition.world import bytes_under

DE = Label(frozenset({"DE"}), frozenset({"personal"}))
HELD = frozenset({"DE", "US"})


@pytest.fixture
def keys(tmp_path: Path) -> LocalKeyring:
    return LocalKeyring.create(tmp_path / "eu.json", "EU")


@pytest.fixture
def others(tmp_path: Path) -> LocalKeyring:
    return LocalKeyring.create(tmp_path / "us.json", "US")


def rows(jurisdictions: list[str] | None = None, label_of: list[int] | None = None) -> pa.Table:
    columns = {
        "age": numbers(np.array([30.0, np.nan, 50.0])),
        "job": text(["nurse", None, "clerk"]),
        "name": text(["Jane Canary", "B", "C"]),
        FOLD: pa.array([1, 2, 3]),
        SUBJECT: text(["a" * 32, "b" * 32, "c" * 32]),
        JURISDICTION: text(jurisdictions or ["DE"] * 3),
        LABEL: numbers(np.array(label_of or [0, 1, 0])),
        TARGET: numbers(np.array([1.0, 2.0, 3.0])),
    }
    return pa.Table.from_arrays(list(columns.values()), names=list(columns))


def contents(labels: tuple[Label, ...] = (DE, PUBLIC), held: frozenset[str] = frozenset({"DE"})) -> Contents:
    return Contents("people", held, {"age": "numeric", "job": "categorical", "name": "identifier"}, labels)


@pytest.fixture
def folder(tmp_path: Path, keys: LocalKeyring) -> Path:
    write_store(tmp_path / "people", rows(), contents=contents(), keys=keys)
    return tmp_path / "people"


def file_of(folder: Path, part: str = "records") -> Path:
    return next(folder.glob(f"{part}-*.parquet"))


def test_what_is_written_is_read_back_with_its_labels(folder: Path, keys: LocalKeyring) -> None:
    records = Store.open(folder, keys).read()
    assert records.region == "EU"
    assert len(records) == 3
    assert np.array_equal(records.columns["age"], [30.0, np.nan, 50.0], equal_nan=True)
    assert records.columns["job"].tolist() == ["nurse", None, "clerk"]
    assert records.kinds == {"age": "numeric", "job": "categorical"}
    assert records.target.tolist() == [1.0, 2.0, 3.0]
    assert records.subjects.tolist() == ["a" * 32, "b" * 32, "c" * 32]
    assert records.label == DE
    assert records.public.tolist() == [False, True, False]
    assert records.unrestricted.all()


def test_a_selection_keeps_the_labels_of_its_rows(folder: Path, keys: LocalKeyring) -> None:
    records = Store.open(folder, keys).read()
    assert records.select(records.public).label == PUBLIC
    assert records.select(np.array([0])).label == DE
    assert len(records.select(np.array([]))) == 0
    assert records.select(np.array([2, 1])).columns["job"].tolist() == ["clerk", None]


def test_identifiers_lie_in_a_file_of_their_own(folder: Path, keys: LocalKeyring) -> None:
    store = Store.open(folder, keys)
    assert "name" not in store.read().columns
    assert store.identifiers()["name"].tolist() == ["Jane Canary", "B", "C"]
    assert len(list(folder.glob("*.parquet"))) == 2


def test_a_store_shows_neither_values_nor_names_of_columns_in_its_parquet_files(folder: Path) -> None:
    for name, content in bytes_under(folder).items():
        assert b"Jane Canary" not in content
        assert b"nurse" not in content
        assert name == "manifest.json" or b"job" not in content


def _opening(store: Store, keys: LocalKeyring, part: str) -> object:
    """What opens one file by itself: its key, as the manifest has it wrapped, under a context."""
    name = store.manifest.files[part]
    file_key = keys.unwrap(base64.b64decode(store.manifest.wrapped[name]), "people/records")
    return pe.create_decryption_properties(file_key, aad_prefix=name.encode())


def test_pyarrow_alone_reads_nothing_without_the_regions_key(
    folder: Path, keys: LocalKeyring, others: LocalKeyring
) -> None:
    for part in ("records", "identifiers"):
        for reader in (pq.read_table, pq.read_schema, pq.read_metadata):
            with pytest.raises((OSError, pa.ArrowInvalid)):
                reader(file_of(folder, part))
        with pytest.raises(KeyUnavailable):
            _opening(Store.open(folder, keys), others, part)
        stranger = pe.create_decryption_properties(b"k" * 32, aad_prefix=file_of(folder, part).name.encode())
        with pytest.raises((OSError, pa.ArrowInvalid)):
            pq.read_table(file_of(folder, part), decryption_properties=stranger)


def test_the_records_key_context_does_not_open_the_identifiers(folder: Path, keys: LocalKeyring) -> None:
    store = Store.open(folder, keys)
    assert pq.read_table(file_of(folder), decryption_properties=_opening(store, keys, "records")).num_rows == 3
    with pytest.raises(KeyUnavailable):
        _opening(store, keys, "identifiers")


def test_a_file_opens_under_its_own_name_alone(folder: Path, keys: LocalKeyring) -> None:
    name, wrapped = file_of(folder).name, Store.open(folder, keys).manifest.wrapped
    file_key = keys.unwrap(base64.b64decode(wrapped[name]), "people/records")
    renamed = pe.create_decryption_properties(file_key, aad_prefix=b"records-another.parquet")
    with pytest.raises((OSError, pa.ArrowInvalid)):
        pq.read_table(file_of(folder), decryption_properties=renamed)


def test_another_regions_keys_do_not_open_the_store(folder: Path, keys: LocalKeyring, others: LocalKeyring) -> None:
    Store.open(folder, keys).read()
    with pytest.raises(KeyUnavailable, match="store of EU"):
        Store.open(folder, others)
    with pytest.raises(KeyUnavailable, match=file_of(folder).name):
        Store(folder, Store.open(folder, keys).manifest, others).read()


class _Impostor(pe.KmsClient):
    """Holds no key, and asks for whatever the factory will remember."""

    def __init__(self, keys: dict[str, LocalKeyring], who: str) -> None:
        super().__init__()
        self._keys = keys[who]
        self._inner = encrypted_parquet._Kms(keys[who], "people/records")

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
        return base64.b64encode(self._keys.wrap(key_bytes, "people/records")).decode()

    def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
        return self._inner.unwrap_key(wrapped_key, master_key_identifier)


def as_older(folder: Path, keys: LocalKeyring) -> Path:
    """The store's records with their key wrapped inside the file, as they were once written."""
    store = Store.open(folder, keys)
    name = store.manifest.files["records"]
    table = pq.read_table(folder / name, decryption_properties=_opening(store, keys, "records"))
    factory = pe.CryptoFactory(lambda _: _Impostor({"EU": keys}, "EU"))
    ask = pe.EncryptionConfiguration(footer_key=keys.key_id, uniform_encryption=True, data_key_length_bits=256)
    properties = factory.file_encryption_properties(pe.KmsConnectionConfig(key_access_token="tests"), ask)
    pq.write_table(table, folder / name, encryption_properties=properties)
    kept = {other: key for other, key in store.manifest.wrapped.items() if other != name}
    sha256 = {**store.manifest.sha256, name: encrypted_parquet.file_sha256(folder / name)}
    before = replace(store.manifest, wrapped=kept, sha256=sha256)
    (folder / "manifest.json").write_text(replace(before, seal=sealing(keys, before)).to_json())
    return folder / name


def test_an_older_store_is_read_and_its_keys_cannot_be_wrapped_anew(folder: Path, keys: LocalKeyring) -> None:
    path = as_older(folder, keys)
    assert len(Store.open(folder, keys).read()) == 3
    with pytest.raises(StoreDamaged, match=f"{path.name} holds its own key, .* run: fedsov ingest"):
        rekey([folder], keys)


def test_the_cache_of_one_crypto_factory_is_a_trap_and_ours_does_not_fall_into_it(
    folder: Path, keys: LocalKeyring, others: LocalKeyring
) -> None:
    path, rings = as_older(folder, keys), {"EU": keys, "US": others}
    shared = pe.CryptoFactory(lambda config: _Impostor(rings, config.custom_kms_conf["who"]))
    ask = pe.DecryptionConfiguration()

    def with_shared(who: str) -> pa.Table:
        connection = pe.KmsConnectionConfig(custom_kms_conf={"who": who})
        return pq.read_table(path, decryption_properties=shared.file_decryption_properties(connection, ask))

    assert with_shared("EU").num_rows == 3
    assert with_shared("US").num_rows == 3, "Arrow mended its cache: the reason for one factory each is gone"
    store = Store.open(folder, keys)
    assert len(store.read()) == 3
    with pytest.raises(KeyUnavailable):
        replace(store, keys=others).read()


@pytest.mark.parametrize("part", ["records", "identifiers"])
def test_one_changed_byte_anywhere_is_found_and_the_file_named(folder: Path, keys: LocalKeyring, part: str) -> None:
    path = file_of(folder, part)
    whole = path.read_bytes()
    store = Store.open(folder, keys)
    for place in np.linspace(0, len(whole) - 1, 40).astype(int):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(StoreDamaged, match=path.name):
            store.read() if part == "records" else store.identifiers()


def test_a_cut_or_missing_file_is_found_and_named(folder: Path, keys: LocalKeyring) -> None:
    path = file_of(folder)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(StoreDamaged, match=path.name):
        Store.open(folder, keys).read()
    path.unlink()
    with pytest.raises(StoreDamaged, match=f"{path.name} is missing"):
        Store.open(folder, keys).read()


def test_a_manifest_cannot_be_adjusted_to_a_changed_file(folder: Path, keys: LocalKeyring) -> None:
    path = folder / "manifest.json"
    whole = path.read_text()
    body = json.loads(whole)
    changes = {"rows": 4, "kinds": {}, "sha256": dict.fromkeys(body["sha256"], "0" * 64), "seal": "AAAA"}
    for name, value in changes.items():
        path.write_text(json.dumps(body | {name: value}))
        with pytest.raises(StoreDamaged, match=r"manifest\.json"):
            Store.open(folder, keys)
    for damaged in ("", "{}", "[]", whole[:-9], whole.replace("{", "\x00", 1)):
        path.write_text(damaged)
        with pytest.raises(StoreDamaged, match=r"manifest\.json"):
            Store.open(folder, keys)
    path.unlink()
    with pytest.raises(StoreDamaged, match="missing"):
        Store.open(folder, keys)


def test_files_of_another_data_set_of_the_same_region_do_not_pass_for_this_one(
    tmp_path: Path, folder: Path, keys: LocalKeyring
) -> None:
    other = Contents("others", frozenset({"DE"}), contents().kinds, (DE, PUBLIC))
    write_store(tmp_path / "others", rows(), contents=other, keys=keys)
    file_of(folder).write_bytes(file_of(tmp_path / "others").read_bytes())
    with pytest.raises(StoreDamaged, match="changed or cut"):
        Store.open(folder, keys).read()


def test_mixed_tags_are_refused_when_written(tmp_path: Path, keys: LocalKeyring) -> None:
    us = Label(frozenset({"US"}))
    for table, made in (
        (rows(["DE", "US", "DE"]), contents()),
        (rows(["DE", "US", "DE"], [0, 0, 0]), contents(held=HELD)),
        (rows(), contents(labels=(us, PUBLIC), held=HELD)),
        (rows(), contents(labels=(DE,))),
    ):
        with pytest.raises(StoreDamaged, match="refused"):
            write_store(tmp_path / "mixed", table, contents=made, keys=keys)
    assert not (tmp_path / "mixed").exists()


def test_a_new_store_replaces_the_old_one_and_leaves_nothing_of_it(folder: Path, keys: LocalKeyring) -> None:
    before = set(bytes_under(folder))
    write_store(folder, rows().slice(0, 1), contents=contents(), keys=keys)
    assert len(Store.open(folder, keys).read()) == 1
    assert set(bytes_under(folder)) & before == {"manifest.json"}
    assert len(list(folder.iterdir())) == 3


def test_an_empty_store_can_be_written_and_read(tmp_path: Path, keys: LocalKeyring) -> None:
    write_store(tmp_path / "none", rows().slice(0, 0), contents=contents(labels=()), keys=keys)
    records = Store.open(tmp_path / "none", keys).read()
    assert len(records) == 0
    assert records.label == PUBLIC
    assert not records.public.any()


@pytest.mark.parametrize("failing", ["encrypted_writer", "_manifest"])
def test_a_full_disk_or_an_interruption_leaves_the_old_store(
    folder: Path, keys: LocalKeyring, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bytes_under(folder)
    for raised, expected in ((OSError(28, "x"), WorkspaceUnusable), (KeyboardInterrupt(), KeyboardInterrupt)):

        def fail(*_: object, raised: BaseException = raised, **__: object) -> None:
            raise raised

        monkeypatch.setattr(store_module, failing, fail)
        with pytest.raises(expected):
            write_store(folder, rows(), contents=contents(), keys=keys)
        assert bytes_under(folder) == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, keys: LocalKeyring) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceUnusable, match="file/people"):
        write_store(tmp_path / "file" / "people", rows(), contents=contents(), keys=keys)


FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np, pyarrow as pa
from fedsov.errors import WorkspaceUnusable
from fedsov.label import Label
from fedsov.partition.arrow_columns import numbers, text
from fedsov.keys.local import LocalKeyring
from fedsov.partition.further.merged_files import LABEL
from fedsov.partition.store import FOLD, JURISDICTION, SUBJECT, TARGET, Contents, write_store

folder, keys = Path(sys.argv[1]), LocalKeyring.open(Path(sys.argv[2]), "EU")
values = numbers(np.random.default_rng(0).normal(size=20_000))
parts = {"age": values, TARGET: values, FOLD: pa.array(range(20_000)), SUBJECT: text(["a"] * 20_000),
         JURISDICTION: text(["DE"] * 20_000)}
parts[LABEL] = numbers(np.zeros(20_000, int))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
contents = Contents("people", frozenset({"DE"}), {"age": "numeric"}, (Label(frozenset({"DE"})),))
table = pa.Table.from_arrays(list(parts.values()), names=list(parts))
try:
    write_store(folder, table, contents=contents, keys=keys)
except WorkspaceUnusable as error:
    print(error)
"""


def test_a_write_that_the_system_really_refuses_leaves_the_old_store(tmp_path: Path, folder: Path) -> None:
    before = bytes_under(folder)
    order = [sys.executable, "-c", FULL, str(folder), str(tmp_path / "eu.json")]
    done = subprocess.run(order, capture_output=True, text=True, env=os.environ, check=True)
    assert f"cannot write {folder}: File too large" in done.stdout
    assert bytes_under(folder) == before


def test_reading_a_store_imports_no_pandas(tmp_path: Path, folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from fedsov.keys.local import LocalKeyring;"
        "from fedsov.partition.store import Store;"
        f"keys = LocalKeyring.open(Path({str(tmp_path / 'eu.json')!r}), 'EU');"
        f"Store.open(Path({str(folder)!r}), keys).read(); print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ, check=True)
    assert done.stdout == "False\n"


def test_store_folders_are_one_for_each_region(tmp_path: Path) -> None:
    assert store_folder(tmp_path, "EU", "people") == tmp_path / "regions/EU/store/people"
    assert store_folder(tmp_path, "quarantine", "people") == tmp_path / "quarantine/store/people"


def test_all_that_is_written_is_its_owners_alone(tmp_path: Path, keys: LocalKeyring) -> None:
    before = os.umask(0)
    try:
        write_store(tmp_path / "w" / "store" / "people", rows(), contents=contents(), keys=keys)
    finally:
        os.umask(before)
    paths = [tmp_path / "w", *(tmp_path / "w").rglob("*")]
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in paths}
    assert len(modes) == 6
    assert {mode for name, mode in modes.items() if name in ("w", "store", "people")} == {0o700}
    assert {mode for name, mode in modes.items() if name not in ("w", "store", "people")} == {0o600}
