"""A label is its region's word: no carrier takes a bond off an update, and no region's word binds the others' model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import Message

from fedsov.hub import federated_training, region_queries
from fedsov.label import PUBLIC, Label, Scope
from fedsov.protocol.flower_messages import pack, unpack
from fedsov.protocol.signed_labels import LabelledAnswer, signed_label
from fedsov.region.worker import answer
from fedsov.runtimes.framed_socket import Frame, FramedSocket
from tests.hostile.hostile_links import DE, HOSTILE, answering, links, lost, question, reply, update
from tests.hub.secure_links import MOVES, region
from tests.hub.world import World, connected
from tests.hub.world import update as moved

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
KEYS = {"R2": KEY.public_key().public_bytes_raw(), "R3": OTHER.public_key().public_bytes_raw()}


def _signing(far: FramedSocket, name: str, key: Ed25519PrivateKey, run: str = "run", told: Label = DE) -> None:
    """A region that signs DE as the label of its updates, and tells `told`."""
    while True:
        asked = unpack(far.receive().body)
        body = pack(reply(asked, update(asked) if asked.content.array_records else None))
        labelled = LabelledAnswer(run, name, asked.metadata.message_id, body, DE)
        far.send(Frame({"label": told.to_json(), "signature": signed_label(key.sign, labelled)}, body))


@pytest.mark.usefixtures("flower")
@pytest.mark.parametrize(
    "life",
    [
        lambda far: answering(far),
        lambda far: _signing(far, "R2", OTHER),
        lambda far: _signing(far, "R3", KEY),
        lambda far: _signing(far, "R2", KEY, run="another"),
        lambda far: _signing(far, "R2", KEY, told=PUBLIC),
    ],
    ids=["unsigned", "another key", "another region", "another run", "a bond taken off"],
)
def test_an_update_whose_label_its_region_did_not_sign_is_none(life, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.hostile import hostile_links

    monkeypatch.setattr(hostile_links, "answering", lambda far: _signing(far, "R3", OTHER))
    with links(life) as opened:
        opened.believe("run", KEYS)
        assert "the label of its update is not signed by its pinned key" in lost(opened, "train", numbers=4)


@pytest.mark.usefixtures("flower")
def test_an_update_whose_label_is_signed_is_believed() -> None:
    with links(lambda far: _signing(far, "R2", KEY)) as opened:
        opened.believe("run", {"R2": KEYS["R2"]})
        opened.send(question(HOSTILE, "train", numbers=4), PUBLIC)
        replies = [each for _ in range(20) for each in opened.poll(0.5)]
    ((update_, label),) = replies
    assert update_.has_content() and label == DE


def test_a_region_that_invents_bonds_loses_its_round_and_binds_nobody_s_model(tmp_path: Path) -> None:
    """A label of an origin that no law permits would keep the global model from every region."""
    world, said = World(tmp_path, {"train": lambda name, message: moved(message, 1.0)}), list[str]()
    ordinary = world.poll

    def inventing(seconds: float) -> list[tuple[Message, Label]]:
        return [
            (each, label | Label(frozenset({"KP"})))
            if each.metadata.src_node_id == 2 and each.has_content()
            else (each, label)
            for each, label in ordinary(seconds)
        ]

    world.poll = inventing  # type: ignore[method-assign]
    with connected(world) as run:
        run.progress = said.append
        described = region_queries.profiles(run)
        model = federated_training.train_together(run, described, Scope.SHAREABLE, what="global model", minimum=2)
    assert model.label.origins == {"DE", "FR", "US"}
    assert [set(record.metrics) for record in model.rounds] == [{3, 4}, {3, 4}]
    assert any(
        "without DE (LabelUnknown (its update is bound by more than it told before the plan))" in line for line in said
    )


def test_a_region_that_calls_its_update_public_takes_no_bond_off_the_model(tmp_path: Path) -> None:
    world = World(tmp_path, {"train": lambda name, message: moved(message, 1.0)})
    ordinary = world.poll
    world.poll = lambda seconds: [(each, PUBLIC) for each, _ in ordinary(seconds)]  # type: ignore[method-assign]
    with connected(world) as run:
        described = region_queries.profiles(run)
        model = federated_training.train_together(run, described, Scope.SHAREABLE, what="global model", minimum=2)
        assert model.label == PUBLIC.__or__(model.label) and model.label.origins == {"DE", "FR", "US"}
        grid = run.grid([2], known={2: described[0].label})
        list(grid.send_and_receive([question(2, "train", numbers=2)]))
        assert grid.label.origins == {"DE"}  # the hub's own record, whatever the update says


@pytest.mark.usefixtures("flower")
@pytest.mark.parametrize("kind", ["train", "query.finish"])
def test_a_global_model_that_comes_back_with_fewer_bonds_is_refused_by_its_region(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    """A hub that calls the model public would have the region's later answers called public too."""
    home = region(tmp_path, "DE", MOVES, sums=None)
    first, incoming = _round(1), Label(frozenset({"FR"}))
    sent, label = answer(home, first, incoming)
    assert sent.has_content() and label.origins == {"DE", "FR"}
    for shrunk in (PUBLIC, incoming):
        refused, _ = answer(home, _round(2, kind), shrunk)
        assert refused.has_error() and str(refused.error.reason).startswith("LabelShrunk")
    assert "the global model came back as FR" in capfd.readouterr().err
    assert answer(home, _round(2), label)[0].has_content()


def _round(number: int, kind: str = "train") -> Message:
    from fedsov.protocol.flower_messages import config_of, with_version
    from fedsov.protocol.message_types import VERSION

    message = question(2, kind, numbers=4)
    config = {**config_of(message), "server-round": number, "scope": "shareable", "strategy": "federated"}
    message.content.config_records["config"].update(config)  # type: ignore[arg-type]
    with_version(message, VERSION)
    return message


def test_the_signature_is_over_the_answer_and_not_over_the_label_alone() -> None:
    from fedsov.protocol.signed_labels import LabelUnsigned, check_label

    labelled = LabelledAnswer("run", "DE", "question", b"body", DE)
    signature = signed_label(KEY.sign, labelled)
    check_label(labelled, signature, KEYS["R2"])
    for other in (
        replace(labelled, body=b"other"),
        replace(labelled, question="other"),
        replace(labelled, label=PUBLIC),
    ):
        with pytest.raises(LabelUnsigned):
            check_label(other, signature, KEYS["R2"])
