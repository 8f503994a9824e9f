"""What a region remembers of a run beyond its process: whoever starts the process anew makes it forget nothing.

    regions/NAME/runs/RUN/journal.json           labels of models received and sent, scores of its rounds, the last
                                                 sum that it answered, digests of the files below, and what it released
                                                 under privacy; under a seal of the region's secret
                          update-….safetensors   its last update under noise
                          own-….safetensors      what of its training stays with it from round to round
                          lock                   held by the one process that answers for the region in this run

A run that was killed is asked on from the round after the last checkpoint, so a region may be asked for a round twice.
Without noise it answers the same. Under noise, what was drawn is on the disk before it leaves, and the same question
gets the same answer again. In a secure sum it takes part again among the same members, from the same model, and opens
the same survivors' sum: two sums of one round over different members would tell their difference.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedsov.errors import BudgetBroken, CheckpointDamaged, ConfigurationError, SumRefused, WorkspaceUnusable
from fedsov.keys.sealing import derived_key
from fedsov.storage.atomic_files import (
    Arrays,
    pack_arrays,
    read_arrays,
    read_sealed,
    sha256_hex,
    write_file,
    write_sealed,
)
from fedsov.storage.private_files import make_private_folder, open_private

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
Scores = Sequence[tuple[str, float, int]]
FIRST: Mapping[str, Any] = {"state": {"count": 0, "digest": ""}, "before": {"count": 0, "digest": ""}}
"""Of a run that released nothing under privacy yet."""
ROUNDS_KEPT = 4
"""Two checkpoints of the hub, the round after them, and the one that it leads to."""


@dataclass(slots=True)
class Journal:
    """One run's journal; `folder` is None for one that ends with the process. `key` is that of its seal."""

    folder: Path | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    key: bytes = field(default=b"", repr=False)

    @staticmethod
    def open(region: Path, run: str, secret: bytes) -> Journal:
        """The journal of a run in a region's folder, empty where none was written.

        Args:
            secret: the region's own.

        Raises ConfigurationError for a name that is no run's, CheckpointDamaged for a journal that was changed, forged,
        or is another run's.
        """
        if not NAME.fullmatch(run):
            raise ConfigurationError(f"{run!r} is no name of a run")
        folder, key = region / "runs" / run, derived_key(secret, "journals")
        try:
            return Journal(folder, read_sealed(folder / "journal.json", key=key, bound=_bound(folder)), key)
        except FileNotFoundError:
            return Journal(folder, key=key)

    def note(self, **notes: Any) -> None:
        """Notes values by name, on the disk when this returns; what is noted already is not written again."""
        if all(self.notes.get(name) == value for name, value in notes.items()):
            return
        self.notes |= notes
        if self.folder is not None:
            write_sealed(self.folder / "journal.json", self.notes, key=self.key, bound=_bound(self.folder))

    def rounds(self, scores: Scores) -> list[tuple[str, float, int]]:
        """The scores of all rounds, noted; of a round that was worked twice the later ones."""
        latest = {(name, number): (name, value, number) for name, value, number in scores}
        self.note(rounds=[list(score) for score in latest.values()])
        return list(latest.values())

    def check_rounds(self, left: int) -> None:
        """Raises CheckpointDamaged where a later round left the region, by its ledger, than this journal knows of.

        Args:
            left: the last round of the run whose update left; 0 for none.
        """
        worked = max((number + 1 for _, _, number in self.notes.get("rounds", ())), default=0)
        if left > worked:
            raise CheckpointDamaged(
                f"the ledger knows that round {left} left this region, and the run's journal knows of {worked}: "
                "it was lost, cut or put back; begin a new run"
            )

    def answers_sum(self, number: int, **inputs: Any) -> None:
        """Notes what a sum's round is answered from. Raises SumRefused where it was answered from anything else."""
        before = self.notes.get("sum", {"round": 0})
        if number < before["round"]:
            raise SumRefused(f"this region answered round {before['round']} of the run, and no earlier one again")
        same = before if before["round"] == number else {}
        if other := [name for name, value in inputs.items() if same.get(name, value) != value]:
            raise SumRefused(f"this region answered round {number} already, with other {' and '.join(other)}")
        self.note(sum={**same, "round": number, **inputs})


def _bound(folder: Path) -> str:
    """What the seal of a run's journal is bound to."""
    return f"journal of run {folder.name}"


