"""A hub proposes settings, and each region takes what its own region.yaml lets a hub propose, and answers.

A real service over TLS; the regions are read and changed as by their agents.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from fedsov.api.border import law_bundles
from fedsov.api.control.configuration.proposing import propose, proposed, withdraw
from fedsov.api.control.configuration.region_configuration import NOTE, ProposalTaker
from fedsov.api.control.control_hub import control_hub
from fedsov.api.control.hub.control_answers import control_answers
from fedsov.api.control.repository.region_source import RegionReads
from fedsov.api.deployment.trial import Trial, set_up_trial
from fedsov.api.region_settings import set_settings, show
from fedsov.border.law.bundle_loader import HERE, load_bundle
from fedsov.border.law.law_owner import make_owner_key
from fedsov.control_plane.configuration.standing import ProposedToRegion, SettingState, proposal_of
from fedsov.control_plane.repository.renewal import new_root
from fedsov.errors import ConfigurationError, RepositoryRefused
from fedsov.ledger.ledger import Ledger
from fedsov.protocol.control import control_pb2 as control
from fedsov.protocol.proposed_settings import SettingsAnswer, SettingsProposal
from fedsov.region.settings import RegionSettings
from fedsov.runtimes.deployment.hub_connection import Credentials
from fedsov.runtimes.deployment.region_agent.control_client import ControlClient, ControlRefused
from fedsov.storage.party_file import HubAddress
from fedsov.storage.workspace import Workspace, ledger_of
from tests.api.control.processes import until
from tests.api.control.region_world import RegionWorld
from tests.api.inference.world import workspace_of
from tests.runtimes.deployment.control.world import serving

HOLD = """
import sys
from pathlib import Path
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import Workspace
with hold_workspace(Workspace(Path(sys.argv[1]))):
    print("holds it", flush=True)
    sys.stdin.read()
"""
"""A run of another process, until its input ends."""
SAID = {"by": "A. Person", "why": "longer trainings"}


@dataclass
class Proposing:
    """A workspace whose hub serves, and its regions' agents at one instant."""

    workspace: Workspace
    trial: Trial
    address: HubAddress

    def propose(self, *words: str, region: str = "DE", law: Path | None = None) -> ProposedToRegion:
        return propose(self.workspace.root, words, regions=[region], law=law, **SAID)[0]

    def allow(self, *names: str, region: str = "DE") -> None:
        """The owner lets a hub propose these."""
        set_settings(self.workspace.root, [region], [f"proposals=[{','.join(names)}]"])

    def act(self, region: str = "DE") -> ProposalTaker:
        """What the region's agent does at news."""
        taker = ProposalTaker(self.workspace.root, region, RegionReads(self.workspace.root, region))
        with self.client(region) as client:
            taker.act(client)
        return taker

    @contextmanager
    def client(self, region: str) -> Iterator[ControlClient]:
        with ControlClient(self.address, Credentials.of(self.trial.regions[region])) as client:
            yield client

    def states(self, region: str = "DE") -> dict[str, SettingState]:
        standing = proposed(self.workspace.root, [region])[0]
        return {each.key: each for each in standing.states}

    def answer(self, region: str = "DE") -> SettingsAnswer:
        answer = proposed(self.workspace.root, [region])[0].answer
        assert answer is not None
        return answer

    def notes(self, region: str = "DE") -> list[dict[str, object]]:
        with closing(Ledger.read(ledger_of(self.workspace.region(region)))) as ledger:
            return [entry.body["note"][NOTE] for entry in ledger.notes(NOTE)]


