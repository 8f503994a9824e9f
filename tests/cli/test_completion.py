"""`completion`: the script of each shell, and what a shell that runs it is offered."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fedsov.cli.declaration import COMPLETION
from fedsov.cli.main import COMMANDS
from tests.cli.world import call
from tests.world import ROOT


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_for_our_program_and_not_for_python(shell: str) -> None:
    script = call("completion", shell).out
    assert f"{COMPLETION}={shell}_complete" in script and "python" not in script
    assert "fedsov" in script.splitlines()[-1] or "_fedsov_completion" in script
    assert call("completion", shell, "--json").json == {"shell": shell, "script": script.removesuffix("\n")}


def test_another_shell_is_refused_with_the_three_there_are() -> None:
    assert call("completion", "bsh").line == "unknown shell 'bsh'; did you mean bash? There are bash, zsh, fish"
    assert call("completion", "tcsh").line == "unknown shell 'tcsh'; there are bash, zsh, fish"


def offered(tmp_path: Path, line: str) -> list[str]:
    """What bash offers for the last word of a command line."""
    program = tmp_path / "fedsov"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m fedsov "$@"\n')
    program.chmod(0o700)
    words = line.split(" ")
    script = (
        'eval "$(fedsov completion bash)"; '
        f"COMP_WORDS=({' '.join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}; "
        '_fedsov_completion fedsov; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=path, cwd=ROOT, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_bash_completes_commands_subcommands_and_options(tmp_path: Path) -> None:
    assert offered(tmp_path, "fedsov ") == list(COMMANDS)
    assert offered(tmp_path, "fedsov ledger e") == ["export"]
    assert offered(tmp_path, "fedsov train seed=1 --m") == ["--multirun"]
    assert set(offered(tmp_path, "fedsov border approve --")) >= {"--by", "--why", "--until", "--workspace", "--json"}
