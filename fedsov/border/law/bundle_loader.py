"""Reads the law: facts and rules, each dated and cited, from the files in law/.

    regimes.yaml    which law governs which place, from when until when; named groups of places
    adequacy.csv    whose authority found which place adequate, in what scope, when
    mechanisms.yaml grounds for a crossing and the documents that support them, by name and by how hard they are to get
    facts.yaml      the vocabulary: what a rule may look at
    rules/*.yaml    rules for crossings and for releases (the shape is `fedsov.border.law.rules.Rule`)
    countries.csv   ISO 3166-1

Everything is read once, checked, and named by one SHA-256 that every ledger entry repeats. Whatever is not
understood (a field, an operator, an effect, a code, a date) refuses the whole bundle, with file and line. The
facts are informational; a lawyer must confirm them before anyone relies on them.

>>> load_bundle().regime("DE", date(2026, 11, 22))
'EU-GDPR'
"""

from __future__ import annotations

import csv
import hashlib
import io
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from fedsov import border
from fedsov.border.law.bundle import UNKNOWN, AdequacyFinding, Bundle, Regime, scope_of
from fedsov.border.law.mechanism import Mechanism
from fedsov.border.law.parsed_law import parsed
from fedsov.border.law.rule_reader import Vocabulary, read_rules
from fedsov.border.law.rules import Rule
from fedsov.border.law.signed_rules import signer_of
from fedsov.border.law.vocabulary import OPERATORS, Fact
from fedsov.errors import ConfigurationError, unknown
from fedsov.jurisdiction import Atlas

HERE = Path(border.__path__[0]) / "law"
"""The folder of the law's files."""
FILES = ("regimes.yaml", "adequacy.csv", "mechanisms.yaml", "facts.yaml", "countries.csv")
RULES = "rules/"
_log = logging.getLogger("fedsov.border")


def load_bundle(
    extra_rules: Path | None = None,
    *,
    owner: str | None = None,
    trial: bool = False,
    files: Mapping[str, bytes] | None = None,
) -> Bundle:
    """The packaged law, or that of `files`, with the tenant's own rules added where a file of them is given.

    Args:
        extra_rules: a YAML file with `rules:` in the shape of rules/*.yaml; it may forbid more and ask for reviews;
            it may permit and release where the law owner signed it; ids must differ from the packaged ones.
        owner: the public key (hexadecimal) of the law owner whose signature counts; None: whoever signed it.
        trial: takes rules that nobody signed, to see what they would answer; nothing crosses by such a bundle.
        files: another law than the packaged one, such as an installed bundle's (`fedsov.border.law.bundle_file`).

    Raises ConfigurationError, naming file and line, for anything it does not understand, and for a rule that opens a
    border without that signature.
    """
    law = tuple((packaged() if files is None else files).items())
    if extra_rules is None:
        return _bundle(law)
    content = _read(extra_rules)
    bundle = _bundle((*law, (str(extra_rules.resolve()), content)))
    if not trial:
        _check_signed(bundle, extra_rules, content, owner)
    return bundle


def _check_signed(bundle: Bundle, path: Path, content: bytes, owner: str | None) -> None:
    opening = [rule.id for rule in bundle.rules if rule.effect == "permit" and rule.id in bundle.added]
    opening += [rule.id for rule in bundle.releases if rule.effect != "forbid" and rule.id in bundle.added]
    if not opening:
        return
    signer = signer_of(path, content)
    what = f"{path}: {', '.join(opening)} would open the border, which needs the signature of the law owner"
    if signer is None:
        raise ConfigurationError(f"{what}; `fedsov border sign {path} --key FILE` makes it")
    if owner is not None and signer != owner:
        pinned = f"{owner[:16]}…" if owner else "nobody"
        raise ConfigurationError(f"{what}: it is signed by {signer[:16]}…, and the law owner is {pinned}")


def packaged(folder: Path = HERE) -> dict[str, bytes]:
    """Every file of the law by name, the rules last, in the order of their names; of another folder than the shipped
    one where that is given.
    """
    rules = sorted(f"{RULES}{path.name}" for path in (folder / RULES).glob("*.yaml"))
    return {name: _read(folder / name) for name in (*FILES, *rules)}


