"""What our command lines add to Typer's: settings between the options, every missing option named, plain help.

`CommandParser` sorts a command's words before Click reads them: KEY=VALUE words are a run's settings wherever they
stand, and pass through unchanged; the rest are options and arguments. Whatever is wrong with them is one
ConfigurationError that names the nearest word. Help is plain text: rich is never imported for it, and examples and
exit codes are printed as they are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from click import Argument, Command, Context, HelpFormatter, Option, Parameter
from click.exceptions import BadParameter, NoSuchOption
from typer.core import TyperCommand, TyperGroup

from fedsov.errors import ConfigurationError, nearest, unknown

SETTINGS = "fedsov.settings"
"""Where `CommandParser` leaves the settings of a command line, in the context's meta."""
HELP_TEXTS = "help_texts"
"""Where a command's callback has the help of each parameter by name: Typer 0.20 loses an argument's under Click 8.5."""


@dataclass(slots=True)
class CommandLine:
    """The words of one command, sorted: settings, names, and options with their values ("" for a flag)."""

    settings: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    options: dict[str, str | None] = field(default_factory=dict)

    def words(self) -> list[str]:
        """The words again, without the settings, in the order that Click reads."""
        words = [word for option, value in self.options.items() for word in (option, value) if word is not None]
        return [*words, "--", *self.names]


def is_setting(word: str) -> bool:
    """True for a word that is Hydra's: KEY=VALUE, +KEY=VALUE, GROUP@PACKAGE=CHOICE, ~KEY."""
    return not word.startswith("-") and ("=" in word or (word.startswith("~") and not word.startswith("~/")))


def sort_words(words: Sequence[str], options: Mapping[str, Option], program: str) -> CommandLine:
    """Sorts the words of a command.

    Args:
        options: every spelling of every option, such as ``--json``.
        program: the command as it was called, such as ``fedsov ledger show``.

    An option whose metavar stands in brackets has an optional value. After ``--`` every word is a name.

    Raises ConfigurationError for an option that does not exist, lacks its value, or has two different ones.
    """
    line, rest = CommandLine(), list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            line.names += rest
            break
        if is_setting(word):
            line.settings.append(word)
        elif word.startswith("-") and word != "-":
            option, value = _read_option(word, rest, options, program)
            name = _spelling(option)
            if line.options.setdefault(name, value) != value:
                raise ConfigurationError(f"{name} is given twice, {line.options[name]!r} and {value!r}; give it once")
        else:
            line.names.append(word)
    return line


def _read_option(word: str, rest: list[str], options: Mapping[str, Option], program: str) -> tuple[Option, str | None]:
    """The option that a word names, and its value, which may be the next of the rest; None for a flag."""
    name, equals, value = word.partition("=")
    option = options.get(name)
    if option is None and len(word) > 2 and word[:2] in options and not options[word[:2]].is_flag:
        option, equals, value = options[word[:2]], "=", word[2:]
    if option is None:
        guess = nearest_option(name.lstrip("-"), options)
        raise ConfigurationError(unknown("option", name, (), see=f"{program} --help", guess=guess))
    if option.is_flag:
        if equals:
            raise ConfigurationError(f"{name} takes no value, got {value!r}")
        return option, None
    if equals:
        return option, value
    follows = bool(rest) and not rest[0].startswith("--") and rest[0] not in options
    if str(option.metavar).startswith("["):
        return option, rest.pop(0) if follows and not is_setting(rest[0]) else ""
    if not follows:
        raise ConfigurationError(f"{name} needs a value, {option.metavar}; see `{program} --help`")
    return option, rest.pop(0)


def nearest_option(word: str, options: Iterable[str]) -> str:
    """The option that a word without dashes may mean, or ""."""
    matches = nearest(word, [name.removeprefix("--") for name in options if name.startswith("--")], alike=0.75)
    return f"--{matches[0]}" if matches else ""


def _spelling(option: Option) -> str:
    """The option's long spelling, where it has one."""
    return next((name for name in option.opts if name.startswith("--")), option.opts[0])


