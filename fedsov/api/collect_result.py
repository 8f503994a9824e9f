"""What a run ended with, put together from the plan, the regions' results, and every ledger's account of crossings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedsov.api.result import ROUNDED, RegionResult, RunResult
from fedsov.errors import TrainingFailed
from fedsov.hub.finishing import CONSENTED_START, PUBLIC_START, RunOutputs
from fedsov.hub.planning.plan_values import Plan
from fedsov.hub.run import HubRun
from fedsov.region.run_record import ledger_summary

Summaries = Mapping[str, Mapping[str, Any]]
"""By region what it says of its ledger (`fedsov.region.run_record.ledger_summary`)."""


def collect_result(run: HubRun, plan: Plan, outputs: RunOutputs, summaries: Summaries) -> RunResult:
    """The result of a run.

    Raises TrainingFailed where no region ended with a model.
    """
    if not outputs.results and not outputs.withheld:
        raise TrainingFailed(_nothing_trained(plan, outputs))
    hub, crossings = ledger_summary(run.gate.ledger, run.name), _crossings(run, summaries)
    regions = tuple(
        RegionResult.of(
            region,
            outputs.results.get(region.region),
            outputs.failures.get(region.region),
            crossings=crossings[region.region],
        )
        for region in plan.regions
    )
    refusals = [*hub["refusals"], *(refusal for summary in summaries.values() for refusal in summary["refusals"])]
    return RunResult(
        run=run.name,
        workspace=run.workspace.root,
        unsafe=run.settings.border.unsafe_open,
        ingested=run.ingested,
        plan=plan,
        regions=regions,
        refusals=tuple(refusals),
        heads={"hub": hub["head"], **{name: summary["head"] for name, summary in summaries.items()}},
        rounds=() if outputs.global_model is None else outputs.global_model.rounds,
        planned=run.settings.training.spec.rounds,
        stopped="" if outputs.global_model is None else outputs.global_model.stopped,
        privacy=(*run.privacy, *_privacy_past(summaries)),
        measure=run.measure.name,
        unused=_unused(run, outputs),
        marks=(*run.marks, *_added_rules(summaries), *_rounded(run, regions)),
    )


def _rounded(run: HubRun, regions: Sequence[RegionResult]) -> list[str]:
    """That scores over people's rows are coarse, where there are any, and where the exact ones are."""
    if run.settings.asked.examples is not None or all(region.score is None for region in regions):
        return []
    return [f"{ROUNDED}: of people's rows, to their standard errors; exact ones are in each region's registry."]


def _privacy_past(summaries: Summaries) -> list[str]:
    """What left the regions without privacy, before or after something that left under it."""
    return [f"{name}: {line}" for name, summary in summaries.items() for line in summary.get("privacy_past", ())]


def _added_rules(summaries: Summaries) -> list[str]:
    """Which regions decided by rules of their own that were not shipped."""
    deciding = {name: ", ".join(summary.get("added_rules", ())) for name, summary in summaries.items()}
    return [f"ADDITIONAL RULES: {rules} decided in {name}." for name, rules in sorted(deciding.items()) if rules]


def _unused(run: HubRun, outputs: RunOutputs) -> dict[str, str]:
    """Each column that some model of the run does not use, and why: in the data, or of the rows that it was made of."""
    models = {PUBLIC_START: outputs.public, CONSENTED_START: outputs.base, "global model": outputs.global_model}
    reasons = {name: [why] for name, why in (run.ingested.unused if run.ingested else {}).items()}
    for kind, model in models.items():
        for name, why in (model.features.unused if model else {}).items():
            reasons.setdefault(name, []).append(f"{kind}: {why}")
    return {name: "; ".join(several) for name, several in sorted(reasons.items())}


def _nothing_trained(plan: Plan, outputs: RunOutputs) -> str:
    reasons = dict(outputs.failures) or {region.region: region.reasons[-1] for region in plan.regions}
    first = "; ".join(f"{name}: {why}" for name, why in list(reasons.items())[:3])
    return f"no region ended with a model ({first}{'; ...' if len(reasons) > 3 else ''}); see `fedsov plan`"


def _crossings(run: HubRun, summaries: Summaries) -> dict[str, dict[str, int]]:
    """By region: crossings of the run that left it, and those that the hub sent, or would have sent, to it."""
    counts = {
        name: {key: summaries.get(name, {}).get(key, 0) for key in ("permitted", "refused")} for name in run.nodes
    }
    for entry in run.gate.ledger.entries(run.name):
        if entry.body["act"] == "cross" and entry.body["importer"]["name"] in counts:
            verdict = "permitted" if entry.body["verdict"] == "permit" else "refused"
            counts[entry.body["importer"]["name"]][verdict] += 1
    return counts
