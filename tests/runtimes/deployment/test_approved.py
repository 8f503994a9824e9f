"""A region's word of its place and its key counts where it is what the hub approved."""

import pytest

from fedsov.api.deployment.hub_home import hub_home
from fedsov.keys.members import read_members
from fedsov.runtimes.deployment.approved import contradiction
from tests.runtimes.deployment.hub_side import trial_of


@pytest.fixture
def home(tmp_path):
    trial_of(tmp_path, "DE")
    return tmp_path


def told(home, **changes):
    key = read_members(home / "deployment" / "members.json")["DE"].sealing_key
    return {"name": "DE", "location": "DE", "public_key": key, **changes}


def invited(home, place):
    with hub_home(home) as hub:
        hub.note("invited", {"name": "DE", "party": {"name": "DE", "location": place}}, by="a test", why="a test")


def test_what_was_approved_is_believed(home):
    assert contradiction(home, told(home)) == ""  # nobody was invited: a trial
    invited(home, "DE")
    assert contradiction(home, told(home)) == ""


def test_another_place_than_that_of_the_invitation_is_not(home):
    invited(home, "DE")
    assert "lies in US, and was invited as lying in DE" in contradiction(home, told(home, location="US"))


def test_another_sealing_key_than_the_approved_one_is_not(home):
    assert "another sealing key" in contradiction(home, told(home, public_key="ab" * 32))
