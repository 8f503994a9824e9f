"""Jobs: submitted, run by one dispatcher, followed by anybody, kept over the end of every process."""

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from fedsov.api.deployment.approvals import revoke
from fedsov.api.deployment.operators import operators
from fedsov.runtimes.deployment.hub import jobs
from fedsov.runtimes.deployment.hub.jobs import JobRetention
from fedsov.storage.deployment_folder import DeploymentFolder
from tests.runtimes.deployment.hub_side import HubSide, answer_operator, further_operator, trial_of


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    return trial_of(tmp_path_factory.mktemp("hub"), "DE")


@pytest.fixture
def hub(trial):
    for path in (trial.hub.root / "jobs").glob("*"):
        path.unlink()
    return HubSide(trial)


def submitted(hub, **config):
    return hub.tell("operator", "jobs", {"kind": "train", "config": config})["id"]


def taken(hub, dispatcher="one", **more):
    return hub.tell("hub", "jobs/next", {"dispatcher": dispatcher, **more})


def followed(hub, job, after=0):
    return hub.tell("operator", "jobs/follow", {"id": job, "after": after})


def test_a_job_is_handed_to_one_dispatcher_once(hub):
    job = submitted(hub, seed=3)
    taken_job = taken(hub)["job"]
    assert (taken_job["id"], taken_job["config"], taken_job["by"]) == (job, {"seed": 3}, "operator")
    assert taken(hub) is None


def test_jobs_are_taken_in_their_order(hub):
    first, second = submitted(hub), submitted(hub)
    assert [taken(hub)["job"]["id"], taken(hub)["job"]["id"]] == [first, second]


def test_its_lines_and_its_result_are_told_to_whoever_follows(hub):
    job = submitted(hub)
    taken(hub)
    hub.tell("hub", "jobs/tell", {"id": job, "lines": ["one", "two"], "run": "r-1"})
    told = followed(hub, job)
    assert (told["lines"], told["run"], told["ended"]) == (["one", "two"], "r-1", False)
    hub.tell("hub", "jobs/tell", {"id": job, "lines": ["three"], "state": "done", "result": {"score": 1}})
    assert followed(hub, job, after=2) | {"by": "", "submitted": ""} == {
        "id": job, "kind": "train", "by": "", "submitted": "", "state": "done", "run": "r-1",
        "lines": ["three"], "ended": True, "result": {"score": 1},
    }  # fmt: skip
    assert followed(hub, "r-1")["lines"] == ["one", "two", "three"]
    assert followed(hub, "latest")["id"] == job


def test_a_follower_waits_until_there_is_something(hub):
    job = submitted(hub)
    body = json.dumps({"id": job, "after": 0}).encode()

    async def scene():
        poll = asyncio.ensure_future(hub.asking("operator", "jobs/follow", body, fedsov_wait="20"))
        await asyncio.sleep(0.1)
        assert not poll.done()
        await hub.asking("hub", "jobs/tell", json.dumps({"id": job, "lines": ["now"]}).encode())
        return await asyncio.wait_for(poll, 5)

    assert json.loads(asyncio.run(scene())[1])["lines"] == ["now"]


def test_a_job_whose_dispatcher_ended_is_handed_to_the_next_one_with_its_run(hub):
    job = submitted(hub)
    taken(hub, "one")
    hub.tell("hub", "jobs/tell", {"id": job, "run": "r-1"})
    again = taken(hub, "two")["job"]
    assert (again["id"], again["run"]) == (job, "r-1")
    assert taken(hub, "two") is None


def test_jobs_outlive_the_coordinator(hub):
    job = submitted(hub)
    taken(hub, "one")
    hub.tell("hub", "jobs/tell", {"id": job, "lines": ["before"], "run": "r-1"})
    later = HubSide(hub.trial)
    assert followed(later, job)["lines"] == ["before"]
    assert taken(later, "one") is None  # its dispatcher goes on with it
    assert taken(later, "two")["job"]["run"] == "r-1"


def test_a_job_that_waits_is_stopped_at_once(hub):
    job = submitted(hub)
    assert hub.tell("operator", "jobs/stop", {"id": job})["state"] == "stopped"
    assert taken(hub) is None
    assert followed(hub, job)["ended"]


