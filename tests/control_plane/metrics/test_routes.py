"""`/api/v1/metrics`: what was told, to who may see it, of the regions that are theirs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.testclient import TestClient

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.metrics.routes import metrics_routes
from fedsov.control_plane.metrics.use_reports import Signed, take_use_report
from fedsov.control_plane.pages.application import application
from fedsov.control_plane.pages.site import Site
from fedsov.control_plane.people.accounts import PersonAccount
from fedsov.control_plane.people.roles import Role
from fedsov.protocol.use_report import UseCell, UseReport

ORIGIN = "https://hub.example:8443"
NOW = 1_800_000_000.0
HOUR = 3600
KEY = Ed25519PrivateKey.generate()
CELL = UseCell("m", 1, "champion", "answered", people=20, requests=130)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("hub")
    with closing(Database.open(f"sqlite:///{folder}/control.sqlite")) as database:
        site = Site(database, frozenset({ORIGIN}), lambda note: None, name="IE", now=lambda: NOW)
        for name, regions in (("vera", []), ("dora", ["DE"])):
            account = PersonAccount(name, frozenset({Role.VIEWER}), frozenset(regions))
            site.accounts.add(account, password="heather under glass", by="O.", now=NOW)
        with database.changing() as connection:
            for region, ago in (("DE", 2), ("FR", 2), ("DE", 24 * 40)):
                begins = int(NOW) // HOUR * HOUR - ago * HOUR
                document = UseReport(region, begins, 60, 10, (CELL,)).to_bytes()
                signed = Signed(region, document, KEY.sign(document))
                take_use_report(connection, signed, KEY.public_key().public_bytes_raw().hex(), now=NOW)
        yield site


def asked(site: Site, path: str, name: str = "") -> tuple[int, str]:
    head = {"authorization": f"Bearer {site.accounts.token(name, days=1, by='O.', now=NOW)}"} if name else {}
    answer = TestClient(application(site, routers=[metrics_routes()]), ORIGIN).get(path, headers=head)
    return answer.status_code, answer.text


def test_totals_are_of_the_last_days_and_of_the_regions_of_the_account(site: Site) -> None:
    for name, days, regions in (("vera", 30, ["DE", "FR"]), ("dora", 30, ["DE"]), ("vera", 60, ["DE", "FR"])):
        status, text = asked(site, f"/api/v1/metrics?days={days}", name)
        totals = json.loads(text)
        assert (status, [total["region"] for total in totals]) == (200, regions)
        assert totals[0]["windows"] == (2 if days == 60 else 1)


def test_prometheus_gets_everything_since_the_first_report(site: Site) -> None:
    status, text = asked(site, "/api/v1/metrics/prometheus", "dora")
    assert status == 200 and 'region="DE",model="m",version="1",role="champion",outcome="answered"' in text
    assert " 260\n" in text and 'region="FR"' not in text


@pytest.mark.parametrize("path", ["/api/v1/metrics", "/api/v1/metrics/prometheus"])
def test_nobody_who_is_not_signed_in_is_answered(site: Site, path: str) -> None:
    assert asked(site, path)[0] == 401
