"""A log of a region DE in a folder, without a workspace around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedsov.inference.request_log import Line, LogPlace, LogSettings, RequestLog
from fedsov.inference.request_log.lines import StoredLine, unpacked
from fedsov.inference.request_log.log_secrets import LogSecrets
from fedsov.inference.request_log.segments import batches_of, read_header, segments_in
from fedsov.inference.request_log.settings import HomeRegion
from fedsov.keys import KeySettings, create_keys, has_keys, open_keys
from fedsov.keys.protocol import RegionKeys

BODY, ANSWER = b'{"inputs": [{"age": 41}]}', b'{"predictions": [0.25]}'


@dataclass
class World:
    """The folder, and what the ledger was told."""

    folder: Path
    notes: list[Mapping[str, Any]] = field(default_factory=list)
    homes: dict[str, HomeRegion] = field(default_factory=dict)

    @property
    def requests(self) -> Path:
        return self.folder / "requests"

    @property
    def keys(self) -> RegionKeys:
        own = KeySettings("DE", self.folder)
        return open_keys(own) if has_keys(own) else create_keys(own)

    @property
    def place(self) -> LogPlace:
        return LogPlace("DE", self.requests, lambda: self.keys, self.notes.append, self.homes)

    def open(self, **settings: Any) -> RequestLog:
        return RequestLog.open(self.place, LogSettings(**{"gather": 0.001, **settings}))

    def stored(self) -> Iterator[StoredLine]:
        """Every line as it lies, worker by worker."""
        secrets = LogSecrets.open(self.requests, self.keys)
        for path in segments_in(self.requests).values():
            content = path.read_bytes()
            header, head, at = read_header(content)
            for batch in batches_of(content, head, at):
                yield from unpacked(batch.opened(secrets.cipher_of(header)))[1]

    def events(self) -> list[str]:
        return [note["request_log"]["event"] for note in self.notes]


def line(number: int, **other: Any) -> Line:
    """A line of an adult in DE."""
    plain: dict[str, Any] = {"model": "people", "version": 1, "body": BODY, "answer": ANSWER, **other}
    return Line(f"r-{number}", 1.8e9 + number, plain.pop("jurisdiction", "DE"), ("personal",), **plain)