HUB = HubAddress("127.0.0.1", 9092)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of a trial to which nothing was proposed, to be copied."""
    workspace = workspace_of(tmp_path_factory.mktemp("configuration") / "w", "DE", "GB")
    set_up_trial(workspace.root, ["DE", "GB"], HUB)
    return workspace.root


@pytest.fixture
def proposing(tmp_path: Path, first: Path) -> Iterator[Proposing]:
    workspace = Workspace(shutil.copytree(first, tmp_path / "w"))
    trial = set_up_trial(workspace.root, ["DE", "GB"], HUB)
    with control_hub(workspace.root) as hub, serving(trial, hub.database, control_answers(hub)) as (_, address):
        yield Proposing(workspace, trial, address)


def test_a_region_takes_what_it_lists_and_refuses_the_rest_by_name(proposing: Proposing) -> None:
    proposing.allow("limits.rounds", "serving.guard")
    sent = proposing.propose("limits.rounds=40", "retention_days=30", "serving.guard.psi=0.2")
    assert {each.state for each in sent.states} == {"not answered yet"}
    proposing.act()
    own, states = show(proposing.workspace.root, "DE"), proposing.states()
    assert (own.settings.limits.rounds, own.settings.retention_days) == (40, None)
    assert own.changed["by"] == "A. Person (hub)"
    assert {key: each.state for key, each in states.items()} == {
        "limits.rounds": "in force",
        "retention_days": "refused",
        "serving.guard.psi": "in force",
    }
    assert "lets no hub propose retention_days; the owner sets it" in states["retention_days"].reason
    told = proposing.answer().in_force
    assert told["limits.rounds"] == "40" and not any(key.startswith(("keys", "retention")) for key in told)
    assert proposing.notes()[-1]["refused"] == ["retention_days"]


@pytest.mark.long
def test_the_agent_of_a_region_takes_what_is_proposed_while_it_runs(tmp_path: Path) -> None:
    """Short siblings are all around: here hub and agent are the processes of a deployment."""
    with RegionWorld(tmp_path / "w", ["DE", "GB"]) as world:
        world.processes.begin_hub()
        set_settings(world.root, ["DE"], ["proposals=[limits.rounds]"])
        for name in ("DE", "GB"):
            world.processes.begin_region(name)
            world.processes.until_seen(name)
        propose(world.root, ["limits.rounds=40"], **SAID)

        def states() -> dict[str, str]:
            every = proposed(world.root)
            return {state.region: state.state for each in every for state in each.states}

        until(lambda: states() == {"DE": "in force", "GB": "refused"}, lambda: f"{states()}")
        assert show(world.root, "DE").settings.limits.rounds == 40


def test_a_region_that_lists_nothing_changes_nothing(proposing: Proposing) -> None:
    before = show(proposing.workspace.root, "DE").settings
    proposing.propose("limits.rounds=40", "privacy.require=record")
    proposing.act()
    assert show(proposing.workspace.root, "DE").settings == before
    assert set(proposing.answer().refused) == {"limits.rounds", "privacy.require"}
    assert proposing.answer().in_force == {}


def test_the_owner_who_lists_a_setting_later_has_it_taken(proposing: Proposing) -> None:
    proposing.propose("limits.rounds=40")
    taker = proposing.act()
    proposing.allow("limits.rounds")
    with proposing.client("DE") as client:
        taker.again(client)
        notes = len(proposing.notes())
        taker.again(client)
    assert proposing.states()["limits.rounds"].state == "in force"
    assert len(proposing.notes()) == notes, "what was answered is not answered again"


def test_a_region_that_was_away_misses_no_proposal(proposing: Proposing) -> None:
    proposing.allow("limits")
    proposing.propose("limits.rounds=40")
    proposing.propose("limits.questions=50")
    proposing.act()
    limits = show(proposing.workspace.root, "DE").settings.limits
    assert (limits.rounds, limits.questions) == (40, 50)


def test_a_value_that_the_region_refuses_is_refused_alone(proposing: Proposing) -> None:
    proposing.allow("limits", "serving")
    proposing.propose("limits.rounds=40", "serving.hosts=[CN]")
    proposing.act()
    states = proposing.states()
    assert (states["limits.rounds"].state, states["serving.hosts"].state) == ("in force", "refused")
    assert "CN" in states["serving.hosts"].reason


def test_a_proposal_waits_while_a_run_holds_the_workspace(proposing: Proposing) -> None:
    proposing.allow("limits")
    proposing.propose("limits.rounds=40")
    words = [sys.executable, "-c", HOLD, str(proposing.workspace.root)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ}) as run:
        assert run.stdin is not None and run.stdout is not None
        assert run.stdout.readline() == b"holds it\n"
        taker = proposing.act()
        run.stdin.close()
    assert proposing.states()["limits.rounds"].state == "waits"
    with proposing.client("DE") as client:
        taker.again(client)
    assert proposing.states()["limits.rounds"].state == "in force"


def test_what_is_withdrawn_stands_proposed_no_more_and_stays_as_the_region_has_it(proposing: Proposing) -> None:
    proposing.allow("limits")
    proposing.propose("limits.rounds=40", "limits.questions=50")
    proposing.act()
    withdraw(proposing.workspace.root, ["limits.rounds"], regions=["DE"], **SAID)
    proposing.act()
    assert set(proposing.states()) == {"limits.questions"}
    assert show(proposing.workspace.root, "DE").settings.limits.rounds == 40
    with pytest.raises(ConfigurationError, match="setting proposed to DE"):
        withdraw(proposing.workspace.root, ["limits.rounds"], regions=["DE"])


def test_a_withdrawal_that_names_no_region_is_for_those_to_which_the_setting_stands_proposed(
    proposing: Proposing,
) -> None:
    proposing.propose("limits.rounds=40")
    (withdrawn,) = withdraw(proposing.workspace.root, ["limits.rounds"], **SAID)
    assert withdrawn.proposal.region == "DE" and not withdrawn.proposal.settings
    with pytest.raises(ConfigurationError, match="setting proposed to any region"):
        withdraw(proposing.workspace.root, ["limits.rounds"], **SAID)


def test_a_new_law_comes_with_its_proposal_and_the_answer_says_what_it_decides_otherwise(
    proposing: Proposing, tmp_path: Path
) -> None:
    root = proposing.workspace.root
    public = make_owner_key(tmp_path / "publisher.key")
    newer = stricter_law(tmp_path)
    law_bundles.export(tmp_path / "law.json", root=root, folder=newer, key=tmp_path / "publisher.key")
    proposing.allow("law.bundle")
    proposing.propose(law=tmp_path / "law.json")
    proposing.act()
    assert "it must be signed by" in proposing.states()["law.bundle"].reason, "no publisher is pinned yet"
    digest = proposing.states()["law.bundle"].proposed.value
    (root / "law").mkdir(exist_ok=True)
    law_bundles.install(root, tmp_path / "law.json", publisher=public)
    set_settings(root, ["DE"], ["serving.hosts=[GB]"])
    proposing.act()
    assert show(root, "DE").settings.law.bundle == digest
    assert any("people of GB: permitted" in sentence for sentence in proposing.answer().changes)


def stricter_law(tmp_path: Path) -> Path:
    """Law that somebody read later, that shuts a way of the United Kingdom."""
    folder = tmp_path / "newer"
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    text = (folder / "regimes.yaml").read_text()
    (folder / "regimes.yaml").write_text(text.replace(f"dated: {load_bundle().dated}", "dated: 2029-01-01"))
    rules = folder / "rules" / "europe.yaml"
    permitted = "- id: uk.adequacy\n  effect: permit"
    assert permitted in rules.read_text()
    rules.write_text(rules.read_text().replace(permitted, permitted.replace("permit", "review")))
    return folder


def test_a_region_answers_for_itself_alone_and_with_its_own_key(proposing: Proposing) -> None:
    with closing(Ledger.existing(ledger_of(proposing.workspace.region("GB")))) as ledger:
        for region in ("DE", "GB"):
            forged = SettingsAnswer(region, 1).signed(ledger.sign)
            with proposing.client("DE") as client, pytest.raises(ControlRefused, match="is not signed by whom"):
                client.answer_configuration(control.ConfigurationAnswer(document=forged))
        of_another = control.ConfigurationAnswer(document=SettingsAnswer("DE", 1).signed(ledger.sign))
        with proposing.client("GB") as client, pytest.raises(ControlRefused, match="answers for itself alone"):
            client.answer_configuration(of_another)


def test_an_older_proposal_than_was_answered_changes_nothing(proposing: Proposing) -> None:
    proposing.allow("limits")
    proposing.propose("limits.rounds=40")
    proposing.propose("limits.rounds=50")
    proposing.act()
    with control_hub(proposing.workspace.root) as hub, hub.database.changing() as connection:
        older = SettingsProposal("DE", 1, proposal_of(connection, "DE").settings)
        hub.repository.publish(connection, files={"configuration/DE.json": older.to_text()}, readers=["DE"])
    with pytest.raises(RepositoryRefused, match="proposal 1 of settings, and DE answered 2"):
        proposing.act()


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("proposals=[limits]", "setting that a hub may propose"),
        ("keys.hub=" + "0" * 64, "setting that a hub may propose"),
        ("law.unsafe_open=true", "setting that a hub may propose"),
        ("limits.round=3", "limits.rounds"),
        ("limits.rounds=many", "limits.rounds"),
        ("limits.rounds", "KEY=VALUE"),
        ("law.bundle=installed", "--law FILE"),
    ],
)
def test_what_no_hub_can_propose_is_refused_before_it_is_published(word: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        propose(Path("nowhere"), [word])


def test_an_unknown_region_is_named_and_nothing_is_noted(proposing: Proposing) -> None:
    with pytest.raises(ConfigurationError, match="XX"):
        proposing.propose("limits.rounds=4", region="XX")
    with pytest.raises(ConfigurationError, match="nothing was proposed to DE"):
        proposing.states()
    with closing(Ledger.read(ledger_of(proposing.workspace.hub))) as ledger:
        assert not ledger.notes("configuration")


@pytest.mark.parametrize(
    "name", ["keys", "proposals", "parties", "law.unsafe_open", "serving.issuers", "datasets", "limit"]
)
def test_an_owner_cannot_list_whom_the_region_trusts_nor_the_list_itself(name: str) -> None:
    with pytest.raises(ConfigurationError, match="setting that a hub may propose"):
        RegionSettings("DE").changed([f"proposals=[{name}]"])


def test_a_new_root_is_followed_by_a_region_that_reads_settings(proposing: Proposing) -> None:
    proposing.allow("limits")
    proposing.propose("limits.rounds=40")
    proposing.act()
    with control_hub(proposing.workspace.root) as hub:
        new_root(hub.repository, replaced=["targets", "snapshot", "timestamp"])
    proposing.propose("limits.rounds=50")
    proposing.act()
    assert json.loads(json.dumps(proposing.answer().to_json()))["in_force"]["limits.rounds"] == "50"
