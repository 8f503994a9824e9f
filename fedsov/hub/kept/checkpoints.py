"""A run on the hub's disk while it goes on: what was begun, and where each of its trainings stands.

    hub/checkpoints/RUN/run.json                    settings, whose workspace, stores, profiles and plan; or "finished"
                        public-0003.safetensors     the start model after round 3, and the strategy's state
                        public-0003.json            round, label, people, features, metrics, digest of the arrays
                        shareable-0002.…            the same of the global model

The arrays are on the disk before the JSON that names their digest, so a checkpoint is there whole or not at all; the
newest two of each training are kept, and all go when the run has ended well. It holds what the hub holds anyway:
parameters, bound by the label that it notes, and what was told of rounds. Never pickle.

Each JSON is signed with the key of the hub's ledger, which notes its digest (`fedsov.ledger.signed_files`). A training
goes on from the checkpoint that the ledger notes last. Only where that file is not there, since it was damaged and
deleted, does it go on from the one before; an older, edited or swapped one is refused by its name. Whoever holds the
hub's key can sign another checkpoint; what binds the members of the plan is joined to its label all the same.

    checkpoints = Checkpoints(workspace.hub, run, ledger)
    checkpoints.keep(Checkpoint("shareable", label, 900, features, reached))
    checkpoints.last("shareable").reached.rounds
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedsov.algorithms.rounds import RoundRecord
from fedsov.errors import CheckpointDamaged, ConfigurationError, LedgerBroken
from fedsov.hub.planning.plan_values import Plan, Profile
from fedsov.hub.server_app import TrainingState
from fedsov.label import Label
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_files import PENDING, notes, read_signed, write_signed
from fedsov.model.features import Features
from fedsov.serialization import Unserializable, fields_of, from_plain
from fedsov.storage.atomic_files import pack_arrays, read_arrays, sha256_hex, write_file
from fedsov.storage.workspace import is_there, ledger_of

FORMAT = "fedsov checkpoint 2"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
KEPT = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One training after one of its rounds.

    Attributes:
        scope: whose rows it is about (``public`` or ``shareable``); its name among the trainings of the run.
        label: what binds the parameters.
        people: records behind them.
        examination: what the examination of members remembers (`fedsov.hub.membership`); None without one.
    """

    scope: str
    label: Label
    people: int
    features: Features
    reached: TrainingState
    examination: Mapping[str, Any] | None = None

    @property
    def round(self) -> int:
        """The last round that it holds."""
        return len(self.reached.rounds)


