"""The approved list of a region: which versions of which models may answer there, signed by the hub and by the region.

    listed = ApprovedList("DE").with_version(version, at="2026-11-30T12:00:00+00:00")
    text = written(listed, hub=hub_key, region=region_key)       # two `Signatory`s
    listed = read_approved(text, hub_key, region_key)            # hexadecimal public keys
    listed.of("stackoverflow-de").champion

An endpoint serves what is on this list and nothing else. Both sign the same text, so neither can add a version alone.
The list is whole each time it is written, and its counter only grows: the region's ledger notes the newest, so that an
older list that somebody puts back is recognised (`fedsov.api.inference.approval.approvals`). A model has one champion
at most; canaries take their shares of its requests, shadows answer nobody. A version that becomes the champion takes
the place of the one before, which leaves the list; to go back, the older version is promoted again.

>>> first = ApprovedVersion("m", 1, digest="00" * 32, by="A. Person", why="trial", at="2026-11-30")
>>> listed = ApprovedList("DE").with_version(first, at="2026-11-30")
>>> listed = listed.with_version(replace(first, version=2, mode="canary", share=0.1), at="2026-12-01")
>>> [(each.version, each.mode) for each in listed.versions], listed.counter
([(1, 'champion'), (2, 'canary')], 2)
>>> [each.version for each in listed.with_version(replace(first, version=2), at="2026-12-02").versions]
[2]
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from typing import Any, NamedTuple

from fedsov.checks import choice, instance, prefixed, real, section, store, text, text_mapping, whole
from fedsov.errors import ApprovalRefused, ConfigurationError
from fedsov.keys.signed_text import holds_ed25519, message
from fedsov.label import PUBLIC, Label
from fedsov.storage.bounded_files import LARGEST, parsed_json

FORMAT = "fedsov approved versions 1"
NOTE = "approved_versions"
"""What a ledger, the hub's or a region's, calls the note of a change of an approved list."""
CHAMPION, CANARY, SHADOW = MODES = ("champion", "canary", "shadow")
VERDICTS = ("pass", "undecided", "fail")
"""Of an attack test of the version; one without a test counts as undecided."""
_WAY_OUT = "restore your copy of serving/approved.json, or promote the version again"


class Signatory(NamedTuple):
    """Who signs: a public key (Ed25519, hexadecimal), and what signs with its private half."""

    key: str
    sign: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedVersion:
    """A version of a model that may answer in a region.

    Attributes:
        digest: SHA-256 of the parameters as they are registered, hexadecimal.
        files: SHA-256 of each file that the endpoint computes with, by its name in `ServingFolder.model`.
        registry: whose registry it came from: the hub's name, or the region's own.
        mode: champion, canary or shadow; `share` of the requests for its model that a canary answers, or a shadow is
            also given. A champion answers what is left, and its share is 1.
        label: what binds the model, and with it each prediction.
        verdict: of the attack test recorded for it, and `report` the SHA-256 of that test's report; "" of none.
        by, why, at: who approved it, for which reason, and when (ISO 8601).

    Raises ConfigurationError for a value that cannot be, named as in the file.
    """

    model: str = field(kw_only=False)
    version: int = field(kw_only=False)
    digest: str
    mode: str = CHAMPION
    share: float = 1.0
    label: Label = PUBLIC
    verdict: str = "undecided"
    report: str = ""
    registry: str = "hub"
    files: Mapping[str, str] = field(default_factory=dict)
    by: str
    why: str
    at: str

    def __post_init__(self) -> None:
        mode = choice("mode", self.mode, MODES)
        store(
            self,
            version=whole("version", self.version, at_least=1),
            digest=_sha256("digest", self.digest),
            mode=mode,
            share=real("share", self.share, above=0.0, at_most=1.0),
            label=instance("label", self.label, Label, "a label"),
            verdict=choice("verdict", self.verdict, VERDICTS),
            files={
                name: _sha256(f"files.{name}", digest) for name, digest in text_mapping("files", self.files).items()
            },
            **{name: text(name, getattr(self, name)) for name in ("model", "report", "registry", "by", "why", "at")},
        )
        check_mode(mode, self.share)
        for name in ("model", "by"):
            if not getattr(self, name).strip():
                raise ConfigurationError(f"{name} is empty")
        if "/" in self.model or self.model in (".", "..") or any("/" in name for name in self.files):
            raise ConfigurationError("a name of a model or of a file has no / in it")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "label": self.label.to_json()}

    @staticmethod
    def from_json(plain: Any) -> ApprovedVersion:
        """The inverse of `to_json`. Raises ConfigurationError, KeyError, TypeError."""
        given = section("versions", plain, ApprovedVersion)
        return ApprovedVersion(**{**given, "label": Label.from_json(given["label"])})


@dataclass(frozen=True, slots=True)
class ApprovedModel:
    """The approved versions of one model. Without a champion its canaries answer their shares, and nobody the rest."""

    champion: ApprovedVersion | None
    canaries: tuple[ApprovedVersion, ...] = ()
    shadows: tuple[ApprovedVersion, ...] = ()


@dataclass(frozen=True, slots=True)
class ApprovedList:
    """The versions that may answer in a region, by model and version.

    Attributes:
        counter: which list of the region's it is, from 1 on; 0 of none.
        issued_at: when it was signed, ISO 8601.

    Raises ConfigurationError for a version named twice, two champions of a model, or canaries that take more than all.
    """

    region: str
    counter: int = 0
    issued_at: str = ""
    versions: tuple[ApprovedVersion, ...] = ()

    def __post_init__(self) -> None:
        store(self, region=text("region", self.region), counter=whole("counter", self.counter, at_least=0))
        ordered = sorted(self.versions, key=lambda each: (each.model, each.version))
        store(self, versions=tuple(ordered))
        for model, several in groupby(ordered, key=lambda each: each.model):
            _check_model(model, tuple(several))

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models that are served."""
        return tuple(dict.fromkeys(each.model for each in self.versions))

    def of(self, model: str) -> ApprovedModel:
        """A model's versions; none for a model that nobody approved."""
        own = [each for each in self.versions if each.model == model]
        champions = [each for each in own if each.mode == CHAMPION]
        canaries, shadows = (tuple(each for each in own if each.mode == mode) for mode in (CANARY, SHADOW))
        return ApprovedModel(champions[0] if champions else None, canaries, shadows)

    def with_version(self, new: ApprovedVersion, *, at: str) -> ApprovedList:
        """The next list, with this version: in the place of what it was before, and of the champion where it is one.

        Raises ConfigurationError where canaries would take more than all, or where the champion would answer less:
        another one takes its place first.
        """
        champion = self.of(new.model).champion
        if champion is not None and champion.version == new.version and new.mode != CHAMPION:
            raise ConfigurationError(
                f"{new.model} {new.version} is the champion in {self.region}, and as a {new.mode} it would leave "
                "nobody to answer the rest; promote another version first"
            )
        stays = [
            each
            for each in self.versions
            if (each.model, each.version) != (new.model, new.version)
            and not (each.model == new.model and each.mode == new.mode == CHAMPION)
        ]
        return replace(self, counter=self.counter + 1, issued_at=at, versions=(*stays, new))

    def without(self, model: str, version: int, *, at: str) -> ApprovedList:
        """The next list, without this version. Raises ConfigurationError where it is not on this one."""
        stays = tuple(each for each in self.versions if (each.model, each.version) != (model, version))
        if len(stays) == len(self.versions):
            there = ", ".join(f"{each.model} {each.version}" for each in self.versions) or "nothing"
            raise ConfigurationError(f"{model} {version} is not approved in {self.region}; approved is {there}")
        return replace(self, counter=self.counter + 1, issued_at=at, versions=stays)


