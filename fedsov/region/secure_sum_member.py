"""A region's part in secure sums: its worker answers the four steps, and the app sees an ordinary round.

`SecureSumMember` holds what a region keeps from step to step and stands between the region's worker and its ClientApp:
a masked round reaches the app as ``train``, and the parameters that the app answers go no further than this object,
which sends the change from the model that came in, weighted by rows, under masks. The app's metrics stay at home. No
submitter of an app can take this away, for it is no part of the app.

The hub has no say in the arithmetic nor in the threshold: they follow from the region's own bounds and the number of
members. It names the members; a region takes part only among those whose verify keys its owner pinned (region.yaml).

Where it cannot open another's letter it answers with a complaint, and trains nothing; the round may then be begun again
among fewer (`fedsov.privacy.secure_aggregation.attempts`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict

from fedsov.errors import FedsovError, SumRefused
from fedsov.label import Scope
from fedsov.model.parameters import trained
from fedsov.privacy.secure_aggregation.attempts import may_begin_again, unreadable_letters
from fedsov.privacy.secure_aggregation.fixed_point import Bounds
from fedsov.privacy.secure_aggregation.protocol import Directory, Sign, SumState, Terms, advertise, mask, share, unmask
from fedsov.protocol.flower_messages import config_of, identify, question_digest, round_of
from fedsov.protocol.secure_sum_messages import (
    ADVERTISE,
    COMPLAINT,
    MASK,
    SHARE,
    TOLD,
    UNMASK,
    asked_alike,
    hexed,
    keys_of,
    keys_said,
    opened_said,
    record,
    told_in,
    unhexed,
)
from fedsov.region.journal import Journal

App = Callable[[Message], Message]


@dataclass(slots=True)
class SecureSumMember:
    """One region in the secure sums of one run.

    Attributes:
        run: the run's name; keys and signatures are bound to it.
        sign: signs with the region's pinned Ed25519 key.
        directory: its own verify key, and those of the peers that it pinned; the least members are counted among them.
        held: what it keeps of the round under way; None before the first.
        journal: what it remembers of rounds it answered before its process was started anew.
        frozen: names of parameters that are not trained, and that no word is about.
        first: the members of the round's first attempt (`fedsov.privacy.secure_aggregation.attempts`).
    """

    name: str
    run: str
    sign: Sign
    directory: Directory
    bounds: Bounds
    held: SumState | None = None
    journal: Journal = field(default_factory=Journal)
    frozen: Collection[str] = ()
    first: tuple[str, ...] = ()

    def answer(self, message: Message, app: App) -> Message:
        """The answer to one step; `app` is called with an ordinary round where the step is to mask.

        Raises:
            SumRefused: a step that would tell more than the sum; see `fedsov.privacy.secure_aggregation.protocol`.
            TrainingFailed: a parameter is not finite or moved too far.
        """
        return Message(STEPS[message.metadata.message_type](self, message, app), reply_to=message)

    def _advertise(self, message: Message, _: App) -> RecordDict:
        config = config_of(message)
        asked = told_in(message)
        members = tuple(asked["names"])
        if strangers := sorted(set(members) - set(self.directory)):
            raise SumRefused(
                f"region {self.name} has pinned no key of {', '.join(strangers)}, and sums with nobody else; "
                f"`fedsov region set {self.name} keys.{strangers[0]}=KEY "
                f"parties.peers.{strangers[0]}.location=CODE parties.peers.{strangers[0]}.entity=NAME` would pin one"
            )
        bounds, number = self.bounds.among(max(len(members), 1)), round_of(message) or 0
        terms = Terms(self.run, number, members, int(config["words"]), bounds, str(asked.get("question", "")))
        is_again = self._may_begin_again(terms)
        after = 0 if self.held is None else self.held.terms.round - is_again
        self.held, advert = advertise(terms, self.name, sign=self.sign, after=after)
        self.first = self.first if is_again else members
        return RecordDict({"keys": record(keys_said(advert))})

    def _share(self, message: Message, _: App) -> RecordDict:
        adverts = [keys_of(member, advert) for member, advert in told_in(message)["keys"].items()]
        self.held, letters = share(self._of_round(message), adverts, directory=self.directory)
        return RecordDict({"letters": record(hexed(letters))})

    def _mask(self, message: Message, app: App) -> RecordDict:
        state, letters = self._of_round(message), unhexed(told_in(message)["letters"])
        if senders := unreadable_letters(state, letters):
            print(f"round {state.terms.round}: letters of {', '.join(senders)} do not open: changed, or never good")
            return RecordDict({COMPLAINT: record({"letters": senders})})
        if asked_alike(message) != state.terms.question:
            raise SumRefused(f"round {state.terms.round} asks this region for another thing than its members signed")
        plain = _ordinary(message)
        self._note_attempt(state.terms, question_digest(plain))
        reply = app(plain)
        if reply.has_error():
            raise FedsovError(f"the app answered an error: {reply.error.reason}")
        whole = next(iter(message.content.array_records.values()))
        model = ArrayRecord({name: whole[name] for name in trained(list(whole), self.frozen)})
        moved, rows = change(model, reply.content.array_records["arrays"]), reply.content.metric_records["metrics"]
        words = state.terms.fixed.encoded(moved, int(rows["num-examples"]))  # type: ignore[arg-type]
        self.held, masked = mask(state, letters, words, sign=self.sign)
        signed = record({"signature": masked.signature.hex()})
        return RecordDict({"words": ArrayRecord({"words": Array(masked.words)}), "list": signed})

    def _may_begin_again(self, terms: Terms) -> bool:
        """Whether these are the terms of a later attempt at the round under way, of which nothing was opened here."""
        if self.held is None or self.held.step == "unmask" or self.held.terms.round != terms.round:
            return False
        return may_begin_again(self.first, self.held.terms.members, terms.members)

    def _note_attempt(self, terms: Terms, model: str) -> None:
        """Notes whom the round is summed among, and over which model. Raises SumRefused where it was over others.

        A later attempt may be among fewer, as long as none was opened.
        """
        noted, members = self.journal.notes.get("sum", {}), list(terms.members)
        first = list(self.first)
        if noted.get("round") == terms.round and "survivors" not in noted and "first" in noted:
            first = noted["first"]
            if may_begin_again(first, noted["members"], members):
                self.journal.note(sum={**noted, "members": members})
        self.journal.answers_sum(terms.round, members=members, first=first, model=model)

    def _unmask(self, message: Message, _: App) -> RecordDict:
        lists = told_in(message)
        survivors, dropped = unhexed(lists["survivors"]), [str(name) for name in lists["dropped"]]
        self.journal.answers_sum(round_of(message) or 0, survivors=sorted(survivors), dropped=sorted(dropped))
        self.held, opened = unmask(self._of_round(message), survivors, dropped, directory=self.directory)
        return RecordDict({"shares": record(opened_said(opened))})

    def _of_round(self, message: Message) -> SumState:
        if self.held is None or self.held.terms.round != round_of(message):
            raise SumRefused(f"this region advertised no keys for round {round_of(message)}")
        return self.held


STEPS: Mapping[str, Callable[[SecureSumMember, Message, App], RecordDict]] = {
    ADVERTISE: SecureSumMember._advertise,
    SHARE: SecureSumMember._share,
    MASK: SecureSumMember._mask,
    UNMASK: SecureSumMember._unmask,
}
"""What a member answers each step of a secure sum with."""


def change(model: ArrayRecord, updated: ArrayRecord) -> np.ndarray:
    """(P,) how far each of the model's P numbers moved, in the order of the model's arrays.

    Raises FedsovError where the update's arrays are not the model's.
    """
    arrays: dict[str, Any] = {name: array.numpy() for name, array in updated.items()}
    start: dict[str, Any] = {name: array.numpy() for name, array in model.items()}
    if {name: array.shape for name, array in arrays.items()} != {name: array.shape for name, array in start.items()}:
        raise FedsovError("the update's arrays are not those of the model that came in")
    moved, at = np.empty(sum(array.size for array in start.values())), 0
    for name, array in start.items():
        part = moved[at : at + array.size].reshape(array.shape)
        np.subtract(arrays[name], array, out=part, dtype=np.float64)
        at += array.size
    return moved


def _ordinary(message: Message) -> Message:
    """The round as the app knows it, on the rows that the gate allows a sum to cover, whatever the hub names."""
    config = {key: value for key, value in config_of(message).items() if key != TOLD}
    content = RecordDict({**message.content, "config": ConfigRecord({**config, "scope": str(Scope.SHAREABLE)})})
    plain = Message(content, message.metadata.dst_node_id, "train")
    identify(plain, message.metadata.message_id)
    return plain