def test_a_job_that_runs_is_stopped_by_its_dispatcher(hub):
    job = submitted(hub)
    taken(hub, "one")
    assert hub.tell("operator", "jobs/stop", {"id": job})["state"] == "stopping"
    assert taken(hub, "one", busy=True) == {"stop": job}
    hub.tell("hub", "jobs/tell", {"id": job, "state": "stopped"})
    assert followed(hub, job)["state"] == "stopped"


def test_a_run_that_went_on_is_named_by_its_run_as_its_newest_job(hub):
    names = []
    for state in ("failed", "running"):
        names.append(submitted(hub))
        taken(hub, "one")
        hub.tell("hub", "jobs/tell", {"id": names[-1], "run": "r-1", "state": state})
    assert hub.tell("operator", "jobs/stop", {"id": "r-1"})["state"] == "stopping"
    assert followed(hub, "r-1", 0)["id"] == names[-1]


def test_a_job_that_was_to_stop_when_its_dispatcher_ended_is_stopped(hub):
    job = submitted(hub)
    taken(hub, "one")
    hub.tell("operator", "jobs/stop", {"id": job})
    assert taken(hub, "two") is None
    assert followed(hub, job)["state"] == "stopped"


def test_a_dispatcher_that_is_busy_is_given_no_further_job(hub):
    submitted(hub)
    assert taken(hub, "one", busy=True) is None


@pytest.mark.parametrize("value", [{}, {"kind": "train"}, {"kind": 3, "config": {}}, {"kind": "train", "config": []}])
def test_what_is_no_job_is_refused(hub, value):
    status, why = hub.ask("operator", "jobs", json.dumps(value).encode())
    assert (status, b"a job has a kind and a config" in why) == (400, True)


def test_an_unknown_job_is_said_with_the_way_to_find_it(hub):
    status, why = hub.ask("operator", "jobs/follow", b'{"id": "nothing"}')
    assert status == 400
    assert b"`fedsov status` lists them" in why


def test_jobs_are_listed_without_their_configuration(hub):
    job = submitted(hub, secret="x")
    (listed,) = hub.tell("operator", "jobs")
    assert listed["id"] == job
    assert "secret" not in json.dumps(listed)


def ended(hub, state="done"):
    job = submitted(hub)
    taken(hub)
    hub.tell("hub", "jobs/tell", {"id": job, "lines": ["a line"], "state": state})
    return job


def test_jobs_that_ended_are_removed_beyond_a_number_and_that_is_said(hub, caplog):
    hub.jobs._retention = JobRetention(most=2)
    first, *others = (ended(hub, state) for state in ("done", "failed", "stopped"))
    waiting = submitted(hub)
    assert {job["id"] for job in hub.tell("operator", "jobs")} == {*others, waiting}
    assert not list((hub.trial.hub.root / "jobs").glob(f"{first}*"))
    assert f"removed of jobs that ended are kept for 90 days, and the newest 2 of them: {first}" in caplog.text
    status, why = hub.ask("operator", "jobs/follow", json.dumps({"id": first}).encode())
    assert status == 400
    assert b"jobs that ended are kept for 90 days, and the newest 2 of them" in why


def test_jobs_that_ended_long_ago_are_gone_at_the_next_start_and_no_other(hub):
    old, new, runs = ended(hub), ended(hub), submitted(hub)
    for job in (old, runs):
        path = hub.trial.hub.root / "jobs" / f"{job}.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "submitted": "2020-01-01T00:00:00+00:00"}))
    assert {job["id"] for job in HubSide(hub.trial).tell("operator", "jobs")} == {new, runs}
    assert not list((hub.trial.hub.root / "jobs").glob(f"{old}*"))


def test_a_file_that_is_no_job_is_passed_over_and_named(hub, caplog):
    path = hub.trial.hub.root / "jobs" / "x.json"
    path.write_text('{"id": 3')
    job = submitted(HubSide(hub.trial))
    assert f"{path} is no job" in caplog.text
    assert [each["id"] for each in HubSide(hub.trial).tell("operator", "jobs")] == [job]


