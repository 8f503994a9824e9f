"""The commands: the only place that prints and exits.

    python -m fedsov train|plan|ingest|border|evidence|ledger|budget|attack|report|promote   [KEY=VALUE ...]

Standard output holds the answer (a table, or JSON with --json); progress and errors go to standard error. An error is
one line. Exit codes: 0 done, 1 unexpected, 2 settings, 3 the data set, 4 refused by the border, 5 a ledger or budget
that does not verify, 6 a store or key, 7 the workspace, 8 training failed, 9 a privacy budget, 130 interrupted.

`cli` dispatches and turns errors into exit codes, `words` sorts arguments and prints; every other module has a table
COMMANDS of its commands. A new command is a function and a help text in such a module, a name in `cli.COMMANDS`, and a
line in `cli.HELP`.
"""

from __future__ import annotations

from fedsov.cli.cli import COMMANDS, HELP, command, run

__all__ = ["COMMANDS", "HELP", "command", "run"]
