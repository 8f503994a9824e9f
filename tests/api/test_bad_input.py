"""Whatever is wrong with what a run is given: one line that names it and the way out, a code, and nothing changed.

Refusals of `plan`, `ingest`, `ledger` and `promote` are tried in this process through `cli.run`, those of `train` and
whatever ends a process from outside on real processes.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsov.artifact import INGESTION
from fedsov.cli import main
from fedsov.keys.local import LocalKeyring
from fedsov.ledger.ledger import Ledger
from fedsov.region.trust.access import NOTE
from tests.own_settings import EXAMPLES
from tests.world import ROOT, answered, called, fedsov

PEOPLE = {"US": 160, "GB": 120, "DE": 120}
SECONDS = 120.0


def write_people(path: Path, people: Mapping[str, int] = PEOPLE, *, more: Iterable[tuple[object, ...]] = ()) -> Path:
    """A table of people in which `y` can be learned from `age` and `hours`."""
    rng = np.random.default_rng(0)
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["country", "age", "hours", "job", "y"])
        for country, count in people.items():
            age, hours = rng.normal(40, 10, count).round(2), rng.normal(38, 5, count).round(2)
            ill = (age + hours + rng.normal(0, 8, count) > 78).astype(int)
            lines.writerows(zip([country] * count, age, hours, rng.choice(["a", "b"], count), ill, strict=True))
        lines.writerows(more)
    return path


def settings_for(workspace: Path, people: Path, *overrides: str) -> list[str]:
    """Overrides for a small federated run; of two for the same key the later counts."""
    given = {
        "workspace": str(workspace),
        "dataset": "table",
        "dataset.path": str(people),
        "dataset.jurisdiction": "country",
        "dataset.target": "y",
        "dataset.examples": EXAMPLES,
        "federation.regions": "auto",
        "border": "unsafe_open",
        "federation.rounds": "2",
        "strategy.federated.min_rows": "50",
    }
    own = {word.partition("=")[0] for word in overrides}
    return [*(f"{key}={value}" for key, value in given.items() if key not in own), *overrides]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_people(tmp_path_factory.mktemp("people") / "people.csv")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, people: Path) -> Path:
    """A workspace in which one run has ended well. Nobody writes in it."""
    workspace = tmp_path_factory.mktemp("trained") / "workspace"
    done = fedsov("train", *settings_for(workspace, people))
    assert done.returncode == 0, done.stderr
    return workspace


@pytest.fixture
def workspace(trained: Path, tmp_path: Path) -> Path:
    """A copy of it to spoil."""
    return Path(shutil.copytree(trained, tmp_path / "workspace"))


def kept(workspace: Path) -> dict[str, str]:
    """Digests of every ledger, store, keyring, model and registry."""
    passing = ("lock", "worker.log", "ledger.sqlite-shm", "ledger.sqlite-wal")
    files = [path for path in workspace.rglob("*") if path.is_file() and path.name not in passing]
    return {
        str(path.relative_to(workspace)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.relative_to(workspace).parts[:2] != ("hub", "runs")  # the settings of each attempt, by Hydra
    }


def beside(workspace: Path, passed: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
    """The same, but of the ledgers the entries that are not to be passed over."""
    others = {name: digest for name, digest in kept(workspace).items() if not name.endswith("ledger.sqlite")}
    books = {
        str(path): [dict(entry.body) for entry in Ledger.read(path).entries() if not passed(entry.body)]
        for path in workspace.rglob("ledger.sqlite")
    }
    return others | books


def beside_openings(workspace: Path) -> dict[str, Any]:
    """What the ledgers hold beside the openings of stores, and what was withheld because one could not be opened."""
    return beside(workspace, lambda body: bool({NOTE, "withheld"} & set(body.get("note", {}))))


def beside_decisions(workspace: Path) -> dict[str, Any]:
    """What the ledgers hold beside the ways home that were decided before a row was written."""
    return beside(workspace, lambda body: body.get("purpose") == INGESTION)


def the_line(code: int, errors: str, expected: int) -> str:
    """The one line of a refusal; progress lines begin with a bracket."""
    lines = [line for line in errors.splitlines() if not line.startswith("[") and "none is checked" not in line]
    assert code == expected, f"exit code {code}, not {expected}: {errors}"
    assert len(lines) == 1, errors
    assert lines[0].startswith("fedsov: "), errors
    assert "unexpected" not in lines[0]
    assert "Traceback" not in errors
    return lines[0]


Refused = Callable[..., str]


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Runs a command in this process; returns its line, having checked code and workspace."""
    monkeypatch.setattr(sys, "argv", list(sys.argv))

    def run(
        command: str,
        *words: str,
        workspace: Path | None = None,
        code: int,
        found: Callable[[Path], dict[str, Any]] = kept,
    ) -> str:
        before = found(workspace) if workspace else {}
        capfd.readouterr()
        ended = main.run([*command.split(), *words])
        line = the_line(ended, capfd.readouterr().err, code)
        assert workspace is None or found(workspace) == before, "a refused run changed what it found"
        return line

    return run


