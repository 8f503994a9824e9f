"""Every error fedsov raises on purpose, and the exit code each ends a command with.

    FedsovError                 1   something went wrong that has no better name
    ├── ConfigurationError      2   a setting, option or region that does not exist or cannot be
    ├── InputError              3   the data set: a missing file or column, a value that cannot be read
    ├── CrossingRefused         4   the border refused, and nothing could go on without the crossing
    ├── LedgerBroken            5   a ledger that does not verify, or cannot be written
    │   ├── LedgerRestored      5   one that was put back from a backup, and whose owner did not accept what it lacks
    │   └── HubRestored         5   the hub's, which does not continue the head that a region noted of it
    ├── StoreDamaged            6   a store that was changed, cut or mixed up
    ├── RequestLogBroken        6   a log of requests that was changed, cut or mixed up
    ├── KeyUnavailable          6   a key that is missing or is not this region's
    ├── CertificateRefused      6   a certificate, a request for one or a list of revoked ones that is not believed
    ├── ApprovalRefused         6   a list of approved versions, or a file of one, that hub and region did not sign
    ├── RepositoryRefused       6   metadata or a file of the hub's repository that its signers did not sign, or old
    ├── CheckpointDamaged       6   what a run wrote down to go on from, changed or cut since
    ├── WorkspaceUnusable       7   a workspace that is full, read-only or in use by another run
    ├── LogFull                 7   a log of requests that cannot be written: no answer may leave without its line
    ├── BudgetBroken            5   a privacy budget that was cut, rewritten or lost, or cannot be written
    ├── AnswersBroken           5   what a region remembers of its answers, cut, rewritten or lost
    ├── TrainingFailed          8   no region, or too few, ended a training with finite parameters
    ├── BenchFailed             8   the process that runs model code ended, took too long, or answered what is no answer
    ├── SumRefused              8   a step of a secure sum in which a region takes no part, because it would not be safe
    ├── SettingsBroken          6   a region's own settings, edited by hand, put back or lost
    ├── JobRefused              9   a job that asks for less protection than a region's own settings
    ├── LimitExceeded           9   more rounds, questions, steps or speed than a region's own limits allow
    ├── AnswerWithheld          9   an answer that would tell of few people, by a region's own rule
    └── BudgetExceeded          9   a release that the rest of a region's privacy budget does not hold

130 is an interruption by the user. The message of each is one line: the value, and the way out. `unknown` words the
message about a name that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable


class FedsovError(Exception):
    """The root of the tree above; its message is meant for the person at the terminal."""

    exit_code = 1


class ConfigurationError(FedsovError):
    exit_code = 2


class InputError(FedsovError):
    exit_code = 3


class CrossingRefused(FedsovError):
    exit_code = 4


class LedgerBroken(FedsovError):
    exit_code = 5


class LedgerRestored(LedgerBroken):
    pass


class HubRestored(LedgerBroken):
    pass


class StoreDamaged(FedsovError):
    exit_code = 6


class RequestLogBroken(FedsovError):
    exit_code = 6


class KeyUnavailable(FedsovError):
    exit_code = 6


class CertificateRefused(FedsovError):
    exit_code = 6


class ApprovalRefused(FedsovError):
    exit_code = 6


class RepositoryRefused(FedsovError):
    exit_code = 6


class RepositoryExpired(RepositoryRefused):
    """What was signed was good until a moment that is over: nothing is wrong but that nobody signed since."""


class CheckpointDamaged(FedsovError):
    exit_code = 6


class WorkspaceUnusable(FedsovError):
    exit_code = 7


class LogFull(FedsovError):
    exit_code = 7


class TrainingFailed(FedsovError):
    exit_code = 8


class BenchFailed(FedsovError):
    exit_code = 8


class SumRefused(FedsovError):
    exit_code = 8


class BudgetBroken(FedsovError):
    exit_code = 5


class SettingsBroken(FedsovError):
    exit_code = 6


class JobRefused(FedsovError):
    exit_code = 9


class AnswersBroken(FedsovError):
    exit_code = 5


class LimitExceeded(FedsovError):
    exit_code = 9


class AnswerWithheld(FedsovError):
    exit_code = 9


class BudgetExceeded(FedsovError):
    """`left` is the epsilon that is left; `fits` the one that the same release could have, None where none fits."""

    exit_code = 9

    def __init__(self, message: str, *, left: float | None = None, fits: float | None = None) -> None:
        super().__init__(message)
        self.left, self.fits = left, fits


def printable(text: str) -> str:
    """The text as one line for a terminal: whatever steers one, hides, turns or ends the line is made visible.

    Whatever may hold words of data, of a document or of another party goes through here before it is printed.

    >>> printable("age\\x1b[2J")
    'age\\\\x1b[2J'
    """
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def nearest(word: str, choices: Iterable[str], *, most: int = 1, alike: float = 0.6) -> list[str]:
    """The choices that a mistyped word may mean, whatever its case: those that it begins, else the one it resembles.

    Args:
        most: how many to name.
        alike: from which share of letters in common a choice resembles the word.
    """
    from difflib import get_close_matches

    by_spelling = {choice.casefold(): choice for choice in choices}
    spelled = word.casefold()
    begun = [spelling for spelling in by_spelling if len(spelled) > 1 and spelling.startswith(spelled)]
    matches = (
        [spelled] if spelled in by_spelling else begun or get_close_matches(spelled, by_spelling, n=1, cutoff=alike)
    )
    return [by_spelling[match] for match in matches[:most]]


def unknown(what: str, word: str, choices: Iterable[str], *, see: str = "", guess: str = "") -> str:
    """The message about a word that is none of the choices: what it may mean, and what there is.

    Args:
        what: what the word should name, such as ``region``.
        see: the command that lists the choices, where they are too many for a line.
        guess: the choice that is meant, where the caller knows better than `nearest`.

    >>> unknown("region", "DEE", ["DE", "US"])
    "unknown region 'DEE'; did you mean DE? There are DE, US"
    >>> unknown("region", "FR", ["DE", "US"])
    "unknown region 'FR'; there are DE, US"
    """
    listed = list(choices)
    guess = guess or " or ".join(nearest(word, listed, most=3))
    there = f"there {'is' if len(listed) == 1 else 'are'} {', '.join(listed) or 'none'}"
    listing = f"see `{see}`" if see else there
    if not guess:
        return f"unknown {what} {word!r}; {listing}"
    return f"unknown {what} {word!r}; did you mean {guess}? {listing[0].upper()}{listing[1:]}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun, for a message: "1 document", "2 documents", "1,200 entries".

    Args:
        plural: where an s does not make it.
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