def written(listed: ApprovedList, *, hub: Signatory, region: Signatory) -> bytes:
    """The text of a list, signed by both."""
    plain = _plain(listed, hub.key, region.key)
    to_sign = message(FORMAT, plain)
    signatures = {"hub": hub.sign(to_sign).hex(), "region": region.sign(to_sign).hex()}
    return json.dumps({"format": FORMAT, **plain, "signatures": signatures}, indent=1).encode()


def half_signed(listed: ApprovedList, *, hub_key: str, region: Signatory) -> bytes:
    """The text of a list with the region's signature alone: nothing believes it until the hub has signed too."""
    plain = _plain(listed, hub_key, region.key)
    signatures = {"hub": "", "region": region.sign(message(FORMAT, plain)).hex()}
    return json.dumps({"format": FORMAT, **plain, "signatures": signatures}, indent=1).encode()


def countersigned(content: bytes, *, hub: Signatory, region_key: str) -> tuple[ApprovedList, bytes]:
    """A list that a region signed, and its text with the hub's signature too.

    Raises ApprovalRefused where it is not signed by this region for this hub.
    """
    plain, signatures = _parts(content)
    _check_signed(plain, signatures, region=region_key)
    keys = plain["keys"]
    if keys.get("hub") != hub.key:
        raise ApprovalRefused(f"the list is for the hub whose key is {str(keys.get('hub'))[:16]}, not {hub.key[:16]}")
    signatures = {**signatures, "hub": hub.sign(message(FORMAT, plain)).hex()}
    whole_text = json.dumps({"format": FORMAT, **plain, "signatures": signatures}, indent=1).encode()
    return _listed(plain), whole_text