SETTINGS = [
    (["nosuch=1"], 2, ["nosuch", "--cfg job"]),
    (["+nosuch=1"], 2, ["nosuch is not a setting", "federation"]),
    (["+federation.round=3"], 2, ["federation.round ", "rounds"]),
    (["algorithm=nosuch"], 2, ["algorithm 'nosuch'", "fedavg, fedavgm, fedmedian"]),
    (["algorithm.options.nosuch=1"], 2, ["algorithm.options.nosuch", "fedavg"]),
    (["algorithm=fedadam", "algorithm.options.eta=high"], 2, ["algorithm.options.eta", "'high'"]),
    (["federation.regions=[US"], 2, ["federation.regions=[US"]),
    (["=3"], 2, ["Config group override"]),
    (["federation.regions=[XX1]"], 2, ["'XX1'", "ISO code"]),
    (["federation.regions=[US,US]"], 2, ["US, US"]),
    (["federation.rounds=0"], 2, ["federation.rounds", "1 or more", "got 0"]),
    (["federation.minimum_regions=0"], 2, ["federation.minimum_regions", "got 0"]),
    (["federation.hub.location=ZZ"], 2, ["federation.hub.location", "'ZZ'"]),
    (["border.unsafe_open=maybe"], 2, ["border.unsafe_open", "'maybe'"]),
    (["privacy.mechanism=gauss"], 2, ["privacy.mechanism", "'gauss'", "none"]),
    (["runtime.kind=cloud"], 2, ["runtime.kind", "'cloud'"]),
    (["runtime.timeout=-1"], 2, ["runtime.timeout", "-1"]),
    (["federation.days_per_round=-1"], 2, ["federation.days_per_round", "0 or more", "-1"]),
    (["today=yesterday"], 2, ["today", "'yesterday'", "YYYY-MM-DD"]),
    (["strategy.local.min_rows=many"], 2, ["strategy.local.min_rows", "'many'"]),
    (["model.round.learning_rate=fast"], 2, ["model.round.learning_rate", "'fast'"]),
    (["dataset.consent={share: 0.1}"], 2, ["dataset.consent.document"]),
    (["dataset.kinds=3"], 2, ["dataset.kinds", "3"]),
    (["border=own"], 2, ["border.evidence is not set"]),
    (["border=own", "border.evidence=/nowhere.yaml"], 2, ["/nowhere.yaml", "No such file"]),
    (["border=none", "border.rules=/nowhere.yaml"], 2, ["/nowhere.yaml", "No such file"]),
    (
        ["border=demo", "dataset.consent={share: 0.1, document: nodoc}"],
        2,
        ["'nodoc'", "evidence_demo.yaml", "consent=null"],
    ),
    (["dataset.path=/nowhere.csv"], 3, ["/nowhere.csv", "a file of CSV, Parquet"]),
    (["dataset.path=/"], 3, ["more than 10,000 files"]),
    (["dataset.target=yy"], 3, ["dataset.target", "'yy'", "'y'"]),
    (["dataset.jurisdiction=land"], 3, ["dataset.jurisdiction", "'land'", "'country'"]),
    (["dataset.drop=[shoe]"], 3, ["dataset.drop", "'shoe'"]),
    (["dataset.target=age"], 3, ["'age'", "target_above_region_median=true"]),
    (["dataset.target=job"], 3, ["'job'", "dataset.target_positive"]),
    (["dataset.target_positive=7"], 3, ["dataset.target_positive=7", "'y'"]),
]