@dataclass(frozen=True, slots=True)
class RunManifest:
    """What a run wrote down before its first round.

    Attributes:
        settings: the composed configuration, and `folder`, from where its paths are meant.
        hub: the public key of the hub's ledger: a run goes on in its own workspace only.
        law: digests of the rules and of the documents it began under.
        stores: each region's digest of what its rows are; empty until they were ingested.
        profiles, plan: those that it trains by; None until the plan was made. What each crossing was answered then
            decides nothing any more: every crossing is decided anew when it happens.
    """

    run: str
    settings: Mapping[str, Any]
    folder: str
    hub: str
    law: Mapping[str, str]
    stores: Mapping[str, str] = field(default_factory=dict)
    profiles: tuple[Profile, ...] = ()
    plan: Plan | None = None


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints of one run, in the hub's folder; nothing is written before there is something to keep.

    `ledger` is the hub's, open for writing; without it the checkpoints are only read, by the ledger in the folder.
    """

    hub: Path
    run: str
    ledger: Ledger | None = field(default=None, repr=False)

    @property
    def folder(self) -> Path:
        return self.hub / "checkpoints" / self.run

    def begin(self, begun: RunManifest) -> None:
        """Writes down what the run began with, in the place of what was written before.

        Raises WorkspaceUnusable, LedgerBroken.
        """
        self._write("run", {"format": FORMAT, "finished": False, **fields_of(begun)})

    def begun(self) -> RunManifest | None:
        """What the run began with; None where it has ended well.

        Raises FileNotFoundError for no such run, CheckpointDamaged for a file that was changed, ConfigurationError for
        a run of another workspace.
        """
        path = self.folder / "run.json"
        if not path.is_file():
            raise FileNotFoundError(path)
        with self._reading() as ledger:
            body = read_signed(path, ledger, notes(ledger, self.run))
        if body.pop("format", None) != FORMAT or body.get("run") != self.run or "finished" not in body:
            raise CheckpointDamaged(f"{path} is not of run {self.run}, or of another version of fedsov")
        if body.pop("finished"):
            return None
        try:
            return from_plain(RunManifest, body)
        except Unserializable as problem:
            raise CheckpointDamaged(f"{path} is of another version of fedsov: {problem}") from problem

    def keep(self, checkpoint: Checkpoint) -> None:
        """Writes a checkpoint, then removes all of its training but the newest two.

        Raises WorkspaceUnusable, LedgerBroken.
        """
        reached, stem = checkpoint.reached, f"{checkpoint.scope}-{checkpoint.round:04d}"
        arrays = {f"model/{name}": array for name, array in reached.parameters.items()}
        content = pack_arrays(arrays | {f"server/{name}": array for name, array in reached.state.items()})
        write_file(self.folder / f"{stem}.safetensors", content)
        body = {
            "format": FORMAT,
            "run": self.run,
            "scope": checkpoint.scope,
            "round": checkpoint.round,
            "label": checkpoint.label.to_json(),
            "people": checkpoint.people,
            "features": checkpoint.features.to_json(),
            "order": list(reached.parameters),
            "arrays": sha256_hex(content),
            "rounds": [round_said(seen) for seen in reached.rounds],
            "examination": checkpoint.examination,
        }
        self._write(stem, body)
        for path in self._of(checkpoint.scope)[:-KEPT]:
            path.unlink(missing_ok=True)
            path.with_suffix(".safetensors").unlink(missing_ok=True)

    def last(self, scope: str, *, say: Callable[[str], None] = lambda _: None) -> Checkpoint | None:
        """The newest checkpoint of a training; None before its first.

        Args:
            say: told that the newest is gone, where the training goes on from the one before.

        Raises CheckpointDamaged where a byte of it changed, or it is not the one that the ledger notes: it names the
        file, and what to do.
        """
        if not self.folder.is_dir():
            return None
        with self._reading() as ledger:
            noted = {name: digest for name, digest in notes(ledger, self.run).items() if _place(name)[0] == scope}
            paths = self._of(scope)
            if strange := [path for path in paths if path.stem not in noted]:
                raise CheckpointDamaged(f"{strange[-1]} is none that the hub's ledger notes; delete it to go on")
            if not noted:
                return None
            newest = self.folder / f"{next(reversed(noted))}.json"
            before = newest.with_name(f"{scope}-{_place(newest.stem)[1] - 1:04d}.json")
            if newest in paths or newest.with_suffix(PENDING).is_file():
                return self._undamaged(newest, ledger, noted, before if before in paths else None)
            if before in paths:
                say(f"{newest.name} is gone, which the hub's ledger notes as the newest; {before.name} is taken")
                return self._undamaged(before, ledger, noted, None)
        if newest.stem == f"{scope}-0000":
            return None  # nothing was trained
        older = f", and {paths[-1].name} is older than the one before it" if paths else ""
        raise CheckpointDamaged(f"{newest} is gone{older}; put it back from your copy, or begin a new run")

    def _undamaged(self, path: Path, ledger: Ledger, noted: Mapping[str, str], before: Path | None) -> Checkpoint:
        try:
            return self._read(path, ledger, noted)
        except CheckpointDamaged as error:
            mend = f"delete {path} to go on from {before.stem}" if before else "put it back, or begin a new run"
            if _place(path.stem)[1] == 0:
                mend = f"delete {path} to go on from the beginning of this training"
            raise CheckpointDamaged(f"{error}; {mend}") from None

    def finish(self) -> None:
        """Notes that the run has ended well, then removes its checkpoints. Raises WorkspaceUnusable, LedgerBroken."""
        self._write("run", {"format": FORMAT, "run": self.run, "finished": True})
        for path in self.folder.iterdir():
            if path.name != "run.json":
                path.unlink(missing_ok=True)

    def forget(self) -> None:
        """Removes all of the run, as if it had not begun."""
        for path in self.folder.iterdir():
            path.unlink(missing_ok=True)
        self.folder.rmdir()

    def _of(self, scope: str) -> list[Path]:
        paths = self.folder.glob(f"{scope}-*.json")
        return sorted(paths, key=lambda path: _place(path.stem)[1])  # round 10000 is after 9999

    def _write(self, stem: str, body: Mapping[str, Any]) -> None:
        if self.ledger is None:
            raise LedgerBroken(f"run {self.run} was opened for reading; no checkpoint is written without a ledger")
        write_signed(self.folder / f"{stem}.json", body, self.ledger, run=self.run)

    @contextmanager
    def _reading(self) -> Iterator[Ledger]:
        """The hub's ledger. Raises ConfigurationError where there is none: the run was begun elsewhere."""
        path = ledger_of(self.hub)
        if self.ledger is not None:
            yield self.ledger
        elif is_there(path):
            with closing(Ledger.read(path)) as ledger:
                yield ledger
        else:
            raise ConfigurationError(
                f"run {self.run} was begun by the hub of another workspace; go on there, with workspace=DIR"
            )

    def _read(self, path: Path, ledger: Ledger, noted: Mapping[str, str]) -> Checkpoint:
        body = read_signed(path, ledger, noted)
        another = f"{path} is of another run or round, or of another version of fedsov"
        try:
            if (body["format"], body["run"], f"{body['scope']}-{body['round']:04d}") == (FORMAT, self.run, path.stem):
                return _checkpoint_of(path, body)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise CheckpointDamaged(f"{another}: {problem!r}") from problem
        raise CheckpointDamaged(another)


