"""How a command is declared: a frozen dataclass of its options, and a function of it.

    app = command_app()

    @dataclass(frozen=True, slots=True, kw_only=True)
    class RolloutArguments(Arguments):
        version: Annotated[int, typer.Argument(metavar="VERSION", help="Which version.", parser=positive)]
        canary: Annotated[int, typer.Option("--canary", metavar="N", help="Share first, in %.", parser=positive)] = 5

    @command(app, examples=("fedsov rollout 3 --canary 10",))
    def rollout(arguments: RolloutArguments) -> None:
        \"\"\"Hands a version out to every region's endpoint.\"\"\"

Fields become options (a field without a default is required), the function's docstring is the text of `--help`, and
`fedsov.cli.main.COMMANDS` gets a line. `--workspace`, `--json` and `--help` come with `Arguments`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any, Literal, TypeVar, get_args, get_type_hints

import click
import typer

from fedsov.cli.arguments import Arguments, key_of, note
from fedsov.cli.parsing import HELP_TEXTS, SETTINGS, CommandParser, GroupParser, nearest_option
from fedsov.errors import ConfigurationError, nearest

PROGRAM = "fedsov"
COMPLETION = "_FEDSOV_COMPLETE"
"""The variable by which a shell asks for completions; `fedsov completion` prints the script that sets it."""
CODES = """Exit codes:
  0 done · 1 unexpected · 2 settings or usage · 3 data set · 4 refused by the border
  5 ledger or budget does not verify · 6 store, key, checkpoint or region.yaml · 7 workspace
  8 training failed · 9 a region's own budget, limit or settings · 130 interrupted"""
UNREAD = "Accepted, as by every command, but not read by this one."
Own = TypeVar("Own", bound=Arguments)


def command_app() -> typer.Typer:
    """The app of a module that has one command, or some commands of a group."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def group_app(text: str, *, examples: Sequence[str]) -> typer.Typer:
    """The app of a group of commands, `text` being its help."""
    app = typer.Typer(
        cls=GroupParser,
        help=text,
        epilog=epilog(examples),
        options_metavar="",
        subcommand_metavar="COMMAND ...",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(lambda: None)
    return app


def epilog(examples: Sequence[str]) -> str:
    """The end of a help text: examples, and every exit code."""
    lines = "\n".join(f"  {example}" for example in examples)
    return f"Examples:\n{lines}\n\n{CODES}"


def command(
    app: typer.Typer,
    *,
    examples: Sequence[str],
    reads: Literal["run settings", "workspace", "nothing"] = "workspace",
    name: str = "",
) -> Callable[[Callable[[Own], None]], Callable[[Own], None]]:
    """Makes a function of its arguments a command; its docstring is the help.

    Args:
        examples: command lines, each complete.
        reads: what the command reads of KEY=VALUE: all settings of a run, `workspace` alone, or not even that.
        name: what the command is called, where that is not the function's name.
    """

    def register(act: Callable[[Own], None]) -> Callable[[Own], None]:
        """Hands Typer a function of single parameters, which makes the arguments and calls the command."""
        own: type[Own] = get_type_hints(act)["arguments"]

        def call(**values: Any) -> None:
            act(_built(own, values, reads))

        call.__doc__ = act.__doc__
        signature = _signature(own, reads)
        call.__signature__ = signature  # type: ignore[attr-defined]
        call.__dict__[HELP_TEXTS] = {name: _info(part).help for name, part in signature.parameters.items()}
        metavar = "[KEY=VALUE ...] [OPTIONS]" if reads == "run settings" else "[OPTIONS]"
        app.command(name or act.__name__, cls=CommandParser, epilog=epilog(examples), options_metavar=metavar)(call)
        return act

    return register


def _signature(own: type[Arguments], reads: str) -> inspect.Signature:
    """The dataclass's fields as the parameters that Typer makes options of: the command's own first."""
    hints, shared = get_type_hints(own, include_extras=True), {part.name for part in fields(Arguments)}
    listed = sorted((part for part in fields(own) if part.name != "settings"), key=lambda part: part.name in shared)
    return inspect.Signature([_parameter(part, hints[part.name], reads) for part in listed])


def _info(parameter: inspect.Parameter) -> Any:
    """What Typer is told of a parameter."""
    return get_args(parameter.annotation)[1]


def _parameter(part: Field[Any], hint: Any, reads: str) -> inspect.Parameter:
    kind, info = get_args(hint)[:2]
    info = copy(info)
    if part.name == "folder" and reads == "nothing":
        info.help = UNREAD
    if isinstance(part.default, int | str) and part.default:
        info.help = f"{info.help.removesuffix('.')} (default {part.default})."
    default = inspect.Parameter.empty if part.default is MISSING else False if part.default is False else None
    return inspect.Parameter(
        part.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info]
    )


def _spellings(context: click.Context) -> list[str]:
    return [name for param in context.command.params for name in param.opts]


def _built(own: type[Own], values: dict[str, Any], reads: str) -> Own:
    """The arguments of a call. Raises ConfigurationError for a setting that the command does not read."""
    context = click.get_current_context()
    settings: tuple[str, ...] = context.meta.get(SETTINGS, ())
    for key in map(key_of, settings):
        if reads != "run settings" and key != "workspace":
            guess = "workspace" if nearest(key, ["workspace"]) else nearest_option(key, _spellings(context))
            meant = f"; did you mean {guess}?" if guess else ";"
            raise ConfigurationError(
                f"unknown setting {key!r}{meant} `{context.command_path}` takes workspace=DIR only"
            )
    arguments = own(**{name: value for name, value in values.items() if value is not None}, settings=settings)
    if reads == "nothing" and (arguments.folder or settings):
        note(f"`{context.command_path}` reads no workspace; {arguments.workspace} is not used")
    return arguments
