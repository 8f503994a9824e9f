"""The hub's part in a secure sum: it relays keys and letters, adds masked words, and has one mean for its strategy.

`summed` stands in the place of `fedsov.hub.server_app.each_by_itself`: from a round's messages it makes four
exchanges, and gives the strategy a single update, the mean weighted by rows of all whose words came, beside an error
for each region that fell silent before. So every strategy that looks at the mean alone goes on unchanged; those that
look at each update cannot work, and are refused where the algorithm is chosen (`fedsov.algorithms.catalogue`).

A region whose signature is not its pinned key's would be believed by no other, and end the sum for all; the hub takes
it for one that fell silent. That spares the others, and no region relies on it: each checks for itself.

    app = server_app(federation, start, outcome, gather=summed(names, bounds=Bounds(), run="r"))
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from fedsov.algorithms.update_checks import WEIGHT
from fedsov.errors import SumRefused, TrainingFailed
from fedsov.hub.server_app import CONTRIBUTORS, UpdateCollector
from fedsov.model.parameters import trained
from fedsov.privacy.secure_aggregation import fixed_point
from fedsov.privacy.secure_aggregation.fixed_point import Bounds, RingVector
from fedsov.privacy.secure_aggregation.protocol import Directory, KeyAdvertisement, Terms, check_keys, check_list
from fedsov.privacy.secure_aggregation.unmasking import opened_sum
from fedsov.protocol import secure_sum_messages as words
from fedsov.protocol.flower_messages import LOST, error_reply, reason_of, round_of

if TYPE_CHECKING:
    from flwr.serverapp import Grid

Said = TypeVar("Said")
Tell = Callable[[str], Mapping[str, Any]]


def summed(
    names: Mapping[int, str],
    *,
    bounds: Bounds,
    run: str,
    frozen: Collection[str] = (),
    directory: Directory | None = None,
) -> UpdateCollector:
    """Has a round's updates as one sum.

    Args:
        names: each node's region, as the regions' directory names it.
        bounds: as the regions have them; with others, no region would believe another's signature.
        run: the run's name, as the regions have it.
        frozen: names of parameters that no word is about.
        directory: the regions' verify keys as the hub has them; None: the regions alone check signatures.

    What it gives raises TrainingFailed where fewer than three regions are asked, or too few answer a step.
    """

    def gather(grid: Grid, messages: list[Message], timeout: float) -> Iterable[Message]:
        """One round's sum, as one update of the members who gave it."""
        asked = {names[message.metadata.dst_node_id]: message for message in messages}
        first = next(iter(messages), None)
        number = (first and round_of(first)) or 0
        size = sum(math.prod(array.shape) for array in _trained(first, frozen).values()) if first else 0
        members = tuple(sorted(asked))
        try:
            terms = Terms(run, number, members, size + 1, bounds.among(max(len(members), 1)))
        except SumRefused as problem:
            raise TrainingFailed(
                f"round {number}: {problem} ({', '.join(members) or 'nobody'} may take part)"
            ) from None
        return _Round(grid, asked, terms, timeout, frozen, directory).updates()

    return gather