@lru_cache(maxsize=4)
def _bundle(files: tuple[tuple[str, bytes], ...]) -> Bundle:
    """The bundle of these files (name and content); the same content is read once in a process and its forks."""
    texts = dict(files)
    law = parsed(texts["regimes.yaml"], "regimes.yaml").top
    _check_days(law)
    groups, mechanisms = _groups(law), _mechanisms(texts["mechanisms.yaml"])
    regimes, adequacy = _regimes(law["regimes"], groups), _adequacy(texts["adequacy.csv"], groups)
    listed = {row["alpha2"] for row in _rows(texts["countries.csv"])}
    places = frozenset(regimes) | listed | {destination for _, destination in adequacy}
    facts = _closed(_facts(texts["facts.yaml"]), regimes, adequacy, mechanisms)
    sources = {name: text for name, text in texts.items() if name not in FILES}
    rules, releases = read_rules(sources, Vocabulary(facts, groups | _sets(law), places))
    return Bundle(
        rules=rules,
        releases=releases,
        facts=facts,
        regimes=regimes,
        groups=groups,
        adequacy=adequacy,
        mechanisms=mechanisms,
        places=places,
        digest=hashlib.sha256(b"".join(hashlib.sha256(text).digest() for text in texts.values())).hexdigest(),
        dated=law["dated"],
        added=_added(texts, rules, releases),
    )


def _check_days(law: Mapping[str, Any]) -> None:
    """Raises ConfigurationError where a day of regimes.yaml is none: the law's age hangs on it."""
    if type(law.get("dated")) is not date:
        raise ConfigurationError(f"regimes.yaml: dated is {law.get('dated')!r}; write the day as 2026-11-22")
    for parts in law["regimes"]:
        for name in ("valid_from", "valid_until", "read_until"):
            if type(parts.get(name)) not in (date, type(None)):
                raise ConfigurationError(f"regimes.yaml: {parts.get('id')}: {name} is {parts[name]!r}, which is no day")


def _added(texts: Mapping[str, bytes], rules: tuple[Rule, ...], releases: tuple[Rule, ...]) -> frozenset[str]:
    """The ids of the rules that come from no file of the law itself, but from a tenant's."""
    law = tuple((name, text) for name, text in texts.items() if name in FILES or name.startswith(RULES))
    if len(law) == len(texts):
        return frozenset()
    known = {rule.id for rule in (*_bundle(law).rules, *_bundle(law).releases)}
    return frozenset(rule.id for rule in (*rules, *releases)) - known


def _facts(text: bytes) -> dict[str, Fact]:
    """The vocabulary. Raises ConfigurationError for an unknown shape or part."""
    facts = {}
    for group, listed in parsed(text, "facts.yaml").top.items():
        for name, parts in listed.items():
            if set(parts) - {"shape", "says", "values", "effort"} or parts.get("shape") not in (*OPERATORS,):
                raise ConfigurationError(f"facts.yaml: fact '{name}' has an unknown part or shape")
            values = frozenset(parts.get("values", ()))
            claimed, effort = group != "crossing", int(parts.get("effort", 1))
            facts[name] = Fact(name, parts["shape"], parts["says"], values, claimed, effort, group == "artifact")
    return facts


def _mechanisms(text: bytes) -> dict[str, Mechanism]:
    listed = parsed(text, "mechanisms.yaml").top["mechanisms"]
    return {name: Mechanism(**parts) for name, parts in listed.items()}


def _closed(
    facts: Mapping[str, Fact],
    regimes: Mapping[str, tuple[Regime, ...]],
    adequacy: Mapping[tuple[str, str], tuple[AdequacyFinding, ...]],
    mechanisms: Mapping[str, Mechanism],
) -> dict[str, Fact]:
    """The vocabulary, its sets closed that the law itself lists: a mistyped word in a rule is none of them."""
    scopes = {scope_of(finding) for findings in adequacy.values() for finding in findings}
    ids = {reign.id for reigns in regimes.values() for reign in reigns} | {UNKNOWN}
    sets = {
        "mechanism": {"", *mechanisms},
        "document_kind": {"", *mechanisms},
        "origin_regime": ids,
        "destination_regime": ids,
        "adequacy": scopes,
        "exporter_adequacy": scopes,
    }
    return {**facts, **{name: replace(facts[name], values=frozenset(values)) for name, values in sets.items()}}


def unsafe_open() -> Bundle:
    """A bundle that permits every crossing, for simulations; it warns and marks every entry."""
    _log.warning("border=unsafe_open: every crossing is permitted and none is checked; for simulations only")
    return replace(load_bundle(), rules=(), releases=(), digest=hashlib.sha256(b"unsafe_open").hexdigest(), unsafe=True)


def load_atlas(aliases: Mapping[str, str] | None = None) -> Atlas:
    """Spellings of every country (alpha-2, alpha-3, English names) and of every code with law of its own.

    Args:
        aliases: the tenant's own spellings, value to code (``{"UK": "GB"}``).

    Raises ConfigurationError for an alias whose code is unknown.
    """
    shipped = _atlas()
    spellings = {**shipped.spellings}
    for value, code in (aliases or {}).items():
        if str(code).upper() not in spellings:
            raise ConfigurationError(f"alias '{value}' names '{code}', which is no known code; use ISO 3166-1, as 'GB'")
        spellings[str(value).strip().upper()] = spellings[str(code).upper()]
    return replace(shipped, spellings=spellings)


