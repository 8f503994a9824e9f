"""The commands: the only place that prints and exits.

    python -m fedsov train | plan | ingest | ledger verify | ledger show | promote     [KEY=VALUE ...] [--json]

Standard output holds the answer (a table, or JSON with --json); progress and errors go to standard error. An error is
one line. Exit codes: 0 done, 1 unexpected, 2 settings, 3 the data set, 4 refused by the border, 5 a ledger that does
not verify, 6 a store or key, 7 the workspace, 8 training failed, 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsov.errors import ConfigurationError, FedsovError, LedgerBroken, WorkspaceUnusable

if TYPE_CHECKING:
    from rich.console import Console

    from fedsov.federation.result import RunResult
    from fedsov.federation.warm import Warm

INTERRUPTED = 130

CODES = """exit codes: 0 done · 1 unexpected · 2 settings · 3 data set · 4 refused by the border · 5 a ledger
            6 a store or key · 7 workspace · 8 training failed · 130 interrupted"""

HELP = f"""usage: python -m fedsov COMMAND [KEY=VALUE ...] [--json]

Federated learning across jurisdictions: records stay home, every crossing is decided and written down.

commands:
  train           ingest, plan, train every region and record models (the demo's five countries by default)
  plan            the same plan without training: each region's strategy, why, and which document is missing
  ingest          only sort the source into the regions' encrypted stores
  ledger verify   check every entry of every ledger of a workspace
  ledger show     print ledger entries
  promote         make a registered model version the champion

`python -m fedsov COMMAND --help` tells more.
{CODES}
"""

HELPS: Mapping[str, str] = {
    "train": f"""usage: python -m fedsov train [KEY=VALUE ...] [--json] [--quiet] [Hydra options]

Runs the whole pattern. Every setting is a Hydra override; the groups are federation, region, strategy, algorithm,
privacy, border, dataset, model, runtime and experiment (files in configs/).

  python -m fedsov train                                          the demo
  python -m fedsov train algorithm=fedyogi federation.rounds=20   another aggregation, more rounds
  python -m fedsov train federation.regions=[US,GB]               some regions; other rows go to quarantine
  python -m fedsov train dataset=table dataset.path=people.parquet dataset.jurisdiction=country dataset.target=y \\
      federation.regions=auto                                     your own table, one region per jurisdiction found
  python -m fedsov train today=2026-11-22 federation.days_per_round=30   rehearse a long training: what would expire?
  python -m fedsov train border=unsafe_open                       laboratory only: everything is permitted, and marked
  python -m fedsov train --multirun seed=0,1,2                    several runs
  python -m fedsov train --cfg job                                print the settings a run would use

  workspace=DIR   everything is written under DIR (default .fedsov)
  --json          the result as JSON on standard output
  --quiet         no progress
{CODES}
""",
    "plan": f"""usage: python -m fedsov plan [KEY=VALUE ...] [--json] [--quiet]

Ingests if need be, and prints for each region the strategy that `train` would follow today, the reasons, and for what
was refused the missing document. Takes the same overrides as train. Trains nothing.
{CODES}
""",
    "ingest": f"""usage: python -m fedsov ingest [KEY=VALUE ...] [--again] [--json] [--quiet]

Sorts the source into the regions' encrypted stores: classify, route, encrypt; rows without a region go to quarantine.
Does nothing where the stores are up to date; --again writes them anew. Takes the same overrides as train.
{CODES}
""",
    "ledger": f"""usage: python -m fedsov ledger verify [workspace=DIR] [--json]
       python -m fedsov ledger show [OWNER] [workspace=DIR] [--refused] [--run RUN] [--json]

verify   checks every entry of every ledger (the hub's and each region's) and that no ledger lost entries that the hub
         has seen; names the first bad entry.
show     prints entries, of one OWNER (hub, or a region) or of all; --refused only what was not permitted.
{CODES}
""",
    "promote": f"""usage: python -m fedsov promote MODEL VERSION [workspace=DIR] [--json]

Gives a version of a registered model the alias `champion`, in the registry that holds it (the hub's or a region's).
{CODES}
""",
}


@dataclass(frozen=True, slots=True)
class Words:
    """A command line, sorted: names, KEY=VALUE overrides, and options."""

    names: tuple[str, ...]
    overrides: tuple[str, ...]
    options: frozenset[str]
    run: str | None = None

    @property
    def json(self) -> bool:
        return "--json" in self.options

    @property
    def workspace(self) -> Path:
        given = [word.partition("=")[2] for word in self.overrides if word.startswith("workspace=")]
        return Path(given[-1] if given else ".fedsov")


def run(arguments: Sequence[str]) -> int:
    """One command; returns its exit code and never raises."""
    try:
        return _dispatch(list(arguments))
    except FedsovError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted; what was begun was not half written, run again to go on", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except OSError as error:
        place = f"{error.strerror or error}: {error.filename or 'a file'}"
        return _fail(f"{place}; make room or allow writing, or name another workspace=DIR", WorkspaceUnusable.exit_code)
    except Exception as error:
        if os.environ.get("FEDSOV_DEBUG"):
            raise
        return _fail(f"unexpected {type(error).__name__}: {_first_line(error)} (FEDSOV_DEBUG=1 shows where)", 1)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]


def _fail(message: str, code: int) -> int:
    print(f"fedsov: {' '.join(message.split())}", file=sys.stderr)
    return code


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    if arguments[0] == "--version":
        from fedsov import __version__

        print(__version__)
        return 0
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        raise ConfigurationError(f"no command {name!r}; the commands are {', '.join(COMMANDS)}")
    if {"-h", "--help"} & set(rest):
        print(HELPS[name], end="")
        return 0
    return COMMANDS[name](rest)


def _words(arguments: Sequence[str], options: Sequence[str], *, names: int = 0) -> Words:
    """Sorts the words of a command. Raises ConfigurationError for one it does not know."""
    left, found, overrides, plain, run_id = list(arguments), set(), [], [], None
    while left:
        word = left.pop(0)
        if word == "--run" and word in options:
            run_id = left.pop(0) if left else None
        elif word.startswith("-"):
            if word not in options:
                raise ConfigurationError(f"no option {word}; this command has {', '.join(options)}")
            found.add(word)
        elif "=" in word:
            overrides.append(word)
        else:
            plain.append(word)
    if len(plain) > names:
        raise ConfigurationError(f"{plain[names]!r} is neither an option nor KEY=VALUE; see --help")
    return Words(tuple(plain), tuple(overrides), frozenset(found), run_id)


def _progress(quiet: bool) -> Callable[[str], None]:
    started = time.monotonic()

    def say(line: str) -> None:
        if not quiet:
            print(f"[{time.monotonic() - started:6.1f} s] {line}", file=sys.stderr, flush=True)

    return say


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, default=str, allow_nan=False))


def _console() -> Console:
    """A terminal's console; where output is piped, wide enough that no cell is cut."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=160, color_system=None)


HYDRA_ONLY = ("--cfg", "-c", "--info", "-i", "--hydra-help", "--shell-completion", "-sc", "--version", "--resolve")
HYDRA_ALSO = ("--multirun", "-m", "--run", "-r", "--package", "-p", "--experimental-rerun")


def _train(arguments: list[str]) -> int:
    from fedsov.federation.modules import TO_TRAIN

    own = {"--json", "--quiet"}
    said, rest = own & set(arguments), [word for word in arguments if word not in own]
    for option in (word.partition("=")[0] for word in rest if word.startswith("-")):
        if option not in HYDRA_ONLY + HYDRA_ALSO:
            raise ConfigurationError(f"no option {option}; train has --json, --quiet, --multirun, --cfg and --info")
    if any(word.partition("=")[0] in HYDRA_ONLY for word in rest):
        _hydra(rest, lambda _: None)
        return 0
    say, results = _progress("--quiet" in said), []
    from fedsov.federation.api import WarmFor

    with WarmFor(TO_TRAIN) as warm:
        _hydra(rest, lambda config: results.append(_train_once(config, warm, say)))
    if "--json" in said:
        values = [result.to_json() for result in results]
        _print_json(values[0] if len(values) == 1 else values)
    else:
        _show(results)
    return 0


def _train_once(config: Any, warm: Warm, say: Callable[[str], None]) -> RunResult:
    from fedsov.config import settings
    from fedsov.federation import assemble

    return assemble.train(settings(config), warm, say=say)


def _show(results: Sequence[RunResult]) -> None:
    from fedsov.federation.report import everything

    console = _console()
    for result in results:
        for part in everything(result):
            console.print(part, soft_wrap=not sys.stdout.isatty())


def _hydra(arguments: list[str], task: Callable[[Any], None]) -> None:
    """Runs a task as a Hydra application over these arguments. Hydra's own errors become one line."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from fedsov.config import config_dir, one_line, opened, register_resolvers

    register_resolvers()
    failed: list[Exception] = []
    os.environ["HYDRA_FULL_ERROR"] = "1"
    application = hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="train")(
        _held(task, failed)
    )
    several = [word for word in arguments if word in ("-m", "--multirun")]  # Hydra wants overrides in one piece
    sys.argv = ["python -m fedsov train", *several, *opened([word for word in arguments if word not in several])]
    try:
        application()
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise ConfigurationError(one_line(error)) from error
    except SystemExit as stop:
        if stop.code not in (0, None):
            raise ConfigurationError("the command line could not be read; see --help") from stop
    if failed:
        raise failed[0]


def _held(task: Callable[[Any], None], failed: list[Exception]) -> Callable[[Any], None]:
    """The task, its error kept for the caller: Hydra would print lines of its own. After one, no further run starts."""

    def run(config: Any) -> None:
        if failed:
            return
        try:
            task(config)
        except Exception as error:
            failed.append(error)

    return run


def _composed(words: Words) -> Any:
    from fedsov.config import compose, settings

    return settings(compose(words.overrides))


def _plan(arguments: list[str]) -> int:
    from fedsov.federation.api import WarmFor
    from fedsov.federation.modules import TO_READ

    words = _words(arguments, ("--json", "--quiet"))
    say = _progress("--quiet" in words.options)
    with WarmFor(TO_READ) as warm:
        from fedsov.federation import assemble
        from fedsov.federation.report import plan_table

        plan, _ = assemble.plan(_composed(words), warm, say=say)
    if words.json:
        _print_json(plan.to_json())
    else:
        _console().print(plan_table(plan))
    return 0


def _ingest(arguments: list[str]) -> int:
    from fedsov.federation.api import WarmFor
    from fedsov.federation.modules import TO_READ

    words = _words(arguments, ("--json", "--quiet", "--again"))
    with WarmFor(TO_READ) as warm:
        from fedsov.federation import assemble

        again = "--again" in words.options
        report = assemble.ingest(_composed(words), warm, say=_progress("--quiet" in words.options), again=again)
    if words.json:
        _print_json(report.to_json())
        return 0
    print(report.sentence())
    print("columns: " + ", ".join(f"{name} {kind}" for name, kind in sorted(report.kinds.items())))
    return 0


def _ledger(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in ("verify", "show"):
        raise ConfigurationError("ledger takes verify or show; see `python -m fedsov ledger --help`")
    return _verify(arguments[1:]) if arguments[0] == "verify" else _entries(arguments[1:])


def _verify(arguments: list[str]) -> int:
    from fedsov.federation.audit import verify_all

    words = _words(arguments, ("--json",))
    findings = verify_all(words.workspace)
    broken = [finding for finding in findings if finding.fault]
    if words.json:
        _print_json({finding.owner: finding.to_json() for finding in findings})
    else:
        for finding in findings:
            print(finding.sentence())
        print(f"{sum(finding.entries for finding in findings):,} entries verify in {len(findings)} ledgers")
    if broken:
        raise LedgerBroken("; ".join(finding.sentence() for finding in broken))
    return 0


def _entries(arguments: list[str]) -> int:
    from fedsov.federation.audit import entries, entry_line

    words = _words(arguments, ("--json", "--refused", "--run"), names=1)
    found = entries(words.workspace, words.names[0] if words.names else None, words.run)
    if "--refused" in words.options:
        found = [one for one in found if one["body"].get("verdict", "permit") != "permit"]
    if words.json:
        _print_json(found)
    else:
        for one in found:
            print(entry_line(one))
    return 0


def _promote(arguments: list[str]) -> int:
    from fedsov.federation.promotion import promote

    words = _words(arguments, ("--json",), names=2)
    if len(words.names) != 2 or not words.names[1].isdigit():
        raise ConfigurationError("promote takes a model and a version: python -m fedsov promote MODEL 1")
    model, version = words.names[0], int(words.names[1])
    owner = promote(words.workspace, model, version)
    if words.json:
        _print_json({"model": model, "version": version, "alias": "champion", "registry": owner})
    else:
        print(f"{model} v{version} is now champion in the registry of {owner}")
    return 0


COMMANDS: Mapping[str, Callable[[list[str]], int]] = {
    "train": _train,
    "plan": _plan,
    "ingest": _ingest,
    "ledger": _ledger,
    "promote": _promote,
}

with suppress(AttributeError, ValueError):
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
