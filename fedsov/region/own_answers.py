"""The questions that a region answers from its gate, ledger and budget alone, and that its app never sees.

Whether it is ready, what the run would cost in privacy, which crossings the plan would need, and the ledger's head.
Whatever such an answer says has passed the gate here, as an artifact of its own. Each gives JSON texts by the names of
their records; none where there is nothing to say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fedsov.artifact import BASE_MODEL, Artifact, Kind
from fedsov.border.gate import Gate
from fedsov.errors import BudgetExceeded, JobRefused
from fedsov.label import PUBLIC, Label, Scope
from fedsov.ledger.proofs import continuation
from fedsov.protocol.job import RegionStart
from fedsov.region import run_record
from fedsov.region.session import Session
from fedsov.region.trust import hub_head, known_peers

LONGEST_LABEL = 1 << 14
"""Letters that a plan's label may have: a ledger holds what is proposed for ever."""
Texts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OwnSources:
    """What a region answers from.

    Attributes:
        gate: deciding on the question's day.
        round_number: the question's, where it names one.
    """

    start: RegionStart
    gate: Gate
    session: Session
    round_number: int | None = None

    def send(self, text: str, name: str) -> None:
        """Sends a public report to the hub. Raises Refused where the gate does not let it pass."""
        self.gate.cross(Artifact(Kind.REPORT, PUBLIC, text.encode(), name=name), self.start.hub)


def propose(sources: OwnSources, config: Mapping[str, Any]) -> Texts:
    """Decides about crossings that the plan would need, and writes down the answers: a refusal is an entry too.

    The question may add the label of a model that the crossing would be made from as well; it cannot take any away.
    """
    session, start = sources.session, sources.start
    is_base = config.get("purpose") == BASE_MODEL
    scope = Scope.CONSENTED if is_base else Scope.SHAREABLE
    gate = replace(sources.gate, purpose=BASE_MODEL) if is_base else sources.gate
    crossings = {(str(kind), str(target)) for kind, target in json.loads(str(config["crossings"]))}
    if len(text := str(config.get("label", ""))) > LONGEST_LABEL:
        raise JobRefused(f"a label of more than {LONGEST_LABEL:,} letters is none of a plan; nothing was decided")
    added = Label.from_json(json.loads(text)) if text else PUBLIC
    label, people = session.label(scope) | session.received | added, session.people(scope, "train")
    for kind, target in sorted(crossings):
        artifact = Artifact(Kind(kind), label, count=people, name=f"planned {kind}")
        party = start.hub if target == start.hub.name else start.peers[target]
        gate.refuse(artifact, party, round_number=sources.round_number)
    return {}


def ready(sources: OwnSources, config: Mapping[str, Any]) -> Texts:
    """That this region's ledger, keys and store could be opened; nothing of them is said.

    Where it decides by additional rules that the job does not name, that crosses: their digest, how many, and whether
    one of them permits.
    """
    bundle, law = sources.gate.bundle, sources.session.settings.law
    added = bundle.added
    if not added or sources.start.asked.rules is not None:
        return {}
    opening = [rule.id for rule in (*bundle.rules, *bundle.releases) if rule.effect == "permit"]
    text = json.dumps({"digest": law.rules_sha256, "count": len(added), "permits": bool(added.intersection(opening))})
    sources.send(text, "additional rules of its own")
    return {"law": text}


def ledger_head(sources: OwnSources, config: Mapping[str, Any]) -> Texts:
    """The ledger's head, and what this run's entries say of crossings. Nothing in it is personal: it is public.

    The hub's head, which comes with the question, is noted here where it is signed by the hub's key of the first time
    and proved to continue the head noted last; so does the hub with the one that is told.
    """
    ledger, start = sources.gate.ledger, sources.start
    head = hub_head.continued(ledger, start.hub.name, config)
    if faults := known_peers.contradictions(sources.session.settings, {start.hub.name: head.key}):
        raise JobRefused("; ".join(faults))
    sources.gate.note({"heads": {start.hub.name: head.to_json()}})
    text = json.dumps(run_record.ledger_summary(ledger, start.run) | continuation(ledger, start.last_known_head))
    sources.send(text, "ledger head and refusals")
    return {"ledger": text}


def privacy(sources: OwnSources, config: Mapping[str, Any]) -> Texts:
    """What the run would cost here, or why it does not fit; nothing is spent. It stands on counts of rows alone."""
    private = sources.session.private
    try:
        price = {"fits": True, **(private.price() if private else {})}
    except BudgetExceeded as error:
        price = {"fits": False, "why": str(error)}
    text = json.dumps(price)
    sources.send(text, "privacy budget")
    return {"privacy": text}