def _checkpoint_of(path: Path, body: Mapping[str, Any]) -> Checkpoint:
    """The checkpoint of a body. Raises CheckpointDamaged, and KeyError or such where it is none."""
    arrays = read_arrays(path.with_suffix(".safetensors"), body["arrays"])
    state = {name.removeprefix("server/"): array for name, array in arrays.items() if name.startswith("server/")}
    reached = TrainingState(
        {name: arrays[f"model/{name}"] for name in body["order"]}, state, tuple(map(round_read, body["rounds"]))
    )
    features, label = Features.from_json(body["features"]), Label.from_json(body["label"])
    return Checkpoint(body["scope"], label, body["people"], features, reached, body["examination"])


def _place(stem: str) -> tuple[str, int]:
    """Scope and round of a checkpoint's name; round -1 for another name."""
    scope, _, number = stem.rpartition("-")
    return scope, int(number) if number.isascii() and number.isdecimal() else -1


def runs(hub: Path) -> list[str]:
    """The runs of a hub's folder that wrote something down, the oldest first."""
    with suppress(FileNotFoundError):
        folders = [path for path in (hub / "checkpoints").iterdir() if NAME.fullmatch(path.name)]
        return [path.name for path in sorted(folders) if (path / "run.json").is_file()]
    return []


def round_said(seen: RoundRecord) -> dict[str, Any]:
    """A round in plain values."""
    metrics = {str(node): dict(scores) for node, scores in seen.metrics.items()}
    absent = {name: {str(node): why for node, why in getattr(seen, name).items()} for name in ("failed", "left_out")}
    return {"number": seen.number, "metrics": metrics, "together": dict(seen.together), **absent}


def round_read(said: Mapping[str, Any]) -> RoundRecord:
    """The inverse of `round_said`."""
    metrics = {int(node): scores for node, scores in said["metrics"].items()}
    failed, left_out = ({int(node): why for node, why in said[name].items()} for name in ("failed", "left_out"))
    return RoundRecord(said["number"], metrics, failed, left_out, said["together"])
