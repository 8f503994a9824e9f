"""`fedsov region`: settings are shown, made, changed with a difference and a yes, and checked."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from fedsov.api import region_settings
from fedsov.cli.main import run
from fedsov.errors import ConfigurationError


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """A workspace with two regions."""
    word = f"workspace={tmp_path / 'w'}"
    assert run(["region", "init", "DE", "limits.rounds=9", word]) == 0
    assert run(["region", "init", "FR", word]) == 0
    assert "region.yaml: made" in capsys.readouterr().out
    return word


def _said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    assert run(["region", *words]) == code
    done = capsys.readouterr()
    return done.out, done.err


def test_settings_are_shown_by_the_keys_that_set_takes(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = _said(capsys, "show", "DE", place)
    assert "  limits.rounds: 9" in out and "  privacy.require: unset" in out and "split" not in out
    assert "no reason given" in out


def test_a_change_shows_its_difference_asks_and_says_who_and_why(
    place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, err = _said(capsys, "set", "DE", "rehearsal=true", place, code=2)
    assert "DE: rehearsal: False -> True" in err and "add --yes" in err
    out, _ = _said(capsys, "set", "DE", "rehearsal=true", "--yes", "--by", "A. Person", "--why", "spring", place)
    assert out.splitlines() == ["DE: rehearsal: False -> True", "signed, and noted in the ledger"]
    out, _ = _said(capsys, "show", "DE", place)
    assert "by A. Person: spring" in out and "  rehearsal: True" in out
    assert _said(capsys, "set", "DE", "rehearsal=true", place)[0] == "nothing to change\n"


def test_the_command_that_a_message_names_runs_as_it_stands(
    place: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the workspace that the command line named, by either word; the default one need not be named."""
    folder = place.partition("=")[2]
    for words in ((place,), (f"workspace='{folder}'",), ("--workspace", folder), (f"--workspace={folder}",)):
        _, err = _said(capsys, "show", "US", *words, code=2)
        command = shlex.split(err.split("`")[1])
        assert command == ["fedsov", "region", "init", "US", "--workspace", folder]
    assert run(command[1:]) == 0
    command = shlex.split(capsys.readouterr().out.split("`")[1])
    assert run(command[1:]) == 0 and "limits.rounds" in capsys.readouterr().out
    monkeypatch.chdir(Path(folder).parent)
    assert "`fedsov region init DE` makes" in _said(capsys, "show", "DE", code=2)[1]
    odd = Path(folder).parent / "it's a place"
    odd.mkdir()
    assert shlex.split(_said(capsys, "show", "DE", "--workspace", str(odd), code=2)[1].split("`")[1])[-1] == str(odd)


def test_what_describes_a_data_set_is_set_and_shown_key_by_key(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "datasets.so.2017.restrictions=[{column: Hobby, equals: 1, restriction: home}]",
        "datasets.so.2017.drop=[B, A]",
    ]
    out, _ = _said(capsys, "set", "DE", *words, "datasets.so.2017.aliases={Deutschland: DE}", "--yes", place)
    assert "DE: datasets.so.2017.drop: unset -> ['A', 'B']" in out.splitlines()
    shown = _said(capsys, "show", "DE", place)[0]
    assert "  datasets.so.2017.restrictions: [{'column': 'Hobby', 'equals': '1', 'restriction': 'home'}]\n" in shown
    assert "  datasets.so.2017.aliases: {'Deutschland': 'DE'}\n" in shown
    assert "did you mean" in _said(capsys, "set", "DE", "datasets.so.2017.restriction=[]", "--yes", place, code=2)[1]
    assert "what protects less: nothing" in _said(capsys, "check", "DE", place)[0]


