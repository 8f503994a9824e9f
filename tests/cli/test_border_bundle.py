"""`border bundle`: the law's age is shown, a person confirms it, and newer law is installed where it is trusted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from fedsov.api import region_settings
from fedsov.artifact import Kind
from fedsov.border.law.bundle_file import INSTALLED
from fedsov.border.law.bundle_loader import HERE, load_bundle
from fedsov.border.law.confirmations import CONFIRMATIONS, Confirmation, confirmations_text
from fedsov.border.law.in_force import law_in_force
from fedsov.config.hub_settings import asked
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.errors import ConfigurationError, JobRefused
from fedsov.ledger.ledger import Ledger
from fedsov.protocol.job import Asked
from tests.border.world import artifact, ask
from tests.cli.world import Ended, call

Run = Callable[..., Ended]
LATE = date(2028, 1, 15)
YES = ("bundle", "confirm", "--until=2028-12-31", "--by=A. Person", "--why=read again")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with one region, whose folder of law is empty."""
    assert call("region", "init", "DE", f"workspace={tmp_path / 'w'}").code == 0
    return tmp_path / "w"


@pytest.fixture
def run(root: Path) -> Run:
    return lambda *words: call("border", *words, "--workspace", root)


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """A folder of law that somebody read again on 2029-01-01."""
    folder = tmp_path / "law"
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    text = (folder / "regimes.yaml").read_text()
    (folder / "regimes.yaml").write_text(text.replace(f"dated: {load_bundle().dated}", "dated: 2029-01-01"))
    return folder


def key(tmp_path: Path, name: str) -> str:
    """The public half of a new key in a file of this name."""
    from fedsov.border.law.law_owner import make_owner_key

    return make_owner_key(tmp_path / name)


def pin_owner(root: Path, tmp_path: Path) -> None:
    assert call("region", "owner", "init", "DE", "--key", tmp_path / "owner.pem", f"workspace={root}").code == 0


def bundle_of_region(root: Path):
    own = region_settings.show(root, "DE").settings
    return own.bundle(Asked(), root / "law")


def test_the_law_in_force_is_shown_with_its_age_its_horizon_and_what_a_region_decides_by(run: Run) -> None:
    shown, law = run("bundle", "show", "--json").json, load_bundle()
    assert (shown["digest"], shown["dated"], shown["installed"]) == (law.digest, str(law.dated), False)
    assert shown["known_until"] == str(law.law_until("EU-GDPR")) and shown["earlier"] == {"IN-DPDP": "2027-05-12"}
    assert shown["regions"] == {"DE": law.digest} and shown["confirmations"] == []
    out = run("bundle", "show").out
    assert (
        "shipped with this version" in out and "region DE decides by this law" in out and "IN-DPDP: known until" in out
    )


def test_a_confirmation_lets_permits_go_on_and_is_on_record(run: Run, root: Path) -> None:
    thing = artifact(Kind.UPDATE, "DE")
    assert ask(thing, "DE", "FR", on=LATE, bundle=bundle_of_region(root)).verdict == "review"
    assert run(*YES).code == 0
    for bundle in (bundle_of_region(root), law_in_force(root / "law")):
        assert ask(thing, "DE", "FR", on=LATE, bundle=bundle).verdict == "permit"
    assert ask(thing, "DE", "FR", on=date(2029, 1, 1), bundle=bundle_of_region(root)).verdict == "review"
    assert "confirmed until 2028-12-31 by A. Person: read again" in run("bundle", "show").out
    with closing(Ledger(root / "regions" / "DE" / "ledger.sqlite", "DE")) as ledger:
        notes = [entry.body["note"]["law"] for entry in ledger.entries() if "law" in entry.body.get("note", {})]
    assert [note["by"] for note in notes] == ["A. Person"]


def test_where_a_region_pins_a_law_owner_only_that_owner_s_signature_confirms(
    run: Run, root: Path, tmp_path: Path
) -> None:
    assert run(*YES).code == 0
    pin_owner(root, tmp_path)
    assert bundle_of_region(root).confirmed_until is None, "what nobody signed counts no longer"
    key(tmp_path, "other.pem")
    for words in (YES, (*YES, "--key", tmp_path / "other.pem")):
        ended = run(*words)
        assert ended.code == 2 and "region DE pins a law owner" in ended.line
    assert run(*YES, "--key", tmp_path / "owner.pem").code == 0
    assert bundle_of_region(root).confirmed_until == date(2028, 12, 31)


@pytest.mark.parametrize("change", [{"until": "2099-01-01"}, {"by": "B. Person"}, {"digest": "0" * 64}])
def test_a_confirmation_that_was_changed_or_is_of_another_law_counts_for_nothing(
    run: Run, root: Path, tmp_path: Path, change: dict[str, str]
) -> None:
    pin_owner(root, tmp_path)
    assert run(*YES, "--key", tmp_path / "owner.pem").code == 0
    path = root / "law" / CONFIRMATIONS
    (listed,) = json.loads(path.read_text())
    path.write_text(json.dumps([listed | change]))
    assert bundle_of_region(root).confirmed_until is None
    path.write_text("[{}]")
    with pytest.raises(ConfigurationError, match="cannot read the confirmations"):
        bundle_of_region(root)