@pytest.mark.parametrize(
    ("overrides", "code", "words"),
    SETTINGS,
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_a_wrong_setting_is_named_and_nothing_changes(
    trained: Path, people: Path, refused: Refused, overrides: list[str], code: int, words: list[str]
) -> None:
    line = refused("plan", *settings_for(trained, people, *overrides), workspace=trained, code=code)
    assert all(word in line for word in words), line


@pytest.mark.parametrize(
    ("overrides", "code", "word"),
    [
        (["+nosuch=1"], 2, "nosuch"),
        (["federation.rounds=0"], 2, "federation.rounds"),
        (["federation.rounds"], 2, "federation.rounds"),
        (["--nosuch"], 2, "--nosuch"),
        (["dataset.target=yy"], 3, "'yy'"),
    ],
)
def test_train_says_as_little_as_plan(trained: Path, people: Path, overrides: list[str], code: int, word: str) -> None:
    """Of a run that began and found its source wrong, the hub's ledger has the note of what it began with."""
    before, entries = kept(trained), hub_entries(trained)
    done = fedsov("train", *settings_for(trained, people, *overrides))
    assert word in the_line(done.returncode, done.stderr, code)
    after, begun = kept(trained), hub_entries(trained)[len(entries) :]
    assert [name for name in after | before if after.get(name) != before.get(name)] == ["hub/ledger.sqlite"] * bool(
        begun
    )
    assert hub_entries(trained)[: len(entries)] == entries
    assert [body["note"]["checkpoint"]["name"] for body in begun] == ["run"] * (code == 3)


def hub_entries(workspace: Path) -> list[dict[str, Any]]:
    """The bodies of the hub's ledger."""
    return [dict(entry.body) for entry in Ledger.read(workspace / "hub" / "ledger.sqlite").entries()]


@pytest.mark.parametrize("words", [["federation.rounds"], ["--nosuch"]])
def test_a_word_that_is_no_override_is_named(refused: Refused, words: list[str]) -> None:
    assert words[0] in refused("ingest", *words, code=2)


SOURCES = {
    "no text": (bytes(range(256)), "none of CSV, Parquet"),
    "empty": (b"", "is empty"),
    "no rows": (b"country,age,y\n", "no rows"),
    "ragged": (b"country,age,y\nUS,3\nUS,3,4,5\n", "line 2"),
    "cut parquet": (b"PAR1" + b"x" * 100, "damaged or cut short"),
    "prose": (b"This is a story.\nIt has no columns.\n", "'country'"),
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("command", ["plan", "ingest"])
def test_a_file_that_is_no_table_is_named(
    trained: Path, tmp_path: Path, refused: Refused, command: str, name: str
) -> None:
    content, word = SOURCES[name]
    (tmp_path / "source").write_bytes(content)
    line = refused(command, *settings_for(trained, tmp_path / "source"), workspace=trained, code=3)
    assert word in line, line


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("US", 40, 40, "a", ""), ["target 'y'", "row 401", "missing_target=quarantine"]),
        (("US", "inf", 40, "a", 1), ["column 'age'", "row 401", "nonfinite=missing"]),
        (("US", 40, 40, "a", "-inf"), ["column 'y'", "row 401"]),
        (("US", 40, 40, "a", 2), ["target 'y'", "3 different values"]),
    ],
)
def test_a_value_that_cannot_be_used_is_named_by_column_and_row(
    trained: Path, tmp_path: Path, refused: Refused, row: tuple[object, ...], words: list[str]
) -> None:
    source = write_people(tmp_path / "odd.csv", more=[row])
    line = refused("ingest", *settings_for(trained, source), workspace=trained, code=3)
    assert all(word in line for word in words), line


