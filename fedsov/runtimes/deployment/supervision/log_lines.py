"""What a party logs: one JSON object a line, in its own zone, and never a value of a row.

    {"at": "2026-11-30T13:00:00.000Z", "level": "warning", "party": "DE", "event": "restart",
     "text": "the process ended (killed by SIGKILL); it starts again in 2 s", "fields": {"restarts": 1}}

`event` is a word to search for, `text` a sentence for people. A terminal gets the sentence alone (`plain`).

    lines = LogLines("DE")
    lines.info("connected", "the hub at hub.example:9443 answers", node=17)
    write_python_logging(lines)      # records of Python's logging and uncaught errors become lines as well

An error of fedsov's own says its sentence, for these are written to hold no value of a row. Any other error is its
type and its place in the code: its text may quote a row. So is a record of another library's logger, unless its texts
are asked for (`texts_of`), as at a hub, which has no rows.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from fedsov.errors import FedsovError, printable

Value = str | int | float | bool | None
LONGEST_TEXT = 500
"""Characters of a text; a longer one is cut, and its end says so."""
FAULT = "fault"
"""The event of an error that ended something."""
_KEYS = {"at", "level", "party", "event", "text", "fields"}
_LEVELS = {logging.WARNING: "warning", logging.ERROR: "error", logging.CRITICAL: "error"}


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class LogLines:
    """Where a party's lines go; threads may share it.

    Attributes:
        party: the party's name, in every line.
        plain: sentences for a terminal in place of JSON.
    """

    party: str
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    plain: bool = False
    now: Callable[[], datetime] = _now
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def info(self, event: str, text: str, **fields: Value) -> None:
        self.write("info", event, text, **fields)

    def warning(self, event: str, text: str, **fields: Value) -> None:
        self.write("warning", event, text, **fields)

    def error(self, event: str, text: str, **fields: Value) -> None:
        self.write("error", event, text, **fields)

    def fault(self, doing: str, error: BaseException) -> None:
        """An error that ended something.

        Args:
            doing: what was ended, such as ``the answer to message 12``.
        """
        self.error(FAULT, f"{doing}: {error_in_a_line(error)}", error=error_in_a_line(error))

    def write(self, level: str, event: str, text: str, **fields: Value) -> None:
        """One line, whole; a stream that is closed or full is passed over, for a party outlives its log."""
        at = f"{self.now():%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
        short = {name: cut(value) if isinstance(value, str) else value for name, value in fields.items()}
        entry = {"at": at, "level": level, "party": self.party, "event": event, "text": cut(text), "fields": short}
        self.pass_on(entry)

    def pass_on(self, entry: Mapping[str, Any]) -> None:
        """A line of another process of this party, as `log_entry` read it."""
        line = json.dumps(entry, ensure_ascii=False)
        if self.plain:
            line = f"{entry['at'][11:19]} {entry['party']}: {printable(entry['text'])}"
        with self._lock:
            try:
                self.stream.write(line + "\n")
                self.stream.flush()
            except (OSError, ValueError):
                return


def log_entry(line: str) -> Mapping[str, Any] | None:
    """A line that `LogLines` wrote, read; None for any other."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or entry.keys() != _KEYS or not isinstance(entry["fields"], dict):
        return None
    return entry if all(isinstance(entry[name], str) for name in _KEYS - {"fields"}) else None


def cut(text: str) -> str:
    """The text on one line, of `LONGEST_TEXT` characters at most."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= LONGEST_TEXT else f"{line[:LONGEST_TEXT]}... ({len(line)} characters)"


def error_in_a_line(error: BaseException) -> str:
    """An error without a value of a row: fedsov's own by its sentence, any other by its type and place."""
    if isinstance(error, FedsovError):
        return f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "fedsov" in Path(frame.filename).parts]
    if not frames:
        return type(error).__name__
    at = (ours or list(frames))[-1]
    return f"{type(error).__name__} at {place(at.filename)}:{at.lineno}"


def place(path: str) -> str:
    """The end of a path, by which a person finds the module: its folder and its name.

    >>> place("/usr/lib/python3/site-packages/fedsov/region/worker.py")
    'region/worker.py'
    """
    return "/".join(Path(path).parts[-2:])


def write_python_logging(lines: LogLines, *, texts_of: Sequence[str] = ("fedsov",), level: int = logging.INFO) -> None:
    """Makes records of Python's logging, and errors that nobody catches, lines. For a process's `main`.

    Args:
        texts_of: the loggers whose texts are written; of others, the place in the code alone.
    """
    root = logging.getLogger()
    root.handlers[:] = [_RecordLines(lines, tuple(texts_of))]
    root.setLevel(level)
    for name in ("flwr", "uvicorn", "uvicorn.error", "uvicorn.access"):  # these write by themselves as well
        logging.getLogger(name).handlers[:] = []
        logging.getLogger(name).propagate = True
    sys.excepthook = _uncaught(lines)
    threading.excepthook = lambda each: lines.fault(
        f"thread {each.thread.name if each.thread else 'unknown'}", each.exc_value or each.exc_type()
    )


def _uncaught(lines: LogLines) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    def say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            lines.fault("the process ends", error.with_traceback(trace))

    return say


class _RecordLines(logging.Handler):
    """Python's logging as lines."""

    def __init__(self, lines: LogLines, texts_of: tuple[str, ...]) -> None:
        super().__init__()
        self._lines, self._texts_of = lines, texts_of

    def emit(self, record: logging.LogRecord) -> None:
        """One record."""
        at = f"{place(record.pathname)}:{record.lineno}"
        level = _LEVELS.get(record.levelno, "info")
        if record.name.partition(".")[0] not in self._texts_of:
            self._lines.write(level, "log", f"{record.name} wrote a record, whose text is left out", place=at)
            return
        self._lines.write(level, "log", record.getMessage(), logger=record.name, place=at)
        if record.exc_info and record.exc_info[1]:
            self._lines.fault(record.name, record.exc_info[1])