@dataclass(slots=True)
class _Round:
    """One sum under way: the message that each region was to have, and the error of each that fell silent."""

    grid: Grid
    asked: Mapping[str, Message]
    terms: Terms
    timeout: float
    frozen: Collection[str] = ()
    directory: Directory | None = None
    lost: dict[str, Message] = field(default_factory=dict)

    def updates(self) -> list[Message]:
        """The mean of all whose words came, and an error for each other region."""
        adverts = self._advertised()
        letters = self._shared(adverts)
        masked = self._masked(adverts, letters)
        total = fixed_point.summed([vector for vector, _ in masked.values()])
        dropped = sorted(set(letters) - set(masked))
        lists = {"survivors": words.hexed({name: signed for name, (_, signed) in masked.items()}), "dropped": dropped}
        opened = self._step(
            words.UNMASK,
            masked,
            lambda _: lists,
            lambda _, reply: words.opened_of(words.said_in(reply, "shares")),
        )
        plain = opened_sum(self.terms, adverts, total, among=letters, opened=self._enough(opened, "opened the sum"))
        return [self._mean(plain, masked), *(why for name, why in self.lost.items() if name not in masked)]

    def _advertised(self) -> dict[str, KeyAdvertisement]:
        question = {"names": list(self.terms.members)}

        def read(name: str, reply: Message) -> KeyAdvertisement:
            advert = words.keys_of(name, words.said_in(reply, "keys"))
            if self.directory is not None:
                check_keys(self.terms, advert, self.directory)
            return advert

        return self._enough(
            self._step(words.ADVERTISE, self.terms.members, lambda _: question, read), "advertised keys"
        )

    def _shared(self, adverts: Mapping[str, KeyAdvertisement]) -> dict[str, dict[str, bytes]]:
        keys = {name: words.keys_said(advert) for name, advert in adverts.items()}

        def read(name: str, reply: Message) -> dict[str, bytes]:
            letters = words.unhexed(words.said_in(reply, "letters"))
            if set(letters) != set(adverts) - {name}:
                raise ValueError("expected a letter for each other region")  # or lists would differ, and no sum open
            return letters

        return self._enough(self._step(words.SHARE, adverts, lambda _: {"keys": keys}, read), "shared their secrets")

    def _masked(
        self, adverts: Mapping[str, KeyAdvertisement], letters: Mapping[str, Mapping[str, bytes]]
    ) -> dict[str, tuple[RingVector, bytes]]:
        def told(name: str) -> Mapping[str, Any]:
            return {"letters": words.hexed({sender: sent[name] for sender, sent in letters.items() if name != sender})}

        def read(name: str, reply: Message) -> tuple[RingVector, bytes]:
            vector = reply.content.array_records["words"]["words"].numpy()
            if vector.dtype != np.uint64 or vector.shape != (self.terms.words,):
                raise ValueError(f"expected {self.terms.words} words")
            signature = bytes.fromhex(words.said_in(reply, "list")["signature"])
            if self.directory is not None:
                check_list(self.terms, adverts, letters, member=name, signature=signature, directory=self.directory)
            return vector, signature

        return self._enough(self._step(words.MASK, letters, told, read), "sent their words")

    def _step(
        self, step: str, members: Iterable[str], tell: Tell, read: Callable[[str, Message], Said]
    ) -> dict[str, Said]:
        """One exchange: what each region said, in order of names; who said nothing that can be read is lost."""
        about = {"server-round": self.terms.round, "words": self.terms.words}
        sent = {}
        for name in sorted(members):
            content = RecordDict(dict(self.asked[name].content) if step == words.MASK else {})
            config = content.config_records.get("config", ConfigRecord())
            content["config"] = ConfigRecord({**config, **about, words.TOLD: json.dumps(tell(name))})
            sent[name] = Message(content, self.asked[name].metadata.dst_node_id, step)
        replies = {
            reply.metadata.src_node_id: reply
            for reply in self.grid.send_and_receive(list(sent.values()), timeout=self.timeout)
        }
        answers = {}
        for name, message in sent.items():
            reply = replies.get(message.metadata.dst_node_id) or error_reply(message, LOST, "NoAnswerInTime")
            try:
                if reply.has_content():
                    answers[name] = read(name, reply)
                    continue
            except words.UNREADABLE:
                reply = error_reply(message, LOST, "AnswerUnreadable")
            except SumRefused:
                reply = error_reply(message, LOST, "NotSignedByItsKey")
            self.lost[name] = reply
        return answers

    def _enough(self, answers: dict[str, Said], did: str) -> dict[str, Said]:
        if len(answers) >= self.terms.threshold:
            return answers
        why = "; ".join(f"{name}: {reason_of(reply)}" for name, reply in self.lost.items())
        raise TrainingFailed(
            f"round {self.terms.round}: {len(answers)} of {len(self.terms.members)} regions {did}, and a secure sum of "
            f"so many takes {self.terms.threshold} ({why})"
        )

    def _mean(self, plain: RingVector, masked: Mapping[str, object]) -> Message:
        """The incoming model and the mean of how far it moved, as if one region had sent it."""
        mean, weight = self.terms.fixed.decoded(plain)
        first, at = self.asked[min(masked)], 0
        arrays = dict(_model(first))
        for name, array in _trained(first, self.frozen).items():
            start = array.numpy()
            moved = mean[at : at + start.size].reshape(start.shape)
            arrays[name] = Array(np.add(start, moved, out=np.empty_like(start)))
            at += start.size
        metrics = MetricRecord({WEIGHT: float(weight), CONTRIBUTORS: len(masked)})
        return Message(RecordDict({"arrays": ArrayRecord(arrays), "metrics": metrics}), reply_to=first)


def _model(message: Message) -> ArrayRecord:
    return next(iter(message.content.array_records.values()))


def _trained(message: Message, frozen: Collection[str]) -> dict[str, Array]:
    """What of a message's model words are about, in order."""
    model = _model(message)
    return {name: model[name] for name in trained(list(model), frozen)}
