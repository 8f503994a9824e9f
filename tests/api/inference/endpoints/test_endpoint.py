"""A region's endpoint is published as settings, border and approved list have it, and again when these change."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fedsov.api.inference.endpoints import endpoint_upkeep
from fedsov.api.inference.endpoints.endpoint import (
    Listening,
    check_free,
    publish_endpoint,
    published_again,
    trial_certificate,
)
from fedsov.api.inference.endpoints.endpoint_standing import endpoints, examine_endpoint
from fedsov.api.inference.endpoints.endpoint_upkeep import Upkeep
from fedsov.api.inference.endpoints.trial_endpoints import trial_endpoints, unsaid_jurisdictions
from fedsov.api.promotion import VersionApproval, promote
from fedsov.api.region_settings import set_settings, show
from fedsov.errors import ApprovalRefused, ConfigurationError, CrossingRefused
from fedsov.jurisdiction import Region
from fedsov.label import Label
from fedsov.ledger.ledger import Ledger
from fedsov.region.admission import Place
from fedsov.region.settings_file import read_settings
from fedsov.runtimes.deployment.supervision.health import Health
from fedsov.runtimes.deployment.supervision.log_lines import LogLines
from fedsov.runtimes.serving.place import read_place
from fedsov.storage.serving_folder import ServingFolder
from fedsov.storage.workspace import Workspace, ledger_of
from tests.api.inference.world import register, workspace_of

PLAIN = Listening(port=8080, tls=False)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_of(tmp_path / "w")


def test_what_is_published_is_what_settings_border_and_list_say(workspace: Workspace) -> None:
    register(workspace, "DE", "people-de")
    promote(workspace.root, VersionApproval("people-de", 1, why="trial"))
    words = ["serving.hosts=[FR]", "serving.limits.rows=7", "serving.durable=before_answer", "retention_days=30"]
    set_settings(workspace.root, ["DE"], words)
    published = publish_endpoint(workspace.root, "DE", PLAIN)
    folder = workspace.region("DE")
    with closing(Ledger.read(ledger_of(folder))) as ledger:
        place = read_place(ServingFolder(folder).root / "endpoint.json", ledger.key)
    assert place == published.place
    assert (place.jurisdictions[:2], place.hosts[0]) == (("DE", "DE-BB"), "FR"), "a country with its parts"
    assert place.elsewhere["GB"] == place.elsewhere["GB-SCT"] == "GB" and "DE-BB" not in place.elsewhere
    assert (place.limits.rows, place.approved_counter, place.is_tls) == (7, 1, False)
    assert place.log == {"durable": "before_answer", "on_full_disk": "refuse", "retention_days": 30}
    assert 1.9 * 86_400 < place.valid_until - time.time() <= 2.0 * 86_400
    assert published.lines()[0] == "DE serves people of DE, FR"
    assert any("believes no token" in line for line in published.lines())


def test_a_host_that_the_border_permits_no_more_is_served_no_more_and_named(workspace: Workspace) -> None:
    set_settings(workspace.root, ["DE"], ["serving.hosts=[FR]"])
    publish_endpoint(workspace.root, "DE", PLAIN)
    rules = workspace.root / "rules.yaml"
    rules.write_text(
        "rules:\n- {id: own.no_fr, effect: forbid, when: [[origin, eq, FR]], reason: Not any more., cite: our own}\n"
    )
    set_settings(workspace.root, ["DE"], [f"law.rules={rules}"])
    folder = workspace.region("DE")
    with closing(Ledger(ledger_of(folder), "DE")) as ledger:
        again = published_again(Place(folder, ledger), read_settings(folder, ledger))
        assert again is not None and again.place.hosts == ()
        assert "Not any more" in again.hosting.refused["FR"]
        assert ledger.entries()[-1].body["lapsed"]
    assert any("does not serve people of FR" in line for line in again.lines())


def test_hosts_are_decided_again_also_where_the_approved_list_is_not_believed(workspace: Workspace) -> None:
    register(workspace, "DE", "people-de")
    promote(workspace.root, VersionApproval("people-de", 1, why="trial"))
    set_settings(workspace.root, ["DE"], ["serving.hosts=[FR]"])
    before = publish_endpoint(workspace.root, "DE", PLAIN).place
    folder = workspace.region("DE")
    path = ServingFolder(folder).approved
    path.write_bytes(path.read_bytes().replace(b"trial", b"tryal"))
    set_settings(workspace.root, ["DE"], ["serving.hosts=[]"])
    with closing(Ledger(ledger_of(folder), "DE")) as ledger, pytest.raises(ApprovalRefused, match="edited"):
        published_again(Place(folder, ledger), read_settings(folder, ledger))
    now = read_place(before.path, before.region_key)
    assert before.hosts and now.hosts == () and now.published_at > before.published_at
    assert now.categories == before.categories


def test_a_region_that_may_serve_nobody_has_no_endpoint(workspace: Workspace) -> None:
    rules = workspace.root / "rules.yaml"
    rules.write_text(
        "rules:\n- {id: own.closed, effect: forbid, when: [[kind, eq, records]], reason: Closed., cite: our own}\n"
    )
    set_settings(workspace.root, ["DE"], [f"law.rules={rules}"])
    with pytest.raises(CrossingRefused, match="region DE may serve nobody: .*Closed"):
        publish_endpoint(workspace.root, "DE", PLAIN)


def test_a_host_whose_home_region_could_get_nothing_sealed_is_refused(workspace: Workspace) -> None:
    set_settings(workspace.root, ["DE"], ["serving.hosts=[GB]"])
    with pytest.raises(ConfigurationError, match="hosts GB, whose home is region GB, and no sealing key"):
        publish_endpoint(workspace.root, "DE", PLAIN)


def test_a_list_that_is_not_believed_is_not_published(workspace: Workspace) -> None:
    register(workspace, "DE", "people-de")
    promote(workspace.root, VersionApproval("people-de", 1, why="trial"))
    path = ServingFolder(workspace.region("DE")).approved
    path.write_bytes(path.read_bytes().replace(b"trial", b"tryal"))
    with pytest.raises(ApprovalRefused, match="it was edited or put back"):
        publish_endpoint(workspace.root, "DE", PLAIN)


def test_tls_takes_a_certificate_and_a_trial_makes_one(workspace: Workspace) -> None:
    with pytest.raises(ConfigurationError, match=r"tls.crt and tls.key are not both there.*--no-tls"):
        publish_endpoint(workspace.root, "DE", replace(PLAIN, tls=True))
    assert trial_certificate(workspace.root, "DE")
    assert not trial_certificate(workspace.root, "DE"), "one that is there stays"
    assert publish_endpoint(workspace.root, "DE", replace(PLAIN, tls=True)).place.is_tls


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigurationError, match="--serve-port N"):
        check_free("127.0.0.1", taken.getsockname()[1], "DE")


def test_a_trial_s_endpoints_believe_its_tokens_and_a_table_that_the_owner_named_stays(workspace: Workspace) -> None:
    own = workspace.root / "own.yaml"
    own.write_text("issuers:\n- {issuer: idp, jwks: 'https://idp.example/j', audience: us, algorithms: [RS256]}\n")
    set_settings(workspace.root, ["GB"], [f"serving.issuers={own}"])
    said: list[str] = []
    services = trial_endpoints(workspace.root, ["DE", "GB"], replace(PLAIN, port=0), progress=said.append)
    assert [service.party for service in services] == [
        *("DE (endpoint)", "DE (hosting)"),
        *("GB (endpoint)", "GB (hosting)"),
    ]
    assert show(workspace.root, "DE").settings.serving.issuers == workspace.root / "trial" / "issuers.yaml"
    assert show(workspace.root, "GB").settings.serving.issuers == own
    assert (ServingFolder(workspace.region("DE")).root / "jwks.json").exists()
    assert any("DE believes the trial's tokens" in line for line in said)
    assert not any("GB believes" in line for line in said)


def test_a_region_that_cannot_serve_is_named_and_the_others_do(workspace: Workspace) -> None:
    set_settings(workspace.root, ["DE"], ["parties.region=null"])
    said: list[str] = []
    services = trial_endpoints(workspace.root, ["DE", "GB"], replace(PLAIN, port=0), progress=said.append)
    assert [service.party for service in services] == ["GB (endpoint)", "GB (hosting)"]
    assert any(line.startswith("DE has no endpoint: region DE has not pinned") for line in said)
    set_settings(workspace.root, ["GB"], ["parties.region=null"])
    with pytest.raises(ConfigurationError, match="no region can serve"):
        trial_endpoints(workspace.root, ["DE", "GB"], replace(PLAIN, port=0), progress=said.append)


def test_a_region_that_holds_more_people_than_it_would_serve_is_named_with_the_command(workspace: Workspace) -> None:
    several = Region("DE", frozenset({"DE", "AT"}), "DE", "Example GmbH", "key")
    (line,) = unsaid_jurisdictions(workspace.root, [several, Region.of_code("GB"), Region.of_code("JP")])
    assert "DE holds people of AT, too" in line and "serving.jurisdictions=[AT, DE]" in line
    set_settings(workspace.root, ["DE"], ["serving.jurisdictions=[AT, DE]"])
    assert unsaid_jurisdictions(workspace.root, [several]) == []
    assert publish_endpoint(workspace.root, "DE", PLAIN).hosting.own == ("AT", "DE")


def test_upkeep_publishes_what_changed_within_seconds_and_says_what_it_cannot(workspace: Workspace) -> None:
    publish_endpoint(workspace.root, "DE", PLAIN)
    path = ServingFolder(workspace.region("DE")).root / "endpoint.json"
    stop, health = threading.Event(), Health()
    upkeep = Upkeep(workspace.root, "DE", LogLines("DE (hosting)"), stop)
    assert upkeep.publish(health)
    serving = threading.Thread(target=upkeep.serve, args=(health,))
    serving.start()
    try:
        set_settings(workspace.root, ["DE"], ["serving.hosts=[FR]"])
        _until(lambda: b'"FR"' in path.read_bytes())
        settings = workspace.region("DE") / "region.yaml"
        content, before = settings.read_bytes(), path.read_bytes()
        settings.write_bytes(content.replace(b"hosts", b"hostz"))
        _until(lambda: "region.yaml" in health.state.waits_for)
        assert path.read_bytes() == before, "what was published goes on until its days are over"
    finally:
        stop.set()
        serving.join()


def test_a_version_that_waits_for_a_decision_wakes_upkeep_and_another_does_not(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_upkeep, "SECONDS", 600.0)
    publish_endpoint(workspace.root, "DE", PLAIN)
    path = ServingFolder(workspace.region("DE")).root / "endpoint.json"
    stop, health = threading.Event(), Health()
    upkeep = Upkeep(workspace.root, "DE", LogLines("DE (hosting)"), stop)
    serving = threading.Thread(target=upkeep.serve, args=(health,))
    serving.start()
    try:
        _until(lambda: upkeep._last is not None and health.state.connected)
        known = path.read_bytes()
        for name, origins, is_decided in (("plain", {"DE"}, False), ("of-health", {"DE"}, True)):
            label = Label(frozenset(origins), frozenset({"health"}) if is_decided else frozenset())
            register(workspace, "DE", name, label=label)
            promote(workspace.root, VersionApproval(name, 1, why="trial"))
            if is_decided:
                _until(lambda: b'"health"' in path.read_bytes())
            else:
                assert not upkeep._is_awaited() and path.read_bytes() == known
    finally:
        stop.set()
        serving.join()


def test_upkeep_writes_over_what_somebody_else_put_there_and_tries_again_what_failed_at_first(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_upkeep, "AGAIN", 0.1)
    set_settings(workspace.root, ["DE"], ["serving.hosts=[FR]"])
    publish_endpoint(workspace.root, "DE", PLAIN)
    path = ServingFolder(workspace.region("DE")).root / "endpoint.json"
    old = path.read_bytes()
    set_settings(workspace.root, ["DE"], ["serving.hosts=[]"])
    settings = workspace.region("DE") / "region.yaml"
    content = settings.read_bytes()
    settings.write_bytes(content + b"# edited\n")
    stop, health = threading.Event(), Health()
    serving = threading.Thread(
        target=Upkeep(workspace.root, "DE", LogLines("DE (hosting)"), stop).serve, args=(health,)
    )
    serving.start()
    try:
        _until(lambda: "region.yaml" in health.state.waits_for)
        settings.write_bytes(content)
        _until(lambda: b'"FR"' not in path.read_bytes())
        path.write_bytes(old)
        _until(lambda: b'"FR"' not in path.read_bytes())
        path.unlink()
        _until(path.exists)
        assert b'"FR"' not in path.read_bytes()
    finally:
        stop.set()
        serving.join()


def test_upkeep_begins_no_ledger_where_the_region_s_is_gone(workspace: Workspace) -> None:
    publish_endpoint(workspace.root, "DE", PLAIN)
    path, health = ledger_of(workspace.region("DE")), Health()
    path.unlink()
    assert not Upkeep(workspace.root, "DE", LogLines("DE (hosting)"), threading.Event()).publish(health)
    assert "the ledger of DE is gone" in health.state.waits_for and not path.exists()


def test_an_endpoint_for_which_the_border_permits_nobody_any_more_is_closed_at_once(workspace: Workspace) -> None:
    set_settings(workspace.root, ["DE"], ["serving.hosts=[FR]"])
    before = publish_endpoint(workspace.root, "DE", PLAIN).place
    rules = workspace.root / "rules.yaml"
    rules.write_text(
        "rules:\n- {id: own.closed, effect: forbid, when: [[kind, eq, records]], reason: Closed., cite: our own}\n"
    )
    set_settings(workspace.root, ["DE"], [f"law.rules={rules}"])
    folder = workspace.region("DE")
    with closing(Ledger(ledger_of(folder), "DE")) as ledger:
        with pytest.raises(CrossingRefused, match="may serve nobody"):
            published_again(Place(folder, ledger), read_settings(folder, ledger))
        after = read_place(ServingFolder(folder).root / "endpoint.json", ledger.key)
    assert after.hosts == () and after.valid_until <= time.time() < before.valid_until
    assert after.published_at > before.published_at


def _until(holds: object) -> None:
    end = time.monotonic() + 20
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)


def test_an_endpoint_s_standing_and_what_doctor_says_of_it(workspace: Workspace) -> None:
    assert endpoints(workspace.root) == []
    folder = workspace.region("DE")
    assert list(examine_endpoint(folder)) == [], "a region that serves nobody is not asked"
    register(workspace, "DE", "people-de")
    promote(workspace.root, VersionApproval("people-de", 1, why="trial"))
    findings = {finding.check: finding for finding in examine_endpoint(folder)}
    assert findings["approved list"].is_well and "people-de 1 (champion)" in findings["approved list"].seen
    assert "serving.issuers" in findings["issuers"].mend
    assert "tls.crt" in findings["endpoint's certificate"].mend
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        publish_endpoint(workspace.root, "DE", replace(PLAIN, port=port))
        (standing,) = endpoints(workspace.root)
        assert standing.line() == f"endpoint DE: http://127.0.0.1:{port}, people-de 1 (champion) for people of DE"
    assert endpoints(workspace.root)[0].line().endswith(": away")
    hosts = {finding.check: finding for finding in examine_endpoint(folder)}["hosts"]
    assert hosts.is_well and hosts.seen.startswith("people of DE, decided until")
