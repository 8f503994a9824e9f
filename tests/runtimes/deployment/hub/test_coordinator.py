"""The coordinator: a party reaches what its certificate's role allows; a message is handed out until it is had."""

import asyncio
import json
from datetime import UTC, datetime

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict

from fedsov.api.deployment.hub_home import hub_home
from fedsov.keys.certificates import identity_of
from fedsov.keys.members import read_members
from fedsov.keys.revocation import read
from fedsov.protocol.envelopes import Address, enveloped, enveloped_reply
from fedsov.protocol.flower_messages import HUB_NODE, flower_process, identify
from fedsov.runtimes.deployment.flower_clients import named_once, parcel_of, parcelled
from fedsov.runtimes.deployment.hub.answer_space import LEAST, AnswerSpace
from tests.runtimes.deployment.hub_side import HubSide, trial_of


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    return trial_of(tmp_path_factory.mktemp("hub"), "DE", "FR")


@pytest.fixture
def hub(trial):
    return HubSide(trial)


@pytest.fixture(autouse=True)
def flower():
    with flower_process(HUB_NODE):
        yield


REGION, HUB, OPERATOR = {"DE"}, {"hub"}, {"operator"}
REACHED = {
    "fleet/hello": REGION,
    "fleet/pull": REGION,
    "fleet/push": REGION,
    "fleet/beat": REGION,
    "fleet/bye": REGION,
    "fleet/revoked": REGION,
    "regions": HUB | OPERATOR,
    "runs": HUB,
    "runs/beat": HUB,
    "runs/end": HUB,
    "grid/send": HUB,
    "grid/receive": HUB,
    "jobs": HUB | OPERATOR,
    "jobs/follow": HUB | OPERATOR,
    "jobs/stop": HUB | OPERATOR,
    "jobs/next": HUB,
    "jobs/tell": HUB,
    "/v1/fleet/pull-messages": REGION,
    "/v1/control/list-runs": HUB | OPERATOR,
    "/v1/runtime/acquire-task": HUB | OPERATOR,
    "/docs": set(),
    "/openapi.json": set(),
    "/anything": set(),
}


@pytest.mark.parametrize("path", REACHED)
@pytest.mark.parametrize("who", ["DE", "hub", "operator"])
def test_a_role_reaches_its_own_paths_alone(hub, who, path):
    if who not in REACHED[path]:
        status, answer = hub.ask(who, path)
        assert status == 403
        assert b"does not reach" in answer


def test_every_path_of_ours_is_in_the_table(hub):
    assert set(hub.application._acts) <= set(REACHED)


@pytest.mark.parametrize("path", REACHED)
def test_nobody_without_a_certificate_reaches_anything(hub, path):
    status, answer = hub.ask(None, path)
    assert status == 403
    assert b"no certificate" in answer


def test_a_body_that_says_no_length_or_too_much_is_not_read(hub):
    for length in ("", "-1", "ten", str(1 << 40)):
        assert hub.ask("DE", "fleet/push", b"x", **{"content-length": length})[0] == 413


def test_a_region_that_did_not_say_hello_is_told_to(hub):
    assert hub.ask("FR", "fleet/pull")[0] == 409


def begun(hub):
    """A run, and both regions' nodes."""
    nodes = {name: int(hub.tell(name, "fleet/hello", {})["node"]) for name in ("DE", "FR")}
    ticket = hub.tell("hub", "runs", {"application": "test"})
    return int(ticket["run"]), ticket["token"], nodes


def question(run, node, number=1):
    content = RecordDict({"arrays": ArrayRecord([np.arange(4.0)]), "config": ConfigRecord({"number": number})})
    message = Message(content, dst_node_id=3, message_type="train")
    identify(message, f"ours-{number}")
    return enveloped(message, {"act": "answer"}, Address(run, node))


def packed(*messages):
    with named_once():
        return parcel_of(messages)


def answered(parcel):
    (came,) = parcelled(parcel)
    outer = came.message()
    return packed(enveloped_reply(outer, Message(RecordDict({"done": ConfigRecord({"yes": 1})}), reply_to=outer), {}))


def test_a_message_goes_to_its_region_and_its_answer_comes_back(hub):
    run, token, nodes = begun(hub)
    (name,) = json.loads(hub.ask("hub", "grid/send", packed(question(run, nodes["DE"])), fedsov_token=token)[1])
    assert hub.ask("FR", "fleet/pull")[0] == 204
    status, parcel = hub.ask("DE", "fleet/pull")
    assert status == 200
    assert hub.ask("DE", "fleet/push", answered(parcel))[0] == 200
    asked = json.dumps({"ids": [name], "number": "1"}).encode()
    status, answer = hub.ask("hub", "grid/receive", asked, fedsov_token=token)
    (came,) = parcelled(answer)
    assert came.metadata.reply_to_message_id == name
    assert came.metadata.src_node_id == nodes["DE"]
    assert hub.ask("hub", "grid/receive", asked, fedsov_token=token) == (200, answer)  # the answer was lost: again


