"""`ledger ...`: what the ledgers of a workspace hold, whether they still hold it, and how others can see that."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedsov.cli.arguments import Arguments, By, Why, count, print_json, print_line, print_shown, require_options
from fedsov.cli.declaration import command, group_app
from fedsov.errors import ConfigurationError, LedgerBroken, counted, unknown

if TYPE_CHECKING:
    from fedsov.api.ledger_audit import LedgerFinding
    from fedsov.ledger.timestamps import Query

HUB = "hub"
Owner = Annotated[str | None, typer.Argument(metavar="OWNER", help="Whose ledger: hub, or a region (default: all).")]
OneOwner = Annotated[str, typer.Argument(metavar="OWNER", help="Whose ledger: hub, or a region.")]
app = group_app(
    """What the ledgers hold, whether they still hold it, and how others can see that.

    Only `anchor` and `accept-gap` open an owner's private signing key; the others need the public key, which is in the
    ledger.
    """,
    examples=(
        "fedsov ledger verify",
        "fedsov ledger show US --refused",
        "fedsov ledger export audit US",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyArguments(Arguments):
    """Which ledgers, and a head kept earlier."""

    owner: Owner = None
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="HEAD", help="A head kept earlier: SIZE:ROOT, or the head.json of an export."),
    ] = None
    evidence: Annotated[
        Path | None,
        typer.Option("--evidence", metavar="FILE", help="The register: names documents rewritten since a decision."),
    ] = None


@command(app, examples=("fedsov ledger verify", "fedsov ledger verify US --since head.json"))
def verify(arguments: VerifyArguments) -> None:
    """Checks every entry, hash and head of every ledger.

    Also that no ledger was cut, rewritten or replaced since another noted its head. Names the first bad entry, and
    ends with 5. A document that was rewritten after a decision leaned on it is named by its id. --since HEAD checks of
    one owner's ledger that it continues that head, and then only what came after.
    """
    findings = _findings(arguments)
    broken = [finding for finding in findings if finding.fault]
    if arguments.json:
        print_json({finding.owner: finding.to_json() for finding in findings})
    else:
        for finding in findings:
            print_line(finding.sentence())
        entries = counted(sum(finding.entries for finding in findings), "entry verifies", "entries verify")
        print_line(f"{entries} in {counted(len(findings), 'ledger')}")
    if broken:
        raise LedgerBroken("; ".join(finding.sentence() for finding in broken))


def _findings(arguments: VerifyArguments) -> list[LedgerFinding]:
    from fedsov.api.ledger_audit import verify_all, verify_since
    from fedsov.border.evidence.register_file import load_register
    from fedsov.ledger.signed_head import read_head

    if arguments.since is not None:
        return [verify_since(arguments.workspace, arguments.owner, read_head(arguments.since))]
    register = load_register(arguments.evidence).documents if arguments.evidence else None
    every = verify_all(arguments.workspace, register=register)
    if arguments.owner is None:
        return every
    findings = [finding for finding in every if finding.owner == arguments.owner]
    if not findings:
        raise ConfigurationError(unknown("ledger owner", arguments.owner, [finding.owner for finding in every]))
    return findings


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowArguments(Arguments):
    """Which entries."""

    owner: Owner = None
    refused: Annotated[bool, typer.Option("--refused", help="Only what was not permitted.")] = False
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="Only entries of this run.")] = None


@command(app, examples=("fedsov ledger show", "fedsov ledger show US --refused --json"))
def show(arguments: ShowArguments) -> None:
    """Prints entries, of one owner or of all."""
    from fedsov.api.ledger_audit import entries, entry_line, is_refusal

    shown = entries(arguments.workspace, arguments.owner, arguments.run)
    if arguments.refused:
        shown = [entry for entry in shown if is_refusal(entry["body"])]
    if arguments.json:
        print_json(shown)
    else:
        for entry in shown:
            print_line(entry_line(entry))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveArguments(Arguments):
    """Which entry."""

    entry: Annotated[int, typer.Argument(metavar="ENTRY", help="The entry's number.", parser=count)]
    owner: OneOwner = HUB


@command(app, examples=("fedsov ledger prove 7 US > proof.json",))
def prove(arguments: ProveArguments) -> None:
    """Prints a proof that one entry is under its owner's signed head.

    The proof is JSON. The verify_ledger.py of any export checks it without fedsov.
    """
    from fedsov.ledger import proofs
    from fedsov.ledger.ledger import Ledger

    print_json(proofs.prove(Ledger.read(_path(arguments.workspace, arguments.owner)), arguments.entry))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportArguments(Arguments):
    """Which ledger, and where to."""

    to: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder.")]
    owner: OneOwner = HUB


@command(app, examples=("fedsov ledger export audit US",))
def export(arguments: ExportArguments) -> None:
    """Writes a ledger to a folder that anybody can check.

    Entries, signed head, public key, time stamps, and verify_ledger.py, which checks them offline, without fedsov.
    """
    from fedsov.ledger import proofs
    from fedsov.ledger.ledger import Ledger

    head = proofs.export(Ledger.read(_path(arguments.workspace, arguments.owner)), arguments.to)
    if arguments.json:
        print_json({"folder": str(arguments.to), "head": head.to_json()})
    else:
        script = shlex.join([str(arguments.to / "verify_ledger.py"), str(arguments.to)])
        print_line(f"{counted(head.size, 'entry', 'entries')} of {head.owner}, in {arguments.to}; check anywhere with")
        print_line(f"  python {script} --key {head.key}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorArguments(Arguments):
    """Whose head, and the authority's part."""

    owner: OneOwner = HUB
    request: Annotated[Path | None, typer.Option("--request", metavar="FILE", help="Where the query is.")] = None
    reply: Annotated[Path | None, typer.Option("--reply", metavar="FILE", help="The authority's answer.")] = None
    root: Annotated[Path | None, typer.Option("--root", metavar="CA.pem", help="Whom to trust in it.")] = None
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="Ask this authority directly.")] = None

    def __post_init__(self) -> None:
        Arguments.__post_init__(self)
        stamped = self.url is not None or self.reply is not None
        needed = {} if self.url is not None else {"--request (or --url)": self.request}
        needed |= {"--root": self.root} if stamped else {}
        require_options(*(option for option, value in needed.items() if value is None))
        unread = {"--root": self.root} if not stamped else {"--request": self.request, "--reply": self.reply}
        surplus = [option for option, value in unread.items() if value is not None]
        if surplus and not (stamped and self.url is None):
            raise ConfigurationError(
                f"take away {' and '.join(surplus)}: a query is written with --request, its answer is kept with "
                "--request, --reply and --root, and --url with --root asks and keeps at once"
            )


