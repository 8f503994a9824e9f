"""The forms that a region's scores, counts and statistics have when they leave: read, checked, and written anew.

A form takes what an app answered and gives what may be sent: known keys, single numbers, words from a list. What it
cannot read raises FedsovError, and then nothing leaves. It cannot know whether a number is true.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord

from fedsov.algorithms.compression import unpacked
from fedsov.errors import FedsovError
from fedsov.label import Label
from fedsov.model.column_statistics import Statistics
from fedsov.model.parameters import trained
from fedsov.privacy.secure_aggregation.masks import encrypted_size
from fedsov.privacy.secure_aggregation.secret_sharing import SIZE
from fedsov.protocol import NOT_DISCLOSED
from fedsov.protocol.job import TrainingJob

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

WAYS = {
    "local",
    "synthetic",
    "federated",
    "transfer learning",
    "tuned",
    "local feature scaling",
    "personal",
    "as received",
    "head tuned",
    "all tuned",
    NOT_DISCLOSED,
}
"""The words that say how a selected model came about."""

SCORES = ("score", "local_score", "gain", "gain_se", "validation_score")
MOST_NUMBERS, LONGEST_WORDS = 64, 4000
WORDS, LISTS = ("kind", "name", "verdict", "reason", "remedy"), ("origins", "rules", "citations", "missing")
"""Of a refusal."""
COUNTS = ("rows", "public", "shareable", "classes")


def profile(answer: Any) -> dict[str, Any]:
    """Counts for the plan, and a label; how many consented to a base model is told where people were asked."""
    counts = (*COUNTS, "consented") if isinstance(answer, Mapping) and "consented" in answer else COUNTS
    fields = _exactly(answer, {*counts, "label"})
    return {**{key: _count(fields[key]) for key in counts}, "label": Label.from_json(fields["label"]).to_json()}


def own_rules(answer: Any) -> dict[str, Any]:
    """That a region decides by additional rules of its own: the digest of their file, how many, whether one permits."""
    fields = _exactly(answer, {"digest", "count", "permits"})
    if not isinstance(fields["permits"], bool):
        raise FedsovError("additional rules permit, or they do not")
    return {"digest": _hex(fields["digest"], 32), "count": _count(fields["count"]), "permits": fields["permits"]}


def statistics(answer: Any) -> dict[str, Any]:
    """Sums and counts of columns (`fedsov.model.column_statistics.Statistics`)."""
    return Statistics.from_json(answer).to_json()


def outcome(answer: Any) -> dict[str, Any]:
    """The scores of a region's model and how it came about."""
    fields = _exactly(answer, {*SCORES, "test_rows", "selected"})
    if not set(str(fields["selected"]).split(", ")) <= WAYS:
        raise FedsovError("the selected model's name is not made of the known words")
    scores = {key: None if fields[key] is None else _number(fields[key]) for key in SCORES}
    return {**scores, "test_rows": _count(fields["test_rows"]), "selected": fields["selected"]}


def round_scores(answer: Any) -> dict[str, int | float]:
    """What a round says beside the parameters."""
    fields = _exactly(answer, {"num-examples", "loss", "score"})
    return {**{key: _number(fields[key]) for key in ("loss", "score")}, "num-examples": _count(fields["num-examples"])}


def update(arrays: ArrayRecord, model: ArrayRecord, work: TrainingJob | None = None) -> ArrayRecord:
    """The update's arrays made anew from their numbers, of the names, shapes and types of the model that came in.

    Args:
        work: what is trained of the model, and how its change is compressed; then its one compressed form leaves.
    """
    names = trained(list(model), () if work is None else work.recipe.frozen)
    if work is not None and work.compression.name != "none":
        packed = {name: np.array(array.numpy()) for name, array in arrays.items()}
        unpacked(packed, sum(math.prod(model[name].shape) for name in names), work.compression)
        return ArrayRecord({name: Array(array) for name, array in packed.items()})
    if {name: array.shape for name, array in arrays.items()} != {name: model[name].shape for name in names}:
        raise FedsovError("the update's arrays are not those of the model that came in")
    return ArrayRecord(
        {name: Array(np.array(array.numpy(), dtype=model[name].numpy().dtype)) for name, array in arrays.items()}
    )


def words(arrays: ArrayRecord, model: ArrayRecord, work: TrainingJob | None = None) -> ArrayRecord:
    """Words of a secure sum: one for each trained number of the model that came in, and one for the weight."""
    names = trained(list(model), () if work is None else work.recipe.frozen)
    size = sum(math.prod(model[name].shape) for name in names) + 1
    values = arrays["words"].numpy() if set(arrays) == {"words"} else np.zeros(0)
    if values.dtype != np.uint64 or values.shape != (size,):
        raise FedsovError(f"a secure sum takes one array of {size} words")
    return ArrayRecord({"words": Array(values)})


def keys(answer: Any) -> dict[str, str]:
    """A region's signed keys of one round."""
    fields = _exactly(answer, {"channel", "mask", "seed", "signature"})
    return {name: _hex(fields[name], 64 if name == "signature" else 32) for name in sorted(fields)}


def letters(answer: Any) -> dict[str, str]:
    """Sealed shares, by the region that each is for."""
    return {name: _hex(letter, encrypted_size(2 * SIZE)) for name, letter in _named(answer).items()}