def test_a_message_is_handed_out_again_until_the_region_names_it(hub):
    run, token, nodes = begun(hub)
    first, second = question(run, nodes["DE"], 1), question(run, nodes["DE"], 2)
    hub.ask("hub", "grid/send", packed(first, second), fedsov_token=token)
    parcel = hub.ask("DE", "fleet/pull")
    assert parcel[0] == 200
    assert hub.ask("DE", "fleet/pull") == parcel
    hub.tell("DE", "fleet/hello", {})  # its process began anew: it is handed the same again
    assert hub.ask("DE", "fleet/pull") == parcel
    (came,) = parcelled(parcel[1])
    after = hub.ask("DE", "fleet/pull", fedsov_has=came.name)
    assert {came.name, parcelled(after[1])[0].name} == {first.metadata.message_id, second.metadata.message_id}
    assert hub.ask("DE", "fleet/pull", fedsov_has=parcelled(after[1])[0].name)[0] == 204


def test_a_long_poll_is_woken_by_a_message(hub):
    run, token, nodes = begun(hub)

    async def scene():
        poll = asyncio.ensure_future(hub.asking("DE", "fleet/pull", fedsov_wait="20"))
        await asyncio.sleep(0.1)
        assert not poll.done()
        await hub.asking("hub", "grid/send", packed(question(run, nodes["DE"])), fedsov_token=token)
        return await asyncio.wait_for(poll, 5)

    assert asyncio.run(scene())[0] == 200


def test_a_message_that_an_old_poll_took_is_handed_out_after_the_next_hello(hub):
    run, token, nodes = begun(hub)

    async def scene():
        old = asyncio.ensure_future(hub.asking("DE", "fleet/pull", fedsov_wait="20"))
        await asyncio.sleep(0.1)
        await hub.asking("DE", "fleet/hello", b"{}")
        await hub.asking("hub", "grid/send", packed(question(run, nodes["DE"])), fedsov_token=token)
        taken = await asyncio.wait_for(old, 5)  # by a connection at whose other end nobody is
        return taken, await hub.asking("DE", "fleet/pull")

    taken, handed = asyncio.run(scene())
    assert taken[0] == 200
    assert handed == taken


def test_a_region_answers_for_itself_alone(hub):
    run, token, nodes = begun(hub)
    hub.ask("hub", "grid/send", packed(question(run, nodes["DE"])), fedsov_token=token)
    _, parcel = hub.ask("DE", "fleet/pull")
    status, why = hub.ask("FR", "fleet/push", answered(parcel))
    assert status == 400
    assert b"for itself alone" in why


def test_a_message_of_another_run_is_not_sent(hub):
    run, token, nodes = begun(hub)
    status, why = hub.ask("hub", "grid/send", packed(question(run + 1, nodes["DE"])), fedsov_token=token)
    assert (status, b"another run" in why) == (400, True)


@pytest.mark.parametrize("path", ["grid/send", "grid/receive", "runs/beat", "runs/end"])
def test_a_run_that_is_unknown_or_has_ended_is_told_as_gone(hub, path):
    _, token, _ = begun(hub)
    hub.tell("hub", "runs/end", {"status": "completed"}, fedsov_token=token)
    for each in (token, "a" * 64, ""):
        assert hub.ask("hub", path, b"{}", fedsov_token=each)[0] == 410


def test_what_waits_for_a_region_goes_with_its_run(hub):
    run, token, nodes = begun(hub)
    hub.ask(
        "hub", "grid/send", packed(question(run, nodes["DE"], 1), question(run, nodes["DE"], 2)), fedsov_token=token
    )
    assert hub.ask("DE", "fleet/pull")[0] == 200
    hub.tell("hub", "runs/end", {"status": "failed"}, fedsov_token=token)
    assert hub.ask("DE", "fleet/pull")[0] == 204


def test_the_last_answers_of_a_run_that_was_killed_go_when_the_next_begins(hub):
    _, token, _ = begun(hub)
    hub.ask("hub", "grid/receive", json.dumps({"ids": [], "number": "1"}).encode(), fedsov_token=token)
    hub.tell("hub", "runs", {"application": "test"})
    assert list(hub.application._pollers) == [token]
    hub.link.end_run(hub.link.task_of(token), "failed")
    hub.tell("hub", "runs", {"application": "test"})
    assert not hub.application._pollers


@pytest.mark.parametrize("body", [b"", b"abc", b"\xff" * 100, (2**31).to_bytes(4, "big") + b"x" * 50], ids=len)
def test_a_parcel_that_is_none_costs_its_sender_alone(hub, body):
    _, token, _ = begun(hub)
    assert hub.ask("DE", "fleet/push", body)[0] == 400
    assert hub.ask("hub", "grid/send", body, fedsov_token=token)[0] == 400
    assert hub.ask("DE", "fleet/pull")[0] == 204


