"""A region's Fleet client: its signs of life go on, whatever the hub answers and whatever its disk does."""

import threading

import pytest

from fedsov.runtimes.deployment.hub_connection import HubConnection, HubRefused
from fedsov.runtimes.deployment.region import region_service
from fedsov.runtimes.deployment.region.region_service import RegionPlace, RegionService
from fedsov.storage.party_file import HubAddress
from tests.runtimes.deployment.hub_side import trial_of
from tests.runtimes.deployment.world import until


@pytest.mark.parametrize("answer", [b"[]", b"{", b'{"revoked": null}', b'{"revoked": "x"}'])
def test_signs_of_life_go_on_after_an_answer_that_makes_no_sense(tmp_path, monkeypatch, answer):
    posts, told, stop = [], [], threading.Event()

    def post(self, path, body=b"", **options):
        posts.append(path)
        return 200, answer

    monkeypatch.setattr(HubConnection, "post", post)
    monkeypatch.setattr(region_service, "BEAT", 0.01)
    trial = trial_of(tmp_path, "DE")
    place = RegionPlace("DE", tmp_path, trial.regions["DE"], HubAddress("127.0.0.1", 1), "ab" * 32)
    service = RegionService(place, lambda event, text, **fields: told.append(event))
    beats = threading.Thread(target=service._beat, args=(stop,), daemon=True)
    beats.start()
    try:
        until(lambda: len(posts) > 2, "it beats again")
    finally:
        stop.set()
        beats.join(5)
    assert set(told) == {"revocations not taken"}


def test_an_answer_for_which_the_hub_has_no_room_is_sent_again_and_another_refusal_is_said(tmp_path, monkeypatch):
    told, posts = [], []
    refusals = [HubRefused(503, "answers of DE fill its share"), HubRefused(503, "answers of DE fill its share")]

    def post(self, path, body=b"", **options):
        posts.append((path, body))
        if refusals:
            raise refusals.pop()
        return 200, b"[]"

    monkeypatch.setattr(HubConnection, "post", post)
    monkeypatch.setattr(region_service, "first_message", lambda parcel: parcel.decode())
    monkeypatch.setattr(RegionService, "_worked", lambda self, parcel: b"answer to " + parcel)
    trial = trial_of(tmp_path, "DE")
    place = RegionPlace("DE", tmp_path, trial.regions["DE"], HubAddress("127.0.0.1", 1), "ab" * 32)
    service = RegionService(place, lambda event, text, **fields: told.append(text))
    assert service._answer(b"one", "", threading.Event()) == "one"
    assert [body for _, body in posts] == [b"answer to one"] * 3
    assert "no room for an answer now: answers of DE fill its share" in told[0]
    refusals.append(HubRefused(400, "no"))
    service._answer(b"two", "one", threading.Event())
    assert told[-1] == "the hub does not take an answer: no"
    assert len(posts) == 4
