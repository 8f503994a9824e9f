"""A run on the hub's disk while it goes on: what was begun, and where each of its trainings stands.

    hub/checkpoints/RUN/run.json                    settings, whose workspace, stores, profiles and plan; or "finished"
                        public-0003.safetensors     the start model after round 3, and the strategy's state
                        public-0003.json            round, label, people, features, metrics, digest of the arrays
                        shareable-0002.…            the same of the global model

The arrays are on the disk before the JSON that names their digest, so a checkpoint is there whole or not at all; the
newest two of each training are kept, and all go when the run has ended well. It holds what the hub holds anyway:
parameters, bound by the label that it notes, and what was told of rounds. Never pickle.

    checkpoints = Checkpoints(workspace.hub, run)
    checkpoints.keep(Checkpoint("shareable", label, 900, features, reached))
    checkpoints.last("shareable").reached.rounds
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedsov.algorithms.rounds import RoundRecord
from fedsov.errors import CheckpointDamaged
from fedsov.hub.planning.plan_values import Plan, Profile
from fedsov.hub.server_app import TrainingState
from fedsov.label import Label
from fedsov.model.features import Features
from fedsov.serialization import Unserializable, fields_of, from_plain
from fedsov.storage.atomic_files import pack_arrays, read_arrays, read_sealed, sha256_hex, write_file, write_sealed

FORMAT = "fedsov checkpoint 1"
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
    """The checkpoints of one run, in the hub's folder; nothing is written before there is something to keep."""

    hub: Path
    run: str

    @property
    def folder(self) -> Path:
        return self.hub / "checkpoints" / self.run

    def begin(self, begun: RunManifest) -> None:
        """Writes down what the run began with, in the place of what was written before. Raises WorkspaceUnusable."""
        write_sealed(self.folder / "run.json", {"format": FORMAT, "finished": False, **fields_of(begun)})

    def begun(self) -> RunManifest | None:
        """What the run began with; None where it has ended well.

        Raises FileNotFoundError for no such run, CheckpointDamaged for a file that was changed.
        """
        path = self.folder / "run.json"
        body = read_sealed(path)
        if body.pop("format", None) != FORMAT or body.get("run") != self.run:
            raise CheckpointDamaged(f"{path} is not of run {self.run}, or of another version of fedsov")
        if body.pop("finished"):
            return None
        try:
            return from_plain(RunManifest, body)
        except Unserializable as problem:
            raise CheckpointDamaged(f"{path} is of another version of fedsov: {problem}") from problem

    def keep(self, checkpoint: Checkpoint) -> None:
        """Writes a checkpoint, then removes all of its training but the newest two. Raises WorkspaceUnusable."""
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
        write_sealed(self.folder / f"{stem}.json", body)
        for path in self._of(checkpoint.scope)[:-KEPT]:
            path.unlink(missing_ok=True)
            path.with_suffix(".safetensors").unlink(missing_ok=True)

    def last(self, scope: str) -> Checkpoint | None:
        """The newest checkpoint of a training; None before its first.

        Raises CheckpointDamaged where a byte of it changed: it names the file, and what to do.
        """
        several = self._of(scope)
        if not several:
            return None
        try:
            return self._read(several[-1])
        except CheckpointDamaged as error:
            before = f"from {several[-2].stem}" if several[1:] else "from the beginning of this training"
            raise CheckpointDamaged(f"{error}; delete {several[-1]} to go on {before}") from None

    def finish(self) -> None:
        """Notes that the run has ended well, then removes its checkpoints. Raises WorkspaceUnusable."""
        write_sealed(self.folder / "run.json", {"format": FORMAT, "run": self.run, "finished": True})
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
        return sorted(paths, key=lambda path: int(path.stem.rpartition("-")[2]))  # round 10000 is after 9999

    def _read(self, path: Path) -> Checkpoint:
        body = read_sealed(path)
        if (body["format"], body["run"], f"{body['scope']}-{body['round']:04d}") != (FORMAT, self.run, path.stem):
            raise CheckpointDamaged(f"{path} is of another run or round, or of another version of fedsov")
        arrays = read_arrays(path.with_suffix(".safetensors"), body["arrays"])
        state = {name.removeprefix("server/"): array for name, array in arrays.items() if name.startswith("server/")}
        reached = TrainingState(
            {name: arrays[f"model/{name}"] for name in body["order"]}, state, tuple(map(round_read, body["rounds"]))
        )
        features, label = Features.from_json(body["features"]), Label.from_json(body["label"])
        return Checkpoint(body["scope"], label, body["people"], features, reached, body["examination"])


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
