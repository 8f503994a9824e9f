"""The hub's part in a secure sum: it relays keys and letters, adds masked words, and has one mean for its strategy.

`summed` stands in the place of `fedsov.hub.server_app.each_by_itself`: from a round's messages it makes four
exchanges, and gives the strategy a single update, the mean weighted by rows of all whose words came, beside an error
for each region that fell silent before. So every strategy that looks at the mean alone goes on unchanged; those that
look at each update cannot work, and are refused where the algorithm is chosen (`fedsov.algorithms.catalogue`).

A region whose signature is not its pinned key's, or whose keys are of small order, would be believed by no other, and
end the sum for all; the hub takes it for one that fell silent. Where regions cannot open another's letter, the round is
begun again without whom that speaks against (`fedsov.privacy.secure_aggregation.attempts`), and a false share is left
out where enough others are there. All of that spares the others, and no region relies on it: each checks for itself.
A sum that one region's false secret keeps shut is lost (`SumLost`): its round learns nothing, and later ones go on
without that region.

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
from fedsov.hub.server_app import CONTRIBUTORS, SumLost, UpdateCollector
from fedsov.model.parameters import trained
from fedsov.privacy.secure_aggregation import fixed_point
from fedsov.privacy.secure_aggregation.attempts import blamed, may_begin_again
from fedsov.privacy.secure_aggregation.fixed_point import Bounds, RingVector
from fedsov.privacy.secure_aggregation.masks import is_usable
from fedsov.privacy.secure_aggregation.protocol import (
    FEWEST,
    Directory,
    KeyAdvertisement,
    KeysByMember,
    RevealedShares,
    Terms,
    check_keys,
    check_list,
)
from fedsov.privacy.secure_aggregation.unmasking import SecretUnopened, honest_openings, opened_sum
from fedsov.protocol import secure_sum_messages as words
from fedsov.protocol.flower_messages import LOST, error_reply, reason_of, round_of

if TYPE_CHECKING:
    from flwr.serverapp import Grid


class KeyOfSmallOrder(SumRefused):
    """A region's key with which every other one agrees on the same secret, which all know."""


Said = TypeVar("Said")
Tell = Callable[[str], Mapping[str, Any]]


