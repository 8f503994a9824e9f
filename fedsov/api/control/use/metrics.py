"""`metrics show` and `metrics export`: at the hub what regions told of their use, in a region what it tells.

shown = metrics(home, since=now - 86_400)
shown.totals, shown.lines()
exported(home, "prometheus")
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fedsov.api.control.use.closed_windows import use_notes, waiting_reports
from fedsov.api.region_settings import show as shown_settings
from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.database.place import open_database
from fedsov.control_plane.metrics.evaluations import evaluation_words, with_evaluations
from fedsov.control_plane.metrics.exposition import open_telemetry, prometheus
from fedsov.control_plane.metrics.totals import Total
from fedsov.control_plane.metrics.use_sums import sums
from fedsov.control_plane.regions.directory import directory
from fedsov.errors import ConfigurationError, FedsovError, counted, unknown
from fedsov.ledger.ledger import Ledger
from fedsov.protocol.use_report import DRIFT, OUTCOMES, SECONDS, Drift, score_words, seconds_words
from fedsov.region.admission import Place
from fedsov.region.serving.use_settings import UseSettings
from fedsov.storage.atomic_files import write_file
from fedsov.storage.control_folder import HubControlFolder, RegionControlFolder
from fedsov.storage.workspace import Workspace, is_there, ledger_of

FORMATS = ("prometheus", "otlp", "json")


@dataclass(frozen=True, slots=True)
class OwnUse:
    """What a region of this home lets the hub know.

    Attributes:
        until: when the last window ended that it told of, seconds since 1970; 0 for never.
        waiting, set_aside: reports that wait for the hub; that the hub refused.
        trouble: why it cannot be said.
    """

    settings: UseSettings = field(default_factory=UseSettings)
    until: int = 0
    waiting: int = 0
    set_aside: int = 0
    trouble: str = ""

    def line(self, name: str) -> str:
        """It, in a sentence."""
        if self.trouble:
            return f"{name}: {self.trouble}"
        if not self.settings.share:
            return f"{name} lets no hub know of its use; `fedsov region set {name} metrics.share=true` would"
        what = f"told of its use until {_moment(self.until)}" if self.until else "has told nothing of its use so far"
        waits = f"; {counted(self.waiting, 'report')} not yet at the hub" if self.waiting else ""
        aside = f"; the hub refused {counted(self.set_aside, 'report')}, set aside in control/metrics"
        every = f"windows of {counted(self.settings.minutes, 'minute')}, {self.settings.people} people or more a number"
        return f"{name} {what} ({every}){waits}{aside if self.set_aside else ''}"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        settings = {"share": self.settings.share, "people": self.settings.people, "minutes": self.settings.minutes}
        noise = {"epsilon": self.settings.epsilon, "lifetime_epsilon": self.settings.lifetime_epsilon}
        counts = {"waiting": self.waiting, "set_aside": self.set_aside}
        return {**settings, **noise, "told_until": self.until or None, **counts, "trouble": self.trouble or None}


@dataclass(frozen=True, slots=True)
class Metrics:
    """What there is of the use of endpoints.

    Attributes:
        totals: by region and version, as regions told the hub; None where this is no hub's home.
        silent: regions that the hub hears of, and that told nothing in this time.
        own: by name the regions that are here.
    """

    totals: Sequence[Total] | None
    silent: Sequence[str]
    own: Mapping[str, OwnUse]

    def lines(self) -> list[str]:
        """It, for people."""
        lines = [line for total in self.totals or () for line in _lines(total)]
        if self.totals is not None and not self.totals:
            lines.append("no region has told of its use in this time")
        lines += [f"{name} told nothing in this time; its owner decides whether it does" for name in self.silent
                  if name not in self.own]  # fmt: skip
        return [*lines, *(use.line(name) for name, use in self.own.items())]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        plain = None if self.totals is None else [total.to_json() for total in self.totals]
        return {
            "totals": plain,
            "silent": list(self.silent),
            "regions": {name: use.to_json() for name, use in self.own.items()},
        }


def metrics(home: Path, *, since: float = 0.0, region: str | None = None) -> Metrics:
    """What there is in a hub's home, a region's, or a workspace of both.

    Args:
        since: when the windows ended that are added up, seconds since 1970.

    Raises ConfigurationError for a region that there is not, WorkspaceUnusable.
    """
    names = Workspace(home).region_names()
    every: list[Total] | None = None
    heard: list[str] = []
    if _has_hub(home):
        with closing(open_database(home)) as database, database.reading() as connection:
            every = with_evaluations(connection, sums(connection, since=since))
            heard = [state.name for state in directory(connection)]
    known = sorted({*names, *heard, *(total.region for total in every or ())})
    if region is not None and region not in known:
        raise ConfigurationError(unknown("region", region, known))
    wanted = [region] if region is not None else known
    silent = [name for name in heard if name in wanted and name not in {total.region for total in every or ()}]
    own = {name: _own(home, name) for name in names if name in wanted}
    return Metrics(None if every is None else [each for each in every if each.region in wanted], silent, own)


def exported(home: Path, form: str, *, now: float | None = None) -> str:
    """Everything that was told to a hub, for a monitor; `form` is one of `FORMATS`.

    Raises ConfigurationError where this is no hub's home, WorkspaceUnusable.
    """
    with _hub_database(home) as database, database.reading() as connection:
        every = with_evaluations(connection, sums(connection))
    if form == "prometheus":
        return prometheus(every)
    plain = open_telemetry(every, now=time.time() if now is None else now) if form == "otlp" else _plain(every)
    return json.dumps(plain, indent=None if form == "otlp" else 1) + "\n"


def export_file(home: Path, form: str, path: Path) -> None:
    """As `exported`, into a file that is whole at any instant. Raises as that, and WorkspaceUnusable."""
    write_file(path, exported(home, form).encode())


def _plain(every: Sequence[Total]) -> list[dict[str, object]]:
    return [total.to_json() for total in every]


@contextmanager
def _hub_database(home: Path) -> Iterator[Database]:
    if not _has_hub(home):
        raise ConfigurationError(f"{home} is no hub's home: what regions told of their use is at the hub; run it there")
    with closing(open_database(home)) as database:
        yield database


def _has_hub(home: Path) -> bool:
    folder = HubControlFolder(home)
    return is_there(ledger_of(Workspace(home).hub)) or folder.database.exists() or folder.database_address.exists()


def _own(home: Path, name: str) -> OwnUse:
    folder = Workspace(home).region(name)
    try:
        settings = shown_settings(home, name).settings.metrics
        with closing(Ledger.read(ledger_of(folder))) as ledger:
            until = max((note["begins"] + 60 * note["minutes"] for note in use_notes(Place(folder, ledger))), default=0)
    except FedsovError as error:
        return OwnUse(trouble=str(error))
    waiting = waiting_reports(folder)
    aside = list(RegionControlFolder(folder).metrics.glob("*.refused"))
    return OwnUse(settings, until, len(waiting), len(aside))


def _lines(total: Total) -> list[str]:
    ended = [f"{total.outcomes[word]} {word}" for word in OUTCOMES if word in total.outcomes]
    noise = ", people under noise" if total.noise else ""
    lines = [
        f"{total.region} {total.model} {total.version} ({total.role}): {'; '.join(ended)}; {total.people} people or "
        f"more within a window; {counted(total.windows, 'window')} until {_moment(total.ends)}{noise}"
    ]
    speeds = [(name, band) for name, share in (("half", 0.5), ("99 %", 0.99)) if (band := total.seconds_of(share))]
    if any(band == (0, len(SECONDS)) for _, band in speeds):
        lines.append("  answered: too few people ask to tell how fast")
    elif speeds:
        lines.append(f"  answered: {', '.join(f'{name} in {seconds_words(band)}' for name, band in speeds)}")
    if total.scores:
        bands = [f"{score_words(band)}: {count}" for band, count in total.scores.items()]
        lines.append(f"  scores: {', '.join(bands)}")
    if total.evaluation:
        lines.append(f"  evaluation: {evaluation_words(total.evaluation)}")
    if total.drift is not None:
        lines.append(f"  drift: {_drift(total.drift)}")
    return lines


def _drift(drift: Drift) -> str:
    inputs = ", ".join(f"{count} {word}" for count, word in zip(drift.inputs, DRIFT, strict=True))
    return f"inputs {inputs}; scores {drift.score}"


def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
