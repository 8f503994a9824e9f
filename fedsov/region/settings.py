"""What protects a region: settings of its own, which whoever submits a job can only tighten.

They stand in ``regions/NAME/region.yaml``, signed by the region (`fedsov.region.settings_file`); `fedsov region set`
changes them. A job carries what it would like of a region's border (`fedsov.protocol.job.Asked`); `refusals` compares
the two and says, in one sentence each, what the job asks for that would protect less, and the command by which the
region's owner could allow it.

>>> own = RegionSettings("DE")
>>> own.refusals("people", Asked(unsafe_open=True))[0]
"region DE keeps its border closed (border.unsafe_open); `fedsov region set DE law.unsafe_open=true` would open it"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from fedsov.border.evidence.live_register import LiveRegister
from fedsov.border.law.bundle import Bundle
from fedsov.border.law.bundle_loader import load_bundle, unsafe_open
from fedsov.border.law.in_force import OtherLaw, law_in_force
from fedsov.border.law.yaml_text import read_mapping
from fedsov.checks import choice, flag, mapping, prefixed, section, text, text_mapping, texts, whole
from fedsov.errors import ConfigurationError, JobRefused, unknown
from fedsov.keys.services import KeyService
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_head import is_key
from fedsov.partition.backends.place import FOLDER, StorePlace
from fedsov.partition.lifecycle.retention import RetentionRules
from fedsov.protocol.job import Asked
from fedsov.protocol.witness_messages import NOTHING, SHARING
from fedsov.region.limits import Limits
from fedsov.region.own_dataset import KEYS, OwnDataset, in_shell
from fedsov.region.privacy_life import RegionPrivacy
from fedsov.region.proposals import proposable
from fedsov.region.serving.settings import ServingSettings
from fedsov.region.serving.use_settings import UseSettings
from fedsov.region.trust.parties import Parties, put
from fedsov.serialization import to_plain
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.bounded_files import TooLarge, read_bounded
from fedsov.storage.workspace import named_path_or_none


@dataclass(frozen=True, slots=True)
class OwnLaw:
    """The law a region decides by: the shipped or installed one of this digest, and additional rules of its own.

    Attributes:
        bundle: SHA-256 of the shipped or installed law, hexadecimal; "" until it is known.
        rules: a file of additional rules, and `rules_sha256` what it held when the owner took it.
        owner: the public key (hexadecimal) whose signature a rule that permits needs; "" for nobody's.
        unsafe_open: permits everything; for laboratories.
    """

    bundle: str = ""
    rules: Path | None = None
    owner: str = ""
    unsafe_open: bool = False
    rules_sha256: str = ""

    @staticmethod
    def from_settings(plain: Any) -> OwnLaw:
        """The group ``law``. Raises ConfigurationError, naming the key."""
        given = section("law", plain, OwnLaw)
        owner = text("law.owner", given.get("owner", ""))
        if owner and not is_key(owner):
            raise ConfigurationError(
                "law.owner must be 64 hexadecimal digits; `fedsov region owner init NAME --key FILE` makes one"
            )
        return OwnLaw(
            bundle=text("law.bundle", given.get("bundle", "")),
            rules=_absolute("law.rules", given.get("rules")),
            owner=owner,
            unsafe_open=flag("law.unsafe_open", given.get("unsafe_open", False)),
            rules_sha256=text("law.rules_sha256", given.get("rules_sha256", "")),
        )

    @staticmethod
    def taking(rules: Path | None, law: OwnLaw) -> OwnLaw:
        """The law with these additional rules as they are now. Raises ConfigurationError where they cannot be read."""
        return replace(law, rules=rules, rules_sha256="" if rules is None else _content_digest(rules))


@dataclass(frozen=True, slots=True)
class RegionSettings:
    """A region's own settings; the defaults are the closed ones.

    Attributes:
        region: its name.
        law: what it decides by.
        evidence: its register of documents; None for no document at all.
        rehearsal: whether a job on rows of people may say which day it is; else the clock is the region's own.
        privacy: what every job must ask for, and the budget of a lifetime.
        limits: of rounds, questions, steps, speed; the fewest people behind a number.
        datasets: what is said of each data set, by its name.
        split: the secret that divides rows, wrapped by the region's keys (hexadecimal).
        keys: the verify keys (Ed25519, hexadecimal) of the hub and of every peer that was pinned.
        parties: where these and the region itself are, and whose; what a job says of them must be the same.
        key_service: what protects the region's own keyring.
        store: where the files of its new stores lie.
        applications: digests of the applications that may run here beside fedsov's own.
        retention_days: how long records of every category are used; None where nothing is said.
        retention: shorter periods of some categories, and which column starts the clock of a data set's rows.
        serving: what is said of its endpoint.
        shared_entries: which entries of its ledger the other parties' record may have: nothing, crossings, everything.
        metrics: what a hub may know of its use.
        proposals: which of these the hub may propose to change; none where nothing is listed.
    """

    region: str
    law: OwnLaw = field(default_factory=OwnLaw)
    evidence: Path | None = None
    rehearsal: bool = False
    privacy: RegionPrivacy = field(default_factory=RegionPrivacy)
    limits: Limits = field(default_factory=Limits)
    datasets: Mapping[str, OwnDataset] = field(default_factory=dict)
    split: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    parties: Parties = field(default_factory=Parties)
    key_service: KeyService = field(default_factory=KeyService)
    store: StorePlace = FOLDER
    applications: tuple[str, ...] = ()
    retention_days: int | None = None
    retention: RetentionRules = field(default_factory=RetentionRules)
    serving: ServingSettings = field(default_factory=ServingSettings)
    shared_entries: str = NOTHING
    metrics: UseSettings = field(default_factory=UseSettings)
    proposals: tuple[str, ...] = ()

    @staticmethod
    def from_settings(plain: Any) -> RegionSettings:
        """The settings of plain values, as in region.yaml. Raises ConfigurationError, naming the key."""
        given = section("", plain, RegionSettings)
        days = given.get("retention_days")
        region = text("region", given["region"])
        return RegionSettings(
            region=region,
            law=OwnLaw.from_settings(given.get("law", {})),
            evidence=_absolute("evidence", given.get("evidence")),
            rehearsal=flag("rehearsal", given.get("rehearsal", False)),
            privacy=RegionPrivacy.from_settings(given.get("privacy", {})),
            limits=Limits.from_settings(given.get("limits", {})),
            datasets={
                text("a name in datasets", name): OwnDataset.from_settings(f"datasets.{name}", part)
                for name, part in mapping("datasets", given.get("datasets", {}), "a mapping as {NAME: ...}").items()
            },
            split=text("split", given.get("split", "")),
            keys=_verify_keys(given.get("keys", {})),
            parties=Parties.from_settings(region, given.get("parties", {})),
            key_service=KeyService.from_settings(given.get("key_service", {})),
            store=StorePlace.from_settings(given.get("store", {})),
            applications=texts("applications", given.get("applications", [])),
            retention_days=None if days is None else whole("retention_days", days, at_least=0),
            retention=RetentionRules.from_settings(given.get("retention", {})),
            serving=ServingSettings.from_settings(given.get("serving", {})),
            shared_entries=choice("shared_entries", given.get("shared_entries", NOTHING), SHARING),
            metrics=UseSettings.from_settings(given.get("metrics", {})),
            proposals=proposable(given.get("proposals", [])),
        )

    def to_plain(self) -> dict[str, Any]:
        """Plain values, in the order of the file; `from_settings` gives equal settings."""
        return {part.name: to_plain(getattr(self, part.name)) for part in fields(self)}

    def of_dataset(self, name: str) -> OwnDataset:
        """What is said of a data set; the closed defaults for one that nobody described."""
        return self.datasets.get(name, OwnDataset())

    def loose(self) -> list[str]:
        """The settings that protect less than the closed ones, by their keys."""
        ways = {
            "law.unsafe_open": self.law.unsafe_open,
            "rehearsal": self.rehearsal,
            **{f"datasets.{name}.examples": own.examples for name, own in self.datasets.items()},
            **{f"datasets.{name}.consent.share": own.draws_consent for name, own in self.datasets.items()},
            "privacy.require: none": self.privacy.require == "none",
        }
        return [key for key, is_loose in ways.items() if is_loose]

    def changed(self, words: Sequence[str]) -> RegionSettings:
        """The settings with these words KEY=VALUE put in; a value is YAML, `law.bundle=shipped` the shipped law.

        Raises ConfigurationError for a key that is none, one that nobody may set, or a value that cannot be.
        """
        plain = self.to_plain()
        for word in words:
            key, equals, value = word.partition("=")
            if not equals:
                raise ConfigurationError(f"{word!r} is no setting; write KEY=VALUE, such as rehearsal=true")
            _put(plain, key.strip(), _value(key, value))
        with prefixed("region.yaml: "):
            new = RegionSettings.from_settings(plain)
        if any(word.startswith("law.rules=") for word in words):
            new = replace(new, law=OwnLaw.taking(new.law.rules, new.law))
        if any(word.startswith("serving.issuers=") for word in words):
            new = replace(new, serving=new.serving.taking_issuers())
        return new

    def bundle(self, asked: Asked, law: Path | None = None) -> Bundle:
        """The rules that this region decides by, read now; open only where both the region and the job say so.

        Args:
            law: the folder of an installed bundle and of confirmations, which the law owner signs where one is pinned.

        Raises JobRefused where neither the shipped law nor an installed one is this region's, ConfigurationError where
        the additional rules cannot be read, or one opens the border that the law owner did not sign.
        """
        if self.law.unsafe_open and asked.unsafe_open:
            return unsafe_open()
        if self.law.rules is not None and _content_digest(self.law.rules) != self.law.rules_sha256:
            raise JobRefused(
                f"region {self.region}: {self.law.rules} is not what its owner took; read it, then "
                f"`fedsov region set {self.region} {in_shell('law.rules', str(self.law.rules))}`"
            )
        try:
            pinned = self.law.bundle or load_bundle().digest
            return law_in_force(law, self.law.rules, owner=self.law.owner, digest=pinned)
        except OtherLaw as other:
            known = ", ".join(f"{name} {digest[:12]}…" for name, digest in other.known.items())
            word = "installed" if "installed is" in other.known else "shipped"
            raise JobRefused(
                f"region {self.region} decides by the law {self.law.bundle[:12]}…, {known}; read what changed, then "
                f"`fedsov region set {self.region} law.bundle={word}`"
            ) from None

    def register(self, dataset: str, asked: Asked, ledger: Ledger, reviewers: Path) -> LiveRegister:
        """This region's register; where the job asks to rely on none, what it states against a crossing still binds.

        Made-up documents count for example rows alone.

        Args:
            reviewers: the register of those whose approvals count.
        """
        relies = self.evidence is None or asked.evidence is not None
        return LiveRegister(self.evidence, ledger, reviewers, relies, self.of_dataset(dataset).examples)

    def refusals(self, dataset: str, asked: Asked) -> tuple[str, ...]:
        """A sentence for each thing that a job asks for and that would protect less; empty where there is none."""
        name, law, own = self.region, self.law, self.of_dataset(dataset)
        sentences: list[str] = []

        def refuse(what: str, change: str, effect: str) -> None:
            sentences.append(f"region {name} {what}; `fedsov region set {name} {change}` would {effect}")

        if asked.unsafe_open and not law.unsafe_open:
            refuse("keeps its border closed (border.unsafe_open)", "law.unsafe_open=true", "open it")
        if asked.rehearses and not (self.rehearsal or own.examples):  # on example rows any day may be tried
            what = "goes by its own clock (today, federation.days_per_round)"
            refuse(what, "rehearsal=true", "allow a rehearsed day")
        if asked.evidence is not None and not _same(asked.evidence, self.evidence):
            relied_on = "another register" if self.evidence else "no register"  # where it lies, a job is not told
            what = f"relies on {relied_on}, not on {asked.evidence} (border.evidence)"
            refuse(what, in_shell("evidence", str(asked.evidence)), "take that register")
        if asked.rules is not None and not _same(asked.rules, law.rules):
            what = f"decides by {law.rules or 'the shipped rules alone'}, not by {asked.rules} (border.rules)"
            refuse(what, in_shell("law.rules", str(asked.rules)), "take those rules")
        return (*sentences, *own.refusals(name, dataset, asked))


def first_settings(
    region: str,
    dataset: str,
    asked: Asked,
    *,
    retention_days: int | None = None,
    peers: Mapping[str, str] | None = None,
    parties: Parties | None = None,
    law: str = "",
) -> RegionSettings:
    """What the first ingestion in one workspace writes down: what the one who runs it asked for, its peers' keys, and
    its parties as they are described.

    Consent by a drawn share is taken for example rows alone. `law` is the digest of the law in force in the region's
    workspace; that of the shipped one where nothing is said.
    """
    return RegionSettings(
        region,
        law=OwnLaw.taking(asked.rules, OwnLaw(law or load_bundle().digest, unsafe_open=asked.unsafe_open)),
        evidence=asked.evidence,
        rehearsal=asked.rehearses and asked.examples is None,
        datasets={dataset: OwnDataset.of(asked)},
        keys={name: key for name, key in (peers or {}).items() if name != region},
        parties=parties or Parties(),
        retention_days=retention_days,
    )


SETTABLE = (
    *("law.bundle", "law.rules", "law.owner", "law.unsafe_open", "evidence", "rehearsal", "applications"),
    *("shared_entries", "proposals"),
    *("retention_days", "retention.categories", "retention.starts", "privacy.require", "privacy.lifetime_epsilon"),
    *(f"limits.{part.name}" for part in fields(Limits)),
    *(f"key_service.{part.name}" for part in fields(KeyService)),
    *(f"store.{part.name}" for part in fields(StorePlace)),
    *(f"serving.{part.name}" for part in fields(ServingSettings) if part.name != "issuers_sha256"),
    *(f"metrics.{part.name}" for part in fields(UseSettings)),
)
"""What `changed` may change beside ``keys.NAME``, ``parties``, ``retention.GROUP.NAME``, ``serving.limits.NAME``,
``serving.guard.NAME`` and `KEYS` of a data set."""
FILES = (
    *("law.rules", "evidence", "key_service.credential_file", "key_service.ca_file", "store.credentials_file"),
    "serving.issuers",
)
"""Settings that name a file; whoever runs a job stands in another folder."""
RETENTION = ("categories", "starts")


def _put(plain: dict[str, Any], key: str, value: Any) -> None:
    """Puts a value under its key. Raises ConfigurationError for a key that is none."""
    first, _, rest = key.partition(".")
    if first == "datasets":
        name, _, last = rest.rpartition(".")
        if not name or last not in KEYS:
            raise ConfigurationError(unknown("setting", key, [f"datasets.NAME.{name}" for name in KEYS]))
        plain["datasets"].setdefault(name, {})[last] = value
    elif first == "keys" and rest:
        plain["keys"] = {name: key for name, key in {**plain["keys"], rest: value}.items() if key is not None}
    elif first == "parties" and rest:
        put(plain["parties"], rest, value)
    elif first == "retention" and rest.count(".") and rest.partition(".")[0] in RETENTION:
        group, _, name = rest.partition(".")
        own = {**plain["retention"][group], name: value}
        plain["retention"][group] = {name: part for name, part in own.items() if part is not None}
    elif key.startswith(("serving.limits.", "serving.guard.")):
        _, group, name = key.split(".", 2)
        numbers = {**plain["serving"][group], name: value}
        plain["serving"][group] = {name: number for name, number in numbers.items() if number is not None}
    elif key not in SETTABLE:
        raise ConfigurationError(unknown("setting of a region", key, [*SETTABLE, "datasets.NAME.examples"]))
    elif rest:
        plain[first][rest] = value
    else:
        plain[first] = value


def _value(key: str, text_of: str) -> Any:
    """A value of the command line, read as YAML."""
    if key == "law.bundle" and text_of == "shipped":
        return load_bundle().digest
    if key.startswith("keys.") and is_key(text_of):
        return text_of.lower()  # as it stands: YAML would take one of digits alone for a number
    value = read_mapping(f"value: {text_of}".encode(), key)["value"]
    if key in FILES and isinstance(value, str):
        return str(Path(value).expanduser().resolve())  # whoever runs a job stands in another folder
    return value


def _verify_keys(plain: Any) -> dict[str, str]:
    """Party to verify key. Raises ConfigurationError for what is no key."""
    keys = text_mapping("keys", plain)
    for name, key in keys.items():
        if not is_key(key):
            raise ConfigurationError(
                f"keys.{name} must be 64 hexadecimal digits, which `fedsov ledger verify --json` prints as head.key"
            )
    return keys


def _absolute(name: str, value: Any) -> Path | None:
    path = named_path_or_none(name, value)
    if path is not None and not path.is_absolute():
        raise ConfigurationError(f"{name} is {path}; a region's file is named by its whole path")
    return path


def _content_digest(path: Path) -> str:
    try:
        return sha256_hex(path.read_bytes())
    except OSError as problem:
        raise ConfigurationError(f"cannot read the rules in {path}: {problem.strerror}") from None


def _same(path: Path, other: Path | None) -> bool:
    """Whether two files are one, or have the same content; what is no file, or is too large, is not read."""
    if other is None:
        return False
    try:
        if path.resolve() == other.resolve():
            return True
        if not (path.is_file() and other.is_file() and path.stat().st_size == other.stat().st_size):
            return False
        return read_bounded(path) == read_bounded(other)
    except (OSError, TooLarge):
        return False