def test_all_regions_are_changed_or_none_is(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    _said(capsys, "set", "--all", "privacy.require=record", "--yes", place)
    root = Path(place.partition("=")[2])
    assert {region_settings.show(root, name).settings.privacy.require for name in ("DE", "FR")} == {"record"}
    _, err = _said(capsys, "set", "--all", "evidence=/nowhere.yaml", "--yes", place, code=2)
    assert "/nowhere.yaml" in err
    assert all(region_settings.show(root, name).settings.evidence is None for name in ("DE", "FR"))


def test_check_names_what_protects_less(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "what protects less: nothing" in _said(capsys, "check", "FR", place)[0]
    _said(capsys, "set", "FR", "law.unsafe_open=true", "--yes", place)
    out, _ = _said(capsys, "check", "--all", place)
    assert "FR: what protects less: law.unsafe_open" in out and "DE: what protects less: nothing" in out
    path = Path(place.partition("=")[2]) / "regions" / "FR" / "region.yaml"
    path.write_text(path.read_text() + " ")
    assert "edited or put back" in _said(capsys, "check", "FR", place, code=6)[1]


def test_a_law_owner_s_key_is_made_pinned_and_rotated(
    place: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    key = str(tmp_path / "owner.pem")
    out, _ = _said(capsys, "owner", "init", "DE", "--key", key, place)
    public = out.split("; ")[1].split()[0]
    root = Path(place.partition("=")[2])
    assert region_settings.show(root, "DE").settings.law.owner == public
    assert "fedsov region owner rotate DE" in _said(capsys, "owner", "init", "DE", "--key", key + "2", place, code=2)[1]
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules:\n- {id: own-1, effect: permit, when: [[kind, eq, update]], reason: r, cite: c}\n")
    assert run(["border", "sign", str(rules), "--key", key]) == 0
    _said(capsys, "set", "DE", f"law.rules={rules}", "--yes", place)
    _, err = _said(capsys, "set", "FR", f"law.rules={rules}", "--yes", place, code=2)
    assert "the law owner is nobody" in err
    new = str(tmp_path / "new.pem")
    assert f"sign the rules with {new}, then" in _said(capsys, "owner", "rotate", "DE", "--key", new, place, code=2)[1]
    assert run(["border", "sign", str(rules), "--key", new]) == 0
    assert public not in _said(capsys, "owner", "rotate", "DE", "--key", new, place)[0]
    assert "fedsov region owner init FR" in _said(capsys, "owner", "rotate", "FR", "--key", key + "3", place, code=2)[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "US"), "region US has no settings yet; `fedsov region init US --workspace "),
        (("set", "US", "rehearsal=true"), "unknown region 'US'; there are DE, FR"),
        (("set", "DE"), "region set needs KEY=VALUE"),
        (("set", "rehearsal=true"), "name a region, or give --all"),
        (("set", "DE", "--all", "rehearsal=true"), "name a region, or give --all"),
        (("init", "DE"), "region DE has settings already"),
        (("init", "hub"), "hub is no name for a region"),
        (("set", "DE", "rehersal=true"), "did you mean rehearsal?"),
    ],
)
def test_a_wrong_command_is_one_clear_line(
    place: str, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    _, err = _said(capsys, *words, place, code=2)
    assert said in err and err.count("\n") == 1


def test_a_running_run_is_not_changed_under_its_feet(place: str) -> None:
    from fedsov.storage.locks import hold_workspace
    from fedsov.storage.workspace import Workspace

    root = Path(place.partition("=")[2])
    with hold_workspace(Workspace(root)), pytest.MonkeyPatch.context() as patch:
        patch.setattr("fedsov.storage.locks.LONGEST_WAIT", 0.1)
        with pytest.raises(Exception, match="in use|holds|another"):
            region_settings.set_settings(root, ["DE"], ["rehearsal=true"])
    with pytest.raises(ConfigurationError):
        region_settings.names_of(root, None, every=False)


def test_a_word_that_is_none_is_found_before_anything_of_the_region_is_written(
    place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for word in ("foo=1", "law.rules=/nowhere.yaml", "limits.rounds=0"):
        _said(capsys, "init", "IT", word, place, code=2)
        assert not (Path(place.partition("=")[2]) / "regions" / "IT").exists(), word
    _said(capsys, "init", "IT", place)


def test_a_law_owner_is_named_with_the_whole_command(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, err = _said(capsys, "owner", "rotate", "DE", "--key", "k.pem", place, code=2)
    assert "region DE has no law owner; `fedsov region owner init DE --key FILE " in err
    key = str(Path(place.partition("=")[2]) / "k.pem")
    _said(capsys, "owner", "init", "DE", "--key", key, place)
    _, err = _said(capsys, "owner", "init", "DE", "--key", key, place, code=2)
    assert "region DE has a law owner; `fedsov region owner rotate DE --key FILE " in err


def test_a_group_that_is_no_longer_empty_is_shown_by_its_keys_alone(
    place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = _said(capsys, "set", "DE", "datasets.people.subject=person", "--yes", place)
    assert "DE: datasets.people.subject: unset -> person" in out and "{}" not in out


def test_a_law_that_is_neither_shipped_nor_installed_is_not_pinned(
    place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _said(capsys, "show", "DE", place)[0]
    for words in (["set", "DE", f"law.bundle='{'ab' * 32}'", "--yes"], ["init", "IT", f"law.bundle='{'ab' * 32}'"]):
        _, err = _said(capsys, *words, place, code=2)
        assert "is the digest of no law here (this version has " in err and "law.bundle=shipped" in err
    assert _said(capsys, "show", "DE", place)[0] == before


@pytest.mark.parametrize("word", [("--no-tls",), ("--metrics-port", "9100")])
def test_what_is_the_endpoint_s_is_refused_without_one(
    place: str, capsys: pytest.CaptureFixture[str], word: tuple[str, ...]
) -> None:
    assert "give --serve-port N, too" in _said(capsys, "serve", "DE", *word, place, code=2)[1]
