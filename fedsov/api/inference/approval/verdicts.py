"""The verdict of attack tests on a version of a model: recorded with it, and what an approval makes of it.

A verdict stands in the ledger of whoever holds the version's registry, with the digest of its parameters, and as tags
in that registry for people to see. The ledger decides. Of several tests the worst of each region's last one counts; a
version that nobody tested is `undecided`.

`fail` blocks every region outside the label's origins: such a model tells of people who are not that region's. At home,
and for `undecided`, whoever approves says why.

A test attacks the training that `train` takes with the settings it was given (`fedsov.api.attack`), not the very
parameters: it says how much such a training tells of its rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedsov.api.acting_person import UNSAID
from fedsov.errors import ConfigurationError, CrossingRefused
from fedsov.inference.approved import VERDICTS
from fedsov.label import Label
from fedsov.ledger.ledger import Ledger

NOTE = "attack_verdict"
"""What a ledger calls the note of a version's test, and the tag of its verdict in a registry."""
REPORT_TAG = "attack_report"
"""The tag with the digest of its report."""
UNTESTED = "undecided"
_TRAIN = "train it with privacy=record, and test that"


@dataclass(frozen=True, slots=True)
class VersionVerdict:
    """What the tests of a version came to: the worst verdict, the SHA-256 of that report, and whose rows were tried."""

    word: str = UNTESTED
    report: str = ""
    regions: tuple[str, ...] = ()

    @property
    def in_words(self) -> str:
        """For a message."""
        if not self.regions:
            return "has no attack test, which counts as undecided"
        return f"has the attack verdict {self.word} (on rows of {', '.join(self.regions)})"


def note_verdict(ledger: Ledger, about: Mapping[str, Any]) -> None:
    """Notes a test: model, version, digest, verdict, report, region, by. Raises LedgerBroken."""
    ledger.note({NOTE: dict(about)})


def verdict_of(ledger: Ledger, model: str, version: int, digest: str) -> VersionVerdict:
    """What the tests of these very parameters came to, by a ledger."""
    last: dict[str, Mapping[str, Any]] = {}
    for entry in ledger.notes(NOTE):
        note = entry.body["note"][NOTE]
        if (note["model"], note["version"], note["digest"]) == (model, version, digest):
            last[str(note["region"])] = note
    if not last:
        return VersionVerdict()
    worst = max(last.values(), key=lambda note: VERDICTS.index(note["verdict"]))
    return VersionVerdict(str(worst["verdict"]), str(worst["report"]), tuple(sorted(last)))


def check_tags(model: str, version: int, tags: Mapping[str, str], verdict: VersionVerdict) -> None:
    """Raises ConfigurationError where the registry says another verdict than the ledger."""
    tag = tags.get(NOTE, UNTESTED)
    if tag != verdict.word:
        raise ConfigurationError(
            f"the registry tags {model} {version} with the attack verdict {tag}, and the ledger noted {verdict.word}: "
            f"the tag was edited; `fedsov attack --model {model} --version {version}` tests it again"
        )


def check_reason(model: str, version: int, verdict: VersionVerdict, why: str) -> None:
    """Raises ConfigurationError where whoever approves has to say why and does not."""
    if verdict.word != "pass" and why.strip() in ("", UNSAID):
        raise ConfigurationError(
            f"{model} {version} {verdict.in_words}; say why it is approved all the same: --why TEXT, or "
            + (f"test it: `fedsov attack --model {model} --version {version}`" if verdict.word != "fail" else _TRAIN)
        )


def check_region(region: str, place: str, label: Label, verdict: VersionVerdict, *, is_own: bool) -> None:
    """Raises CrossingRefused where a version that failed would serve a region outside its label's origins.

    Args:
        place: where the region is, an ISO code; what it may serve beside does not count. "" for nowhere known.
        is_own: whether the version came from the region's own registry, and so is at home.
    """
    if verdict.word == "fail" and not is_own and not any(_is_within(place, origin) for origin in label.origins):
        raise CrossingRefused(
            f"{region} is outside {'+'.join(sorted(label.origins)) or 'every origin'}, whose people the model is bound "
            f"by, and it {verdict.in_words}; {_TRAIN}"
        )


def _is_within(place: str, origin: str) -> bool:
    """Whether a place is an origin, a part of it, or the country that it is a part of."""
    country = place.partition("-")[0]
    return bool(place) and (origin in (place, country) or (place == country and origin.partition("-")[0] == country))
