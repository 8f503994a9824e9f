"""The budget's file: spent before used, found when touched, refused before exceeded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from fedsov.errors import BudgetBroken, BudgetExceeded, ConfigurationError
from fedsov.privacy.accounting import epsilon
from fedsov.privacy.budget import Budget, BudgetHead, read
from fedsov.privacy.events import Event
from fedsov.privacy.mechanism import RecordMechanism
from tests.full_disk import full_disk
from tests.world import ROOT

LIFETIME = (4.0, 1e-6)
SMALL = Event("gaussian", 8.0)
TRAINING = RecordMechanism(1.0, 2.0, 0.05, 300).event


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "DE" / "privacy.jsonl"


def spend(path: Path, *events: Event, run: str = "r1", last_known_head: BudgetHead | None = None) -> BudgetHead:
    budget = Budget.open(path, lifetime=LIFETIME, last_known_head=last_known_head)
    return budget.reserve(run, "training", events or (SMALL,), dataset="people", rows=1000)[1]


def test_whom_an_entry_is_about_is_noted_once_it_fits_and_before_it_is_written(path: Path) -> None:
    seen: list[bool] = []
    budget = replace(Budget.open(path, lifetime=LIFETIME), before_entry=lambda: seen.append(path.exists()))
    budget.reserve("r1", "training", [SMALL], dataset="people", rows=1000)
    assert seen == [False]
    with pytest.raises(BudgetExceeded):
        budget.reserve("r2", "training", [Event("gaussian", 0.1)], dataset="people", rows=1000)
    assert seen == [False]

    def fail() -> None:
        raise BudgetBroken("nobody could be noted")

    before = path.read_bytes()
    with pytest.raises(BudgetBroken, match="nobody could be noted"):
        replace(budget, before_entry=fail).reserve("r2", "training", [SMALL], dataset="people", rows=1000)
    assert path.read_bytes() == before


def test_what_is_reserved_is_on_the_disk_and_is_read_back_with_all_that_was_said(path: Path) -> None:
    budget = Budget.open(path, lifetime=LIFETIME)
    assert budget.spent().epsilon == 0.0 and budget.left() == 4.0 and not path.exists()
    entry, head = budget.reserve("r1", "training", [SMALL, TRAINING], dataset="people", rows=1000)
    book = Budget.open(path, lifetime=LIFETIME).state()
    assert book.entries == (entry,) and book.head == head and head.entries == 1
    assert (entry.run, entry.purpose, entry.dataset, entry.rows, entry.delta) == (
        "r1",
        "training",
        "people",
        1000,
        1e-6,
    )
    assert book.spent().epsilon == epsilon([SMALL, TRAINING], 1e-6)
    assert book.left() == 4.0 - book.spent().epsilon
    assert path.stat().st_mode & 0o777 == 0o600


def test_runs_and_mechanisms_compose_over_the_file_s_life(path: Path) -> None:
    spend(path, SMALL, run="r1")
    spend(path, TRAINING, run="r2")
    spend(path, Event("laplace", 20.0), run="r3")
    book = Budget.open(path, lifetime=LIFETIME).state()
    assert [entry.run for entry in book.entries] == ["r1", "r2", "r3"]
    alone = [epsilon(entry.events, 1e-6) for entry in book.entries]
    assert max(alone) < book.spent().epsilon < sum(alone)


def test_what_would_exceed_is_refused_before_it_is_written_and_told_what_would_fit(path: Path) -> None:
    spend(path, TRAINING)
    before = path.read_bytes()
    budget = Budget.open(path, lifetime=LIFETIME)
    big = RecordMechanism(1.0, 0.8, 0.05, 300)
    with pytest.raises(BudgetExceeded, match=r"training of run r2 .* of which 1\.\d+ is left") as refused:
        budget.reserve("r2", "training", [big.event], dataset="people", rows=1000)
    assert path.read_bytes() == before
    left, fits = refused.value.left, refused.value.fits
    assert left is not None and fits is not None and budget.left() == left
    assert left < fits < epsilon([big.event], 1e-6)  # composed, a little more fits than the difference


def test_the_refused_release_fits_under_the_noise_it_was_told(path: Path) -> None:
    spend(path, TRAINING)
    budget = Budget.open(path, lifetime=LIFETIME)
    with pytest.raises(BudgetExceeded) as refused:
        budget.reserve("r2", "training", [Event("gaussian", 0.5)], dataset="people", rows=1000)
    from fedsov.privacy.accounting import least

    factor = least(lambda by: [Event("gaussian", by)], float(refused.value.fits or 0.0), 1e-6)
    budget.reserve("r2", "training", [Event("gaussian", factor * 1.002)], dataset="people", rows=1000)
    assert budget.left() < 0.05
    with pytest.raises(BudgetExceeded, match="no amount of noise would fit|more noise would fit"):
        budget.reserve("r3", "metrics", [Event("gaussian", 0.5)], dataset="people", rows=1000)


def test_a_release_without_an_event_is_refused(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="would reserve nothing"):
        Budget.open(path, lifetime=LIFETIME).reserve("r1", "metrics", [], dataset="people", rows=10)
    assert not path.exists()


def test_a_lifetime_cannot_be_raised_and_a_lower_one_or_delta_is_held_to(path: Path) -> None:
    spend(path)
    with pytest.raises(ConfigurationError, match=r"cannot be raised to 5; set privacy\.lifetime_epsilon=4"):
        Budget.open(path, lifetime=(5.0, 1e-6))
    lower = Budget.open(path, lifetime=(1.0, 1e-9))
    assert lower.lifetime == (1.0, 1e-9) and lower.left() < 1.0
    assert Budget.open(path, lifetime=(4.0, 1e-3)).lifetime == (4.0, 1e-6)


@pytest.mark.parametrize("lifetime", [(0.0, 1e-6), (4.0, 0.0), (float("nan"), 1e-6), (4.0, 1.0), (True, 1e-6)])
def test_a_lifetime_that_is_none_is_refused(path: Path, lifetime: tuple[float, float]) -> None:
    with pytest.raises(ConfigurationError, match="lifetime budget has an epsilon above 0"):
        Budget.open(path, lifetime=lifetime)


def test_every_file_cut_anywhere_is_refused_where_its_head_was_noted(path: Path) -> None:
    for number in range(3):
        head = spend(path, run=f"r{number}")
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(BudgetBroken):
            Budget.open(path, lifetime=LIFETIME, last_known_head=head)
    path.write_bytes(whole)
    assert Budget.open(path, lifetime=LIFETIME, last_known_head=head).state().head == head


def test_half_a_line_is_refused_even_where_nobody_noted_anything(path: Path) -> None:
    spend(path)
    whole = path.read_bytes()
    for size in range(1, len(whole)):
        if whole[size - 1 : size] == b"\n":
            continue
        path.write_bytes(whole[:size])
        with pytest.raises(BudgetBroken, match="half a line"):
            read(path)


def test_every_changed_byte_is_found(path: Path) -> None:
    for number in range(2):
        head = spend(path, run=f"r{number}")
    whole = path.read_bytes()
    for place in range(0, len(whole), 5):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(BudgetBroken):
            read(path, last_known_head=head)


def test_entries_moved_or_taken_out_are_found_and_the_line_is_named(path: Path) -> None:
    for number in range(3):
        spend(path, run=f"r{number}")
    lines = path.read_bytes().splitlines(keepends=True)
    for changed in (lines[:1] + lines[2:], [lines[0], lines[2], lines[1], lines[3]]):
        path.write_bytes(b"".join(changed))
        with pytest.raises(BudgetBroken, match="line 2 .*does not follow"):
            read(path)


def test_a_lost_file_is_refused_where_it_was_noted_and_an_older_copy_too(path: Path) -> None:
    spend(path)
    older = path.read_bytes()
    head = spend(path, run="r2")
    path.write_bytes(older)
    with pytest.raises(BudgetBroken, match="does not continue the one of 2"):
        Budget.open(path, lifetime=LIFETIME, last_known_head=head)
    path.unlink()
    with pytest.raises(BudgetBroken, match="is gone, though 2 entries"):
        Budget.open(path, lifetime=LIFETIME, last_known_head=head)


def test_a_file_that_was_begun_anew_is_refused_where_another_was_noted(path: Path) -> None:
    head = spend(path)
    path.unlink()
    spend(path, run="another")
    with pytest.raises(BudgetBroken, match="cut or rewritten"):
        Budget.open(path, lifetime=LIFETIME, last_known_head=head)


def test_an_event_of_a_later_version_is_refused_and_not_skipped(path: Path) -> None:
    spend(path)
    first, second = path.read_text().splitlines()
    value = json.loads(second)
    value["events"][0]["kind"] = "zero_concentrated"
    path.write_text(f"{first}\n{json.dumps(value, sort_keys=True)}\n")
    with pytest.raises(BudgetBroken, match="kind of an event must be one of .*'zero_concentrated'"):
        read(path)


def test_a_file_that_cannot_be_written_refuses_before_any_row_is_touched(path: Path) -> None:
    spend(path)
    before = path.read_bytes()
    with full_disk(), pytest.raises(BudgetBroken, match="cannot be written.*no row was touched"):
        spend(path, run="r2")
    assert path.read_bytes() == before


WRITER = """
import sys
from pathlib import Path
from fedsov.privacy import budget
from fedsov.privacy.events import Event
budget.check = lambda *_, **__: None  # the arithmetic is tested elsewhere; here only the file
path, name = Path(sys.argv[1]), sys.argv[2]
for number in range(int(sys.argv[3])):
    held = budget.Budget.open(path, lifetime=(4.0, 1e-6))
    held.reserve(f"{name}-{number}", "training", [Event("gaussian", 8.0)], dataset="people", rows=10)
    print(f"{name}-{number}", flush=True)
"""


def writer(path: Path, name: str, times: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), name, str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ})


def test_a_writer_killed_at_any_instant_loses_nothing_that_it_was_told_is_spent(path: Path) -> None:
    for trial in range(8):
        process = writer(path, f"t{trial}", 100_000)
        assert process.stdout is not None
        told = [process.stdout.readline().strip()]
        time.sleep(0.011 * trial)
        process.send_signal(signal.SIGKILL)
        told += [line.strip() for line in process.stdout if line.endswith("\n")]
        process.wait()
        process.stdout.close()
        book = read(path)
        assert book is not None
        kept = [entry.run for entry in book.entries if entry.run.startswith(f"t{trial}-")]
        assert kept[: len(told)] == told
        assert len(kept) <= len(told) + 1  # at most the one that was being spent: counted, not lost


def test_two_writers_at_once_lose_none_of_each_other_s_entries(path: Path) -> None:
    processes = [writer(path, name, 40) for name in ("a", "b")]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    book = read(path)
    assert book is not None
    assert sorted(entry.run for entry in book.entries) == sorted(f"{name}-{n}" for name in "ab" for n in range(40))