def test_regions_are_told_with_whether_they_are_connected(hub):
    begun(hub)
    assert hub.tell("operator", "regions")["regions"]["DE"]["connected"]
    hub.ask("DE", "fleet/bye")
    assert not hub.tell("operator", "regions")["regions"]["DE"]["connected"]
    assert hub.ask("DE", "fleet/pull")[0] == 409


def test_a_beat_tells_the_newest_list_of_revoked_ones_and_the_list_is_the_hubs(hub):
    begun(hub)
    listed = read(hub.ask("DE", "fleet/revoked")[1], read_members(hub.trial.hub.members)["hub"].verify_key)
    assert hub.tell("DE", "fleet/beat") == {"revoked": listed.counter}


def test_a_region_that_is_refused_by_the_certificate_of_its_hello_is_connected_no_more(tmp_path):
    trial = trial_of(tmp_path, "DE", "FR")
    hub = HubSide(trial)
    for name in ("DE", "FR"):
        hub.tell(name, "fleet/hello", {})
    with hub_home(tmp_path) as home:
        serial = identity_of(trial.regions["DE"].certificate.read_bytes()).serial
        home.revoke(serial, "DE", at=datetime.now(UTC), by="a test", why="it was lost")
    assert hub.ask("DE", "fleet/beat")[0] == 403
    seen = json.loads(hub.ask("hub", "regions", method="GET")[1])["regions"]
    assert {name: region["connected"] for name, region in seen.items()} == {"DE": False, "FR": True}


@pytest.mark.parametrize("path", ["/v1/fleet/pull-messages", "/v1/control/list-runs", "/v1/runtime/acquire-task"])
@pytest.mark.parametrize("who", ["DE", "hub", "operator"])
def test_flower_s_own_interfaces_are_closed_unless_they_are_asked_for(hub, who, path):
    status, answer = hub.ask(who, path)
    assert (status, b"--stock-port" in answer) == (403, True)


def sent(hub, run, token, node, number):
    """The id of a question to DE that was sent, and DE's answer, which was not."""
    (name,) = json.loads(hub.ask("hub", "grid/send", packed(question(run, node, number)), fedsov_token=token)[1])
    status, parcel = hub.ask("DE", "fleet/pull", fedsov_has=hub.last)
    assert status == 200
    hub.last = name
    return name, answered(parcel)


def test_a_region_whose_answers_fill_its_share_is_refused_until_its_run_takes_them_and_no_other_is(trial):
    hub = HubSide(trial, space=AnswerSpace(most=2 * LEAST, of_region=LEAST))
    hub.last = ""
    run, token, nodes = begun(hub)
    first, answer = sent(hub, run, token, nodes["DE"], 1)
    _, second = sent(hub, run, token, nodes["DE"], 2)
    assert hub.ask("DE", "fleet/push", answer)[0] == 200
    status, why = hub.ask("DE", "fleet/push", second)
    assert status == 503
    assert b"answers of DE that no run has taken yet fill its share here, 65,536 bytes; this one is sent again" in why
    assert hub.ask("FR", "fleet/push", b"x")[0] == 400, "the other's share is its own: its nonsense is read"
    asked = json.dumps({"ids": [first], "number": "1"}).encode()
    assert hub.ask("hub", "grid/receive", asked, fedsov_token=token)[0] == 200
    assert hub.ask("DE", "fleet/push", second)[0] == 200


def test_answers_that_wait_for_a_run_that_ended_take_no_share(trial):
    hub = HubSide(trial, space=AnswerSpace(most=LEAST, of_region=LEAST))
    hub.last = ""
    for number in (1, 2, 3):
        run, token, nodes = begun(hub)
        _, answer = sent(hub, run, token, nodes["DE"], number)
        assert hub.ask("DE", "fleet/push", answer)[0] == 200
        hub.tell("hub", "runs/end", {"status": "stopped"}, fedsov_token=token)


def test_a_body_longer_than_it_says_is_not_read_to_its_end(hub):
    status, why = hub.ask("DE", "fleet/push", b"x" * 20, content_length="10")
    assert status == 413
    assert b"more than the 10 bytes that it says" in why
    assert hub.ask("DE", "fleet/hello", b"{}", content_length=str(1 << 20))[0] == 413, "a word is short"


def test_nothing_of_an_answer_stays_in_memory_once_its_run_has_it(hub):
    hub.last = ""
    run, token, nodes = begun(hub)
    for number in range(3):
        name, answer = sent(hub, run, token, nodes["DE"], number)
        assert hub.ask("DE", "fleet/push", answer)[0] == 200
        asked = json.dumps({"ids": [name], "number": str(number)}).encode()
        assert hub.ask("hub", "grid/receive", asked, fedsov_token=token)[0] == 200
    hub.ask("DE", "fleet/pull", fedsov_has=hub.last)
    assert len(hub.link.state.object_store) == 0
    _, answer = sent(hub, run, token, nodes["DE"], 9)
    assert hub.ask("DE", "fleet/push", answer)[0] == 200
    hub.tell("hub", "runs/end", {"status": "completed"}, fedsov_token=token)
    assert len(hub.link.state.object_store) == 0