def read_approved(content: bytes, hub_key: str, region_key: str) -> ApprovedList:
    """The list in a text that both signed.

    Args:
        hub_key: the public key (Ed25519, hexadecimal) that the region pins as the hub's.
        region_key: the region's own.

    Raises ApprovalRefused for anything else: another form, one signature, other keys, one byte changed.
    """
    plain, signatures = _parts(content)
    _check_signed(plain, signatures, hub=hub_key, region=region_key)
    return _listed(plain)


def check_mode(mode: str, share: float) -> None:
    """Raises ConfigurationError for a mode that there is not, or a champion that would answer a share alone."""
    choice("mode", mode, MODES)
    if mode == CHAMPION and share != 1.0:
        raise ConfigurationError(f"a champion answers what canaries leave; share must be 1, got {share}")


def check_file(approved: ApprovedVersion, name: str, content: bytes) -> bytes:
    """The content of a version's file, where it is what was approved. Raises ApprovalRefused for any other."""
    if approved.files.get(name) != hashlib.sha256(content).hexdigest():
        raise ApprovalRefused(
            f"{name} of {approved.model} {approved.version} is not the file that was approved; "
            f"`fedsov promote {approved.model} {approved.version}` writes it again"
        )
    return content


def _plain(listed: ApprovedList, hub_key: str, region_key: str) -> dict[str, Any]:
    return {
        "region": listed.region,
        "counter": listed.counter,
        "issued_at": listed.issued_at,
        "keys": {"hub": hub_key, "region": region_key},
        "versions": [each.to_json() for each in listed.versions],
    }


def _parts(content: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values that were signed, and the signatures."""
    try:
        plain = dict(parsed_json(content if len(content) <= LARGEST else b""))
        signatures, form = dict(plain.pop("signatures")), plain.pop("format")
    except (ValueError, TypeError, KeyError):
        raise ApprovalRefused(f"the list of approved versions cannot be read; {_WAY_OUT}") from None
    if form != FORMAT:
        raise ApprovalRefused(f"the list of approved versions is {str(form)[:60]!r}, not {FORMAT!r}; {_WAY_OUT}")
    return plain, signatures


def _check_signed(plain: Mapping[str, Any], signatures: Mapping[str, Any], **keys: str) -> None:
    """Raises ApprovalRefused unless each of these keys, by whose it is, is named in the list and signed it."""
    to_check = message(FORMAT, plain)
    for whose, key in keys.items():
        is_named = isinstance(plain.get("keys"), dict) and plain["keys"].get(whose) == key
        if not key or not is_named or not _holds(key, to_check, signatures.get(whose)):
            raise ApprovalRefused(
                f"the list of approved versions is not signed by the {whose} whose key is {key[:16] or 'not pinned'}, "
                f"or was changed since; {_WAY_OUT}"
            )


def _holds(key: str, to_check: bytes, signature: Any) -> bool:
    try:
        given = bytes.fromhex(signature)
    except (TypeError, ValueError):
        return False
    return given.hex() == signature and holds_ed25519(key, to_check, given)


def _listed(plain: Mapping[str, Any]) -> ApprovedList:
    """A list whose signatures hold: this version of fedsov may still not know what it says."""
    try:
        versions = tuple(ApprovedVersion.from_json(each) for each in plain["versions"])
        return ApprovedList(plain["region"], plain["counter"], text("issued_at", plain["issued_at"]), versions)
    except (ConfigurationError, KeyError, TypeError) as error:
        raise ApprovalRefused(
            f"the list of approved versions holds what this version of fedsov does not know ({error}); {_WAY_OUT}"
        ) from None


def _check_model(model: str, own: Sequence[ApprovedVersion]) -> None:
    with prefixed(f"{model}: "):
        numbers = [each.version for each in own]
        if len(set(numbers)) < len(numbers):
            raise ConfigurationError("a version is named twice")
        if sum(each.mode == CHAMPION for each in own) > 1:
            raise ConfigurationError("two versions are champion")
        taken = sum(each.share for each in own if each.mode == CANARY)
        if taken > 1.0 + 1e-9:
            raise ConfigurationError(
                f"canaries would take {taken:.0%} of its requests; give a smaller share, or withdraw one of them"
            )


def _sha256(name: str, value: Any) -> str:
    digest = text(name, value)
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise ConfigurationError(f"{name} must be 64 hexadecimal digits")
    return digest
