"""What a region's owner says of one data set: the group ``datasets.NAME`` of region.yaml.

Whether its rows are examples, whose may become public, and the description that they were sorted by
(`fedsov.partition.description`). The first ingestion writes the description down. A job that describes the rows of
people otherwise is refused, whether it would bind them more or less: two answers under two descriptions would tell of
the people between them. Of example rows each job may think otherwise.

>>> own = OwnDataset(description=read_description({"drop": ["Hobby"]}))
>>> own.refusals("DE", "people", Asked(description={"drop": []}))[0].split("; ")[1]
"`fedsov region set DE 'datasets.people.drop=[]'` would take it"
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from fedsov.border.law.yaml_text import read_mapping
from fedsov.checks import flag, prefixed, section, text_or_none, texts
from fedsov.errors import ConfigurationError
from fedsov.model.declared_values import SCHEMA_SETTINGS, read_bounds, read_levels
from fedsov.partition.classify import ConsentRule
from fedsov.partition.description import (
    SAID,
    Description,
    description_digest,
    differing,
    is_whole,
    read_description,
)
from fedsov.protocol.job import Asked
from fedsov.serialization import to_plain

KEYS = ("examples", "document", "consent", "same_people", *SAID)
"""What `fedsov region set` may change of a data set."""


@dataclass(frozen=True, slots=True)
class OwnDataset:
    """What a region's owner says of one data set.

    Attributes:
        examples: its rows are published, made up, or examples: the job's seed divides them, no lifetime applies to
            them, and every table, plan and report is marked.
        document: what calls them so; needed where `examples` is true.
        consent: by what rows may become public, as in ``dataset.consent``; None: none may. A drawn share is a
            simulation, and for examples alone.
        description: what its rows are sorted by; what nobody said yet is absent, and the first ingestion says it.
        same_people: the region's other data sets that may hold the same people's rows, which its owner alone says; ()
            for none, None where nobody said so far.
    """

    examples: bool = False
    document: str | None = None
    consent: Mapping[str, Any] | None = None
    description: Description = field(default_factory=dict)
    same_people: tuple[str, ...] | None = None

    @staticmethod
    def from_settings(name: str, plain: Any) -> OwnDataset:
        """A part of ``datasets``. Raises ConfigurationError, naming the key."""
        given = section(name, plain, OwnDataset, without=("description",), beside=SAID)
        examples = flag(f"{name}.examples", given.get("examples", False))
        document = text_or_none(f"{name}.document", given.get("document"), "what calls the rows examples")
        if examples and not (document or "").strip():
            raise ConfigurationError(f"{name}.examples needs {name}.document: what calls these rows examples")
        with prefixed(f"{name}: "):
            consent = ConsentRule.from_settings(given.get("consent"), seed=0)
            description = read_description(given)
        same = given.get("same_people")
        others = None if same is None else tuple(texts(f"{name}.same_people", same))
        own = OwnDataset(examples, document, None if consent is None else consent.to_settings(), description, others)
        if own.draws_consent and not examples:
            raise ConfigurationError(f"{name}.consent draws a share, which is for examples alone: name a column")
        return own

    @staticmethod
    def of(asked: Asked) -> OwnDataset:
        """What the first ingestion of a data set writes down: what its source was described as."""
        drawn = asked.consent is not None and asked.consent["share"] > 0
        consent = None if drawn and asked.examples is None else asked.consent
        return OwnDataset(asked.examples is not None, asked.examples, consent).completed(asked)

    def completed(self, asked: Asked) -> OwnDataset:
        """With what is not said yet of the description as the job says it. Raises ConfigurationError."""
        return replace(self, description={**read_description(asked.description or {}), **self.description})

    @property
    def draws_consent(self) -> bool:
        """Whether a drawn share of people, who were never asked, stands for those who agreed."""
        return bool(self.consent and self.consent["share"])

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """Column to the least and the greatest value that it can have, as the owner says."""
        return read_bounds(self.description.get("bounds", {}))

    @property
    def levels(self) -> dict[str, tuple[str, ...]]:
        """Column to all its levels, as the owner says."""
        return read_levels(self.description.get("levels", {}))

    def is_as_described(self, digest: str) -> bool:
        """Whether rows that a description of this digest sorted are the rows meant; of examples all are."""
        return self.examples or (is_whole(self.description) and description_digest(self.description) == digest)

    def to_json(self) -> dict[str, Any]:
        """Plain values, as in the file: the description's settings stand beside the others."""
        own = {part.name: getattr(self, part.name) for part in fields(self) if part.name != "description"}
        if self.same_people is None:
            del own["same_people"]
        described = {key: self.description[key] for key in SAID if key in self.description}
        return dict(to_plain({**own, **described}))

    def refusals(self, region: str, dataset: str, asked: Asked) -> list[str]:
        """A sentence for each thing that a job says of the rows and that is not so. Raises ConfigurationError."""
        return [*self._examples(region, dataset, asked), *self._described(region, dataset, asked)]

    def _examples(self, region: str, dataset: str, asked: Asked) -> list[str]:
        sentences, place = [], f"datasets.{dataset}"
        if asked.examples is not None and not self.examples:
            words = f"{in_shell(f'{place}.document', asked.examples)} {place}.examples=true"
            what = f"does not call the rows of {dataset} examples (dataset.examples)"
            sentences.append(f"region {region} {what}; `fedsov region set {region} {words}` would do so")
        if asked.consent is not None and asked.consent != self.consent:
            if asked.consent["share"] and not self.examples:
                return [*sentences, _NEVER_ASKED.format(region=region)]
            said = {key: value for key, value in asked.consent.items() if value not in (None, "", 0.0)}
            what = "has another rule for whose rows may become public (dataset.consent)"
            words = in_shell(f"{place}.consent", said)
            sentences.append(f"region {region} {what}; `fedsov region set {region} {words}` would take this one")
        return sentences

    def _described(self, region: str, dataset: str, asked: Asked) -> list[str]:
        """One sentence for the whole description, for one command changes it."""
        described = {} if self.examples else read_description(asked.description or {})
        keys = differing(self.description, described)
        if not keys:
            return []
        named = ", ".join(f"dataset.{key}" for key in keys)
        words = " ".join(in_shell(f"datasets.{dataset}.{key}", described[key]) for key in keys)
        again = "; the rows are then ingested anew" if {*keys} - {*SCHEMA_SETTINGS} else ""
        return [
            f"region {region} has the rows of {dataset} under another description ({named}), and holds to it whether "
            "a job's would bind more or less: answers under two descriptions tell of the people between them; "
            f"`fedsov region set {region} {words}` would take it" + again
        ]

    def unsaid(self, region: str, dataset: str, asked: Asked) -> list[str]:
        """One sentence where a job says of people's rows what the owner did not say: it is not taken from a job."""
        described = {} if self.examples else read_description(asked.description or {})
        keys = [key for key, value in described.items() if value and key not in self.description]
        if not keys:
            return []
        words = " ".join(in_shell(f"datasets.{dataset}.{key}", described[key]) for key in keys)
        named = ", ".join(f"dataset.{key}" for key in keys)
        return [
            f"region {region} does not say this of the rows of {dataset} ({named}), and takes it from no job; `fedsov "
            f"region set {region} {words}` would say it"
        ]


