"""`promote`: a version of a registered model becomes the champion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from fedsov.cli.arguments import Arguments, positive, print_json, print_line
from fedsov.cli.declaration import command, command_app

app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteArguments(Arguments):
    """A version of a model."""

    model: Annotated[str, typer.Argument(metavar="MODEL", help="The name of a registered model.")]
    version: Annotated[int, typer.Argument(metavar="VERSION", help="The number of its version.", parser=positive)]


@command(app, examples=("fedsov promote stackoverflow-gb 1",))
def promote(arguments: PromoteArguments) -> None:
    """Gives a version of a registered model the alias `champion`.

    The alias is set in the registry that holds the model: the hub's or a region's.
    """
    from fedsov.api import promotion

    owner = promotion.promote(arguments.workspace, arguments.model, arguments.version)
    if arguments.json:
        answer = {"model": arguments.model, "version": arguments.version, "alias": "champion", "registry": owner}
        print_json(answer)
    else:
        print_line(f"{arguments.model} v{arguments.version} is now champion in the registry of {owner}")
