"""What the border's benchmark asks: a fixed mix of the demo's crossings, and the register-free cases.

Every question is one call of `decide`, with the evidence and the day that it is asked with.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from fedsov.artifact import Artifact, Crossing, Kind, Party
from fedsov.border import case_table
from fedsov.border.decisions import Decision, Permit
from fedsov.border.evidence.claims import Evidence
from fedsov.border.evidence.register import Register
from fedsov.border.law.bundle import Bundle
from fedsov.border.policy import decide
from fedsov.config.hydra_compose import config_dir
from fedsov.label import Label

ROOT = Path(__file__).parents[1]
DAY = date(2026, 11, 23)
REGISTER = config_dir() / "border" / "evidence_demo.yaml"
CASES = ROOT.parent / "shared" / "law" / "decisions.csv"
QUESTIONS, SEED = 200, 20261123
ENTITIES = {
    "IE": "Example Holding Ltd (fictional)",
    "US": "Example US Inc. (fictional)",
    "GB": "Example UK Ltd (fictional)",
    "DE": "Example Deutschland GmbH (fictional)",
    "IN": "Example India Pvt Ltd (fictional)",
    "CA": "Example Canada Corp. (fictional)",
}
MIX: Sequence[tuple[int, Kind, str, str, str, int]] = (
    # how often, what, made of whose data, from, to, at most so many people
    (8, Kind.UPDATE, "DE", "DE", "US", 5_000),
    (8, Kind.UPDATE, "GB", "GB", "US", 5_000),
    (6, Kind.UPDATE, "US", "US", "IE", 5_000),
    (4, Kind.UPDATE, "CA", "CA", "IE", 5_000),
    (4, Kind.UPDATE, "IN", "IN", "IE", 5_000),
    (3, Kind.RECORDS, "DE", "DE", "US", 5_000),
    (3, Kind.SYNTHETIC, "US", "US", "CA", 5_000),
    (8, Kind.UPDATE, "DE GB US", "DE", "IE", 5_000),
    (8, Kind.MODEL, "DE GB US", "IE", "US", 5_000),
    (8, Kind.MODEL, "DE GB US", "IE", "GB", 5_000),
    (8, Kind.MODEL, "DE GB US", "IE", "DE", 5_000),
    (4, Kind.MODEL, "", "IE", "IN", 500),
    (4, Kind.METRICS, "GB", "GB", "IE", 5_000),
    (4, Kind.METRICS, "DE GB US", "DE", "IE", 5_000),
    (2, Kind.METRICS, "US", "US", "IE", 9),
    (2, Kind.ERROR, "DE", "DE", "IE", 5_000),
    (2, Kind.ERROR, "DE GB US", "GB", "IE", 5_000),
    (4, Kind.UPDATE, "GB", "GB", "IN", 5_000),
    (3, Kind.MODEL, "DE GB IN US", "IE", "IN", 5_000),
    (3, Kind.UPDATE, "BR", "BR", "US", 5_000),
    (2, Kind.UPDATE, "US", "US", "CN", 90_000),
    (3, Kind.UPDATE, "US", "US", "CN", 5_000),
    (2, Kind.METRICS, "US", "US", "CN", 5_000),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A crossing, the evidence for it, and the day: what `decide` is asked."""

    crossing: Crossing
    evidence: Evidence
    on: date

    def answer(self, bundle: Bundle) -> Decision:
        """What the bundle says."""
        return decide(self.crossing, bundle, self.evidence, self.on)


def mix(register: Register, count: int = QUESTIONS, seed: int = SEED) -> list[Asked]:
    """The fixed mix of questions: every line of `MIX` once, then as often as it says, with so many people or fewer."""
    chance = random.Random(seed)
    lines = [*MIX, *chance.choices(MIX, weights=[line[0] for line in MIX], k=max(0, count - len(MIX)))]
    return [Asked(_crossing(*line[1:], chance), register, DAY) for line in lines]


def _crossing(kind: Kind, origins: str, source: str, target: str, most: int, chance: random.Random) -> Crossing:
    categories = frozenset({"personal", "financial", "employment"}) if origins else frozenset[str]()
    label = Label(frozenset(origins.split()), categories)
    content = b"ValueError" if kind is Kind.ERROR else b""
    artifact = Artifact(kind, label, content, chance.randint(min(most, 20), most))
    here, there = (Party(code, code, ENTITIES.get(code, f"Example {code}")) for code in (source, target))
    return Crossing(artifact, here, there, "training", DAY)


def read_cases(bundle: Bundle) -> list[Asked]:
    """The register-free cases, where they lie beside the project and can be asked about at all."""
    found = []
    for case in case_table.read_cases(CASES.read_bytes(), str(CASES)) if CASES.is_file() else ():
        if case_table.answer(case, bundle).rules[:1] in (("case.date",), ("case.payload",), ("case.flow",)):
            continue
        on, stated = date.fromisoformat(case.date), case_table.read_facts(case.facts, bundle)
        crossing = case_table.crossing_of(case, case_table.PAYLOADS[case.payload], on, stated)
        found.append(Asked(crossing, case_table.CaseEvidence(case, stated, bundle), on))
    return found


def sort_of(asked: Asked, decision: Decision) -> str:
    """The line of the output that a question belongs to."""
    if not isinstance(decision, Permit):
        return {"refuse": "refusal", "review": "review"}[decision.verdict]
    origins = len(asked.crossing.artifact.label.origins)
    return {0: "permit of what is public", 1: "permit of one origin"}.get(origins, f"permit of {origins} origins")