def test_an_operator_has_so_many_jobs_waiting_and_no_more(hub, monkeypatch):
    monkeypatch.setattr(jobs, "MOST_WAITING", 2)
    submitted(hub), submitted(hub)
    status, why = hub.ask("operator", "jobs", b'{"kind": "train", "config": {}}')
    assert status == 400
    assert b"2 jobs of operator wait already" in why
    taken(hub)
    submitted(hub)


def test_requests_are_answered_while_a_job_s_file_is_slow(hub, monkeypatch):
    job = submitted(hub)
    taken(hub)
    hub.tell("hub", "jobs/tell", {"id": job, "lines": ["a line"]})
    began, free = threading.Event(), threading.Event()
    read = type(hub.jobs)._lines

    def slowly(self, *given):
        began.set()
        assert free.wait(20)
        return read(self, *given)

    monkeypatch.setattr(type(hub.jobs), "_lines", slowly)

    async def scene():
        following = asyncio.ensure_future(hub.asking("operator", "jobs/follow", json.dumps({"id": job}).encode()))
        await asyncio.to_thread(began.wait, 20)
        status, _ = await asyncio.wait_for(hub.asking("DE", "fleet/beat"), 5)
        assert not following.done()
        free.set()
        return status, json.loads((await following)[1])

    status, told = asyncio.run(scene())
    assert status == 409, "the region, which did not say hello, is told so at once"
    assert told["lines"] == ["a line"]


def test_many_lines_come_in_pieces_and_the_last_says_the_end(hub, monkeypatch):
    monkeypatch.setattr(jobs, "LINES_AT_ONCE", 2)
    job = submitted(hub)
    taken(hub)
    hub.tell("hub", "jobs/tell", {"id": job, "lines": list("abcd"), "state": "done"})
    pieces = [followed(hub, job, after) for after in (0, 2, 4)]
    assert [piece["lines"] for piece in pieces] == [["a", "b"], ["c", "d"], []]
    assert [piece["ended"] for piece in pieces] == [False, False, True]


@pytest.fixture
def people(tmp_path):
    """A hub with two further operators, anna and ben; a test may revoke them."""
    hub = HubSide(trial_of(tmp_path / "w", "DE"), serves_stock=True)
    for name in ("anna", "ben"):
        hub.operators[name] = DeploymentFolder(further_operator(hub.trial, name, tmp_path / name))
    return hub


def of(hub, who, kind="train", **config):
    return hub.tell(who, "jobs", {"kind": kind, "config": config})["id"]


def refused(hub, who, path, value=None):
    status, why = hub.ask(who, path, b"" if value is None else json.dumps(value).encode())
    assert status == 403, (status, why)
    return json.loads(why)["error"]


def taken_back(hub, name):
    revoke(hub.trial.hub.home, name, now=datetime.now(UTC), by="a test", why="left")


def test_who_submitted_stands_in_the_job_and_is_told_to_the_dispatcher_and_in_the_list(people):
    job = of(people, "anna")
    assert taken(people)["job"]["by"] == "anna"
    assert json.loads((people.trial.hub.root / "jobs" / f"{job}.json").read_text())["by"] == "anna"
    assert [each["by"] for each in people.tell("ben", "jobs")] == ["anna"]


@pytest.mark.parametrize("path", ["jobs/follow", "jobs/stop"])
def test_an_operator_reads_and_stops_their_own_jobs_alone_and_the_hub_s_own_every_job(people, path):
    job = of(people, "anna")
    taken(people)
    people.tell("hub", "jobs/tell", {"id": job, "run": "r-1", "lines": ["one"]})
    for name in (job, "r-1"):
        assert f"job {job} is anna's; an operator reads, stops" in refused(people, "ben", path, {"id": name})
    status, why = people.ask("ben", path, b'{"id": "latest"}')
    assert status == 400
    assert b"ben has no job at the hub yet" in why
    for who in ("anna", "operator"):
        assert people.tell(who, path, {"id": "latest"})["id"] == job