@command(
    app,
    examples=(
        "fedsov ledger anchor US --request head.tsq    # take head.tsq to an authority, and then",
        "fedsov ledger anchor US --request head.tsq --reply head.tsr --root authority.pem",
        "fedsov ledger anchor US --url URL --root authority.pem    # or ask it directly",
    ),
)
def anchor(arguments: AnchorArguments) -> None:
    """Has an authority stamp the time of a ledger's signed head (RFC 3161).

    --request FILE writes the query. With --reply and --root, the answer to that query is verified and kept in the
    ledger. --url asks the authority itself.
    """
    from fedsov.ledger import timestamps as stamps
    from fedsov.ledger.ledger import Ledger

    path = _path(arguments.workspace, arguments.owner)
    if arguments.reply is None and arguments.url is None and arguments.request is not None:
        query = stamps.query(Ledger.read(path).verify().head)
        query.write(arguments.request)
        _answer(arguments, f"query written to {arguments.request}, for the head at {query.head.size:,} entries")
        return
    roots = _content(arguments.root)
    query, reply = _stamped(arguments, path)
    moment = stamps.stamped(query, reply, roots)
    ledger = Ledger.existing(path)
    entry = stamps.keep(ledger, query, reply, stamped_at=moment, now=datetime.now(UTC))
    ledger.close()
    stamp = f"the head at {query.head.size:,} entries was stamped at {moment.isoformat()}"
    _answer(arguments, f"{stamp}; kept as entry {entry.seq}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptGapArguments(Arguments):
    """Whose ledger, what shows the loss, and the person's word."""

    owner: Annotated[str, typer.Argument(metavar="OWNER", help="Whose ledger gets the entry: hub, or a region.")]
    statement: Annotated[
        Path | None, typer.Option("--statement", metavar="FILE", help="What another party's owner accepted.")
    ] = None
    head: Annotated[
        Path | None, typer.Option("--head", metavar="FILE", help="A head of this ledger that another party noted.")
    ] = None
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where the statement is written.")] = None
    by: By = ""
    why: Why = ""

    def __post_init__(self) -> None:
        Arguments.__post_init__(self)
        if self.statement is not None and (self.head is not None or self.out is not None):
            raise ConfigurationError("--statement takes another party's word; --head and --out are for one's own loss")


@command(
    app,
    name="accept-gap",
    examples=(
        'fedsov ledger accept-gap DE --why "disk of 3 March" --workspace /srv/fedsov/DE    # its owner',
        'fedsov ledger accept-gap hub --statement gap-DE.json --why "told by its owner"    # the hub, then',
    ),
)
def accept_gap(arguments: AcceptGapArguments) -> None:
    """Accepts that a ledger which was put back from a backup lacks entries; with by and why, in the ledger.

    Its owner first: the party goes on, a region's privacy budget is taken as spent, and a signed statement is written.
    Then each other party with --statement FILE: it takes the new head for the later one that it had noted. Refused
    where nothing shows a loss.
    """
    from fedsov.api.backups.accepting import accept_own, accept_statement

    words = {"by": arguments.by, "why": arguments.why}
    if arguments.statement is not None:
        taken = accept_statement(arguments.workspace, arguments.owner, arguments.statement, **words)
        if arguments.json:
            print_json({**asdict(taken), "said": taken.sentence()})
        else:
            print_line(taken.sentence())
        return
    loss = accept_own(arguments.workspace, arguments.owner, out=arguments.out, head=arguments.head, **words)
    print_shown(loss, as_json=arguments.json)


def _stamped(arguments: AnchorArguments, path: Path) -> tuple[Query, bytes]:
    """The query and the authority's reply to it, asked for now or read from files."""
    from fedsov.ledger import timestamps as stamps
    from fedsov.ledger.ledger import Ledger

    if arguments.url is not None:
        query = stamps.query(Ledger.read(path).verify().head)
        return query, stamps.post(arguments.url, query)
    return stamps.Query.read(Path(arguments.request or "")), _content(arguments.reply)


def _path(root: Path, owner: str) -> Path:
    """Where an owner's ledger is."""
    from fedsov.api.ledger_audit import path_of
    from fedsov.storage.workspace import Workspace

    workspace = Workspace(root)
    workspace.require()
    return path_of(workspace, owner)


def _content(path: Path | None) -> bytes:
    try:
        return Path(path or "").read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}") from error


def _answer(arguments: AnchorArguments, sentence: str) -> None:
    if arguments.json:
        print_json({"said": sentence, "answer": sentence})
    else:
        print_line(sentence)
