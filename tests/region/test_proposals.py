"""A region lets a hub propose what its owner lists, and names below it; nothing else."""

import pytest

from fedsov.errors import ConfigurationError
from fedsov.region.proposals import PROPOSABLE, may_propose, proposable


def test_a_name_stands_for_itself_and_what_is_below_it():
    listed = proposable(["limits.rounds", "serving.guard"])
    assert may_propose(listed, "limits.rounds") and may_propose(listed, "serving.guard.psi")
    assert not any(
        may_propose(listed, key) for key in ("limits", "limits.questions", "serving.hosts", "limits.roundsX")
    )
    assert not may_propose((), "limits.rounds")


def test_whom_a_region_trusts_and_the_list_itself_are_never_listed():
    for name in ("proposals", "keys", "parties.hub", "law.owner", "datasets", "serving.issuers", "evidence", ""):
        with pytest.raises(ConfigurationError, match="setting that a hub may propose"):
            proposable([name])
    assert not may_propose(PROPOSABLE, "serving.issuers")