def same_people(datasets: Mapping[str, OwnDataset], name: str) -> frozenset[str]:
    """The data sets that are said to be of the same people as this one, there or here."""
    said = {other for other, own in datasets.items() if name in (own.same_people or ())}
    return frozenset({*said, *(datasets[name].same_people or ())} if name in datasets else said)


_NEVER_ASKED = (
    "region {region}: dataset.consent.share draws people who were never asked, which is for examples alone; name the "
    "column and the value that mean consent, or set dataset.consent=null"
)


def in_shell(key: str, value: Any) -> str:
    """A word KEY=VALUE of a shell that `fedsov region set` reads as this value."""
    return shlex.quote(f"{key}={_in_yaml(value)}")


def _in_yaml(value: Any) -> str:
    """In one line, with quotes only where a word would be read as something else."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_in_yaml(key)}: {_in_yaml(part)}' for key, part in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_in_yaml, value))}]"
    if isinstance(value, float) and "." not in repr(value):
        return repr(value).replace("e", ".0e")  # YAML reads 1e+17 as a word
    return value if isinstance(value, str) and _is_plain(value) else json.dumps(value, ensure_ascii=False)


def _is_plain(word: str) -> bool:
    try:
        return read_mapping(f"words: [{word}]".encode(), "a word") == {"words": [word]}
    except (ConfigurationError, UnicodeEncodeError):
        return False
