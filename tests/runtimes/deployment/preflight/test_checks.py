from fedsov.keys.certificates import HUB, OPERATOR, REGION
from fedsov.runtimes.deployment.preflight.checks import CHECKS
from tests.runtimes.deployment.preflight.a_party import findings, hub_of, problems, region_of


def test_a_party_that_is_as_it_should_be_has_no_problem(workspace, hub):
    for examined in (region_of(workspace), hub_of(workspace)):
        found = findings(examined)
        assert problems(examined) == {}
        assert all(finding.is_well and finding.seen and finding.line().startswith("ok ") for finding in found.values())


def test_every_check_of_a_role_is_made_and_none_of_another(workspace, hub):
    for examined, role in ((region_of(workspace), REGION), (hub_of(workspace), HUB)):
        assert list(findings(examined)) == [check.name for check in CHECKS if role in check.roles]
    assert {check.name for check in CHECKS if OPERATOR in check.roles} >= {"certificate", "handshake", "clock"}


def test_needed_checks_come_before_those_that_need_them():
    names = [check.name for check in CHECKS]
    for place, check in enumerate(CHECKS):
        assert set(check.needs) <= set(names[:place])


def test_what_could_not_be_checked_is_told(workspace, hub):
    examined = region_of(workspace)
    examined.folder.party.unlink()
    found = findings(examined)
    assert found["party file"].made and not found["party file"].is_well
    for name in ("ports", "certificate", "ledger", "hub's name"):
        assert not found[name].made and found[name].line() == (
            f"not made   {name}: it needs party file; mend party file first"
        )
    for name in ("certificate and key", "region.yaml", "clock"):
        assert not found[name].made
    assert found["key file"].is_well and len(found) == len(CHECKS)


def test_nothing_is_written(workspace, hub):
    def content():
        names = [path for path in workspace.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal"))]
        return {path: path.read_bytes() for path in names}

    before = content()
    findings(region_of(workspace))
    findings(hub_of(workspace))
    assert content() == before
