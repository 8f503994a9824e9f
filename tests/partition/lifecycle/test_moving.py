"""Files move as ciphertext; stopped at any step, the store is whole, and the same move goes on."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from fedsov.errors import StoreDamaged
from fedsov.keys.local import LocalKeyring
from fedsov.partition.backends import staged as staged_module
from fedsov.partition.backends.files_at import BucketFiles, FolderFiles
from fedsov.partition.backends.place import FOLDER, StorePlace
from fedsov.partition.lifecycle import moving
from fedsov.partition.lifecycle.moving import move_store
from fedsov.partition.store import Store, write_store
from tests.buckets import Buckets
from tests.partition.test_store import contents, rows


@pytest.fixture
def keys(tmp_path: Path) -> LocalKeyring:
    return LocalKeyring.create(tmp_path / "eu.json", "EU")


def new_bucket(buckets: Buckets) -> StorePlace:
    return buckets.make(f"eu-{uuid.uuid4().hex[:12]}")


def check_whole(folder: Path, keys: LocalKeyring) -> Store:
    """The store reads as it was written, and its folder has nothing that is not its own."""
    store = Store.open(folder, keys)
    assert store.read().subjects.tolist() == ["a" * 32, "b" * 32, "c" * 32]
    assert store.identifiers()["name"].tolist() == ["Jane Canary", "B", "C"]
    return store


def test_files_move_from_place_to_place_and_stay_the_files_that_they_are(
    tmp_path: Path, keys: LocalKeyring, buckets: Buckets
) -> None:
    folder, one, other = tmp_path / "people", new_bucket(buckets), new_bucket(buckets)
    first = write_store(folder, rows(), contents=contents(), keys=keys)
    deeper = StorePlace(f"{one.bucket}/people", one.endpoint, one.aws_region)
    for place in (one, deeper, one, other, FOLDER):
        assert move_store(folder, keys, place) and not move_store(folder, keys, place)
        store = check_whole(folder, keys)
        assert store.manifest.sha256 == first.sha256 and store.manifest.wrapped == first.wrapped
        in_buckets = [*buckets.objects(one.name), *buckets.objects(other.name)]
        assert len(in_buckets) == (2 if place.bucket else 0)
        assert [*folder.glob("*.parquet")] == [] if place.bucket else len([*folder.glob("*.parquet")]) == 2


def test_a_changed_file_does_not_move(tmp_path: Path, keys: LocalKeyring, buckets: Buckets) -> None:
    folder, place = tmp_path / "people", new_bucket(buckets)
    write_store(folder, rows(), contents=contents(), keys=keys)
    path = next(folder.glob("records-*.parquet"))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(StoreDamaged, match="was changed or cut"):
        move_store(folder, keys, place)
    assert not buckets.objects(place.name) and path.exists()


class Stopped(BaseException):
    """The process ends here."""


def stops_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Has the process end at one of what a move does to files, before it is done; how many steps were begun."""
    steps = count()
    begun = []

    def stopping(do: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*arguments: Any, **words: Any) -> Any:
            begun.append(next(steps))
            if begun[-1] >= step:
                raise Stopped
            return do(*arguments, **words)

        return instead

    for where, name in (
        (BucketFiles, "put"), (BucketFiles, "remove"), (BucketFiles, "names"), (FolderFiles, "put"),
        (FolderFiles, "remove"), (moving, "write_pending"), (staged_module, "remove_unnamed"),
    ):  # fmt: skip
        monkeypatch.setattr(where, name, stopping(getattr(where, name)))
    return lambda: len(begun)


@pytest.mark.parametrize("back", [False, True])
def test_stopped_at_any_step_the_store_is_whole_and_the_same_move_goes_on(
    back: bool, tmp_path: Path, keys: LocalKeyring, buckets: Buckets
) -> None:
    bucket = new_bucket(buckets)
    before, after = (bucket, FOLDER) if back else (FOLDER, bucket)
    for step in range(20):
        folder = tmp_path / f"people-{step}"
        write_store(folder, rows(), contents=contents(), keys=keys, place=before)
        with pytest.MonkeyPatch.context() as patch:
            begun = stops_at(step, patch)
            try:
                move_store(folder, keys, after)
                assert begun() == step
                break
            except Stopped:
                pass
        check_whole(folder, keys)
        move_store(folder, keys, after)
        store = check_whole(folder, keys)
        assert {*store.files.names()} == {*store.manifest.sha256} and store.manifest.place == after.to_json()
        if after.bucket:
            assert [path.name for path in folder.iterdir()] == ["manifest.json"]
    else:
        raise AssertionError("a move of two files has fewer steps")
    assert step > 4
