"""Predictions for a file of rows, made in a region: what `fedsov predict` and notebooks call.

Whoever calls this is the region at work. Whose people's rows it may take is what its gate permits for requests
(`fedsov.region.serving.hosting`): its own jurisdictions', and those that it hosts. The predictions are records of these
people, bound by the model's label and the rows' own. They stay with the region: their crossing, from the region to the
region itself, is decided by its gate and in its ledger before the file is there, and the label goes with the file,
for whoever wants to carry it elsewhere. Nothing of a row is written but what `keep` names.

Rows are read in batches; what is made of them lies in a file without a name until it may be seen, so that nothing is
left of a run that was killed.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any, BinaryIO, cast

from fedsov.api.inference.codes import with_parts
from fedsov.api.inference.models import brought, found_for
from fedsov.api.region_settings import opened as opened_region
from fedsov.api.region_settings import user
from fedsov.artifact import Artifact, Kind
from fedsov.checks import listed
from fedsov.errors import ConfigurationError, CrossingRefused, InputError, JobRefused, WorkspaceUnusable, counted
from fedsov.label import PUBLIC, Label
from fedsov.model.network import Parameters, is_shipped
from fedsov.model.packaging.encoder import ColumnRefused, Encoder, Unseen
from fedsov.model.packaging.saved import SavedModel
from fedsov.region.admission import Place
from fedsov.region.bench.answers import AnswerRows
from fedsov.region.bench.tasks import THIS_PROCESS, Bench
from fedsov.region.serving.asked_rows import AskedFile, RowsAsked, opened
from fedsov.region.serving.hosting import categories_of_stores, hosting, own_jurisdictions, serving_gate
from fedsov.region.serving.prediction_files import PredictionFile, check_name, sidecar_of
from fedsov.region.settings import RegionSettings
from fedsov.region.settings_file import read_settings
from fedsov.region.trust import applications
from fedsov.storage.atomic_files import sync_folder, write_file
from fedsov.storage.private_files import beside, create_private_file
from fedsov.storage.workspace import Workspace

Progress = Callable[[str], None]
EVERY = 5.0
"""Seconds between two lines of progress."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """What was predicted, and where it is.

    Attributes:
        model, version, owner: of the model, and whose registry holds it.
        label: what binds the predictions: the model's label and the rows' own.
        outputs, meaning: the names of the file's columns of answers, and what they are.
        jurisdictions: rows by their people's code.
        extra: columns of the file that the model does not ask for, and that did not go along.
        unseen: by column, rows with a level that the model does not know, which counted as none of the levels.
        sha256: of the file.
        sidecar: the file beside it that says what binds it; None where the file says so itself.
    """

    region: str
    model: str
    version: int
    owner: str
    rows: int
    out: Path
    label: Label
    outputs: tuple[str, ...]
    meaning: str
    jurisdictions: Mapping[str, int]
    extra: tuple[str, ...]
    unseen: Mapping[str, int]
    sha256: str
    sidecar: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """In plain values."""
        return {
            "region": self.region,
            "model": self.model,
            "version": self.version,
            "registry": self.owner,
            "rows": self.rows,
            "out": str(self.out),
            "sha256": self.sha256,
            "label": self.label.to_json(),
            "label_file": None if self.sidecar is None else str(self.sidecar),
            "outputs": list(self.outputs),
            "meaning": self.meaning,
            "jurisdictions": dict(self.jurisdictions),
            "unused_columns": list(self.extra),
            "unseen_levels": dict(self.unseen),
        }

    def lines(self) -> list[str]:
        """In sentences."""
        whose = ", ".join(f"{code} {rows:,}" for code, rows in sorted(self.jurisdictions.items()))
        beside = "its metadata" if self.sidecar is None else str(self.sidecar)
        lines = [
            f"{counted(self.rows, 'row')} ({whose}) answered in region {self.region} by {self.model} {self.version}: "
            f"{self.meaning}",
            f"written to {self.out}: {', '.join(self.outputs)}",
            f"bound by {self.label}, as {beside} says; the ledger of {self.region} has an entry",
        ]
        if self.extra:
            lines.append(f"not asked for by the model, and left out: {', '.join(self.extra)}")
        lines += [
            f"column {name!r}: {counted(rows, 'row')} with a level that the model does not know, taken as none of its "
            "levels"
            for name, rows in self.unseen.items()
        ]
        return lines


@dataclass(frozen=True, slots=True)
class Asking:
    """How predictions are asked for: see `predict`."""

    jurisdiction: str = ""
    unseen: Unseen = "refuse"
    keep: tuple[str, ...] = ()
    by: str = ""


def predict(
    root: Path, region: str, model: str, rows: Path, out: Path, asking: Asking, *, progress: Progress | None = None
) -> Predicted:
    """Answers every row of a file by a registered model, in a region, into a file.

    Args:
        model: NAME@ALIAS, NAME/VERSION, or NAME for the newest version: the region's own, or the hub's.
        rows: CSV, Parquet, JSON lines, Arrow IPC or Excel, with the model's columns by name.
        out: a .csv or .parquet file, replaced where it is there.
        asking: `jurisdiction` says whose the people are, where no column does; `unseen` what becomes of a level that
            the model does not know; `keep` names columns that go along; `by` who asks, for the ledger.

    Raises:
        ColumnRefused: a column is absent, or has unknown levels; InputError: rows that cannot be read.
        ConfigurationError, Refused, JobRefused: the model, the region or the people are none that may be asked.
        LedgerBroken: nothing was written, and no file is there.
    """
    check_name(out)
    if not rows.is_file():
        raise InputError(f"{rows} does not exist; give a file of rows: CSV, Parquet, JSON lines, Arrow IPC or Excel")
    if out.resolve() == rows.resolve():
        raise ConfigurationError(f"--out {out} is the file of rows itself; name another")
    progress = progress or (lambda line: None)
    progress(f"predict: loads {model} in region {region}")
    chosen = found_for(root, region, model)
    saved, parameters = brought(root, region, chosen)
    own, codes, folder = _admitted(root, region, saved)
    asked = _asked(own, saved, rows, codes, asking)
    with tempfile.TemporaryFile(dir=folder) as file, opened(asked) as source, _bench(saved, root) as bench:
        work = _Answering(saved, parameters, bench, asking.unseen, progress)
        work.through(source, PredictionFile(file, out.suffix, saved.signature.words))
        done = _predicted(region, chosen.owner, out, work, source, _digest(file))
        _record(root, done, saved, source, by=asking.by or user())
        _publish(file, done)
    return done


def _admitted(root: Path, region: str, saved: SavedModel) -> tuple[RegionSettings, tuple[str, ...], Path]:
    """The region's settings, whose people's rows its gate lets it take today, and its folder.

    Raises JobRefused for a network that may not run here, Refused where nobody's rows may be taken.
    """
    with opened_region(root, region, writes=True) as (folder, ledger):
        own = read_settings(folder, ledger)
        examples = own.of_dataset(saved.dataset).examples
        if why := applications.refusal(own, saved.network, examples=examples, private=True):
            raise JobRefused(why)
        gate = serving_gate(Place(folder, ledger), own)
        may = hosting(gate, own, categories_of_stores(folder) | saved.label.categories)
    if not may.served:
        raise CrossingRefused("; ".join(may.refused.values()))
    return own, may.served, folder


def _asked(own: RegionSettings, saved: SavedModel, rows: Path, codes: tuple[str, ...], asking: Asking) -> RowsAsked:
    """What is asked. Where the region has one jurisdiction of its own, rows that say nothing are of its people."""
    homes = [code for code in own_jurisdictions(own) if code in codes]
    return RowsAsked(
        rows,
        saved.signature.columns,
        saved.target,
        saved.dataset,
        own.of_dataset(saved.dataset).description,
        with_parts(codes, others=()),
        ", ".join(codes),
        jurisdiction=asking.jurisdiction,
        home=homes[0] if len(homes) == 1 else "",
        keep=asking.keep,
    )


class _Answering:
    """A model on its way through a file: rows answered, and what was met on the way."""

    def __init__(
        self, saved: SavedModel, parameters: Parameters, bench: Bench, unseen: Unseen, progress: Progress
    ) -> None:
        self.saved, self._parameters, self._bench = saved, parameters, bench
        self._unseen, self._progress = unseen, progress
        self._encoder = Encoder(saved.features, unseen="allow")
        self.rows = 0
        self.label: Label = PUBLIC
        self.jurisdictions: Counter[str] = Counter()
        self.unseen: Counter[str] = Counter()

    def through(self, source: AskedFile, into: PredictionFile) -> None:
        """Answers all rows. Raises InputError for none, and ColumnRefused where levels are unknown and that is refused:
        with how many rows there are of each such column in the whole file."""
        last_line = time.monotonic()
        for batch in source.batches():
            self.unseen.update(self._encoder.unseen(batch.columns))
            self.rows += len(batch)
            self.label |= batch.label
            self.jurisdictions.update(batch.jurisdictions)
            if self._unseen == "allow" or not self.unseen:
                inputs = self._encoder.encode(batch.columns)
                into.add(batch.kept, self._bench.do(AnswerRows(self.saved, self._parameters, inputs)))
            if time.monotonic() - last_line >= EVERY:
                self._progress(f"predict: {self.rows:,} rows so far")
                last_line = time.monotonic()
        if not self.rows:
            raise InputError("the file of rows has a header but no rows; give a file with rows")
        if self._unseen == "refuse" and self.unseen:
            raise self._refused()
        into.close(about(self.saved, self.saved.label | self.label, self.rows))

    def _refused(self) -> ColumnRefused:
        levels = {column.name: column.levels for column in self.saved.signature.columns}
        named = [
            f"column {name!r} has levels that the model does not know in {counted(rows, 'row')}; it knows "
            f"{listed(levels[name])}"
            for name, rows in self.unseen.items()
        ]
        way = "nothing was written; mend them, or take them as none of the levels by --unseen allow"
        return ColumnRefused(next(iter(self.unseen)), "; ".join([*named, way]))


def about(saved: SavedModel, label: Label, rows: int) -> dict[str, Any]:
    """What a file of predictions says of itself."""
    return {
        "label": label.to_json(),
        "model": saved.name,
        "version": saved.version,
        "run": saved.run,
        "weights_sha256": saved.weights_sha256,
        "rows": rows,
        "outputs": list(saved.signature.words),
        "meaning": saved.signature.meaning,
    }


def _predicted(region: str, owner: str, out: Path, work: _Answering, source: AskedFile, sha256: str) -> Predicted:
    saved = work.saved
    return Predicted(
        region=region,
        model=saved.name,
        version=int(saved.version or 0),
        owner=owner,
        rows=work.rows,
        out=out,
        label=saved.label | work.label,
        outputs=saved.signature.words,
        meaning=saved.signature.meaning,
        jurisdictions=dict(work.jurisdictions),
        extra=tuple(source.extra),
        unseen=dict(work.unseen),
        sha256=sha256,
        sidecar=sidecar_of(out),
    )


def _record(root: Path, done: Predicted, saved: SavedModel, source: AskedFile, *, by: str) -> None:
    """Has the region's gate decide about the predictions, and its ledger say whose they are and by whom.

    Raises Refused, LedgerBroken: then no file is there.
    """
    noted = {
        "model": done.model,
        "version": done.version,
        "registry": done.owner,
        "weights_sha256": saved.weights_sha256,
        "rows_sha256": source.sha256,
        "predictions_sha256": done.sha256,
        "rows": done.rows,
        "jurisdictions": sorted(done.jurisdictions),
        "unseen_levels": sorted(done.unseen),
        "by": by,
    }
    with opened_region(root, done.region, writes=True) as (folder, ledger):
        gate = serving_gate(Place(folder, ledger), read_settings(folder, ledger))
        artifact = Artifact(
            Kind.RECORDS,
            done.label,
            json.dumps(noted, sort_keys=True).encode(),
            count=done.rows,
            name=f"predictions of {done.model} {done.version}",
        )
        gate.cross(artifact, gate.owner)
        gate.note({"predicted": noted})


def _digest(file: BinaryIO) -> str:
    file.seek(0)
    return file_digest(cast(Any, file), "sha256").hexdigest()  # a file, whose type lacks readinto


def _publish(file: BinaryIO, done: Predicted) -> None:
    """Puts the predictions, and before them the file that says what binds them, in their places.

    Raises WorkspaceUnusable where one cannot be written; an older file stays.
    """
    aside = beside(done.out)
    try:
        if done.sidecar is not None:
            label_file = {"file": done.out.name, "sha256": done.sha256, "label": done.label.to_json()}
            label_file |= {key: value for key, value in done.to_json().items() if key in _TOLD_BESIDE}
            write_file(done.sidecar, json.dumps(label_file, indent=1).encode())
        file.seek(0)
        create_private_file(aside)
        with aside.open("wb") as target:
            shutil.copyfileobj(file, target)
            target.flush()
            os.fsync(target.fileno())
        os.replace(aside, done.out)
        sync_folder(done.out.absolute().parent)
    except OSError as error:
        raise WorkspaceUnusable(
            f"{done.out} cannot be written: {error.strerror}; make room or allow writing"
        ) from error
    finally:
        aside.unlink(missing_ok=True)


_TOLD_BESIDE = ("region", "model", "version", "rows", "outputs", "meaning")


@contextmanager
def _bench(saved: SavedModel, root: Path) -> Iterator[Bench]:
    """Where the model's code runs: fedsov's own here, that of an installed package in a process that holds no key."""
    if is_shipped(saved.network.name):
        yield THIS_PROCESS
        return
    from fedsov.runtimes.bench.process_bench import BenchServer, ProcessBench

    with BenchServer() as server, closing(ProcessBench(server, keep_out=[Workspace(root).root])) as bench:
        yield bench
