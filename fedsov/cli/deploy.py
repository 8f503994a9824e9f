"""`deploy ...`: how parties come to trust each other: init, join, request, approve, accept, renew, revoke, show.

`deploy_files` has the group's last command; `deploy_authority` asks for the passphrase.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from fedsov.cli import deploy_files, deploy_root
from fedsov.cli.arguments import Arguments, By, Why, ask, note, positive, print_json, print_line, run_settings
from fedsov.cli.declaration import command, group_app
from fedsov.cli.deploy_authority import (
    Authority,
    Days,
    Secret,
    note_unused_reason,
    opened_authority,
    passphrase,
    person,
)
from fedsov.errors import ConfigurationError

PORT = 9092
"""As `fedsov.storage.party_file.PORT`; the help text loads nothing."""
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
app = group_app(
    "Who belongs to a deployment: an authority, invitations, requests, approvals, and what was revoked.",
    examples=(
        "fedsov deploy init deployment --host hub.example.org federation.regions=[DE,US]",
        "fedsov deploy join invitations/DE --workspace /srv/de --fingerprint 3A:F0:...",
        "fedsov deploy request anna --hub hub.example.org:9092 --workspace anna --fingerprint 3A:F0:...",
        'fedsov deploy approve request-DE.json --ca deployment/ca --workspace deployment/hub --why "telephoned"',
        "fedsov deploy accept package-DE.json --workspace /srv/de",
        "fedsov deploy show --workspace deployment/hub",
    ),
)

app.add_typer(deploy_files.app)
app.add_typer(deploy_root.app)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployInitArguments(Arguments):
    """Where the deployment is made, and where its hub listens."""

    place: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make: ca, hub and invitations.")]
    host: Annotated[str, typer.Option("--host", metavar="NAME", help="The hub's name or address, as regions reach it.")]
    port: Annotated[int, typer.Option("--port", metavar="N", help="Where the hub listens.", parser=positive)] = PORT
    control_port: Annotated[
        int, typer.Option("--control-port", metavar="N", help="For regions' agents; by default the next port.")
    ] = 0
    pages_port: Annotated[
        int, typer.Option("--pages-port", metavar="N", help="For people's pages; by default the one after it.")
    ] = 0
    days: Days = 365
    secret: Secret = None
    by: By = ""
    why: Why = ""


@command(
    app,
    examples=(
        "fedsov deploy init deployment --host hub.example.org federation.regions=[DE,US]",
        "fedsov deploy init deployment --host 10.0.0.5 --passphrase-file ca.passphrase",
    ),
    reads="run settings",
)
def init(arguments: DeployInitArguments) -> None:
    """Makes DIR/ca (the authority), DIR/hub (the hub's workspace) and an invitation for each region.

    Regions are those of `federation.regions`. Run it again with more of them to invite these too; what is there stays.
    The authority's key is under the passphrase: take DIR/ca off this machine once every region is approved.
    """
    from fedsov.api.deployment.setting_up import set_up
    from fedsov.api.train import MADE_UP
    from fedsov.storage.party_file import HubAddress

    if arguments.folder is not None or arguments.setting("workspace") is not None:
        note(f"the hub's workspace is {arguments.place / 'hub'}; {arguments.workspace} is not used")
    settings = run_settings(arguments.overrides)
    hub = settings.federation.hub
    if MADE_UP in hub.entity and settings.dataset.examples is None:
        note(
            f"the hub is the demonstration's, {hub.entity} in {hub.location}, and regions will pin it; name yours by "
            "federation.hub.entity=NAME federation.hub.location=CODE, and each region's by "
            "federation.catalogue.REGION.entity=NAME, before you send an invitation"
        )
    outcome = set_up(
        arguments.place,
        settings,
        HubAddress(arguments.host, arguments.port, arguments.control_port, arguments.pages_port),
        passphrase=lambda new: passphrase(arguments.secret, new=new),
        now=datetime.now(UTC),
        days=arguments.days,
        **person(arguments),
    )
    if arguments.json:
        print_json(outcome.to_json())
        return
    print_line(f"{outcome.authority}: the authority; take it off this machine when every region is approved")
    print_line(f"its fingerprint, for the regions' owners: {outcome.fingerprint}")
    print_line(f"{outcome.hub}: the hub's workspace")
    for name, folder in outcome.invited.items():
        print_line(f"{folder}: hand it to the owner of {name}; its CHECKLIST.md says what to do")
    for name in outcome.joined:
        print_line(f"{name}: joined already")
    for name in outcome.revoked:
        print_line(
            f"{name}: revoked, and no member; `fedsov deploy renew --workspace {outcome.hub} --ca {outcome.authority}`"
        )
    if outcome.left_out:
        print_line(f"proposed to no region, since its owner decides: {', '.join(outcome.left_out)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinArguments(Arguments):
    """Which invitation, and the fingerprint that its owner told."""

    invitation: Annotated[Path, typer.Argument(metavar="INVITATION", help="The folder that the hub's owner sent.")]
    fingerprint: Annotated[
        str | None,
        typer.Option("--fingerprint", metavar="HEX", help="The authority's, as the hub's owner told you; or be asked."),
    ] = None
    yes: Yes = False
    by: By = ""
    why: Why = ""


@command(
    app,
    examples=('fedsov deploy join invitations/DE --workspace /srv/de --fingerprint 3A:F0:... --why "contract of May"',),
)
def join(arguments: JoinArguments) -> None:
    """Makes a region here, with all its private keys, signs region.yaml, and writes a request to the authority.

    Run it on the region's own machine. region.yaml of the invitation is signed as it is in the folder now: read it
    first. Of a region that is here already the keys and settings stay, and the hub is pinned in them.
    """
    from fedsov.api.deployment.joining.invitations import authority_of, read_invitation
    from fedsov.api.deployment.joining.joining import join as enter
    from fedsov.keys.certificates import fingerprint
    from fedsov.region.trust.parties import Parties

    now = datetime.now(UTC)
    trusted = arguments.fingerprint or ""
    if not trusted:
        trusted = fingerprint(authority_of(arguments.invitation, now=now))
        if not sys.stdin.isatty():
            raise ConfigurationError("deploy join needs --fingerprint: the authority's, as the hub's owner told you")
        ask([f"authority {trusted}"], "Is this what the hub's owner read to you?")
    invited = read_invitation(arguments.invitation, trusted=trusted, now=now)
    if not arguments.yes:
        loose = ", ".join(invited.settings.loose()) or "nothing"
        parties: Parties = invited.settings.parties
        lines = [f"region {invited.name}; parties: {parties.listed()}", *invited.edited, f"what protects less: {loose}"]
        ask(lines, "Sign these settings?")
    _print_request(arguments, enter(arguments.workspace, invited, now=now, **person(arguments)))


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRequestArguments(Arguments):
    """Who asks, which hub, and the authority's fingerprint."""

    name: Annotated[str, typer.Argument(metavar="NAME", help="The operator's own name: who submits.")]
    hub: Annotated[str, typer.Option("--hub", metavar="HOST:PORT", help="The hub, as its owner told you.")]
    fingerprint: Annotated[
        str, typer.Option("--fingerprint", metavar="HEX", help="The authority's, as the hub's owner told you.")
    ]


@command(
    app,
    examples=("fedsov deploy request anna --hub hub.example.org:9092 --workspace anna --fingerprint 3A:F0:...",),
)
def request(arguments: OperatorRequestArguments) -> None:
    """Makes a further operator's home: their key, and a request for a certificate by which they submit jobs.

    Run it on the operator's own machine; the key stays there. `approve` at the hub and `accept` here follow.
    """
    from fedsov.api.deployment.operators.operators import ask as ask_authority
    from fedsov.runtimes.deployment.hub_connection import parse_address

    hub, now = parse_address(arguments.hub), datetime.now(UTC)
    path = ask_authority(arguments.workspace, arguments.name, hub, trusted=arguments.fingerprint, now=now)
    _print_operator_request(arguments, path)


def _print_operator_request(arguments: Arguments, path: Path) -> None:
    from fedsov.api.deployment.operators.operator_papers import read_operator_request

    asked = read_operator_request(path.read_bytes())
    if arguments.json:
        print_json({"request": str(path), "name": asked.name, "key": asked.key_digest})
        return
    print_line(f"{path}: send it to the authority; it holds no secret")
    print_line(f"read to the authority's owner: the key's SHA-256 {asked.key_digest}")


def _print_request(arguments: Arguments, path: Path) -> None:
    from fedsov.api.deployment.joining.requests import read_request

    request = read_request(path.read_bytes())
    if arguments.json:
        print_json({"request": str(path), "ledger_key": request.verify_key, "settings": request.settings_digest})
        return
    print_line(f"{path}: send it to the authority; it holds no secret")
    print_line(f"read to the authority's owner: ledger key {request.verify_key}")
    print_line(f"read to the authority's owner: region.yaml {request.settings_digest}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployApproveArguments(Arguments):
    """Which request, and who approves it why."""

    request: Annotated[
        Path, typer.Argument(metavar="REQUEST", help="The request-NAME.json that a region or an operator sent.")
    ]
    ca: Authority
    days: Days = 365
    secret: Secret = None
    yes: Yes = False
    by: By = ""
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for the ledger.")]


@command(
    app,
    examples=(
        'fedsov deploy approve request-DE.json --ca deployment/ca --workspace deployment/hub --why "telephoned"',
        'fedsov deploy approve request-DE.json --ca ca --workspace hub --by "A. Person" --why "as agreed" --yes',
    ),
)
def approve(arguments: DeployApproveArguments) -> None:
    """Shows a request of a region or an operator, asks, signs the certificate, and writes the package.

    The workspace is the hub's. With a region's, those of the other regions are written anew. A later request of the
    same party renews its certificate, and revokes the one before.
    """
    from fedsov.api.deployment.approvals import approve as sign
    from fedsov.api.deployment.approvals import examine, request_in
    from fedsov.api.deployment.authority import AuthorityFolder, certificate_in

    text = request_in(arguments.request)
    examined = examine(arguments.workspace, text, certificate_in(AuthorityFolder(arguments.ca)))
    if not arguments.yes:
        ask(examined.lines, "Approve this?")
    authority = opened_authority(arguments.ca, arguments.secret)
    now = datetime.now(UTC)
    outcome = sign(arguments.workspace, examined, authority, days=arguments.days, now=now, **person(arguments))
    if arguments.json:
        print_json(outcome.to_json())
        return
    print_line(f"{outcome.name}: certificate {outcome.serial[:16]}, valid until {outcome.not_after}")
    if outcome.revoked:
        print_line(f"{outcome.name}: its certificate before, {outcome.revoked[:16]}, is revoked")
    print_line(f"{outcome.package}: send it to the owner of {outcome.name}")
    for name, path in outcome.others.items():
        print_line(f"{path}: send it to the owner of {name}; it tells {name} of {outcome.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptArguments(Arguments):
    """Which package."""

    package: Annotated[Path, typer.Argument(metavar="PACKAGE", help="The package-NAME.json that the authority sent.")]
    by: By = ""
    why: Why = ""


@command(app, examples=("fedsov deploy accept package-DE.json --workspace /srv/de",))
def accept(arguments: AcceptArguments) -> None:
    """Takes the authority's answer: checks it, puts the certificate in its place, and pins peers that are new.

    Run it again with a newer package, which tells of further regions. What the region's owner pinned stays as it is.
    In an operator's home nothing is pinned, and there is no ledger to note --by and --why in.
    """
    from fedsov.api.deployment.approvals import request_in
    from fedsov.api.deployment.joining import joining
    from fedsov.api.deployment.operators import operators
    from fedsov.storage.party_file import is_operators_home

    home, text, now = arguments.workspace, request_in(arguments.package), datetime.now(UTC)
    is_operators = is_operators_home(home)
    if is_operators:
        outcome = operators.accept(home, text, now=now)
        note_unused_reason(arguments)
    else:
        outcome = joining.accept(home, text, now=now, **person(arguments))
    if arguments.json:
        print_json(outcome.to_json())
        return
    print_line(f"{outcome.name}: certificate {outcome.serial[:16]}, valid until {outcome.not_after}")
    if not is_operators:
        print_line(f"{outcome.name}: pinned now: {', '.join(outcome.pinned) or 'nobody new'}")
    for line in outcome.lines:
        print_line(line)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewArguments(Arguments):
    """Whose certificate; of a hub with its authority."""

    ca: Annotated[
        Path | None, typer.Option("--ca", metavar="DIR", help="The authority's folder; for a hub's workspace alone.")
    ] = None
    days: Days = 365
    secret: Secret = None
    by: By = ""
    why: Why = ""


@command(
    app,
    examples=(
        "fedsov deploy renew --workspace /srv/de",
        "fedsov deploy renew --workspace anna",
        "fedsov deploy renew --workspace hub --ca deployment/ca",
    ),
)
def renew(arguments: RenewArguments) -> None:
    """A new key and certificate. In a region's or operator's home: a request, which `approve` and `accept` answer.

    In the hub's workspace, with --ca: makes the hub's and its own operator's at once, and revokes those before; restart
    the hub then. Other parties go on meanwhile.
    """
    from fedsov.api.deployment.joining.joining import renew as ask_anew
    from fedsov.api.deployment.operators import operators
    from fedsov.api.deployment.setting_up import renew_hub
    from fedsov.storage.party_file import is_operators_home

    if arguments.ca is None and is_operators_home(arguments.workspace):
        _print_operator_request(arguments, operators.renew(arguments.workspace, now=datetime.now(UTC)))
        note_unused_reason(arguments)
        return
    if arguments.ca is None:
        _print_request(arguments, ask_anew(arguments.workspace, now=datetime.now(UTC), **person(arguments)))
        return
    authority = opened_authority(arguments.ca, arguments.secret)
    members = renew_hub(arguments.workspace, authority, days=arguments.days, now=datetime.now(UTC), **person(arguments))
    if arguments.json:
        print_json({name: {"serial": member.serial, "not_after": member.not_after} for name, member in members.items()})
        return
    for name, member in members.items():
        print_line(f"{name}: certificate {member.serial[:16]}, valid until {member.not_after}")
    print_line(f"restart the hub now: `fedsov hub --workspace {arguments.workspace}`")


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeArguments(Arguments):
    """Whom, and why."""

    name: Annotated[str, typer.Argument(metavar="NAME", help="The region, or the operator.")]
    by: By = ""
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for the list and the ledger.")]


@command(app, examples=('fedsov deploy revoke DE --workspace deployment/hub --why "the machine was stolen"',))
def revoke(arguments: RevokeArguments) -> None:
    """Takes a party's certificate back: its next message is refused. The workspace is the hub's.

    It takes no authority: the hub's ledger key signs the list.
    A region or an operator comes back by `fedsov deploy renew` there, and an approval here. The others go on.
    """
    from fedsov.api.deployment.approvals import revoke as take_back

    listed = take_back(arguments.workspace, arguments.name, now=datetime.now(UTC), **person(arguments))
    if arguments.json:
        print_json(
            {"name": arguments.name, "counter": listed.counter, "serials": [entry.serial for entry in listed.revoked]}
        )
        return
    print_line(f"{arguments.name}: revoked; list number {listed.counter} is signed, and noted in the hub's ledger")
    print_line("to come back: `fedsov deploy renew` in that party's home, then an approval here")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployShowArguments(Arguments):
    """Whose deployment: the workspace's."""


@command(
    app, examples=("fedsov deploy show --workspace deployment/hub", "fedsov deploy show --workspace /srv/de --json")
)
def show(arguments: DeployShowArguments) -> None:
    """Prints who belongs to the deployment, how many days each certificate has left, and who was revoked."""
    from fedsov.api.deployment.standing import standing

    shown = standing(arguments.workspace, now=datetime.now(UTC))
    if arguments.json:
        print_json(shown.to_json())
        return
    for line in shown.sentences():
        print_line(line)
