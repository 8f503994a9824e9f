"""Where parties are and whose: the pinned word counts, another is refused with the command that would change it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fedsov.artifact import Party
from fedsov.errors import ConfigurationError
from fedsov.region.settings import RegionSettings
from fedsov.region.trust.parties import Parties
from tests.own_settings import CLOSED

HUB = Party("hub", "US", "Bank Inc.", frozenset({"CN"}))
DE, FR = Party("DE", "DE", "Bank AG"), Party("FR", "FR", "Banque: SA", role="processor")
PINNED = Parties(HUB, DE, {"FR": FR})


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        (replace(PINNED, hub=replace(HUB, location="DE")), "parties.hub.location=DE"),
        (replace(PINNED, hub=replace(HUB, owners=frozenset())), "'parties.hub.owners=[]'"),
        (replace(PINNED, hub=replace(HUB, name="FR")), "parties.hub.name=FR"),
        (replace(PINNED, region=replace(DE, entity="Other AG")), "'parties.region.entity=Other AG'"),
        (replace(PINNED, peers={"FR": replace(FR, role="controller")}), "parties.peers.FR.role=controller"),
        (
            replace(PINNED, hub=replace(HUB, location="IE", entity="NO")),
            "parties.hub.location=IE 'parties.hub.entity=\"NO\"'",
        ),
    ],
)
def test_whoever_states_a_pinned_party_otherwise_is_told_the_command_that_would_change_it(
    stated: Parties, words: str
) -> None:
    (said,) = PINNED.contradictions("DE", stated)
    assert said.endswith(f"; `fedsov region set DE {words}` would change it")


def test_the_same_fewer_and_further_parties_contradict_nothing() -> None:
    for stated in (PINNED, replace(PINNED, peers={}), replace(PINNED, peers={"FR": FR, "IT": Party("IT", "IT", "x")})):
        assert PINNED.contradictions("DE", stated) == []
    assert Parties().contradictions("DE", PINNED) == []


def test_a_hub_or_a_region_that_nobody_pinned_is_said_with_all_words_and_a_peer_is_not() -> None:
    hub, region = Parties().unsaid("DE", PINNED)
    assert "parties.hub.name=hub parties.hub.location=US" in hub and "'parties.hub.owners=[CN]'`" in hub
    assert "`fedsov region set DE parties.region.location=DE 'parties.region.entity=Bank AG'`" in region
    assert replace(PINNED, peers={}).unsaid("DE", PINNED) == []


def test_what_nobody_pinned_is_pinned_as_stated_and_peers_at_a_first_ingestion_alone() -> None:
    italian = {"IT": Party("IT", "IT", "x")}
    assert Parties().completed(PINNED) == PINNED
    assert PINNED.completed(Parties(replace(HUB, location="DE"), DE, italian)) == PINNED
    assert Parties(region=DE).completed(replace(PINNED, peers=italian)) == Parties(HUB, DE)


def test_parties_are_set_word_by_word_and_taken_away_by_null() -> None:
    own = replace(CLOSED, parties=PINNED)
    assert RegionSettings.from_settings(own.to_plain()) == own
    assert own.changed(["parties.hub.location=IE"]).parties.hub == replace(HUB, location="IE")
    assert own.changed(["parties.peers.FR=null", "parties.hub=null"]).parties == Parties(region=DE)
    whole = ["parties.peers.US-CA.location=US-CA", "parties.peers.US-CA.entity='NO'", "parties.peers.US-CA.owners=[CN]"]
    made = CLOSED.changed(whole).parties.peers["US-CA"]
    assert made == Party("US-CA", "US-CA", "NO", frozenset({"CN"}))
    assert not CLOSED.parties.peers and CLOSED.parties.listed() == "nobody"
    assert PINNED.listed().startswith("the hub in US (Bank Inc.), itself in DE (Bank AG), its peer FR in FR")


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("parties.hub.location=QQ", "parties.hub.location"),
        ("parties.hub.place=US", "parties.hub.place"),
        ("parties.peers.IT.location=IT", "parties.peers.IT.entity is not set"),
        ("parties.region.name=IT", "parties.region.name"),
        ("parties.hub.role=boss", "parties.hub.role"),
        ("parties=none", "parties"),
        ("parties.peers.IT=null", "parties.peers.IT"),
    ],
)
def test_what_is_no_party_is_not_pinned(word: str, names: str) -> None:
    with pytest.raises(ConfigurationError, match=names):
        replace(CLOSED, parties=PINNED).changed([word])