@pytest.mark.long
def test_a_region_with_one_class_or_one_row_or_none_is_planned_as_such_and_the_others_train(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    same = [("FR", round(age, 2), 38.5, "a", 1) for age in rng.normal(40, 10, 60)]
    source = write_people(tmp_path / "people.csv", more=[*same, ("IE", 40, 40, "a", 1)])
    regions = "federation.regions=[US,GB,DE,FR,IE,CA]"
    done = answered(fedsov("train", *settings_for(tmp_path / "workspace", source, regions), "--json"))
    strategies = {name: region["strategy"] for name, region in done["regions"].items()}
    assert strategies == {"US": "federated", "GB": "federated", "DE": "federated"} | dict.fromkeys(
        ("FR", "IE", "CA"), "none"
    )
    assert "all 60 rows have the same outcome" in done["regions"]["FR"]["reason"]
    assert "has no rows" in done["regions"]["CA"]["reason"]
    assert done["regions"]["US"]["score"] is not None


def test_where_no_region_can_train_the_run_ends_with_one_line(tmp_path: Path) -> None:
    source = write_people(tmp_path / "people.csv", {"US": 5, "GB": 1})
    done = fedsov("train", *settings_for(tmp_path / "workspace", source))
    line = the_line(done.returncode, done.stderr, 8)
    assert "US: No training: 5 rows" in line
    assert "fedsov plan" in line


def flip_one_byte(workspace: Path) -> None:
    path = records_of(workspace)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_in_half(workspace: Path) -> None:
    path = records_of(workspace)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def remove_the_file(workspace: Path) -> None:
    records_of(workspace).unlink()


def change_the_manifest(workspace: Path) -> None:
    path = workspace / "regions/US/store/table/manifest.json"
    path.write_text(path.read_text().replace('"rows": 160', '"rows": 161'))


def records_of(workspace: Path) -> Path:
    (path,) = (workspace / "regions/US/store/table").glob("records*")
    return path


@pytest.mark.parametrize("spoil", [flip_one_byte, cut_in_half, remove_the_file, change_the_manifest])
def test_a_damaged_store_is_named_with_the_way_to_mend_it(
    workspace: Path, people: Path, refused: Refused, spoil: Callable[[Path], None]
) -> None:
    spoil(workspace)
    line = refused(
        "plan", "--fresh", *settings_for(workspace, people), workspace=workspace, code=6, found=beside_openings
    )
    assert f"{workspace}/regions/US/store/table" in line
    assert "ingest --rebuild" in line


@pytest.mark.long
def test_a_damaged_store_is_mended_by_what_the_line_says(workspace: Path, people: Path) -> None:
    flip_one_byte(workspace)
    before = beside_openings(workspace)
    done = fedsov("train", *settings_for(workspace, people))
    assert "StoreDamaged" in the_line(done.returncode, done.stderr, 6)
    after = beside_openings(workspace)  # the hub's ledger has the note of what the run began with
    changed = [name for name in after | before if after.get(name) != before.get(name)]
    assert changed == [str(workspace / "hub" / "ledger.sqlite")]
    assert fedsov("ingest", *settings_for(workspace, people), "--again").returncode == 0
    assert fedsov("plan", "--fresh", *settings_for(workspace, people)).returncode == 0


def lose_the_keyring(path: Path) -> None:
    path.unlink()


def take_another_regions(path: Path) -> None:
    shutil.copy(path.parent.parent / "GB" / path.name, path)


def make_a_fresh_one(path: Path) -> None:
    path.unlink()
    LocalKeyring.create(path, path.parent.name)


def break_it(path: Path) -> None:
    path.write_text("{")


@pytest.mark.parametrize("spoil", [lose_the_keyring, take_another_regions, make_a_fresh_one, break_it])
def test_a_missing_or_wrong_keyring_is_named_and_none_is_made_in_its_place(
    workspace: Path, people: Path, refused: Refused, spoil: Callable[[Path], None]
) -> None:
    keyring = workspace / "regions/US/keyring.json"
    spoil(keyring)
    line = refused(
        "plan", "--fresh", *settings_for(workspace, people), workspace=workspace, code=6, found=beside_openings
    )
    assert str(keyring) in line


@pytest.mark.parametrize("spoil", [lose_the_keyring, make_a_fresh_one])
def test_the_quarantine_has_a_keyring_of_its_own_that_may_not_change(
    workspace: Path, people: Path, refused: Refused, spoil: Callable[[Path], None]
) -> None:
    spoil(workspace / "quarantine/keyring.json")
    assert "quarantine" in refused("ingest", *settings_for(workspace, people), workspace=workspace, code=6)


def change_an_entry(path: Path) -> None:
    with closing(sqlite3.connect(path)) as book:
        book.execute("DROP TRIGGER no_update")
        changed = "CAST(replace(CAST(body AS TEXT), 'run', 'rum') AS BLOB)"
        book.execute(f"UPDATE entries SET body = {changed} WHERE seq = 2")
        book.commit()


def write_nonsense(path: Path) -> None:
    path.write_bytes(b"hello" * 1000)


def cut_the_end(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def lose_it(path: Path) -> None:
    path.unlink()


def take_anothers(path: Path) -> None:
    shutil.copy(path.parents[1 if path.parent.name == "hub" else 2] / "regions/GB/ledger.sqlite", path)


BROKEN = [change_an_entry, write_nonsense, cut_the_end, lose_it, take_anothers]


@pytest.mark.parametrize("spoil", BROKEN)
@pytest.mark.parametrize("owner", ["hub", "regions/US"])
def test_no_command_goes_on_over_a_ledger_that_does_not_verify(
    workspace: Path, people: Path, refused: Refused, owner: str, spoil: Callable[[Path], None]
) -> None:
    ledger = workspace / owner / "ledger.sqlite"
    spoil(ledger)
    place = f"workspace={workspace}"
    for command, words in {
        "plan": settings_for(workspace, people),
        "ledger verify": [place],
        "promote": ["table", "1", place],
    }.items():
        line = refused(command, *words, workspace=workspace, code=5)
        assert owner.rpartition("/")[2] in line, line
    if spoil is change_an_entry:
        assert "entry 2" in refused("ingest", *settings_for(workspace, people), workspace=workspace, code=5)


def test_entries_cut_from_a_regions_ledger_stop_the_next_run(workspace: Path, people: Path, refused: Refused) -> None:
    with closing(sqlite3.connect(workspace / "regions/US/ledger.sqlite")) as book:
        book.execute("DROP TRIGGER no_delete")
        # the last entry is the crossing of the head that the hub noted, so it is not behind that head
        book.execute("DELETE FROM entries WHERE seq >= (SELECT max(seq) - 1 FROM entries)")
        book.commit()
    assert "US" in refused("plan", "--fresh", *settings_for(workspace, people), workspace=workspace, code=5)
    assert "cut or rewritten" in refused("ledger verify", f"workspace={workspace}", workspace=workspace, code=5)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"documents: [{id: a, kind: magic}]\n", "document 'a'"),
        (b"documents: [\n", "line 2"),
        (b"\xff\xfe\x00", "unacceptable character"),
        (b"- a\n", "expected a mapping"),
    ],
)
def test_a_register_that_cannot_be_read_is_named(
    trained: Path, people: Path, tmp_path: Path, refused: Refused, content: bytes, word: str
) -> None:
    register = tmp_path / "documents.yaml"
    register.write_bytes(content)
    overrides = ["border=own", f"border.evidence={register}"]
    line = refused("plan", *settings_for(trained, people, *overrides), workspace=trained, code=2)
    assert str(register) in line
    assert word in line