@dataclass(frozen=True, slots=True)
class Released:
    """The private part of a journal (`fedsov.region.private_run.Memory`).

    `note` is told how many releases there were and the digest of all that is kept, once it is on the disk and before
    it leaves; the region's ledger writes that down.
    """

    journal: Journal
    note: Callable[[Mapping[str, Any]], object] = lambda state: None

    def drawing(self) -> Mapping[str, Any]:
        """The question of the last draw, its seed, and how many rounds are left; no release, so no ledger notes it."""
        return dict(self.journal.notes.get("drawing", {}))

    def keep_drawing(self, drawing: Mapping[str, Any]) -> None:
        """Keeps these in their place; on the disk when this returns."""
        self.journal.note(drawing=dict(drawing))

    def recall(self) -> Mapping[str, Any]:
        """All that was kept."""
        return {name: value for name, value in self._private().items() if name != "releases"}

    def check(self, noted: Mapping[str, Any] | None) -> None:
        """Raises BudgetBroken where this journal does not hold the releases that the ledger noted of the run last.

        One release more was kept and not yet noted when a process was killed; it is noted now.
        """
        state = self._private().get("releases", FIRST)
        last = dict(noted or FIRST["state"])
        if state["state"]["digest"] != self._digest(self.recall()) and state != FIRST:
            raise BudgetBroken("what this run released under privacy is not what its journal kept: it was changed")
        if state["state"] == last:
            return
        if state["before"] != last:
            raise BudgetBroken(
                f"the ledger noted {last['count']} private releases of this run and its journal holds "
                f"{state['state']['count']}, or others: it was lost, cut or put back; begin a new run"
            )
        self.note(state["state"])

    def keep(self, arrays: Arrays | None = None, **notes: Any) -> None:
        """Keeps values by name, and arrays in the place of those before; on the disk and noted when this returns."""
        if arrays is not None and self.journal.folder is not None:
            content = pack_arrays(arrays)
            write_file(self.journal.folder / f"update-{sha256_hex(content)[:16]}.safetensors", content)
            notes |= {"update": sha256_hex(content), "order": list(arrays)}
        kept, before = {**self.recall(), **notes}, self._private().get("releases", FIRST)["state"]
        state = {"count": before["count"] + 1, "digest": self._digest(kept)}
        self.journal.note(private={**kept, "releases": {"state": state, "before": before}})
        self.note(state)
        if arrays is not None and self.journal.folder is not None:
            for path in self.journal.folder.glob("update-*.safetensors"):
                if path.name != f"update-{notes['update'][:16]}.safetensors":
                    path.unlink(missing_ok=True)

    def arrays(self) -> dict[str, Any]:
        """The arrays kept last. Raises CheckpointDamaged where they are gone or were changed."""
        notes, folder = self.recall(), self.journal.folder
        if folder is None or "update" not in notes:
            raise CheckpointDamaged("no update was kept")
        arrays = read_arrays(folder / f"update-{notes['update'][:16]}.safetensors", notes["update"])
        return {name: arrays[name] for name in notes["order"]}

    def _private(self) -> Mapping[str, Any]:
        return dict(self.journal.notes.get("private", {}))

    @staticmethod
    def _digest(kept: Mapping[str, Any]) -> str:
        return sha256_hex(json.dumps(kept, sort_keys=True).encode())


@dataclass(frozen=True, slots=True)
class OwnStates:
    """What stays in the region from round to round (`fedsov.training.client_state.StateStore`), by the round it is for.

    A round that is asked for again begins with what it began with; one after rounds that the region had no part in,
    with what those would have begun with. The newest `rounds` rounds are kept; a training that may end
    with a model of an earlier round needs as many more.
    """

    journal: Journal
    folder: Path
    rounds: int = ROUNDS_KEPT

    def load(self, scope: str, number: int) -> dict[str, Any]:
        """What a round begins with: the newest kept for it or, where the region missed rounds, for one before.

        Nothing in its first. Raises CheckpointDamaged where it is gone or was changed.
        """
        digests = self.journal.notes.get("own", {}).get(scope, {})
        before = [key for key in map(int, digests) if key <= number]
        if not before and number > 1 and len(digests) >= self.rounds:  # older ones were given up
            raise CheckpointDamaged(f"this region kept nothing to begin round {number} of its {scope} rows with")
        if not before:
            return {}
        return read_arrays(self._path(scope, max(before)), digests[str(max(before))])

    def newest(self, scope: str) -> int:
        """The latest round that something is kept for; 0 for none."""
        return max(map(int, self.journal.notes.get("own", {}).get(scope, {})), default=0)

    def save(self, scope: str, number: int, arrays: Arrays) -> None:
        """Keeps what a round is to begin with; on the disk when this returns."""
        content, every = pack_arrays(arrays), self.journal.notes.get("own", {})
        write_file(self._path(scope, number), content)
        mine = {**every.get(scope, {}), str(number): sha256_hex(content)}
        newest = sorted(mine, key=int)[-self.rounds :]
        self.journal.note(own={**every, scope: {key: mine[key] for key in newest}})
        for key in set(mine) - set(newest):
            self._path(scope, int(key)).unlink(missing_ok=True)

    def _path(self, scope: str, number: int) -> Path:
        return self.folder / f"own-{scope}-{number:04d}.safetensors"


def hold_alone(region: Path, run: str) -> int:
    """Makes this process the one that answers for the region in this run, until it ends; the lock's descriptor.

    Raises WorkspaceUnusable where another does.
    """
    folder = region / "runs" / run
    make_private_folder(folder)
    lock = open_private(folder / "lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise WorkspaceUnusable(f"another process answers for {region.name} in run {run}") from None
    return lock
