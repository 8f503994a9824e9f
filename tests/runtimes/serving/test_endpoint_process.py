"""An endpoint's real processes: changed, killed and ended under load."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fedsov.keys import KeySettings
from fedsov.keys.rotation import rotate
from fedsov.runtimes.serving.place import publish
from tests.inference import models
from tests.inference.token_attacks import TokenWorld
from tests.runtimes.serving.serving_world import MODEL, Load, Running, ServingWorld, free_port

ROWS = {"rows": [{"age": 30, "years": 3}]}


@pytest.fixture
def world(tmp_path: Path) -> ServingWorld:
    """A region with one approved version."""
    own = ServingWorld.new(tmp_path)
    own.approve(1)
    return own


def test_a_version_that_is_approved_answers_within_a_second_and_no_request_fails(world: ServingWorld) -> None:
    with world.serving() as running, Load(running.ready()) as load:
        load.more()
        world.approve(2, seed=2)
        began = time.monotonic()
        load.until(lambda: 2 in load.versions)
        took = time.monotonic() - began
        load.more()
    assert load.failures == [] and {answer.status for answer in load.answers} == {200}
    versions = load.versions
    assert versions[:1] == [1] and versions[-1] == 2 and took < 5.0


def test_a_new_list_wakes_a_worker_that_would_look_in_an_hour(world: ServingWorld) -> None:
    with world.serving(first="import fedsov.runtimes.serving.worker as worker; worker.LOOK = 3600.0") as running:
        running.ready()
        for version in (2, 3):
            world.approve(version, seed=version)
            _until(lambda version=version: running.predict(ROWS).json()["version"] == version)
        world.publish(hosts=("FR", "IN"))
        _until(lambda: running.predict(ROWS, jurisdiction="IN").status == 200)
        assert running.predict(ROWS, jurisdiction="FR").status == 200


def test_a_version_that_fails_to_load_leaves_the_old_one_and_it_is_said(tmp_path: Path) -> None:
    world = ServingWorld.new(tmp_path, zone_port=free_port())
    world.approve(1)
    with world.serving() as running, Load(running.ready()) as load:
        folder = world.approve(2, seed=2)
        (folder / "model.onnx").write_bytes(b"no model")
        world.write_list()
        running.wait_for(f"{MODEL} 2 (champion) cannot be loaded")
        load.more()
        ready = running.get("/readyz")
        metrics = running.get("/metrics", port=world.place.zone_port).body.decode()
        world.approve(3, seed=3)
        load.until(lambda: 3 in load.versions)
        assert running.get("/readyz").body == b"ready\n"
    assert ready.status == 200 and b"cannot be loaded" in ready.body
    assert 'fedsov_inference_faults{region="DE"} 1' in metrics
    assert load.failures == [] and 2 not in load.versions


@pytest.mark.parametrize("forgery", ["other hub", "put back", "another region", "no json"])
def test_a_list_that_is_not_the_newest_of_both_owners_changes_nothing(world: ServingWorld, forgery: str) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    world.approve(1)
    world.publish(approved_counter=world.counter)
    with world.serving() as running:
        running.ready()
        folder = models.write(world.place.serving.model(MODEL, 2), MODEL, 2, models.NUMBERS, seed=2)
        assert folder.exists()
        hub = world.hub
        if forgery == "other hub":
            world.hub = Ed25519PrivateKey.generate()
            world.approve(2, seed=2)
        elif forgery == "put back":
            world.counter = 0
            world.approve(2, seed=2)
        elif forgery == "another region":
            world.write_list(region="US")
        else:
            world.place.serving.approved.write_bytes(b"{")
        world.hub = hub
        running.wait_for("approved versions" if forgery in ("other hub", "no json") else "is", after=len(running.log))
        end = time.monotonic() + 5
        while running.get("/readyz").body == b"ready\n" and time.monotonic() < end:
            time.sleep(0.05)
        ready = running.get("/readyz")
        assert ready.status == 200 and ready.body != b"ready\n"
        assert running.predict(ROWS).json()["version"] == 1


def test_a_jurisdiction_that_is_hosted_or_no_more_is_answered_or_refused_within_a_second(world: ServingWorld) -> None:
    with world.serving() as running:
        running.ready()
        assert running.predict(ROWS, jurisdiction="IN").status == 451
        world.publish(hosts=("FR", "IN"))
        _until(lambda: running.predict(ROWS, jurisdiction="IN").status == 200)
        world.publish(hosts=(), elsewhere={"FR": "FR"})
        statuses: list[int] = []

        def is_refused() -> bool:
            statuses.append(running.predict(ROWS, jurisdiction="FR").status)
            return statuses[-1] == 421

        _until(is_refused)
        assert running.predict(ROWS).status == 200
    assert sorted(line.words[0] for line in world.lines()) == ["DE", *["FR"] * statuses.count(200), "IN"]


def test_an_older_file_that_is_put_back_is_not_taken_and_it_is_said(world: ServingWorld) -> None:
    world.publish(published_at=1.0, hosts=("FR", "IN"))
    old = world.place.path.read_bytes()
    with world.serving() as running:
        running.ready()
        assert running.predict(ROWS, jurisdiction="IN").status == 200
        world.publish(published_at=2.0, hosts=())
        _until(lambda: running.predict(ROWS, jurisdiction="IN").status == 451)
        world.place.path.write_bytes(old)
        running.wait_for("an older one was put back")
        assert running.predict(ROWS, jurisdiction="IN").status == 451
        assert running.predict(ROWS).status == 200
        world.versions = []
        world.write_list()
        _until(lambda: running.predict(ROWS).status == 404)  # what is withdrawn meanwhile is served no more


def test_a_version_that_could_not_be_read_is_tried_again(world: ServingWorld) -> None:
    with world.serving() as running:
        running.ready()
        folder = world.approve(2, seed=2)
        graph = folder / "model.onnx"
        content = graph.read_bytes()
        graph.unlink()
        world.write_list()
        running.wait_for(f"{MODEL} 2 (champion) cannot be loaded")
        graph.write_bytes(content)
        _until(lambda: running.predict(ROWS).json()["version"] == 2, seconds=15.0)
        assert running.get("/readyz").body == b"ready\n"


def test_whom_the_new_file_serves_no_more_is_served_no_more_though_the_rest_of_it_cannot_be_taken(
    world: ServingWorld,
) -> None:
    from fedsov.inference.request_log.log_secrets import FILE

    with world.serving() as running:
        running.ready()
        assert running.predict(ROWS, jurisdiction="FR").status == 200
        secrets = world.place.serving.requests / FILE
        content = secrets.read_bytes()
        secrets.write_bytes(b"{")  # no log can be opened anew
        world.publish(hosts=("IN",), log={"durable": "before_answer"})
        running.wait_for("what changed could not be taken")
        assert running.predict(ROWS, jurisdiction="FR").status == 451
        assert running.predict(ROWS, jurisdiction="IN").status == 451, "nor is anybody else before all of it is taken"
        assert running.predict(ROWS).status == 200
        secrets.write_bytes(content)
        _until(lambda: running.predict(ROWS, jurisdiction="IN").status == 200, seconds=15.0)


def test_a_change_while_a_worker_begins_is_taken(world: ServingWorld) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        table = json.loads(world.place.serving.issuers.read_text())
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/keys"
        table["issuers"].append({**table["issuers"][0], "issuer": "https://silent.example", "jwks": url})
        world.place.serving.issuers.write_text(json.dumps(table))
        world.publish()
        silent.settimeout(20)
        with world.serving() as running:
            asking, _ = silent.accept()  # it has read its files, and waits for these keys
            world.publish(hosts=("IN",))
            running.ready()
            _until(lambda: running.predict(ROWS, jurisdiction="IN").status == 200)
            asking.close()
            assert running.predict(ROWS).json()["version"] == 1


def test_issuers_that_the_settings_name_no_more_are_believed_no_more(world: ServingWorld) -> None:
    with world.serving() as running:
        running.ready()
        world.place.serving.issuers.unlink()
        changed = replace(world.place, issuers_sha256="")
        publish(changed, world.sign)
        _until(lambda: running.predict(ROWS).status == 401)
        world.write_issuers()  # what somebody else puts there changes nothing
        time.sleep(0.5)
        assert running.predict(ROWS).status == 401


def _until(condition: Callable[[], bool], seconds: float = 15.0, pause: float = 0.02) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(pause)


def test_keys_of_issuers_are_rotated_under_load_and_no_request_fails(world: ServingWorld) -> None:
    with world.serving() as running, Load(running.ready()) as load:
        load.more()
        old = world.tokens
        world.tokens = TokenWorld.new(path=old.path)
        both = json.loads(old.jwks())["keys"] + [
            key | {"kid": f"new-{key['kid']}"} for key in json.loads(world.tokens.jwks())["keys"]
        ]
        (world.place.serving.root / "jwks.json").write_text(json.dumps({"keys": both}))
        new = world.tokens.token("DE", kid="new-k1")
        _until(lambda: running.predict(ROWS, token=new).status == 200)
        load.more()
    assert load.failures == [] and {answer.status for answer in load.answers} == {200}


def test_keys_of_the_region_are_rotated_under_load_and_no_request_fails(world: ServingWorld) -> None:
    with world.serving() as running, Load(running.ready()) as load:
        load.more()
        rotate(KeySettings("DE", world.folder))
        load.more(200)
    assert load.failures == [] and {answer.status for answer in load.answers} == {200}
    assert len(world.lines()) == len(load.answers)


def test_a_killed_worker_is_replaced_and_no_answered_request_lacks_its_line(tmp_path: Path) -> None:
    world = ServingWorld.new(tmp_path, log={"durable": "before_answer"}, workers=2, zone_port=free_port())
    world.approve(1)
    with world.serving() as running:
        running.ready()
        with Load(running, clients=6) as load:
            load.more(60)
            counted_by_then = len(load.answers)
            time.sleep(1.5)  # counts are shared once a second
            for _ in range(3):
                load.more(60)
                os.kill(running.workers()[0], signal.SIGKILL)
                killed = time.monotonic()
                _until(lambda: len(running.workers()) == 2, seconds=3.0)
                assert time.monotonic() - killed < 3.0
            load.more(60)
        running.read_all()
        metrics = running.get("/metrics", port=world.place.zone_port).body.decode()
    answered = {json.loads(answer.body)["request_id"] for answer in load.answers if answer.status == 200}
    logged = [line.request_id for line in world.lines()]
    assert {answer.status for answer in load.answers} == {200}
    assert answered <= set(logged) and len(logged) == len(set(logged))
    counted = next(line for line in metrics.splitlines() if line.startswith("fedsov_inference_requests_total"))
    assert int(counted.rpartition(" ")[2]) >= counted_by_then  # a count outlives its worker
    assert sum(line["event"] == "restart" for line in running.log) == 3


def test_a_clean_end_answers_what_is_under_way_and_logs_it(tmp_path: Path) -> None:
    world = ServingWorld.new(tmp_path, log={"durable": "before_answer"})
    world.approve(1)
    with world.serving() as running:
        running.ready()
        with Load(running, clients=8) as load:
            load.more()
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(20) == 0
            load._stop.set()
    answered = {json.loads(answer.body)["request_id"] for answer in load.answers if answer.status == 200}
    assert answered == {line.request_id for line in world.lines()}
    ended = {"ConnectionRefusedError", "RemoteDisconnected", "ConnectionResetError", "BrokenPipeError"}
    assert set(load.failures) <= ended


def test_workers_end_where_their_parent_was_killed(world: ServingWorld) -> None:
    with world.serving() as running:
        running.ready()
        workers = running.workers()
        running.process.kill()
        running.process.wait()
        _until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in workers), seconds=10.0)
        assert len(workers) == 1


def test_on_a_full_disk_requests_are_refused_and_answered_again_with_room(tmp_path: Path) -> None:
    world = _on_a_full_disk(tmp_path, "refuse", (200, 503, 200))
    assert {line.how for line in world.lines()} == {1}  # every line has its content


def test_on_a_full_disk_requests_are_answered_without_people_where_the_settings_say_so(tmp_path: Path) -> None:
    world = _on_a_full_disk(tmp_path, "without_subjects", (200, 200, 200))
    hows = {line.how for line in world.lines()}
    assert 4 in hows and len(hows) == 2  # some lines have no content, and say that the disk was full


def _on_a_full_disk(folder: Path, setting: str, statuses: tuple[int, int, int]) -> ServingWorld:
    """Asks, lets no file grow, asks, and gives the room back."""
    log = {"durable": "before_answer", "on_full_disk": setting, "reserve_bytes": 20_000}
    world = ServingWorld.new(folder, log=log)
    world.approve(1)
    large = {"rows": [{"age": 30, "years": 3}] * 200}
    with world.serving() as running:
        running.ready()
        first = running.predict(ROWS).status
        (worker,) = running.workers()
        _limit_files(worker, 40_000)
        for _ in range(20):
            second = running.predict(large)
            if (ready := running.get("/readyz")).body != b"ready\n":
                break
        _limit_files(worker, -1)
        _until(lambda: running.predict(ROWS).status == 200 and running.get("/readyz").body == b"ready\n")
        third = running.predict(ROWS).status
    assert (first, second.status, third) == statuses
    assert ready.body != b"ready\n"
    assert (b"predictions" in second.body) == (second.status == 200)
    return world


def _limit_files(pid: int, size: int) -> None:
    """Lets no file of a process grow beyond so many bytes, as a full disk does; -1 for any."""
    words = "unlimited" if size < 0 else str(size)
    subprocess.run(["prlimit", f"--pid={pid}", f"--fsize={words}:unlimited"], check=True)


def test_a_certificate_is_changed_without_a_pause(tmp_path: Path) -> None:
    world = ServingWorld.new(tmp_path, is_tls=True)
    world.approve(1)
    first, second = _certificate(world, "first"), _certificate(world, "second")
    _put(world, first)
    with world.serving() as running:
        running.wait_for("answers with")
        assert _peer(running) == "first"
        _put(world, second)
        running.wait_for("has the new certificate")
        assert _peer(running) == "second"
        world.place.serving.certificate.write_bytes(b"none")
        running.wait_for("could not be taken")
        assert _peer(running) == "second"


def _certificate(world: ServingWorld, name: str) -> tuple[bytes, bytes]:
    paths = [world.folder / f"{name}.{kind}" for kind in ("crt", "key")]
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    words += ["-subj", f"/CN={name}", "-out", str(paths[0]), "-keyout", str(paths[1])]
    subprocess.run(words, check=True, capture_output=True)
    return paths[0].read_bytes(), paths[1].read_bytes()


def _put(world: ServingWorld, pair: tuple[bytes, bytes]) -> None:
    for path, content in zip((world.place.serving.key, world.place.serving.certificate), pair[::-1], strict=True):
        aside = path.with_suffix(".new")
        aside.write_bytes(content)
        os.replace(aside, path)


def _peer(running: Running) -> str:
    """The name in the certificate that is shown, after a prediction over TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", running.port, context=context, timeout=10)
    usual = {"authorization": f"Bearer {running.world.tokens.token('DE')}", "content-type": "application/json"}
    connection.request("POST", running.world.tokens.path, json.dumps(ROWS).encode(), usual)
    shown = connection.sock.getpeercert(binary_form=True)
    assert connection.getresponse().status == 200
    connection.close()
    from cryptography.x509 import load_der_x509_certificate

    return load_der_x509_certificate(shown).subject.rfc4514_string().removeprefix("CN=")


def test_an_endpoint_without_an_approved_version_waits_for_one_and_says_so(tmp_path: Path) -> None:
    world = ServingWorld.new(tmp_path)
    with world.serving() as running:
        running.wait_for("answers with nothing")
        waiting = running.get("/readyz")
        assert waiting.status == 503 and b"fedsov promote" in waiting.body
        world.approve(1)
        running.ready()
        assert running.predict(ROWS).status == 200


def test_an_endpoint_whose_file_another_signed_does_not_begin(world: ServingWorld) -> None:
    plain = json.loads(world.place.path.read_bytes())
    world.place.path.write_text(json.dumps({**plain, "hosts": ["KP"]}))
    command = ["-m", "fedsov.runtimes.serving.endpoint_process", str(world.place.path), world.place.region_key]
    ended = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 6 and "not signed by whom it must be" in ended.stderr


def test_a_port_in_use_is_named(world: ServingWorld) -> None:
    with world.serving() as running:
        world.publish(port=running.port)
        command = ["-m", "fedsov.runtimes.serving.endpoint_process", str(world.place.path), world.place.region_key]
        ended = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2 and str(world.place.port) in ended.stderr