def test_a_newer_bundle_is_installed_and_each_region_takes_it_by_its_own_settings(
    run: Run, root: Path, tmp_path: Path, newer: Path
) -> None:
    publisher, file = key(tmp_path, "publisher.pem"), tmp_path / "law.json"
    assert run("bundle", "export", file, "--law", newer, "--key", tmp_path / "publisher.pem").code == 0
    refused = run("bundle", "install", file)
    assert refused.code == 2 and "signed by" in refused.line and "--publisher HEX" in refused.line
    assert run("bundle", "install", file, f"--publisher={publisher}").code == 0
    shown, shipped = run("bundle", "show", "--json").json, load_bundle()
    assert (shown["dated"], shown["installed"], shown["publisher"]) == ("2029-01-01", True, publisher)
    assert law_in_force(root / "law").law_until("EU-GDPR") == date(2030, 1, 1)
    assert bundle_of_region(root).digest == shipped.digest, "the region's own settings still name the shipped law"
    taken = call("region", "set", "DE", "law.bundle=installed", "--yes", f"workspace={root}")
    assert taken.code == 0 and shown["digest"] in taken.out
    assert bundle_of_region(root).digest == shown["digest"] and not bundle_of_region(root).added
    (root / "law" / INSTALLED).unlink()
    with pytest.raises(JobRefused, match="this version has"):
        bundle_of_region(root)


def test_only_who_is_trusted_installs_a_bundle_and_only_a_newer_one(
    run: Run, root: Path, tmp_path: Path, newer: Path
) -> None:
    stranger, file = key(tmp_path, "stranger.pem"), tmp_path / "law.json"
    pin_owner(root, tmp_path)
    assert run("bundle", "export", file, "--law", newer).code == 0
    assert "is not signed" in run("bundle", "install", file).line
    assert run("bundle", "export", file, "--law", newer, "--key", tmp_path / "stranger.pem").code == 0
    assert f"signed by {stranger[:16]}" in run("bundle", "install", file).line
    assert run("bundle", "export", file, "--key", tmp_path / "owner.pem").code == 0
    assert "no newer than the law in force" in run("bundle", "install", file).line
    assert run("bundle", "export", file, "--law", newer, "--key", tmp_path / "owner.pem").code == 0
    assert run("bundle", "install", file).code == 0, "the law owner's word counts"
    assert "no newer than" in run("bundle", "install", file).line
    assert "there is no bundle at" in run("bundle", "install", tmp_path / "none.json").line


def test_the_hub_decides_by_the_installed_and_confirmed_law(
    run: Run, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedsov.config.hub_settings.real_day", lambda: LATE)
    demo = settings(compose((f"workspace={root}",)))
    assert asked(demo).today == load_bundle().horizon
    assert run(*YES).code == 0
    assert demo.border.bundle(root / "law").confirmed_until == date(2028, 12, 31)
    assert asked(demo).today is None, "a confirmed law lets the demo go by the real day"


def test_what_a_command_explains_is_the_law_of_the_workspace(run: Run) -> None:
    crossing = ("explain", "--from=DE", "--to=FR", "--kind=update", "--categories=personal", f"--on={LATE}", "--json")
    assert run(*crossing).json["decision"]["verdict"] == "review"
    assert run(*YES).code == 0
    assert run(*crossing).json["decision"]["verdict"] == "permit"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("bundle", "confirm", "--until=2028-06-01", "--by= ", "--why=x"), "say who confirms the law"),
        (("bundle", "confirm", "--until=2020-01-01", "--by=A", "--why=x"), "is no day after"),
        (("bundle", "confirm", "--until=2028-06-01"), "border bundle confirm needs --by and --why"),
    ],
)
def test_a_confirmation_without_a_person_a_reason_or_a_later_day_is_one_line_and_2(
    run: Run, words: tuple[str, ...], line: str
) -> None:
    ended = run(*words)
    assert ended.code == 2 and line in ended.line


def test_a_confirmation_that_was_written_by_hand_counts_for_nothing(run: Run, root: Path) -> None:
    path, law = root / "law" / CONFIRMATIONS, load_bundle()
    path.parent.mkdir()
    by_hand = Confirmation(law.digest, date(2028, 12, 31), "A. Person", "read again", "2026-11-29T10:00:00")
    path.write_bytes(confirmations_text((by_hand,)))
    for bundle in (bundle_of_region(root), law_in_force(root / "law")):
        assert bundle.confirmed_until is None
    assert run("bundle", "show", "--json").json["confirmations"] == []
    assert run("bundle", "confirm", "--until=2028-06-30", "--by=B. Person", "--why=read again").code == 0
    assert law_in_force(root / "law").confirmed_until == date(2028, 6, 30), "what was noted counts alone"
    assert [each["by"] for each in run("bundle", "show", "--json").json["confirmations"]] == ["B. Person"]


def test_a_confirmation_reaches_no_further_than_three_years(run: Run) -> None:
    ended = run("bundle", "confirm", "--until=2099-01-01", "--by=A. Person", "--why=read again")
    assert ended.code == 2 and "--until 2099-01-01 is further than three years from today" in ended.line
