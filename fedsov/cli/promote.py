"""`promote`: a version of a registered model is approved, and regions may serve it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from fedsov.cli.arguments import Arguments, By, ServingRegions, Why, note, positive, print_json, print_line
from fedsov.cli.declaration import command, command_app
from fedsov.errors import ConfigurationError, CrossingRefused

if TYPE_CHECKING:
    from fedsov.api.promotion import Promotion, VersionApproval

app = command_app()


def share(text: str) -> float:
    """A share of requests, above 0 and at most 1."""
    try:
        value = float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
    except ValueError:
        value = 0.0
    if not 0.0 < value <= 1.0:
        raise typer.BadParameter(f"{text!r}; write a share of requests, such as 0.1 or 10%")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteArguments(Arguments):
    """A version of a model, who approves it and why, and for whom."""

    model: Annotated[str, typer.Argument(metavar="MODEL", help="The name of a registered model.")]
    version: Annotated[int, typer.Argument(metavar="VERSION", help="The number of its version.", parser=positive)]
    by: By = ""
    why: Why = ""
    regions: ServingRegions = None
    canary: Annotated[
        float | None,
        typer.Option("--canary", metavar="SHARE", help="It answers this share of the requests alone.", parser=share),
    ] = None
    shadow: Annotated[bool, typer.Option("--shadow", help="It sees requests, and answers nobody.")] = False
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Takes it off the approved lists.")] = False
    anew: Annotated[
        bool, typer.Option("--anew", help="Begins a new list, where the old one is not believed any more.")
    ] = False

    def __post_init__(self) -> None:
        Arguments.__post_init__(self)
        if (self.canary is not None) + self.shadow + self.withdraw > 1:
            raise ConfigurationError("--canary, --shadow and --withdraw exclude each other; give one of them")

    def approval(self) -> VersionApproval:
        """What is decided."""
        from fedsov.api.promotion import VersionApproval

        mode = "canary" if self.canary is not None else "shadow" if self.shadow else "champion"
        return VersionApproval(
            self.model,
            self.version,
            by=self.by,
            why=self.why,
            mode=mode,
            share=self.canary or 1.0,
            regions=tuple(self.regions or ()),
            anew=self.anew,
        )


@command(
    app,
    examples=(
        'fedsov promote stackoverflow-gb 1 --by "A. Person" --why "a trial"',
        "fedsov promote stackoverflow 2 --region DE --canary 10% --why 'better in May'",
        "fedsov promote stackoverflow 2 --withdraw --why 'too many complaints'",
    ),
)
def promote(arguments: PromoteArguments) -> None:
    """Approves a version of a registered model: regions may serve it, and it gets the alias `champion`.

    A region's own model is approved for that region, the hub's for every region of the workspace to which it may cross.
    Each crossing is decided and recorded by the gate of whoever holds the model. The approved list of each region has
    the signatures of hub and region; an endpoint serves nothing else.

    A version whose attack test failed serves no region outside the origins that bind it; at home, and without a test
    that passed, --why is needed (`fedsov attack --model` makes one). A champion takes the place of the one before;
    promote the older version again to go back.
    """
    from fedsov.api import promotion

    approval = arguments.approval()
    if arguments.withdraw:
        names = promotion.withdraw(arguments.workspace, approval)
        if arguments.json:
            print_json({"model": approval.model, "version": approval.version, "withdrawn": names})
            return
        print_line(f"{approval.model} {approval.version} is approved no more in {', '.join(names)}")
        return
    outcome = promotion.promote(arguments.workspace, approval, note)
    if arguments.json:
        print_json({"model": approval.model, "version": approval.version, **outcome.to_json()})
    else:
        _show(outcome, approval)
    if arguments.regions and outcome.refused:
        raise CrossingRefused(f"{approval.model} {approval.version} is not approved for {', '.join(outcome.refused)}")


def _show(outcome: Promotion, approval: VersionApproval) -> None:
    called = f"{approval.model} {approval.version}"
    if outcome.is_champion:
        print_line(f"{called} is now champion in the registry of {outcome.owner}")
    for name, version in outcome.approved.items():
        share = "" if version.mode == "champion" else f" for {version.share:.0%} of requests"
        before = outcome.replaced.get(name)
        instead = f"; {before} was champion before (`fedsov promote {version.model} {before}` goes back)"
        print_line(f"{name}: {called} is approved as {version.mode}{share}{'' if before is None else instead}")
    for name, why in outcome.refused.items():
        print_line(f"{name}: refused: {why}")
    print_line(f"{called} {outcome.verdict.in_words}")
    for remark in outcome.remarks:
        note(remark)
