"""A region's log of requests: verified, shown and exported. What `fedsov requests` and notebooks call.

    verify(root, "DE").faults                                    # none: nothing was changed, cut or left out
    export(root, "DE", Path("requests.parquet"), purpose="training")

Metadata is shown to whoever has the region's folder. Whoever would see what people asked is a principal with a purpose:
that is decided, and in the region's ledger, before a line is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from heapq import nlargest
from pathlib import Path
from typing import Any

from fedsov.api.region_settings import names_of, user
from fedsov.errors import ConfigurationError, counted, unknown
from fedsov.inference.request_log.head_notes import NOTE, NotedHeads
from fedsov.inference.request_log.lines import Line
from fedsov.inference.request_log.log_secrets import FILE as SECRETS
from fedsov.inference.request_log.log_secrets import LogSecrets
from fedsov.inference.request_log.reader import ReadLine, read_lines
from fedsov.inference.request_log.table import RequestTable, table_of
from fedsov.inference.request_log.verification import Verified
from fedsov.inference.request_log.verification import verify as verified_log
from fedsov.keys import KeySettings, open_keys
from fedsov.keys.principals import OWNER, PRINCIPALS
from fedsov.keys.protocol import RegionKeys
from fedsov.ledger.ledger import Ledger
from fedsov.model.features import Features
from fedsov.model.packaging.encoder import Encoder
from fedsov.region.admission import Place, open_region
from fedsov.region.lifecycle.erasure import BEGUN
from fedsov.region.lifecycle.erasure import NOTE as ERASURE
from fedsov.region.settings import RegionSettings
from fedsov.region.trust.access import Opening, keys_for, record_opening
from fedsov.storage.atomic_files import write_file
from fedsov.storage.bounded_files import parsed_json
from fedsov.storage.serving_folder import ServingFolder
from fedsov.storage.workspace import Workspace, is_there, ledger_of

REQUESTS = "requests"
"""What the log is called among a region's stores."""
ENDINGS = (".parquet", ".csv")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines: of a model, since a moment (seconds since 1970), and the last so many; None for all."""

    model: str | None = None
    since: float | None = None
    last: int | None = None

    def chosen(self, lines: Iterable[ReadLine]) -> list[ReadLine]:
        """Of these lines, in the order of their time."""
        own = (read for read in lines if self.model in (None, read.line.model) and read.line.at >= (self.since or 0))
        newest = own if self.last is None else nlargest(self.last, own, key=_moment)
        return sorted(newest, key=_moment)


def _moment(read: ReadLine) -> float:
    return read.line.at


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote: rows, and how many lines gave none, by why."""

    path: Path
    rows: int
    left_out: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"out": str(self.path), "rows": self.rows, "left_out": dict(self.left_out)}

    def lines(self) -> list[str]:
        """In sentences."""
        out = [f"{counted(number, 'line')} left out: {_WHY.get(why, why)}" for why, number in self.left_out.items()]
        clear = f"{self.path} holds people's rows in the clear; keep it within the region, and delete it after use"
        return [f"{counted(self.rows, 'row')} written to {self.path}", *out, clear]


_WHY = {
    "erased": "the person was erased",
    "disk_full": "the disk was full when they were written, so that they hold no content",
    "home": "they open in the person's home region alone (`fedsov requests send-home`)",
    "damaged": "the content was changed (`fedsov requests verify`)",
    "not read": "body or answer is in no form that is read here",
}


def verify(root: Path, name: str, *, folder: Path | None = None, with_key: bool = True) -> Verified:
    """Verifies a region's log against the notes of its ledger, which is verified too.

    Args:
        folder: a copy of the log somewhere else; None for the region's own.
        with_key: opens every batch too, with the region's keys.

    Raises LedgerBroken, KeyUnavailable; ConfigurationError where there is no such region or log.
    """
    names_of(root, name, every=False)
    if folder is not None and not folder.is_dir():
        raise ConfigurationError(f"--folder {folder} does not exist; name the folder of a copy of the log of {name}")
    home = Workspace(root).region(name)
    noted = NotedHeads()
    if is_there(ledger_of(home)):
        with closing(Ledger.read(ledger_of(home))) as ledger:
            ledger.verify()
            noted = noted_heads(ledger)
    log = folder or ServingFolder(home).requests
    if not (log / SECRETS).exists() and not noted.heads:
        way = "its endpoint begins one with its first answer" if folder is None else "name the folder of the copy"
        raise ConfigurationError(f"{name} has no log of requests at {log}; {way}")
    secrets = LogSecrets.open(log, open_keys(KeySettings(name, home)), makes=False) if with_key else None
    return verified_log(log, noted, secrets)


def noted_heads(ledger: Ledger) -> NotedHeads:
    """What a ledger notes of its region's log. Raises LedgerBroken."""
    erasures = [entry.body["note"][ERASURE] for entry in ledger.notes(ERASURE)]
    begun = sum(note.get("state") == BEGUN for note in erasures)
    return NotedHeads.of((entry.body["note"][NOTE] for entry in ledger.notes(NOTE)), erasures=begun)


def show(root: Path, name: str, wanted: Wanted) -> list[ReadLine]:
    """Lines without what people asked. Raises as `log_of`."""
    with region_place(root, name) as (place, own):
        log, secrets = log_of(place, owners_keys(place, own))
        return wanted.chosen(read_lines(log, secrets, with_content=False))