@pytest.mark.parametrize("command", ["plan", "ingest"])
def test_a_workspace_below_a_file_cannot_be_written(
    people: Path, tmp_path: Path, refused: Refused, command: str
) -> None:
    (tmp_path / "file").write_text("x")
    line = refused(command, *settings_for(tmp_path / "file/workspace", people), code=7)
    assert str(tmp_path / "file/workspace") in line
    assert "workspace=DIR" in line


def test_train_names_a_workspace_that_cannot_be_written(people: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = fedsov("train", *settings_for(tmp_path / "file/workspace", people))
    line = the_line(done.returncode, done.stderr, 7)
    assert str(tmp_path / "file/workspace") in line
    assert "workspace=DIR" in line


@pytest.mark.parametrize("command", ["plan", "ingest", "promote"])
def test_a_workspace_in_use_is_left_to_its_run(workspace: Path, people: Path, refused: Refused, command: str) -> None:
    words = ["table", "1", f"workspace={workspace}"] if command == "promote" else settings_for(workspace, people)
    with (workspace / "hub/lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{os.getppid():<12}")  # another process that is alive, as the holder is
        lock.flush()
        assert "is in use by the run with process id" in refused(command, *words, workspace=workspace, code=7)


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("ledger verify", "holds no run yet"),
        ("ledger show", "holds no run yet"),
        ("ledger", "ledger needs a command: verify, show, "),
        ("promote table 1", "holds no run yet"),
        ("promote table", "promote needs VERSION; see"),
        ("promote table one", "VERSION is 'one'; write a whole number"),
    ],
)
def test_a_command_on_nothing_says_what_it_takes(tmp_path: Path, refused: Refused, command: str, word: str) -> None:
    assert word in refused(command, *([f"workspace={tmp_path}"] if command != "ledger" else []), code=2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("model", "word"), [(["table", "9"], "no version 9; it has 1"), (["shoe", "1"], "table-gb")])
