"""Jobs: submitted, run by one dispatcher, followed by anybody, kept over the end of every process."""

import asyncio
import json
import threading

import pytest

from fedsov.runtimes.deployment.hub import jobs
from fedsov.runtimes.deployment.hub.jobs import JobRetention
from tests.runtimes.deployment.hub_side import HubSide, trial_of


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
