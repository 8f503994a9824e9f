"""What one person sees of an overview: an account that names regions sees those alone, and what is about them."""

from __future__ import annotations

from dataclasses import replace

from fedsov.control_plane.overview.values import CrossingMatrix, Overview, ShownRollout
from fedsov.control_plane.people.roles import Person


def seen_by(overview: Overview, person: Person) -> Overview:
    """The overview with what this person may see; all of it for who is for every region."""
    if person.is_for_all:
        return overview
    sees = person.is_for
    return replace(
        overview,
        alarms=tuple(alarm for alarm in overview.alarms if sees(alarm.party)),
        regions=tuple(region for region in overview.regions if sees(region.name)),
        rollouts=tuple(part for rollout in overview.rollouts if (part := _of_regions(rollout, person)).regions),
        plan=replace(
            overview.plan,
            regions=tuple(region for region in overview.plan.regions if sees(region.name)),
            contributors=tuple(name for name in overview.plan.contributors if sees(name)),
        ),
        crossings=CrossingMatrix(),
        refusals=tuple(case for case in overview.refusals if sees(case.exporter) or sees(case.importer)),
        reviews=tuple(review for review in overview.reviews if sees(review.exporter) or sees(review.importer)),
        budgets=tuple(budget for budget in overview.budgets if sees(budget.region)),
        documents=tuple(document for document in overview.documents if sees(document.owner)),
    )


def _of_regions(rollout: ShownRollout, person: Person) -> ShownRollout:
    """The rollout with this person's regions, and without a sentence that names another."""
    hidden = {region.name for region in rollout.regions if not person.is_for(region.name)}
    words = {word.strip(".,:;()`") for word in rollout.stopped.split()}
    return replace(
        rollout,
        regions=tuple(region for region in rollout.regions if person.is_for(region.name)),
        stopped="" if words & hidden else rollout.stopped,
    )
