"""What the hub states of a version is what its ledger noted of the run."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from fedsov.api.control.rollouts.provenance_facts import code_digest, heads_of_run, provenance_of
from fedsov.control_plane.repository.provenance import read_provenance
from fedsov.control_plane.rollouts.proposal import Act, ProposedVersion
from fedsov.label import Label
from fedsov.ledger.ledger import Ledger


def test_the_heads_are_those_that_the_run_noted_last(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "hub" / "ledger.sqlite", "hub")) as hub:
        region = Ledger(tmp_path / "DE" / "ledger.sqlite", "DE")
        hub.note({"heads": {"DE": region.head().to_json()}}, run="run-1")
        region.note({"text": "more"})
        hub.note({"heads": {"DE": region.head().to_json()}}, run="run-1")
        region.note({"text": "of another run"})
        hub.note({"heads": {"DE": region.head().to_json()}}, run="run-2")
        region.close()
        assert heads_of_run(hub, "run-1")["DE"].size == 1
        assert heads_of_run(hub, "run-3") == {}
        proposal = ProposedVersion(
            model="salaries",
            version=2,
            digest="ab" * 32,
            label=Label(origins=frozenset({"DE"})),
            verdict="undecided",
            report="",
            registry="hub",
            dataset="salaries",
            run="run-1",
            files={"model.onnx": "cd" * 32},
            proposed=Act(by="A. Person", why="trial", at="2026-11-30"),
        )
        statement = read_provenance(provenance_of(proposal, hub), hub.key)
    named = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert [each["name"] for each in named] == ["ledger of DE", "fedsov"]
    assert named[1]["digest"]["sha256"] == code_digest()
