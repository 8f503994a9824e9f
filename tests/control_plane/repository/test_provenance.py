"""How a version came about is stated by the hub alone, in a form that others' tools read."""

import base64
import json

import pytest

from fedsov.control_plane.repository.provenance import PAYLOAD, Provenance, read_provenance, written_provenance
from fedsov.errors import ApprovalRefused
from fedsov.label import Label
from fedsov.ledger.signed_head import Signer

MODEL = "models/salaries/2/"


@pytest.fixture
def provenance(world):
    """Of a version that two regions trained."""
    return Provenance(
        model="salaries",
        version=2,
        hub="hub",
        files={"model.onnx": "ab" * 32},
        run="run-1",
        dataset="salaries",
        label=Label(origins=frozenset({"DE", "US"})),
        heads={name: ledger.head() for name, ledger in world.ledgers.items()},
        verdict="undecided",
        report="",
        code={"fedsov": ("1.0", "cd" * 32)},
        at="2026-11-30T12:00:00+00:00",
    )


def test_it_names_files_run_ledgers_label_and_code_as_in_toto_and_slsa_do(world, provenance):
    statement = read_provenance(written_provenance(provenance, world.hub), world.hub.key)
    assert statement["subject"] == [{"name": "model.onnx", "digest": {"sha256": "ab" * 32}}]
    built = statement["predicate"]["buildDefinition"]
    assert built["externalParameters"]["run"] == "run-1"
    assert built["internalParameters"]["label"] == provenance.label.to_json()
    named = {each["name"]: each["digest"]["sha256"] for each in built["resolvedDependencies"]}
    assert named == {
        "ledger of DE": world.ledgers["DE"].head().digest,
        "ledger of US": world.ledgers["US"].head().digest,
        "fedsov": "cd" * 32,
    }


def test_a_region_fetches_it_with_the_files(world, provenance):
    text = written_provenance(provenance, world.hub)
    world.publish(files={f"{MODEL}provenance.json": text}, readers=["DE"])
    assert read_provenance(world.reader("DE").source.file(f"{MODEL}provenance.json"), world.hub.key)


def test_another_key_a_changed_word_or_another_type_is_refused(world, provenance):
    text = written_provenance(provenance, world.hub)
    plain = json.loads(text)
    changed = base64.b64decode(plain["payload"]).replace(b"run-1", b"run-2")
    for altered in (
        {**plain, "payload": base64.b64encode(changed).decode()},
        {**plain, "payloadType": "text/plain"},
        {**plain, "signatures": []},
        {"payloadType": PAYLOAD},
        [],
    ):
        with pytest.raises(ApprovalRefused, match="not signed by the hub"):
            read_provenance(json.dumps(altered).encode(), world.hub.key)
    thief = Signer.made(world.folder / "thief.key").public
    with pytest.raises(ApprovalRefused, match="not signed by the hub"):
        read_provenance(text, thief)
