"""How often an address may ask, and that who asks more often is told so before anything else is done."""

from __future__ import annotations

from fedsov.control_plane.pages import shield
from fedsov.control_plane.pages.application import application
from fedsov.control_plane.pages.shield import AddressRate
from tests.control_plane.pages.conftest import Hub


def test_an_address_may_ask_so_often_at_once_and_so_often_in_the_long_run():
    clock = [0.0]
    rate = AddressRate(per_second=2.0, at_once=5.0, now=lambda: clock[0])
    assert [rate.takes("a") for _ in range(7)] == [True] * 5 + [False] * 2
    assert rate.takes("b"), "another address has its own"
    clock[0] = 1.0
    assert [rate.takes("a") for _ in range(3)] == [True, True, False]
    clock[0] = 1000.0
    assert sum(rate.takes("a") for _ in range(20)) == 5, "nothing is saved beyond what may be asked at once"


def test_asking_while_refused_makes_the_wait_no_longer():
    clock = [0.0]
    rate = AddressRate(per_second=1.0, at_once=1.0, now=lambda: clock[0])
    assert rate.takes("a")
    for tenth in range(1, 10):
        clock[0] = tenth / 10
        assert not rate.takes("a")
    clock[0] = 1.01
    assert rate.takes("a")


def test_many_addresses_take_no_more_memory_than_some(monkeypatch):
    monkeypatch.setattr(shield, "ADDRESSES", 3)
    rate = AddressRate()
    for number in range(10):
        rate.takes(f"address {number}")
    assert list(rate._left) == ["address 7", "address 8", "address 9"]


def test_who_asks_too_often_is_told_when_to_come_back_and_others_go_on(hub):
    busy = Hub(hub.database)
    busy.app = application(busy.site, rate=AddressRate(per_second=0.001, at_once=3.0))
    asked = [busy.browser(address="203.0.113.9").get("/login") for _ in range(4)]
    assert [answer.status_code for answer in asked] == [200, 200, 200, 429]
    assert asked[-1].headers["retry-after"] == "5" and "wait a few seconds" in asked[-1].text
    assert busy.browser(address="203.0.113.10").get("/login").status_code == 200
