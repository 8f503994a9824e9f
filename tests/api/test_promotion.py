"""Promotion: who approved what for which region, decided, recorded, signed by both, and the way back."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
import yaml

from fedsov import registry
from fedsov.api.inference.approval import approvals, verdicts
from fedsov.api.promotion import VersionApproval, promote, withdraw, withdraw_failed
from fedsov.api.region_settings import set_settings
from fedsov.errors import ApprovalRefused, CheckpointDamaged, ConfigurationError, CrossingRefused
from fedsov.inference.approved import ApprovedList
from fedsov.inference.predictor import Predictor
from fedsov.keys.certificates import REGION
from fedsov.label import PUBLIC
from fedsov.ledger.ledger import Ledger
from fedsov.region.admission import Place
from fedsov.region.settings_file import read_settings
from fedsov.registry.lookup import find, listed
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress, PartyFile, write_party
from fedsov.storage.serving_folder import ServingFolder
from fedsov.storage.workspace import Workspace, ledger_of
from tests.api.inference.world import crossings, notes, register, workspace_of

OWN = VersionApproval("people-de", 1, by="A. Person", why="trial")
SHARED = VersionApproval("people", 1, by="A. Person", why="trial")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_of(tmp_path / "w")


def _listed(workspace: Workspace, name: str) -> ApprovedList:
    folder = workspace.region(name)
    with closing(Ledger.read(ledger_of(folder))) as ledger:
        place = Place(folder, ledger)
        return approvals.in_force(place, read_settings(folder, ledger))


def test_a_region_s_own_model_is_approved_at_home_and_crosses_nothing(workspace: Workspace) -> None:
    register(workspace, "DE", "people-de")
    promotion = promote(workspace.root, OWN)
    assert (promotion.owner, [*promotion.approved], promotion.refused) == ("DE", ["DE"], {})
    (version,) = _listed(workspace, "DE").versions
    assert (version.model, version.version, version.mode, version.by, version.why) == (
        *("people-de", 1, "champion"),
        *("A. Person", "trial"),
    )
    folder = ServingFolder(workspace.region("DE")).model("people-de", 1)
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert files == version.files and version.files["model.safetensors"] == version.digest
    predictor = Predictor.load(folder)
    assert (predictor.name, predictor.version, predictor.label) == ("people-de", 1, version.label)
    assert crossings(workspace, "DE") == crossings(workspace, "hub") == []
    for owner in ("hub", "DE"):
        (note,) = notes(workspace, owner, approvals.NOTE)
        assert (note["act"], note["region"], note["model"], note["by"]) == ("approved", "DE", "people-de", "A. Person")
    assert not ServingFolder(workspace.region("GB")).approved.exists()
    (registered,) = registry.models(workspace.region("DE"))
    assert registered.aliases == ("candidate", "champion")
    assert any("drift is not measured" in remark for remark in promotion.remarks), "this region has no rows"


def test_the_hub_s_model_goes_to_every_region_that_may_have_it_and_the_others_are_named(workspace: Workspace) -> None:
    register(workspace, "hub", "people")
    promotion = promote(workspace.root, SHARED)
    assert [*promotion.approved] == ["DE", "GB"]
    assert "DE -> US: needs" in promotion.refused["US"] and "Obtain" in promotion.refused["US"]
    assert crossings(workspace, "hub") == [
        *(("model", "DE", "permit"), ("model", "GB", "permit"), ("model", "US", "refuse"))
    ]
    assert [len(_listed(workspace, name).versions) for name in ("DE", "GB", "US")] == [1, 1, 0]


def test_where_no_region_may_have_it_nothing_is_approved(workspace: Workspace) -> None:
    register(workspace, "hub", "people")
    with pytest.raises(CrossingRefused, match="no region may serve people 1: US: model of DE"):
        promote(workspace.root, VersionApproval("people", 1, why="trial", regions=("US",)))
    (registered,) = registry.models(workspace.hub)
    assert "champion" not in registered.aliases


def test_made_up_documents_speak_for_models_of_example_rows_alone(workspace: Workspace, tmp_path: Path) -> None:
    documents = [
        {
            **{"id": f"{kind}-{origin}", "kind": kind, "exporter": [origin], "importer": ["US"]},
            **{"categories": ["personal"], "signed": date(2025, 1, 1), "expires": date(2040, 1, 1)},
            **{"owner": "nobody", "example": True, "entities": ["Example Inc."]},
            **{"exporters": ["Example Holding" if origin == "IE" else "Example GmbH"]},
            **({"terms": {"doc": "2021/914", "module": "1", "role": "C->C", "onward_terms": "yes"}} if terms else {}),
        }
        for origin in ("IE", "DE")
        for kind, terms in (("scc_eu", True), ("tia", False))
    ]
    register_file = tmp_path / "documents.yaml"
    register_file.write_text(yaml.safe_dump({"documents": documents}))
    border = {"border.evidence": str(register_file), "border.rules": "None", "border.unsafe_open": "False"}
    to_us = {"why": "trial", "regions": ("US",)}
    register(workspace, "hub", "people", params={**border, "dataset.examples": "None"})
    with pytest.raises(CrossingRefused, match="made up"):
        promote(workspace.root, VersionApproval("people", 1, **to_us))
    register(workspace, "hub", "people", params={**border, "dataset.examples": "made up by a test"})
    assert [*promote(workspace.root, VersionApproval("people", 2, **to_us)).approved] == ["US"]


def test_a_region_s_model_leaves_by_the_region_s_own_gate(workspace: Workspace) -> None:
    register(workspace, "DE", "people-de")
    promotion = promote(workspace.root, VersionApproval("people-de", 1, why="trial", regions=("GB", "US")))
    assert ([*promotion.approved], [*promotion.refused]) == (["GB"], ["US"])
    assert crossings(workspace, "DE") == [("model", "GB", "permit"), ("model", "US", "refuse")]
    assert crossings(workspace, "hub") == []


def test_a_model_that_lacks_its_private_parameters_is_refused_in_a_sentence(workspace: Workspace) -> None:
    register(workspace, "hub", "people", absent=("0.weight",))
    with pytest.raises(ConfigurationError, match=r"is not whole: 0\.weight stay in the regions"):
        promote(workspace.root, SHARED)


def test_a_version_without_a_test_takes_a_reason_and_the_reason_is_kept(workspace: Workspace) -> None:
    register(workspace, "DE", "people-de")
    with pytest.raises(ConfigurationError, match=r"counts as undecided; say why .*--why TEXT, or test it"):
        promote(workspace.root, VersionApproval("people-de", 1))
    assert not notes(workspace, "DE", approvals.NOTE)


def _tested(workspace: Workspace, owner: str, model: str, verdict: str, region: str = "DE") -> None:
    folder = workspace.hub if owner == "hub" else workspace.region(owner)
    version = find(listed(folder), f"{model}/1")
    assert version is not None
    weights = version.folder / "model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    about = {"model": model, "version": 1, "digest": digest, "verdict": verdict, "report": "ab", "region": region}
    with closing(Ledger(ledger_of(folder), owner)) as ledger:
        verdicts.note_verdict(ledger, about)
        worst = verdicts.verdict_of(ledger, model, 1, digest).word
    registry.tag(folder, model, 1, verdicts.NOTE, worst)


def test_a_version_that_passed_takes_no_reason(workspace: Workspace) -> None:
    register(workspace, "DE", "people-de")
    _tested(workspace, "DE", "people-de", "pass")
    promotion = promote(workspace.root, VersionApproval("people-de", 1))
    assert promotion.approved["DE"].verdict == "pass"
    assert promotion.approved["DE"].report == "ab"


def test_a_version_that_failed_serves_no_region_outside_its_origins_whatever_the_reason(workspace: Workspace) -> None:
    register(workspace, "hub", "people")
    _tested(workspace, "hub", "people", "fail")
    with pytest.raises(ConfigurationError, match="attack verdict fail .*--why TEXT, or train it with privacy=record"):
        promote(workspace.root, VersionApproval("people", 1))
    promotion = promote(workspace.root, SHARED)
    assert [*promotion.approved] == ["DE"]
    assert "GB is outside DE" in promotion.refused["GB"]
    assert promotion.approved["DE"].verdict == "fail"
    assert ("model", "GB", "permit") not in crossings(workspace, "hub"), "it is not even sent"


def test_what_a_region_may_serve_beside_does_not_bring_it_within_the_origins_of_a_version_that_failed(
    workspace: Workspace,
) -> None:
    set_settings(workspace.root, ["GB"], ["serving.jurisdictions=[GB, DE]"])
    register(workspace, "hub", "people")
    _tested(workspace, "hub", "people", "fail")
    assert "GB is outside DE" in promote(workspace.root, SHARED).refused["GB"]


def test_a_test_that_fails_after_the_approval_takes_the_version_from_regions_outside_its_origins(
    workspace: Workspace,
) -> None:
    register(workspace, "hub", "people")
    assert [*promote(workspace.root, SHARED).approved] == ["DE", "GB"]
    assert withdraw_failed(workspace.root, SHARED, verdicts.VersionVerdict("undecided")) == []
    (line,) = withdraw_failed(workspace.root, SHARED, verdicts.VersionVerdict("fail", "ab", ("DE",)))
    assert line == (
        "people 1 is withdrawn from GB, outside its origins: it has the attack verdict fail (on rows of DE)"
    )
    assert _listed(workspace, "GB").versions == () and len(_listed(workspace, "DE").versions) == 1


def test_the_worst_of_several_tests_counts_and_a_later_test_of_the_same_rows_replaces_one(workspace: Workspace) -> None:
    register(workspace, "hub", "people")
    _tested(workspace, "hub", "people", "fail")
    _tested(workspace, "hub", "people", "pass", "GB")
    assert promote(workspace.root, SHARED).verdict.word == "fail"
    _tested(workspace, "hub", "people", "pass")
    verdict = promote(workspace.root, SHARED).verdict
    assert (verdict.word, verdict.regions) == ("pass", ("DE", "GB"))


def test_a_verdict_that_was_edited_in_the_registry_is_found(workspace: Workspace) -> None:
    register(workspace, "DE", "people-de")
    registry.tag(workspace.region("DE"), "people-de", 1, verdicts.NOTE, "pass")
    with pytest.raises(ConfigurationError, match="the ledger noted undecided: the tag was edited"):
        promote(workspace.root, OWN)


def test_a_label_that_was_edited_in_the_registry_is_found(workspace: Workspace) -> None:
    register(workspace, "hub", "people")
    registry.tag(workspace.hub, "people", 1, "label", json.dumps(PUBLIC.to_json()))
    with pytest.raises(CheckpointDamaged, match="its registry says otherwise"):
        promote(workspace.root, SHARED)


def test_a_new_champion_replaces_the_old_one_and_the_older_version_can_be_promoted_again(workspace: Workspace) -> None:
    for _ in range(2):
        register(workspace, "DE", "people-de")
    promote(workspace.root, OWN)
    second = promote(workspace.root, VersionApproval("people-de", 2, why="better"))
    assert second.replaced == {"DE": 1}
    assert [each.version for each in _listed(workspace, "DE").versions] == [2]
    assert ServingFolder(workspace.region("DE")).model("people-de", 1).is_dir(), "the files of the older one stay"
    back = promote(workspace.root, OWN)
    assert (back.replaced, [each.version for each in _listed(workspace, "DE").versions]) == ({"DE": 2}, [1])
    assert _listed(workspace, "DE").counter == 3


def test_a_canary_and_a_shadow_stand_beside_the_champion_and_leave_its_alias(workspace: Workspace) -> None:
    for _ in range(3):
        register(workspace, "DE", "people-de")
    promote(workspace.root, OWN)
    promote(workspace.root, VersionApproval("people-de", 2, why="try", mode="canary", share=0.1))
    promotion = promote(workspace.root, VersionApproval("people-de", 3, why="look", mode="shadow"))
    assert not promotion.is_champion
    own = _listed(workspace, "DE").of("people-de")
    assert own.champion is not None and own.champion.version == 1
    assert [(each.version, each.share) for each in (*own.canaries, *own.shadows)] == [(2, 0.1), (3, 1.0)]
    assert [each.version for each in registry.models(workspace.region("DE")) if "champion" in each.aliases] == [1]
    assert withdraw(workspace.root, VersionApproval("people-de", 2, why="worse")) == ["DE"]
    assert not _listed(workspace, "DE").of("people-de").canaries
    with pytest.raises(ConfigurationError, match="people-de 2 is approved in no region"):
        withdraw(workspace.root, VersionApproval("people-de", 2))


def test_a_canary_without_a_champion_is_said_to_leave_requests_unanswered(workspace: Workspace) -> None:
    register(workspace, "DE", "people-de")
    promotion = promote(workspace.root, VersionApproval("people-de", 1, why="try", mode="canary", share=0.1))
    assert any("has no champion" in remark for remark in promotion.remarks)


def test_an_older_list_that_is_put_back_is_recognised_and_a_new_one_can_be_begun(workspace: Workspace) -> None:
    for _ in range(2):
        register(workspace, "DE", "people-de")
    promote(workspace.root, OWN)
    path = ServingFolder(workspace.region("DE")).approved
    older = path.read_bytes()
    promote(workspace.root, VersionApproval("people-de", 2, why="better"))
    newer = path.read_bytes()
    for content in (older, newer.replace(b"better", b"worse!"), None):
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        with pytest.raises(ApprovalRefused, match=r"promote MODEL VERSION --anew"):
            _listed(workspace, "DE")
    with pytest.raises(CrossingRefused, match="no region may serve"):
        promote(workspace.root, OWN)
    promote(workspace.root, VersionApproval("people-de", 1, why="again", anew=True))
    listed = _listed(workspace, "DE")
    assert (listed.counter, [each.version for each in listed.versions]) == (3, [1])


def test_a_list_that_the_ledger_never_noted_is_refused(workspace: Workspace) -> None:
    register(workspace, "DE", "people-de")
    promote(workspace.root, OWN)
    other = ServingFolder(workspace.region("GB")).approved
    other.parent.mkdir()
    other.write_bytes(ServingFolder(workspace.region("DE")).approved.read_bytes())
    with pytest.raises(ApprovalRefused, match="never noted"):
        _listed(workspace, "GB")


def test_another_hub_than_the_pinned_one_approves_nothing(workspace: Workspace) -> None:
    register(workspace, "DE", "people-de")
    for path in workspace.hub.glob("ledger.sqlite*"):
        path.unlink()
    (workspace.hub / "signing.key").unlink()
    Ledger(ledger_of(workspace.hub), "hub").close()
    with pytest.raises(CrossingRefused, match=r"pins the key .* for the hub, and this hub signs with"):
        promote(workspace.root, OWN)


def test_a_home_without_the_hub_gives_the_alias_and_says_that_no_list_was_changed(tmp_path: Path) -> None:
    workspace = workspace_of(tmp_path / "w", "DE")
    register(workspace, "DE", "people-de")
    for path in workspace.hub.iterdir():
        path.unlink()
    write_party(DeploymentFolder(workspace.root).party, PartyFile("DE", REGION, HubAddress("127.0.0.1", 9092)))
    promotion = promote(workspace.root, OWN)
    assert (promotion.is_champion, promotion.approved) == (True, {})
    assert "no list was changed" in promotion.remarks[0]
    assert registry.models(workspace.region("DE"))[0].aliases == ("candidate", "champion")


@pytest.mark.parametrize(
    ("approval", "match"),
    [
        (VersionApproval("people-de", 9, why="x"), "people-de has no version 9; it has 1"),
        (VersionApproval("others", 1, why="x"), "no registered model 'others'; there are people-de"),
        (VersionApproval("people-de", 1, why="x", regions=("FR",)), "unknown region 'FR'"),
    ],
)
def test_what_there_is_not_is_named_with_what_there_is(
    workspace: Workspace, approval: VersionApproval, match: str
) -> None:
    register(workspace, "DE", "people-de")
    with pytest.raises(ConfigurationError, match=match):
        promote(workspace.root, approval)