def test_the_list_tells_who_waits_and_the_run_s_name_to_its_own_operator_alone(people):
    job = of(people, "anna")
    taken(people)
    people.tell("hub", "jobs/tell", {"id": job, "run": "r-1"})
    runs = {who: people.tell(who, "jobs")[0]["run"] for who in ("anna", "ben", "operator", "hub")}
    assert runs == {"anna": "r-1", "ben": "", "operator": "r-1", "hub": "r-1"}


def test_an_operator_resumes_their_own_runs_alone(people):
    job = of(people, "anna")
    taken(people)
    people.tell("hub", "jobs/tell", {"id": job, "run": "r-1", "state": "failed"})
    assert "is anna's" in refused(people, "ben", "jobs", {"kind": "resume", "config": {"run": "r-1"}})
    status, why = people.ask("ben", "jobs", b'{"kind": "resume", "config": {"run": "r-of-nobody"}}')
    assert status == 400
    assert b"the hub has no job" in why
    of(people, "operator")  # the hub's newest job, which is not anna's latest
    taken(people)
    of(people, "anna", "resume", run="latest")
    assert taken(people, "two")["job"]["by"] == "operator"
    assert taken(people, "two")["job"]["config"] == {"run": "r-1"}
    people.tell("operator", "jobs", {"kind": "resume", "config": {"run": "r-1"}})


def test_a_job_that_began_no_run_is_not_resumed(people):
    of(people, "anna")
    status, why = people.ask("anna", "jobs", b'{"kind": "resume", "config": {"run": "latest"}}')
    assert status == 400
    assert b"began no run" in why


def test_a_revoked_operator_submits_reads_and_stops_nothing_and_the_other_goes_on(people):
    job = of(people, "anna")
    taken(people)
    taken_back(people, "anna")
    for path, value in (("jobs", {"kind": "train", "config": {}}), ("jobs/follow", {"id": job}), ("jobs", None)):
        assert "of anna was revoked at" in refused(people, "anna", path, value)
    of(people, "ben")
    assert people.tell("operator", "jobs/stop", {"id": job})["state"] == "stopping"


def test_a_job_that_waits_when_its_operator_is_revoked_is_not_begun_and_says_why(people, caplog):
    job, of_ben = of(people, "anna"), of(people, "ben")
    taken_back(people, "anna")
    assert taken(people)["job"]["id"] == of_ben
    ended = people.tell("operator", "jobs/follow", {"id": job})
    assert (ended["state"], ended["ended"]) == ("stopped", True)
    assert ended["lines"] == [
        "not begun: anna is no operator of this hub any more; another operator may submit it anew"
    ]
    assert f"job {job} is not begun" in caplog.text


def test_an_operator_whose_certificate_has_ended_submits_nothing(tmp_path):
    past = datetime.now(UTC) - timedelta(days=10)
    hub = HubSide(trial_of(tmp_path / "w", "DE", now=past))
    home = further_operator(hub.trial, "anna", tmp_path / "anna", days=1, now=past)
    hub.operators["anna"] = DeploymentFolder(home)
    why = refused(hub, "anna", "jobs", {"kind": "train", "config": {}})
    assert "the certificate of anna ended on" in why
    assert "fedsov deploy renew" in why
    answer_operator(hub.trial, operators.renew(home, now=datetime.now(UTC)), home)
    of(hub, "anna")


def test_a_region_s_certificate_submits_nothing(people):
    assert "a certificate of a region does not reach" in refused(people, "DE", "jobs", {"kind": "train", "config": {}})


@pytest.mark.parametrize("path", ["fleet/hello", "fleet/pull", "fleet/push", "grid/send", "jobs/next", "jobs/tell"])
def test_an_operator_s_certificate_reaches_no_message_and_no_dispatcher_s_request(people, path):
    assert "a certificate of a operator does not reach" in refused(people, "anna", path, {})


@pytest.mark.parametrize("path", ["/v1/control/start-run", "/v1/runtime/pull-task"])
def test_flower_s_own_interfaces_which_tell_of_every_run_are_the_hub_s_own_operator_s_alone(people, path):
    assert "operator anna does not reach" in refused(people, "anna", path)
    assert people.ask("operator", path)[0] != 403
