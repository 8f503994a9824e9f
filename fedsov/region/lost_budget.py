"""A privacy budget after a loss: what was spent meanwhile is not known, so all of it is taken as spent.

Where a region's folder was put back from a backup (`fedsov.ledger.gaps`), releases of the lost time may have drawn on
the budget, about people whom the backup does not have. So, at its worst: the whole lifetime is spent, and it covers
everybody. From then on no private release fits, and a job without privacy is refused as after any private release,
until the region's owner sets ``privacy.require=none``. Only a region all of whose data sets are examples is left as it
is: those have no lifetime.

Starting anew with other people's data is a new region, as ever.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from fedsov.errors import BudgetBroken
from fedsov.ledger.ledger import Ledger
from fedsov.privacy.budget import Budget, Lifetime, read
from fedsov.region.people_budgets import EVERYONE, note_people, privacy_notes
from fedsov.region.private_run import BUDGET_FILE
from fedsov.region.settings import RegionSettings

LIFETIME = Lifetime(10.0, 1e-9)
"""Of a budget that was not begun before the loss, where the region's settings name none."""
PURPOSE = "taken as spent: a backup was put back"
ALL_SPENT = "all of the lifetime budget, for everybody"
EXAMPLES_ONLY = "nothing: the region has example rows alone"


def lacks_entries(folder: Path, ledger: Ledger) -> bool:
    """Whether the budget's file lacks, or never had, entries that the ledger notes.

    Raises BudgetBroken for a damaged file, LedgerBroken.
    """
    noted = privacy_notes(ledger).head
    try:
        read(folder / BUDGET_FILE, last_known_head=noted)
    except BudgetBroken:
        read(folder / BUDGET_FILE)  # damage is no loss: this raises for it
        return True
    return False


def take_as_spent(folder: Path, ledger: Ledger, own: RegionSettings) -> str:
    """Spends what is left of a region's budget, notes it, and says what was taken as spent.

    Raises BudgetBroken for a damaged file, or one that cannot be written; LedgerBroken, WorkspaceUnusable.
    """
    if own.datasets and all(each.examples for each in own.datasets.values()):
        return EXAMPLES_ONLY
    path = folder / BUDGET_FILE
    book = read(path)
    limit = book.lifetime if book else LIFETIME._replace(epsilon=own.privacy.lifetime(LIFETIME.epsilon))
    budget = Budget(path, limit, before_entry=partial(note_people, folder, ledger.note, EVERYONE))
    head = budget.spend_all(PURPOSE)
    spent = {"epsilon": limit.epsilon, "delta": limit.delta, "lifetime_epsilon": limit.epsilon}
    spent |= {"spent_with": budget.spent().epsilon}
    ledger.note({"privacy": {"head": head._asdict(), "report": spent}})
    return ALL_SPENT
