"""`predict`: rows of a file, answered by a registered model in a region."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from fedsov.cli.arguments import Arguments, By, Quiet, comma_list, print_shown, progress
from fedsov.cli.declaration import command, command_app

app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictArguments(Arguments):
    """A model, rows, and where the answers go."""

    model: Annotated[str, typer.Argument(metavar="MODEL", help="NAME@ALIAS, NAME/VERSION, or NAME for the newest.")]
    rows: Annotated[Path, typer.Argument(metavar="ROWS", help="CSV, Parquet, JSON lines, Arrow IPC or Excel.")]
    region: Annotated[str, typer.Option("--region", metavar="NAME", help="The region in which it answers.")]
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="FILE.csv or FILE.parquet, replaced.")]
    jurisdiction: Annotated[
        str,
        typer.Option("--jurisdiction", metavar="CODE", help="Whose people the rows are of, if no column says it."),
    ] = ""
    unseen: Annotated[
        str,
        typer.Option(
            "--unseen", metavar="refuse|allow", help="A level that the model does not know: none of its levels."
        ),
    ] = "refuse"
    keep: Annotated[
        str, typer.Option("--keep", metavar="A,B", help="Columns of ROWS that go along into FILE, by commas.")
    ] = ""
    by: By = ""
    quiet: Quiet = False


@command(
    app,
    name="predict",
    examples=(
        "fedsov predict stackoverflow-de@candidate rows.csv --region DE --out predictions.csv",
        "fedsov predict stackoverflow-de/1 rows.parquet --region DE --out predictions.parquet --keep rownames --json",
        "fedsov predict stackoverflow@candidate rows.csv --region DE --out predictions.csv --unseen allow",
    ),
)
def predict(arguments: PredictArguments) -> None:
    """Answers the rows of a file by a registered model, in a region, and writes the answers in the rows' order.

    Rows are read as an ingestion reads them. A missing column is refused by its name, and so is a level that no
    training row had, with the number of rows; `--unseen allow` takes it as none of the levels. The region's gate
    decides whose people's rows it may take, and its ledger has an entry. The predictions are bound by the model's label
    and the rows' own: Parquet says so in its metadata, a CSV in FILE.label.json beside it.
    """
    from fedsov.api.inference.predict import Asking
    from fedsov.api.inference.predict import predict as answered

    asking = Asking(
        arguments.jurisdiction,
        _policy(arguments.unseen),
        comma_list(arguments.keep),
        arguments.by,
    )
    done = answered(
        arguments.workspace,
        arguments.region,
        arguments.model,
        arguments.rows,
        arguments.out,
        asking,
        progress=progress(arguments.quiet),
    )
    print_shown(done, as_json=arguments.json)


def _policy(word: str) -> Literal["refuse", "allow"]:
    """What becomes of unknown levels. Raises ConfigurationError for another word."""
    from fedsov.checks import choice

    return "allow" if choice("--unseen", word, ("refuse", "allow")) == "allow" else "refuse"
