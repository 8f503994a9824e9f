"""Additional rules: those that forbid need no signature, those that open a border need the law owner's."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.border.law.bundle_loader import load_bundle
from fedsov.border.law.law_owner import make_owner_key, sign_rules
from fedsov.errors import ConfigurationError

PERMIT = "rules:\n- {id: own-1, effect: permit, when: [[kind, in, [update]]], reason: r, cite: c}\n"
FORBID = PERMIT.replace("permit", "forbid")
RELEASE = "releases:\n- {id: own-2, effect: permit, when: [[document_kind, eq, global_consent]], reason: r, cite: c}\n"


def _written(place: Path, text: str) -> Path:
    path = place / "rules.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("text", [PERMIT, RELEASE], ids=["permits", "releases"])
def test_a_rule_that_opens_a_border_needs_a_signature(tmp_path: Path, text: str) -> None:
    rules = _written(tmp_path, text)
    with pytest.raises(ConfigurationError, match=r"own-\d would open the border.*fedsov border sign"):
        load_bundle(rules)
    assert load_bundle(rules, trial=True).added
    owner = make_owner_key(tmp_path / "owner.pem")
    assert sign_rules(rules, tmp_path / "owner.pem") == owner
    assert load_bundle(rules).added == load_bundle(rules, owner=owner).added != frozenset()


def test_a_rule_that_forbids_needs_none_and_is_named_as_added(tmp_path: Path) -> None:
    assert load_bundle(_written(tmp_path, FORBID), owner="").added == {"own-1"}
    assert not load_bundle().added


def test_only_the_pinned_owner_s_signature_counts(tmp_path: Path) -> None:
    rules = _written(tmp_path, PERMIT)
    owner, other = (make_owner_key(tmp_path / f"{name}.pem") for name in ("owner", "other"))
    sign_rules(rules, tmp_path / "other.pem")
    for pinned in (owner, ""):
        with pytest.raises(ConfigurationError, match=rf"signed by {other[:16]}…, and the law owner is"):
            load_bundle(rules, owner=pinned)


@pytest.mark.parametrize("change", ["text", "signature", "junk"])
def test_rules_that_changed_after_they_were_signed_are_refused(tmp_path: Path, change: str) -> None:
    rules = _written(tmp_path, PERMIT)
    make_owner_key(tmp_path / "owner.pem")
    sign_rules(rules, tmp_path / "owner.pem")
    signature = rules.with_name("rules.yaml.sig")
    if change == "text":
        rules.write_text(PERMIT.replace("update", "model"))
    else:
        signature.write_text(
            "{}" if change == "junk" else signature.read_text().replace('signature": "', 'signature": "0')
        )
    with pytest.raises(ConfigurationError, match=r"is no signature of .*rules\.yaml as it is now"):
        load_bundle(rules)