def test_a_model_that_is_not_there_is_named_beside_those_that_are(
    trained: Path, refused: Refused, model: list[str], word: str
) -> None:
    assert word in refused("promote", *model, f"workspace={trained}", workspace=trained, code=2)


def test_an_owner_without_a_ledger_is_named(trained: Path, refused: Refused) -> None:
    assert "hub, DE, GB, US" in refused("ledger show FR", f"workspace={trained}", workspace=trained, code=2)


def limited(size: int) -> Callable[[], None]:
    """No file may grow past `size` bytes: the nearest thing to a full disk that harms nobody."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def confined(command: str, words: list[str], size: int) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "fedsov", command, *words]
    return subprocess.run(
        program, preexec_fn=limited(size), capture_output=True, text=True, cwd=ROOT, timeout=SECONDS, check=False
    )


def _long(*values: object) -> Any:
    """A case that waits for `scripts/test --long`."""
    return pytest.param(*values, marks=pytest.mark.long)


@pytest.mark.parametrize(
    ("command", "size", "code", "word"),
    [
        ("train", 1_000, 7, "workspace=DIR"),  # the settings that Hydra writes
        ("plan", 8_000, 5, "hub/ledger.sqlite"),
        ("ingest", 50_000, 7, "regions/US/store/table"),
        _long("train", 400_000, 7, "mlflow.db"),
    ],
)
def test_a_full_disk_is_told_in_one_line_and_leaves_what_was_there(
    workspace: Path, tmp_path: Path, command: str, size: int, code: int, word: str
) -> None:
    rows = PEOPLE if word == "mlflow.db" else PEOPLE | {"US": 4000}
    source = write_people(tmp_path / "more.csv", rows)
    before = beside_decisions(workspace)
    done = confined(command, settings_for(workspace, source), size)
    assert word in the_line(done.returncode, done.stderr, code)
    if word != "mlflow.db":  # by then all else is written, and stays
        assert beside_decisions(workspace) == before
    assert called("ledger", "verify", f"workspace={workspace}").returncode == 0
    again = fedsov("train" if word == "mlflow.db" else "plan", *settings_for(workspace, source))
    assert again.returncode == 0, again.stderr


def family(process: int) -> set[int]:
    """The ids of a process's descendants."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = {process}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {process}


def alive(processes: Iterable[int]) -> list[int]:
    """Those that still run; the dead that nobody has waited for do not."""
    found = []
    for process in processes:
        with suppress(OSError):
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(process)
    return found


