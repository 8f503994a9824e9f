"""A region's way out: what leaves, what does not, and what is said of a failure."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.api.ledger_audit import is_refusal
from fedsov.artifact import Party
from fedsov.errors import FedsovError, JobRefused, KeyUnavailable, SumRefused
from fedsov.keys.local import LocalKeyring
from fedsov.label import PUBLIC, Label
from fedsov.ledger.ledger import Ledger
from fedsov.model.network import NetworkSpec
from fedsov.privacy.secure_aggregation.fixed_point import Bounds
from fedsov.protocol import SEALED_ROWS
from fedsov.protocol.flower_messages import pack
from fedsov.region.limits import Limits
from fedsov.region.outbound import RedactedErrors, open_sealed_rows
from fedsov.region.trust.parties import Parties
from fedsov.region.worker import OpenRegion
from tests.own_settings import CLOSED, pinning, signed
from tests.protocol.test_payloads import OUTCOME
from tests.region.world import BOUND, ask, question, region, update, with_start

FR, CN = Party("FR", "FR", "Example France"), Party("CN", "CN", "Example China")
ROWS = b"rows of nobody in particular"


def test_an_update_leaves_with_the_join_of_the_rows_and_the_incoming_model(tmp_path: Path) -> None:
    opened = region(tmp_path, update)
    reply, label = ask(opened, incoming=Label(frozenset({"FR"})))
    assert reply.has_content() and label == BOUND | Label(frozenset({"FR"}))
    kinds = [
        (entry.body["kind"], entry.body["verdict"], entry.body["round"])
        for entry in opened.outbound.gate.ledger.entries()
    ]
    assert kinds == [("update", "permit", 3), ("metrics", "permit", 3)]


def test_an_update_that_the_law_does_not_permit_stays_and_the_ledger_says_so(tmp_path: Path) -> None:
    opened = region(tmp_path, update, hub="CN")
    reply, _ = ask(opened)
    assert reply.has_error() and reply.error.reason == "Refused"
    first = opened.outbound.gate.ledger.entries()[0].body
    assert (first["kind"], first["verdict"]) == ("update", "refuse") and first["remedy"]


def test_an_exception_leaves_as_the_name_of_its_type_and_nothing_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Message) -> RecordDict:
        raise ValueError("bad row: Jane Canary, passport X99C4N4RY7")

    opened = region(tmp_path, fail)
    reply, label = ask(opened)
    assert reply.error.reason == "ValueError" and label == PUBLIC
    assert b"Canary" not in pack(reply) and b"X99C" not in pack(reply)
    entry = opened.outbound.gate.ledger.entries()[-1].body
    assert (entry["kind"], entry["verdict"]) == ("error", "permit") and "Canary" not in str(entry)
    assert "Jane Canary" in capsys.readouterr().err  # the region's own log, which its process writes stderr to


@pytest.mark.parametrize(
    "smuggled",
    [
        {"rows": ArrayRecord({"rows": Array(np.ones((5, 3), np.float32))})},
        {"notes": ConfigRecord({"text": "Jane Canary"})},
        {"arrays": ArrayRecord({"w": Array(np.ones(3, np.float32))}), "more": MetricRecord({"age": 33.0})},
        {"arrays": ConfigRecord({"rows": b"Jane Canary"})},
        {"arrays": ArrayRecord({"Jane Canary": Array(np.ones(3, np.float32))})},
        {"arrays": ArrayRecord({"w": Array(np.ones((500, 3), np.float32))})},
        {"metrics": MetricRecord({"num-examples": 120, "loss": 0.5, "score": 0.7, "Jane Canary": 1.0})},
        {"metrics": MetricRecord({"num-examples": 120, "loss": [0.5] * 400, "score": 0.7})},
    ],
)
def test_a_record_that_nobody_declared_does_not_leave_whoever_wrote_the_app(
    tmp_path: Path, smuggled: dict[str, Any]
) -> None:
    reply, _ = ask(region(tmp_path, lambda _: RecordDict(smuggled)))
    assert reply.has_error() and b"Canary" not in pack(reply)


def test_what_an_app_writes_on_the_envelope_does_not_leave(tmp_path: Path) -> None:
    def app(message: Message, context: Context) -> Message:
        return Message(update(message), reply_to=message, ttl=77.0)

    opened = region(tmp_path, update)
    marked = ClientApp()

    @marked.train()
    def train(message: Message, context: Context) -> Message:
        reply = app(message, context)
        reply.metadata.__dict__["_group_id"] = "Jane Canary"
        return reply

    reply, _ = ask(replace(opened, app=marked))
    assert reply.has_content()
    assert b"Canary" not in pack(reply)


def test_the_name_of_a_type_that_is_nobody_s_own_is_not_told(tmp_path: Path) -> None:
    class JaneCanaryError(Exception):
        pass

    def fail(_: Message) -> RecordDict:
        raise JaneCanaryError

    reply, _ = ask(region(tmp_path, fail))
    assert reply.error.reason == "Exception"


@pytest.mark.parametrize("scope", ["all", "everything", ""])
def test_the_hub_cannot_ask_for_an_update_on_other_rows_than_the_table_allows(tmp_path: Path, scope: str) -> None:
    opened = region(tmp_path, update)
    reply, _ = ask(opened, scope=scope)
    assert reply.has_error()
    noted, told = (entry.body for entry in opened.outbound.gate.ledger.entries())
    assert noted["note"] == {"withheld": {"question": "train", "error": "FedsovError"}} and is_refusal(noted)
    assert told["kind"] == "error"


def test_an_answer_about_all_rows_carries_their_label_whatever_scope_the_hub_names(tmp_path: Path) -> None:
    opened = region(tmp_path, update)
    for asked in ("query.profile", "query.finish"):
        assert opened.outbound.scope(question(asked, {"scope": "public"})) == "all"


def test_metrics_of_too_few_people_stay_and_take_the_update_with_them(tmp_path: Path) -> None:
    opened = region(tmp_path, update, people=20)
    reply, _ = ask(opened)
    assert reply.has_error() and reply.error.reason == "Refused"


def test_what_came_in_once_binds_every_later_answer(tmp_path: Path) -> None:
    opened, global_model = region(tmp_path, update), Label(frozenset({"FR", "DE"}))
    ask(opened, scope="public", incoming=global_model)
    _, later = ask(opened)
    assert later == BOUND | global_model
    assert opened.outbound.gate.ledger.entries()[-1].body["origins"] == ["DE", "FR"]


def test_nothing_leaves_when_the_ledger_cannot_be_written(tmp_path: Path) -> None:
    opened = region(tmp_path, update)
    closed = replace(opened.outbound.gate, ledger=_read_only(tmp_path, opened))
    reply, _ = ask(replace(opened, outbound=replace(opened.outbound, gate=closed)))
    assert reply.has_error() and not reply.has_content()


def _read_only(folder: Path, opened: OpenRegion) -> Ledger:
    opened.outbound.gate.note({"before": "anything"})
    opened.outbound.gate.ledger.close()
    return Ledger.read(folder / "ledger.sqlite")


@pytest.mark.parametrize("kind", ["query.propose", "query.unheard_of"])
def test_no_answer_of_the_app_leaves_to_a_question_that_is_not_its_own(tmp_path: Path, kind: str) -> None:
    with pytest.raises(FedsovError, match=f"no answer leaves to '{kind}'"):
        region(tmp_path, update).outbound.scope(question(kind, {}))


def test_a_region_in_secure_sums_sends_no_update_of_a_global_model_by_itself(tmp_path: Path) -> None:
    summed = with_start(region(tmp_path, update), secure_sum=Bounds())
    reply, _ = ask(summed)
    assert reply.error.reason == SumRefused.__name__
    assert summed.outbound.scope(question("train", {"scope": "public"})) == "public"  # the start model of others


def test_each_record_is_decided_with_the_people_of_the_rows_it_was_computed_from(tmp_path: Path) -> None:
    opened = region(tmp_path, update)
    ask(opened)
    session = opened.outbound.session
    counted = [(entry.body["name"], entry.body["count"]) for entry in opened.outbound.gate.ledger.entries()]
    assert counted == [
        (name, session.people("shareable", part)) for name, part in (("arrays", "train"), ("metrics", "validation"))
    ]


def _finished(opened: OpenRegion, **texts: Any) -> Message:
    asked = question("query.finish", {"server-round": 3})
    reply = Message(RecordDict({"metrics": ConfigRecord({"json": json.dumps(OUTCOME), **texts})}), reply_to=asked)
    return opened.outbound.pass_through(asked, reply, PUBLIC)[0]


def test_an_answer_about_two_parts_of_the_rows_is_decided_with_the_fewer_people(tmp_path: Path) -> None:
    opened = region(tmp_path, update)
    assert json.loads(str(_finished(opened).content.config_records["metrics"]["json"])) == OUTCOME
    parts = [opened.outbound.session.people("all", part) for part in ("test", "validation")]
    assert parts[0] != parts[1] and opened.outbound.gate.ledger.entries()[0].body["count"] == min(parts)


def test_beside_the_one_text_of_an_answer_nothing_leaves(tmp_path: Path) -> None:
    opened = region(tmp_path, update)
    with pytest.raises(FedsovError, match="more than its one text"):
        _finished(opened, more=b"Jane Canary")
    assert not opened.outbound.gate.ledger.entries()


# ------------------------------------------------------------------ synthetic rows


def _donor(folder: Path, *keyrings: LocalKeyring) -> OpenRegion:
    """A region that has pinned the parties FR and CN, and knows the keys of these."""
    keys = {keyring.region: keyring.public.sealing.hex() for keyring in keyrings}
    opened = region(folder, update)
    opened.outbound.session.settings = pinning(CLOSED, FR, CN)
    return with_start(opened, peers={"FR": FR, "CN": CN}, peer_keys=keys, peer_signatures=signed(keys))


def _sealed(opened: OpenRegion, *recipients: str) -> tuple[ConfigRecord, Label]:
    asked = question("query.synthesise", {"recipients": "[]"})
    content = RecordDict({SEALED_ROWS: ConfigRecord(dict.fromkeys(recipients, ROWS))})
    passed, label = opened.outbound.pass_through(asked, Message(content, reply_to=asked), Label(frozenset({"IE"})))
    return passed.content.config_records[SEALED_ROWS], label


@pytest.fixture
def keyring(tmp_path: Path) -> LocalKeyring:
    return LocalKeyring.create(tmp_path / "FR.json", "FR")


def test_synthetic_rows_are_read_by_their_recipient_alone_with_what_binds_them(
    tmp_path: Path, keyring: LocalKeyring
) -> None:
    sealed, label = _sealed(_donor(tmp_path / "DE", keyring), "FR")
    content = bytes(sealed["FR"])  # type: ignore[arg-type]
    assert ROWS not in content and b"health" not in content
    assert open_sealed_rows(keyring, content) == (label, ROWS)
    assert label == BOUND | Label(frozenset({"IE"}))
    with pytest.raises(KeyUnavailable):
        open_sealed_rows(LocalKeyring.create(tmp_path / "other.json", "FR"), content)
    with pytest.raises(KeyUnavailable):
        open_sealed_rows(keyring, content[:-1] + b"?")


def test_synthetic_rows_cross_to_each_recipient_by_itself_and_stay_from_whom_the_law_refuses(
    tmp_path: Path, keyring: LocalKeyring
) -> None:
    donor = _donor(tmp_path / "DE", keyring)
    sealed, _ = _sealed(donor, "FR", "CN")
    assert list(sealed) == ["FR"]
    entries = [entry.body for entry in donor.outbound.gate.ledger.entries()]
    assert [(body["importer"]["name"], body["kind"], body["verdict"]) for body in entries] == [
        ("FR", "synthetic", "permit"),
        ("CN", "synthetic", "refuse"),
    ]


@pytest.mark.parametrize("recipient", ["FR", "US"])
def test_rows_for_a_region_without_a_known_key_or_party_do_not_leave(tmp_path: Path, recipient: str) -> None:
    with pytest.raises(FedsovError, match=f"rows could not be sealed for {recipient}"):
        _sealed(_donor(tmp_path / "DE"), recipient)


def test_a_recipient_that_nobody_pinned_gets_no_rows_and_the_ledger_says_how_to_pin_it(
    tmp_path: Path, keyring: LocalKeyring
) -> None:
    donor = _donor(tmp_path / "DE", keyring)
    own = donor.outbound.session.settings
    elsewhere = replace(own, parties=Parties(peers={"FR": replace(FR, location="CN")}))
    for settings in (CLOSED, replace(own, keys={}), replace(own, parties=Parties()), elsewhere):
        donor.outbound.session.settings = settings
        assert list(_sealed(donor, "FR")[0]) == []
        last = donor.outbound.gate.ledger.entries()[-1].body
        assert last["act"] == "note" and last["note"]["not_sealed"]["recipient"] == "FR"
        assert "`fedsov region set DE parties.peers.FR.location=FR" in last["note"]["not_sealed"]["why"]
    donor.outbound.session.settings = own
    assert list(_sealed(donor, "FR")[0]) == ["FR"]


# ------------------------------------------------------------------ errors


MODULES = ("fedsov.errors", "fedsov.nowhere", "builtins", "theirs")
"""Where a type of the same name says that it comes from."""


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ValueError("Jane Canary"), "ValueError"),
        (SumRefused("Jane Canary"), "SumRefused"),
        (np.linalg.LinAlgError("Jane Canary"), "Exception"),
        *((type("SumRefused", (Exception,), {"__module__": module})("Jane Canary"), "Exception") for module in MODULES),
    ],
)
def test_of_an_exception_nothing_is_known_outside_but_a_name_of_python_s_or_fedsov_s_own(
    error: Exception, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    redacted = RedactedErrors()
    with redacted:
        raise error
    assert redacted.name == name and "Jane Canary" in capfd.readouterr().err


def test_words_are_told_of_a_refusal_that_fedsov_s_own_code_raised_and_of_no_other_code_s(tmp_path: Path) -> None:
    def refuse(_: Message) -> RecordDict:
        raise JobRefused("Jane Canary")

    reply, _ = ask(region(tmp_path, refuse))
    assert reply.error.reason == "JobRefused"
    redacted = RedactedErrors()
    with redacted:
        Limits().check("DE", TrainingSpec(NetworkSpec(), LocalSteps(), rounds=2000))
    assert redacted.told.startswith("LimitExceeded: 2,000 rounds are more than the 1,000 of region DE")


def test_without_an_exception_there_is_no_name_and_an_interruption_is_not_held_back() -> None:
    redacted = RedactedErrors()
    with redacted:
        pass
    assert redacted.name is None
    with pytest.raises(KeyboardInterrupt), redacted:
        raise KeyboardInterrupt