def opened(
    root: Path, name: str, wanted: Wanted, *, purpose: str, principal: str = OWNER, by: str = ""
) -> list[ReadLine]:
    """Whole lines, once the opening is decided and in the region's ledger.

    Raises JobRefused for a purpose that is not the principal's, KeyUnavailable for a principal without the log's key,
    and as `log_of`.
    """
    if principal != OWNER and principal not in PRINCIPALS:
        raise ConfigurationError(unknown("principal", principal, (OWNER, *PRINCIPALS)))
    with region_place(root, name) as (place, own):
        record_opening(place.ledger, principal, Opening(REQUESTS, purpose, by or user()))
        keys = owners_keys(place, own) if principal == OWNER else keys_for(place, own, principal)
        log, secrets = log_of(place, keys)
        return wanted.chosen(read_lines(log, secrets, with_content=True))


def export(
    root: Path, name: str, out: Path, wanted: Wanted = Wanted(), *, purpose: str, principal: str = OWNER, by: str = ""
) -> Exported:
    """Writes the rows of whole lines as a table: inputs by column, prediction, and what the log says beside.

    Raises as `opened`; ConfigurationError for a file that exists, or has another ending than `ENDINGS`.
    """
    if out.suffix not in ENDINGS:
        raise ConfigurationError(f"--out {out} ends in none of {', '.join(ENDINGS)}; name it so")
    if out.exists() or out.is_symlink():
        raise ConfigurationError(f"--out {out} exists, and nothing is written over; name another")
    lines = opened(root, name, wanted, purpose=purpose, principal=principal, by=by)
    table = table_of(lines, columns_of(Workspace(root).region(name)))
    _write(out, table)
    return Exported(out, len(table.rows), table.left_out)


def columns_of(folder: Path) -> Callable[[str, int], Sequence[str]]:
    """By model and version the columns that it reads, in their order, as its approved files say."""

    @cache
    def columns(model: str, version: int) -> Sequence[str]:
        path = ServingFolder(folder).model(model, version) / "model.json"
        features = Features.from_json(parsed_json(path.read_bytes())["features"])
        return tuple(column.name for column in Encoder(features).columns)

    def known(model: str, version: int) -> Sequence[str]:
        try:
            return columns(model, version)
        except (OSError, LookupError) as problem:
            raise ValueError(f"the columns of {model} {version} are not known") from problem

    return known


@contextmanager
def region_place(root: Path, name: str) -> Iterator[tuple[Place, RegionSettings]]:
    """A region of a workspace by its name, as `open_region` opens it. Raises ConfigurationError beside."""
    names_of(root, name, every=False)
    with open_region(Workspace(root).region(name), name) as opened:
        yield opened


def owners_keys(place: Place, own: RegionSettings) -> RegionKeys:
    """The keys of a region's owner. Raises KeyUnavailable."""
    return open_keys(KeySettings(own.region, place.folder, own.key_service))


def log_of(place: Place, keys: RegionKeys) -> tuple[Path, LogSecrets]:
    """A region's log and its secrets. Raises ConfigurationError where there is none, KeyUnavailable."""
    log = ServingFolder(place.folder).requests
    try:
        return log, LogSecrets.open(log, keys, makes=False)
    except FileNotFoundError:
        raise ConfigurationError(
            f"{place.ledger.owner} has no log of requests; its endpoint begins one with its first answer"
        ) from None


def seconds(moment: str) -> float:
    """Seconds since 1970 of a moment as ISO 8601 has it, in UTC where it says nothing. Raises ConfigurationError."""
    try:
        given = datetime.fromisoformat(moment)
    except ValueError:
        raise ConfigurationError(f"--since {moment} is no moment; write it as 2026-11-30 or 2026-11-30T12:00") from None
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()


def plain_line(read: ReadLine, *, with_content: bool) -> dict[str, Any]:
    """A line as plain values."""
    line: Line = read.line
    moment = datetime.fromtimestamp(line.at, UTC).isoformat(timespec="milliseconds")
    plain: dict[str, Any] = {
        "request_id": line.request_id,
        "at": moment,
        "label": line.label.to_json(),
        "model": line.model,
    }
    plain |= {"version": line.version, "role": line.role, "host": line.host, "withheld": read.withheld}
    plain |= {"home": read.home, "worker": read.place.worker, "line": read.place.number}
    if not with_content or read.withheld:
        return plain
    return {**plain, "subject": line.subject, "body": _text(line.body), "answer": _text(line.answer)}


def _text(content: bytes) -> str:
    """Text as it is, any other bytes in hexadecimal."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.hex()


def _write(out: Path, table: RequestTable) -> None:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    try:
        content = pa.table(table.columns())
    except pa.ArrowException as problem:
        raise ConfigurationError(
            f"the requests do not make one table ({type(problem).__name__}): a column has values of several kinds; "
            "name one model by --model"
        ) from problem
    sink = pa.BufferOutputStream()
    if out.suffix == ".csv":
        pyarrow.csv.write_csv(content, sink)
    else:
        pyarrow.parquet.write_table(content, sink)
    write_file(out, sink.getvalue().to_pybytes())