def summed(
    names: Mapping[int, str],
    *,
    bounds: Bounds,
    run: str,
    frozen: Collection[str] = (),
    directory: Directory | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> UpdateCollector:
    """Has a round's updates as one sum.

    Args:
        names: each node's region, as the regions' directory names it.
        bounds: as the regions have them; with others, no region would believe another's signature.
        run: the run's name, as the regions have it.
        frozen: names of parameters that no word is about.
        directory: the regions' verify keys as the hub has them; None: the regions alone check signatures.
        say: told which region spoiled a sum, and that it went on without it.

    What it gives raises TrainingFailed where fewer than three regions are asked, or too few answer a step; SumLost
    where a region's false secret keeps the sum shut.
    """

    def gather(grid: Grid, messages: list[Message], timeout: float) -> Iterable[Message]:
        """One round's sum, as one update of the members who gave it."""
        asked = {names[message.metadata.dst_node_id]: message for message in messages}
        first = next(iter(messages), None)
        number = (first and round_of(first)) or 0
        size = sum(math.prod(array.shape) for array in _trained(first, frozen).values()) if first else 0
        members = tuple(sorted(asked))
        question = words.asked_alike(first) if first else ""
        terms = _terms(run, number, members, words=size + 1, bounds=bounds, question=question)
        return _Round(grid, asked, terms, timeout, bounds, frozen, directory, say).updates()

    return gather


def _terms(run: str, number: int, members: tuple[str, ...], *, words: int, bounds: Bounds, question: str) -> Terms:
    """The terms of a round's sum. Raises TrainingFailed where too few may take part."""
    try:
        return Terms(run, number, members, words, bounds.among(max(len(members), 1)), question)
    except SumRefused as problem:
        raise TrainingFailed(f"round {number}: {problem} ({', '.join(members) or 'nobody'} may take part)") from None


@dataclass(slots=True)
class _Round:
    """One sum under way: the message that each region was to have, and the error of each that fell silent."""

    grid: Grid
    asked: Mapping[str, Message]
    terms: Terms
    timeout: float
    bounds: Bounds
    frozen: Collection[str] = ()
    directory: Directory | None = None
    say: Callable[[str], None] = lambda _: None
    lost: dict[str, Message] = field(default_factory=dict)
    first: tuple[str, ...] = ()

    def updates(self) -> list[Message]:
        """The mean of all whose words came, and an error for each other region."""
        self.first, complaints = self.terms.members, {"": [""]}
        while complaints:
            adverts = self._advertised()
            letters = self._shared(adverts)
            masked, complaints = self._masked(adverts, letters)
            if complaints:
                self._begin_again(complaints)
        total = fixed_point.summed([vector for vector, _ in self._enough(masked, "sent their words").values()])
        opened = self._opened(adverts, masked, sorted(set(letters) - set(masked)))
        plain = opened_sum(self.terms, adverts, total, among=letters, opened=opened)
        return [self._mean(plain, masked), *(why for name, why in self.lost.items() if name not in masked)]

    def _opened(
        self, adverts: KeysByMember, masked: Mapping[str, tuple[RingVector, bytes]], dropped: list[str]
    ) -> dict[str, RevealedShares]:
        """The shares that open the sum, of regions that gave no false one."""
        lists = {"survivors": words.hexed({name: signed for name, (_, signed) in masked.items()}), "dropped": dropped}

        def read(_: str, reply: Message) -> RevealedShares:
            shares = words.opened_of(words.said_in(reply, "shares"))
            if (set(shares.seeds), set(shares.keys)) != (set(masked), set(dropped)):
                raise ValueError("expected a share of one secret of each region")
            return shares

        answers = self._enough(self._step(words.UNMASK, masked, lambda _: lists, read), "opened the sum")
        try:
            honest, liars = honest_openings(self.terms, adverts, answers)
        except SecretUnopened as problem:
            raise SumLost(
                f"round {self.terms.round}: {problem}", {self._node(problem.member): f"FalseSecret ({problem})"}
            ) from problem
        if liars:
            self.say(f"round {self.terms.round}: {', '.join(liars)} gave false shares of others' secrets; left out")
        return honest

    def _begin_again(self, complaints: Mapping[str, Collection[str]]) -> None:
        """The terms of a later attempt, without those that the complaints speak against and those that are lost.

        Raises TrainingFailed where too few are left, with who complained of whom.
        """
        number, count = self.terms.round, len(set(self.terms.members) - set(self.lost))
        out = blamed(complaints, members=count, fewest=FEWEST)
        against = {name: sorted(by for by, senders in complaints.items() if name in senders) for name in out}
        for name, several in against.items():
            why = f"its letters do not open for {', '.join(several)}" if several else "its complaint stands alone"
            self.lost[name] = error_reply(self.asked[name], LOST, f"LettersUnreadable ({why})")
        members = tuple(name for name in self.terms.members if name not in self.lost)
        if len(members) < FEWEST or not may_begin_again(self.first, self.terms.members, members):
            self._enough({}, "could mask their words")
        self.say(f"round {number} begins again without {', '.join(out)}: {self._why(out)}")
        terms = self.terms
        self.terms = _terms(terms.run, number, members, words=terms.words, bounds=self.bounds, question=terms.question)

    def _node(self, name: str) -> int:
        return self.asked[name].metadata.dst_node_id

    def _why(self, names: Iterable[str]) -> str:
        return "; ".join(f"{name}: {reason_of(self.lost[name])}" for name in names)

    def _advertised(self) -> dict[str, KeyAdvertisement]:
        question = {"names": list(self.terms.members), "question": self.terms.question}

        def read(name: str, reply: Message) -> KeyAdvertisement:
            advert = words.keys_of(name, words.said_in(reply, "keys"))
            if not (is_usable(advert.channel) and is_usable(advert.mask)):
                raise KeyOfSmallOrder
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
    ) -> tuple[dict[str, tuple[RingVector, bytes]], dict[str, list[str]]]:
        """Whose words came, and by region whose letters it could not open."""
        complaints: dict[str, list[str]] = {}

        def told(name: str) -> Mapping[str, Any]:
            return {"letters": words.hexed({sender: sent[name] for sender, sent in letters.items() if name != sender})}

        def read(name: str, reply: Message) -> tuple[RingVector, bytes] | None:
            """A member's words and its signature; None for a complaint, which is noted."""
            if words.COMPLAINT in reply.content:
                senders = set(words.said_in(reply, words.COMPLAINT)["letters"])
                if not senders or not senders <= set(letters) - {name}:
                    raise ValueError("a complaint is about letters that came")
                complaints[name] = sorted(senders)
                return None
            vector = reply.content.array_records["words"]["words"].numpy()
            if vector.dtype != np.uint64 or vector.shape != (self.terms.words,):
                raise ValueError(f"expected {self.terms.words} words")
            signature = bytes.fromhex(words.said_in(reply, "list")["signature"])
            if self.directory is not None:
                check_list(self.terms, adverts, letters, member=name, signature=signature, directory=self.directory)
            return vector, signature

        answers = self._step(words.MASK, letters, told, read)
        masked = {name: answer for name, answer in answers.items() if answer is not None}
        return masked, complaints

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
            except SumRefused as problem:
                is_small = isinstance(problem, KeyOfSmallOrder)
                reply = error_reply(message, LOST, KeyOfSmallOrder.__name__ if is_small else "NotSignedByItsKey")
            except Exception:  # boundary: whatever one region answers costs that region alone
                reply = error_reply(message, LOST, "AnswerUnreadable")
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
