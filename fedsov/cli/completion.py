"""`completion`: the script by which a shell completes our commands and options.

Hydra's own completion of settings registers itself for `python`; this one is for `fedsov`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from click import get_current_context
from click.shell_completion import ShellComplete, get_completion_class

from fedsov.cli.arguments import Arguments, print_json
from fedsov.cli.declaration import COMPLETION, PROGRAM, command, command_app
from fedsov.errors import ConfigurationError, unknown

SHELLS = ("bash", "zsh", "fish")
app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionArguments(Arguments):
    """The shell."""

    shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")]


@command(
    app,
    examples=(
        'eval "$(fedsov completion bash)"    # in ~/.bashrc',
        'eval "$(fedsov completion zsh)"     # in ~/.zshrc, after compinit',
        "fedsov completion fish > ~/.config/fish/completions/fedsov.fish",
    ),
    reads="nothing",
)
def completion(arguments: CompletionArguments) -> None:
    """Prints the script by which a shell completes commands and options of `fedsov`.

    Commands, subcommands and options are completed, not settings.
    """
    shell = get_completion_class(arguments.shell) if arguments.shell in SHELLS else None
    if shell is None:
        raise ConfigurationError(unknown("shell", arguments.shell, SHELLS))
    script = ShellComplete.source(shell(get_current_context().find_root().command, {}, PROGRAM, COMPLETION))
    if arguments.json:
        print_json({"shell": arguments.shell, "script": script})
    else:
        print(script)
