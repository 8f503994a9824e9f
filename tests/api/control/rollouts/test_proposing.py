"""A rollout from its proposal to every region's list, and back: real ledgers, repository, registry and files."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from fedsov import registry
from fedsov.api.control.control_hub import hub_rollouts
from fedsov.api.control.rollouts import acting, region_approval
from fedsov.api.control.rollouts.proposing import RolloutProposal, approve, propose
from fedsov.api.control.serving.handing_over import hand_over
from fedsov.api.inference.approval import approvals
from fedsov.control_plane.rollouts.status import RolloutStatus
from fedsov.errors import ApprovalRefused, ConfigurationError, CrossingRefused
from fedsov.inference.approved import ApprovedList
from fedsov.ledger.ledger import Ledger
from fedsov.protocol.rollouts import WindowReport
from fedsov.region.admission import Place
from fedsov.region.settings_file import read_settings
from fedsov.storage.workspace import Workspace, ledger_of
from tests.api.inference.world import crossings, notes, register, workspace_of

BY, WHY = "A. Person", "better in May"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_of(tmp_path / "w")


def _listed(workspace: Workspace, name: str) -> ApprovedList:
    folder = workspace.region(name)
    with closing(Ledger.read(ledger_of(folder))) as ledger:
        return approvals.in_force(Place(folder, ledger), read_settings(folder, ledger))


def _serves(workspace: Workspace, model: str = "people") -> dict[str, int | None]:
    champions = {name: _listed(workspace, name).of(model).champion for name in ("DE", "GB", "US")}
    return {name: None if each is None else each.version for name, each in champions.items()}


def _proposed(workspace: Workspace, version: int = 1, **asked: object) -> RolloutStatus:
    return propose(workspace.root, RolloutProposal("people", version, by=BY, why=WHY, **asked))  # type: ignore[arg-type]


def _approved(workspace: Workspace, version: int = 1, **asked: object) -> int:
    """Proposed, approved as the hub and by each region that may."""
    number = _proposed(workspace, version, **asked).rollout.number
    for name in approve(workspace.root, number, by=BY, why=WHY).rollout.at("unsigned"):
        region_approval.approve(workspace.root, number, name, by="B. Person", why="tried here")
    return number


def _report(workspace: Workspace, region: str, word: str, version: int, *, counter: int | None = None) -> None:
    number = _listed(workspace, region).counter if counter is None else counter
    with hub_rollouts(workspace.root) as rollouts:
        rollouts.report(WindowReport(region=region, model="people", version=version, counter=number, word=word))
        hand_over(rollouts, workspace, ("DE", "GB"))


def test_a_version_comes_to_the_canary_first_then_to_the_others_and_the_alias_follows(workspace: Workspace) -> None:
    register(workspace, "hub", "people")
    status = _proposed(workspace, canary="GB")
    number = status.rollout.number
    assert status.rollout.at("refused") == ("US",) and "DE -> US: needs" in status.rollout.steps["US"].why
    assert crossings(workspace, "hub") == [], "the border was asked, and nothing crossed"
    approve(workspace.root, number, by=BY, why=WHY)
    assert crossings(workspace, "hub") == [
        *(("model", "GB", "permit"), ("model", "DE", "permit"), ("model", "US", "refuse"))
    ]
    with pytest.raises(ConfigurationError, match="GB is the canary"):
        acting.act(workspace.root, "start", number, by=BY, why=WHY)
    for name in ("GB", "DE"):
        region_approval.approve(workspace.root, number, name, by="B. Person", why="tried here")
    assert _serves(workspace) == {"DE": None, "GB": None, "US": None}, "signed is not started"
    acting.act(workspace.root, "start", number, by=BY, why=WHY)
    assert _serves(workspace) == {"DE": None, "GB": 1, "US": None}
    _report(workspace, "GB", "watching", 1)
    assert _serves(workspace)["DE"] is None
    _report(workspace, "GB", "ok", 1)
    assert _serves(workspace) == {"DE": 1, "GB": 1, "US": None}
    assert registry.models(workspace.hub)[0].aliases == ("candidate",)
    _report(workspace, "DE", "ok", 1)
    (shown,) = acting.overview(workspace.root, number).statuses
    assert shown.rollout.state == "done"
    assert registry.models(workspace.hub)[0].aliases == ("candidate", "champion")
    acts = [(note["act"], note["region"]) for note in notes(workspace, "hub", "rollout")]
    assert acts[:2] == [("proposed", ""), ("approved", "")] and acts[-1] == ("reported ok", "DE")
    (own,) = notes(workspace, "DE", "rollout")
    assert (own["act"], own["by"], own["why"]) == ("approved", "B. Person", "tried here")


def test_whoever_approves_what_no_attack_test_passed_says_why_as_the_hub_and_as_a_region(workspace: Workspace) -> None:
    register(workspace, "hub", "people")
    number = _proposed(workspace).rollout.number
    with pytest.raises(ConfigurationError, match="say why it is approved all the same: --why TEXT"):
        approve(workspace.root, number, by=BY)
    approve(workspace.root, number, by=BY, why=WHY)
    with pytest.raises(ConfigurationError, match="say why it is approved all the same: --why TEXT"):
        region_approval.approve(workspace.root, number, "DE", by="B. Person")
    with hub_rollouts(workspace.root) as rollouts:
        assert rollouts.status(number).rollout.at("signed") == ()


def test_a_fault_takes_every_region_back_to_what_it_served_without_anybody_being_asked(workspace: Workspace) -> None:
    for _ in range(2):
        register(workspace, "hub", "people")
    acting.act(workspace.root, "start", first := _approved(workspace), by=BY, why=WHY)
    for name in ("DE", "GB"):
        _report(workspace, name, "ok", 1)
    second = _approved(workspace, 2)
    acting.act(workspace.root, "start", second, by=BY, why=WHY)
    _report(workspace, "DE", "ok", 2)
    assert _serves(workspace) == {"DE": 2, "GB": 2, "US": None}
    _report(workspace, "GB", "drift", 2)
    assert _serves(workspace) == {"DE": 1, "GB": 1, "US": None}
    (stopped,) = acting.overview(workspace.root, second).statuses
    assert (stopped.rollout.state, stopped.rollout.why) == ("stopped", "GB reported drift")
    assert _listed(workspace, "DE").counter == 3
    (older,) = acting.overview(workspace.root, first).statuses
    assert older.rollout.at("superseded") == ("DE", "GB")
    assert [each.version for each in registry.models(workspace.hub) if "champion" in each.aliases] == [1]


def test_a_person_s_rollback_leaves_the_canary_s_region_as_it_was(workspace: Workspace) -> None:
    register(workspace, "hub", "people")
    number = _approved(workspace)
    acting.act(workspace.root, "start", number, by=BY, why=WHY)
    assert _serves(workspace)["DE"] == 1
    back = acting.act(workspace.root, "rollback", number, by=BY, why="complaints")
    assert (back.rollout.state, back.rollout.at("taken back")) == ("rolled back", ("DE",))
    assert _serves(workspace) == {"DE": None, "GB": None, "US": None}
    assert _listed(workspace, "DE").counter == 2 and _listed(workspace, "GB").counter == 0


def test_a_region_without_its_approver_s_signature_stays_and_is_shown_so(workspace: Workspace) -> None:
    register(workspace, "hub", "people")
    number = _proposed(workspace).rollout.number
    approve(workspace.root, number, by=BY, why=WHY)
    region_approval.approve(workspace.root, number, "DE", by="B. Person", why="tried here")
    acting.act(workspace.root, "start", number, by=BY, why=WHY)
    _report(workspace, "DE", "ok", 1)
    assert _serves(workspace) == {"DE": 1, "GB": None, "US": None}
    lines = "\n".join(acting.overview(workspace.root, number).lines())
    assert f"GB stays where it is until `fedsov rollout approve {number} --region GB`" in lines
    region_approval.approve(workspace.root, number, "GB", by="C. Person", why="now")
    with hub_rollouts(workspace.root) as rollouts:
        hand_over(rollouts, workspace, ("GB",))
    assert _serves(workspace)["GB"] == 1


def test_a_region_s_own_model_is_rolled_out_there_and_crosses_nothing(workspace: Workspace) -> None:
    register(workspace, "DE", "people-de")
    asked = RolloutProposal("people-de", 1, by=BY, why=WHY)
    number = propose(workspace.root, asked).rollout.number
    assert approve(workspace.root, number, by=BY, why=WHY).rollout.order == ("DE",)
    region_approval.approve(workspace.root, number, "DE", by="B. Person", why="tried here")
    acting.act(workspace.root, "start", number, by=BY, why=WHY)
    assert _serves(workspace, "people-de")["DE"] == 1
    assert crossings(workspace, "DE") == crossings(workspace, "hub") == []


def test_what_regions_report_of_another_list_is_about_no_rollout(workspace: Workspace) -> None:
    register(workspace, "hub", "people")
    number = _approved(workspace)
    acting.act(workspace.root, "start", number, by=BY, why=WHY)
    for counter in (0, 2, 7):
        _report(workspace, "DE", "errors", 1, counter=counter)
    _report(workspace, "GB", "errors", 1, counter=1)
    assert _serves(workspace)["DE"] == 1


def test_an_older_list_that_is_published_again_is_refused_by_the_region(workspace: Workspace) -> None:
    register(workspace, "hub", "people")
    number = _approved(workspace)
    acting.act(workspace.root, "start", number, by=BY, why=WHY)
    with hub_rollouts(workspace.root) as rollouts:
        forward = rollouts.published("DE")
        assert forward is not None
    acting.act(workspace.root, "rollback", number, by=BY, why="complaints")
    from fedsov.api.control.serving.taken_lists import put_list
    from fedsov.region.admission import open_region

    with (
        open_region(workspace.region("DE"), "DE") as (place, own),
        pytest.raises(ApprovalRefused, match=r"list 1 of DE is not newer than list 2.*goes on serving"),
    ):
        put_list(place, own, forward[0])


def test_nothing_is_proposed_that_no_region_may_serve_and_a_reason_is_asked_for(workspace: Workspace) -> None:
    register(workspace, "hub", "people")
    with pytest.raises(CrossingRefused, match="no region may serve people 1: US: model of DE"):
        _proposed(workspace, regions=("US",))
    with pytest.raises(ConfigurationError, match="say why it is approved all the same"):
        propose(workspace.root, RolloutProposal("people", 1))
    with pytest.raises(ConfigurationError, match="US cannot be the canary: model of DE"):
        _proposed(workspace, canary="US")
    with pytest.raises(ConfigurationError, match="unknown canary 'FR'"):
        _proposed(workspace, canary="FR")
    with pytest.raises(ConfigurationError, match="no rollout 7; there are none yet"):
        approve(workspace.root, 7)