@lru_cache(maxsize=1)
def _atlas() -> Atlas:
    """The atlas without a tenant's own spellings."""
    spellings: dict[str, str] = {}
    for row in _rows((HERE / "countries.csv").read_bytes()):
        names = [row["alpha2"], row["alpha3"], row["name"], *filter(None, row["other_names"].split("|"))]
        spellings |= {name.upper(): row["alpha2"] for name in names}
    law = parsed((HERE / "regimes.yaml").read_bytes(), "regimes.yaml").top
    groups = _groups(law)
    regimes: dict[str, str] = {}
    for code, reigns in _regimes(law["regimes"], groups).items():
        spellings[code] = code
        for regime in reigns:
            if regime.valid_from <= law["dated"] <= (regime.valid_until or date.max):
                regimes[code] = regime.id
    return Atlas(regimes=regimes, spellings=spellings)


@lru_cache(maxsize=1)
def load_words() -> tuple[dict[str, Fact], dict[str, Mechanism]]:
    """The vocabulary and the mechanisms, for readers of documents and cases."""
    return _facts((HERE / "facts.yaml").read_bytes()), _mechanisms((HERE / "mechanisms.yaml").read_bytes())


@lru_cache(maxsize=1)
def _country_names() -> dict[str, str]:
    return {row["alpha2"]: row["name"] for row in _rows((HERE / "countries.csv").read_bytes())}


def country_name(code: str) -> str:
    """The English name of a country or of a part of one ("United States (US-CA)"); the code itself where unknown."""
    country, _, part = code.partition("-")
    name = _country_names().get(country, country)
    return f"{name} ({code})" if part else name


def document_names() -> dict[str, str]:
    """What each kind of document is called."""
    return {kind: mechanism.name for kind, mechanism in load_words()[1].items()}


@lru_cache(maxsize=1)
def load_categories() -> frozenset[str]:
    """Every category that a label may hold; any other word refuses."""
    return _sets(parsed((HERE / "regimes.yaml").read_bytes(), "regimes.yaml").top)["@CATEGORIES"]


@lru_cache(maxsize=1)
def load_near_words() -> dict[str, str]:
    """Words that people write for a category, and the category; for messages alone."""
    return dict(parsed((HERE / "near_words.yaml").read_bytes(), "near_words.yaml").top["categories"])


def unknown_category(word: str, *, see: str = "") -> str:
    """The message about a word that is no category: the one that it may mean, and which there are, or where to see."""
    meant = load_near_words().get(word.strip().lower().replace(" ", "_").replace("-", "_"), "")
    return unknown("category", word, sorted(load_categories()), see=see, guess=meant)


@lru_cache(maxsize=1)
def load_groups() -> dict[str, frozenset[str]]:
    """The named groups of places ("@EEA") and their codes."""
    return _groups(parsed((HERE / "regimes.yaml").read_bytes(), "regimes.yaml").top)


def _groups(law: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    return {name: frozenset(codes) for name, codes in law["groups"].items()}


def _sets(law: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """The named sets of words; a set may name those before it."""
    sets: dict[str, frozenset[str]] = {}
    for name, words in law["sets"].items():
        for word in words:
            if word.startswith("@") and word not in sets:
                raise ConfigurationError(f"regimes.yaml: set {name}: {unknown('set', word[:80], sorted(sets))}")
        sets[name] = _codes(words, sets)
    return sets


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise ConfigurationError(f"cannot read the rules in {path}: {problem.strerror}") from problem


def _rows(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.decode("utf-8"))))


def _codes(listed: list[str], groups: Mapping[str, frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*(groups.get(code, frozenset({code})) for code in listed))


def _regimes(listed: list[dict[str, Any]], groups: Mapping[str, frozenset[str]]) -> dict[str, tuple[Regime, ...]]:
    """Code to its regimes, in the order of the file."""
    reigns: dict[str, tuple[Regime, ...]] = {}
    for parts in listed:
        regime = Regime(**{**parts, "codes": _codes(parts["codes"], groups)})
        for code in regime.codes:
            reigns[code] = (*reigns.get(code, ()), regime)
    return reigns


def _adequacy(text: bytes, groups: Mapping[str, frozenset[str]]) -> dict[tuple[str, str], tuple[AdequacyFinding, ...]]:
    """(regime, destination) to the findings about it, past and present."""
    findings: dict[tuple[str, str], tuple[AdequacyFinding, ...]] = {}
    for row in _rows(text):
        finding = AdequacyFinding(
            scope=row["scope"],
            cite=row["cite"],
            valid_from=date.fromisoformat(row["valid_from"]),
            valid_until=date.fromisoformat(row["valid_until"]) if row["valid_until"] else None,
            confidence=row["confidence"],
        )
        for code in _codes([row["destination"]], groups):
            key = row["regime"], code
            findings[key] = (*findings.get(key, ()), finding)
    return findings