def all_gone(processes: Iterable[int], seconds: float = 8.0) -> bool:
    until = time.monotonic() + seconds
    while alive(processes) and time.monotonic() < until:
        time.sleep(0.05)
    return not alive(processes)


def at_a_terminal() -> None:
    """As a shell at a terminal starts a program: where tests run in the background, Ctrl-C would be ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Underway:
    """`python -m fedsov train` in a process of its own, its progress read line by line."""

    def __init__(self, words: list[str]) -> None:
        program = [sys.executable, "-m", "fedsov", "train", *words]
        self.process = subprocess.Popen(
            program,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            preexec_fn=at_a_terminal,
        )
        self.lines: list[str] = []

    def until(self, text: str) -> set[int]:
        """Reads progress up to a line with this text; returns the descendants of that moment."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if text in line:
                return family(self.process.pid)
        raise AssertionError(f"no line with {text!r}: {self.lines}")

    def ended(self) -> tuple[int, str]:
        """Exit code, and all that was written to standard error."""
        _, rest = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, "".join(self.lines) + rest


def goes_on(workspace: Path, people: Path) -> None:
    """After whatever happened, the ledgers verify and the next run works."""
    verified = fedsov("ledger", "verify", f"workspace={workspace}")
    assert verified.returncode == 0, verified.stderr
    again = fedsov("plan", *settings_for(workspace, people))
    assert again.returncode == 0, again.stderr


PHASES = {
    "ingestion": "WARNING",
    "planning": "ingest:",
    "rounds": "round 2/60",
    "finish": "finish:",
    "recording": "record:",
}


@pytest.mark.parametrize("phase", ["ingestion", "rounds", *map(_long, ("planning", "finish", "recording"))])
def test_ctrl_c_ends_a_run_with_one_line_and_no_process_stays(
    workspace: Path, people: Path, phase: str, tmp_path: Path
) -> None:
    place = tmp_path / "fresh" if phase == "ingestion" else workspace
    run = Underway(settings_for(place, people, "federation.rounds=60"))
    children = run.until(PHASES[phase])
    run.process.send_signal(signal.SIGINT)
    assert "interrupted" in the_line(*run.ended(), 130)
    assert children
    assert all_gone(children)
    goes_on(place, people)


@pytest.mark.parametrize("phase", ["rounds", _long("recording")])
def test_a_killed_run_leaves_no_process_and_the_next_one_works(workspace: Path, people: Path, phase: str) -> None:
    run = Underway(settings_for(workspace, people, "federation.rounds=60"))
    children = run.until(PHASES[phase])
    run.process.kill()
    run.ended()
    assert children
    assert all_gone(children)
    goes_on(workspace, people)


def kill_regions(workspace: Path, children: Iterable[int], names: Iterable[str]) -> None:
    """Kills the processes of these regions, known by the log they write to."""
    logs = {str(workspace / "regions" / name / "worker.log") for name in names}
    killed = []
    for child in children:
        with suppress(OSError):
            if os.readlink(f"/proc/{child}/fd/1") in logs:
                os.kill(child, signal.SIGKILL)
                killed.append(child)
    assert len(killed) == len(logs)


def test_a_run_goes_on_without_a_region_whose_process_was_killed(workspace: Path, people: Path) -> None:
    run = Underway(settings_for(workspace, people, "federation.rounds=60"))
    kill_regions(workspace, run.until("round 2/60"), ["DE"])
    code, said = run.ended()
    assert code == 0, said
    assert "without DE (RegionProcessEnded)" in said
    goes_on(workspace, people)


@pytest.mark.long
def test_a_run_that_lost_too_many_regions_ends_with_a_line(workspace: Path, people: Path) -> None:
    run = Underway(settings_for(workspace, people, "federation.rounds=60"))
    kill_regions(workspace, run.until("round 2/60"), ["DE", "GB"])
    line = the_line(*run.ended(), 8)
    assert "1 of at least 2 regions" in line
    goes_on(workspace, people)
