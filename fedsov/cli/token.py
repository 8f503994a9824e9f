"""`token`: a token of a trial."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated

import typer

from fedsov.cli.arguments import Arguments, positive, print_json, print_line
from fedsov.cli.declaration import command, command_app
from fedsov.errors import ConfigurationError

app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenArguments(Arguments):
    """Whose token."""

    jurisdiction: Annotated[
        str, typer.Option("--jurisdiction", metavar="CODE", help="Whose law protects the person: DE, US-OH.")
    ]
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="NAME", help="The person, as the token names them.")
    ] = None
    lifetime: Annotated[
        int, typer.Option("--lifetime", metavar="SECONDS", help="How long it lives, at most 3600.", parser=positive)
    ] = 3600
    trial: Annotated[bool, typer.Option("--trial", help="Says that you know: the keys are a trial's.")] = False


@command(
    app, examples=("fedsov token --jurisdiction DE --trial", "fedsov token --jurisdiction FR --subject anna --trial")
)
def token(arguments: TokenArguments) -> None:
    """Prints a token that claims a jurisdiction, for a request to an endpoint or a gateway of a trial.

    Its issuer is made in the workspace (trial/) when it is first asked for: a key, its public half, and the table of
    issuers that names them. All say that they are a trial's, and a table of issuers that is no trial's refuses them.
    People's tokens come from your identity provider; fedsov makes none.
    """
    if not arguments.trial:
        raise ConfigurationError(
            "fedsov makes tokens for a trial alone; add --trial, or ask your identity provider for one"
        )
    from fedsov.api.inference.endpoints.trial_tokens import trial_token

    issued = trial_token(
        arguments.workspace,
        arguments.jurisdiction,
        subject=arguments.subject,
        now=time.time(),
        lifetime=arguments.lifetime,
    )
    if arguments.json:
        print_json(issued.to_json())
        return
    print_line(issued.token)