class CommandParser(TyperCommand):
    """A command whose settings may stand anywhere, and whose errors are one line each."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Sorts the words, refuses what is missing or unknown, and leaves the settings in the context."""
        if ctx.resilient_parsing:
            return super().parse_args(ctx, [word for word in args if not is_setting(word)])
        if set(args) & set(ctx.help_option_names):
            return super().parse_args(ctx, ["--help"])
        options = {name: param for param in self.params if isinstance(param, Option) for name in param.opts}
        line = sort_words(args, options, ctx.command_path)
        self._check_names(line, options, ctx)
        self._check_missing(line, ctx)
        ctx.meta[SETTINGS] = tuple(line.settings)
        try:
            return super().parse_args(ctx, line.words())
        except BadParameter as error:
            raise ConfigurationError(f"{_called(error.param)} is {error.message}") from error

    def _arguments(self) -> list[Argument]:
        return [param for param in self.params if isinstance(param, Argument)]

    def _check_names(self, line: CommandLine, options: Mapping[str, Option], ctx: Context) -> None:
        surplus = line.names[len(self._arguments()) :]
        if surplus:
            guess = nearest_option(surplus[0], options)
            meant = f"did you mean {guess}? See" if guess else "see"
            raise ConfigurationError(
                f"{surplus[0]!r} is neither an option nor KEY=VALUE; {meant} `{ctx.command_path} --help`"
            )

    def _check_missing(self, line: CommandLine, ctx: Context) -> None:
        arguments = [param for param in self._arguments()[len(line.names) :] if param.required]
        options = [
            param
            for param in self.params
            if isinstance(param, Option) and param.required and _spelling(param) not in line.options
        ]
        require([_called(param) for param in (*arguments, *options)], ctx)

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Arguments, then options."""
        _write_parameters(self, ctx, formatter)

    def format_epilog(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Examples and exit codes, as they are written."""
        formatter.write(f"\n{self.epilog}\n")


def require(missing: Sequence[str], ctx: Context) -> None:
    """Raises ConfigurationError that names all missing options and arguments at once; nothing where there are none."""
    if missing:
        *first, last = missing
        listed = f"{', '.join(first)} and {last}" if first else last
        name = ctx.command_path.partition(" ")[2]
        raise ConfigurationError(f"{name} needs {listed}; see `{ctx.command_path} --help`")


def _called(param: Parameter | None) -> str:
    """An option by its long spelling, an argument by its metavar."""
    if isinstance(param, Option):
        return _spelling(param)
    return str(getattr(param, "metavar", None) or "the command line")


class GroupParser(TyperGroup):
    """A group of commands, whose errors are one line each."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Reads what stands before the command's name; refuses a command line without one."""
        listed = ", ".join(self.list_commands(ctx))
        if not args and not ctx.resilient_parsing:
            name = ctx.command_path.partition(" ")[2]
            raise ConfigurationError(f"{name} needs a command: {listed}; see `{ctx.command_path} --help`")
        try:
            return super().parse_args(ctx, args)
        except NoSuchOption as error:
            raise ConfigurationError(
                f"unknown option {error.option_name!r}; options stand after the command's name, one of {listed}"
            ) from error

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """The command that the first word names. Raises ConfigurationError for a word that names none."""
        if ctx.resilient_parsing or args[0] in self.list_commands(ctx):
            return super().resolve_command(ctx, args)
        if is_setting(args[0]):
            raise ConfigurationError(
                f"settings stand after the command's name: `{ctx.command_path} COMMAND {args[0]}`; "
                f"see `{ctx.command_path} --help`"
            )
        group = ctx.command_path.partition(" ")[2]
        raise ConfigurationError(unknown(f"{group} command".strip(), args[0], self.list_commands(ctx)))

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Each command with the first sentence of its help, whole."""
        rows = [(name, _first_sentence(self.get_command(ctx, name))) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """The commands, then the options."""
        self.format_commands(ctx, formatter)
        _write_parameters(self, ctx, formatter)

    def format_epilog(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Examples and exit codes, as they are written."""
        formatter.write(f"\n{self.epilog}\n")


def _first_sentence(command: Command | None) -> str:
    """The first paragraph of a command's help, which is one sentence."""
    text = command.help if command is not None and command.help else ""
    return " ".join(text.partition("\n\n")[0].split())


def _write_parameters(command: Command, ctx: Context, formatter: HelpFormatter) -> None:
    parts: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    texts: Mapping[str, str] = getattr(command.callback, HELP_TEXTS, {})
    for param in command.get_params(ctx):
        text = texts.get(str(param.name), str(getattr(param, "help", None) or ""))
        if isinstance(param, Option):
            value = "" if param.is_flag else f" {param.metavar}"
            note = f"{text.removesuffix('.')} (required)." if param.required else text
            parts["Options"].append((", ".join(sorted(param.opts)) + value, note))
        else:
            parts["Arguments"].append((_called(param) if param.required else f"[{_called(param)}]", text))
    for title, rows in parts.items():
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)
