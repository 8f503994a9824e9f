"""What nobody pinned is pinned; what the owner pinned stays."""

from __future__ import annotations

from pathlib import Path

from fedsov.api import region_settings
from fedsov.api.deployment.joining.pinning import contradictions, pin
from fedsov.artifact import Party
from fedsov.region.trust.parties import Parties

KEY, OTHER = "ab" * 32, "cd" * 32
STATED = Parties(
    Party("hub", "IE", "Holding"),
    Party("DE", "DE", "Bank"),
    {"US": Party("US", "US", "Inc."), "DE": Party("DE", "DE", "Bank")},
)


def test_what_is_missing_is_pinned_once_and_noted(tmp_path: Path) -> None:
    region_settings.init(tmp_path, "DE")
    told = {"hub": KEY, "US": KEY, "DE": OTHER}
    added = pin(tmp_path, "DE", told, STATED, by="A", why="package 3")
    assert added == ["parties.hub", "parties.region", "parties.peers.US", "keys.hub", "keys.US"]
    shown = region_settings.show(tmp_path, "DE")
    assert shown.settings.keys == {"hub": KEY, "US": KEY} and set(shown.settings.parties.peers) == {"US"}
    assert (shown.changed["by"], shown.changed["why"]) == ("A", "package 3")
    assert pin(tmp_path, "DE", told, STATED) == []
    assert region_settings.show(tmp_path, "DE").changed == shown.changed


def test_what_the_owner_pinned_stays_and_differences_are_sentences(tmp_path: Path) -> None:
    region_settings.init(
        tmp_path,
        "DE",
        [f"keys.US={OTHER}", "parties.hub.name=hub", "parties.hub.location=FR", "parties.hub.entity=Autre"],
    )
    pin(tmp_path, "DE", {"US": KEY}, STATED)
    own = region_settings.show(tmp_path, "DE").settings
    assert own.keys["US"] == OTHER and own.parties.hub == Party("hub", "FR", "Autre")
    key, place = contradictions(own, {"US": KEY}, STATED)
    assert "has pinned the key cdcd" in key and "the hub (parties.hub) with location 'FR'" in place
