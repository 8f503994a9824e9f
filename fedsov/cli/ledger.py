"""`ledger verify` and `ledger show`: what the ledgers of a workspace hold, and whether they still hold it."""

from __future__ import annotations

from fedsov.cli.words import CODES, Command, print_json, words_of
from fedsov.errors import ConfigurationError, LedgerBroken

HELP = f"""usage: python -m fedsov ledger verify [workspace=DIR] [--json]
       python -m fedsov ledger show [OWNER] [workspace=DIR] [--refused] [--run RUN] [--json]

verify   checks every entry of every ledger (the hub's and each region's) and that no ledger lost entries that the hub
         has seen; names the first bad entry.
show     prints entries, of one OWNER (hub, or a region) or of all; --refused only what was not permitted.
{CODES}
"""


def _ledger(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in ("verify", "show"):
        raise ConfigurationError("ledger takes verify or show; see `python -m fedsov ledger --help`")
    return _verify(arguments[1:]) if arguments[0] == "verify" else _show(arguments[1:])


def _verify(arguments: list[str]) -> int:
    from fedsov.federation.audit import verify_all

    words = words_of(arguments, flags=("--json",))
    findings = verify_all(words.workspace)
    broken = [finding for finding in findings if finding.fault]
    if words.json:
        print_json({finding.owner: finding.to_json() for finding in findings})
    else:
        for finding in findings:
            print(finding.sentence())
        print(f"{sum(finding.entries for finding in findings):,} entries verify in {len(findings)} ledgers")
    if broken:
        raise LedgerBroken("; ".join(finding.sentence() for finding in broken))
    return 0


def _show(arguments: list[str]) -> int:
    from fedsov.federation.audit import entries, entry_line

    words = words_of(arguments, flags=("--json", "--refused"), values=("--run",), names=1)
    found = entries(words.workspace, words.names[0] if words.names else None, words.value("--run"))
    if "--refused" in words.flags:
        found = [one for one in found if one["body"].get("verdict", "permit") != "permit"]
    if words.json:
        print_json(found)
    else:
        for one in found:
            print(entry_line(one))
    return 0


COMMANDS = {"ledger": Command(_ledger, HELP)}