def signature(answer: Any) -> dict[str, str]:
    """A signature over the list of regions that words were masked among."""
    return {"signature": _hex(_exactly(answer, {"signature"})["signature"], 64)}


def shares(answer: Any) -> dict[str, dict[str, str]]:
    """Shares of survivors' seeds and of dropouts' masking keys, never of both of one region."""
    secrets = {what: _named(several) for what, several in _exactly(answer, {"seeds", "keys"}).items()}
    if set(secrets["seeds"]) & set(secrets["keys"]):
        raise FedsovError("shares of both secrets of one region do not leave")
    return {what: {name: _hex(share, SIZE) for name, share in secrets[what].items()} for what in sorted(secrets)}


def complaint(answer: Any) -> dict[str, list[str]]:
    """The regions whose letters could not be opened: at least one, each once, in order."""
    letters = _exactly(answer, {"letters"})["letters"]
    if not isinstance(letters, list) or not letters or letters != sorted({*map(str, letters)}):
        raise FedsovError("a complaint names regions, each once")
    return {"letters": list(_named(dict.fromkeys(letters)))}


def price(answer: Any) -> dict[str, Any]:
    """What a run costs of a region's privacy budget: whether it fits, and words and numbers by name."""
    if not isinstance(answer, Mapping) or not isinstance(answer.get("fits"), bool) or len(answer) > MOST_NUMBERS:
        raise FedsovError("a price says whether it fits, and some numbers")
    for value in answer.values():
        if isinstance(value, str):
            _words(value)
        elif value is not None and not isinstance(value, bool) and not math.isfinite(_number(value)):
            raise FedsovError("a number of a price must be finite")
    return dict(answer)


ACCOUNT = {"head", "path", "permitted", "refused", "refusals", "added_rules", "privacy_past"}


def account(answer: Any) -> dict[str, Any]:
    """A ledger's head with its proof, and what the ledger tells of a run's crossings."""
    if not isinstance(answer, Mapping) or not set(answer) <= ACCOUNT:
        raise FedsovError(f"an account holds {', '.join(sorted(ACCOUNT))} and nothing else")
    head, path, refusals = answer["head"], answer.get("path", []), answer["refusals"]
    if not isinstance(head, Mapping) or not isinstance(path, list) or not isinstance(refusals, list):
        raise FedsovError("an account holds a head, a path, counts and refusals")
    counts = {key: _count(answer[key]) for key in ("permitted", "refused")}
    siblings = [_words(sibling) for sibling in path]
    added = [_words(rule) for rule in _list(answer.get("added_rules", []))]
    past = [_words(line) for line in _list(answer.get("privacy_past", []))]
    told = {"added_rules": added, "privacy_past": past, "refusals": [_refusal(refusal) for refusal in refusals]}
    return {"head": dict(head), "path": siblings, **counts, **told}


def _refusal(entry: Any) -> dict[str, Any]:
    """A refused crossing as people are told of it: its words, its parties, and lists of words; anything else goes."""
    if not isinstance(entry, Mapping):
        raise FedsovError("a refusal is an entry of a ledger")
    parties = {name: entry[name] for name in ("exporter", "importer")}
    if not all(isinstance(party, Mapping) for party in parties.values()):
        raise FedsovError("a refusal names an exporter and an importer")
    for value in (*(party[key] for party in parties.values() for key in ("name", "location")), *map(entry.get, WORDS)):
        _words(value)
    for value in (part for key in LISTS for part in _list(entry.get(key, []))):
        _words(value)
    return dict(entry)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise FedsovError("a refusal's list is none")
    return value


def claims(answer: Any) -> dict[str, int | float]:
    """What an update says beside its parameters, as the hub reads it: numbers of known names.

    Whether they are believed is another question (`fedsov.algorithms.update_checks.believed`).
    """
    if not isinstance(answer, Mapping) or not set(answer) <= {"num-examples", "loss", "score"}:
        raise FedsovError("an update says of how many rows it is, its loss and its score, and nothing else")
    for value in answer.values():
        _number(value)
    return dict(answer)


def _words(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_WORDS:
        raise FedsovError(f"an answer's words are text of at most {LONGEST_WORDS} characters")
    return value


def _named(answer: Any) -> Mapping[str, Any]:
    """A mapping by names of regions, of which there are not more than a federation has."""
    if not isinstance(answer, Mapping) or len(answer) > 1000:
        raise FedsovError("an answer must hold one thing for each of some regions")
    if not all(isinstance(name, str) and _NAME.fullmatch(name) for name in answer):
        raise FedsovError("an answer names something that is no region")
    return answer


def _hex(value: Any, size: int) -> str:
    if not isinstance(value, str) or not re.fullmatch(rf"[0-9a-f]{{{2 * size}}}", value):
        raise FedsovError(f"an answer must hold {size} bytes in hexadecimal")
    return value


def _exactly(answer: Any, keys: set[str]) -> Mapping[str, Any]:
    if not isinstance(answer, Mapping) or set(answer) != keys:
        raise FedsovError(f"an answer must hold exactly {', '.join(sorted(keys))}")
    return answer


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FedsovError("an answer's score must be one number")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise FedsovError("an answer's number is beyond 64 bits")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise FedsovError("an answer's count must be a whole number of 0 or more")
    return value
