"""The commands: the only place that prints and exits.

    fedsov train|plan|ingest|border|evidence|ledger|budget|attack|promote|report|completion   [KEY=VALUE ...]

Standard output holds the answer (a table, or JSON with --json); progress and errors go to standard error. An error is
one line. Exit codes: 0 done, 1 unexpected, 2 settings, 3 the data set, 4 refused by the border, 5 a ledger or budget
that does not verify, 6 a store or key, 7 the workspace, 8 training failed, 9 a privacy budget, 130 interrupted.

`main` runs a command line and turns errors into exit codes; `declaration` and `parsing` are what our commands add to
Typer; `arguments` is what all share; every other module is a command.
"""

from __future__ import annotations

from fedsov.cli.main import COMMANDS, run

__all__ = ["COMMANDS", "run"]
