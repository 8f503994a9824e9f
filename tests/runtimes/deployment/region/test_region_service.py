"""A region's Fleet client: its signs of life go on, whatever the hub answers and whatever its disk does."""

import threading

import pytest

from fedsov.runtimes.deployment.hub_connection import HubConnection
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
