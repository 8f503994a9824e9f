"""The endpoint: who is answered, what is refused before a body is read, and what every answer and line has."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import time
from dataclasses import replace

import numpy as np
import pytest

from fedsov.inference.bodies.body_reader import FLOAT32
from fedsov.inference.endpoint import Endpoint
from fedsov.inference.limits import Rate, RequestLimits
from fedsov.inference.use.drift import Reference
from fedsov.inference.use.usage import Usage
from fedsov.inference.versions import ModelVersions
from tests.inference.endpoint_world import (
    MODEL,
    PREDICT,
    ROW,
    TOKENS,
    Body,
    Keys,
    ListLog,
    asked,
    at_once,
    endpoint,
    headers,
    run,
    served,
    state,
)
from tests.inference.models import CLASSES, MIXED, NUMBER, NUMBERS, predictor, wide

WAYS = pytest.mark.parametrize("way", [asked, at_once], ids=["asgi", "at once"])


@WAYS
def test_an_answer_has_predictions_their_names_model_version_and_the_request_s_id(way):
    app = endpoint()
    answer = run(way(app))
    expected = predictor(NUMBERS, seed=1)
    plain = answer.json()
    assert answer.status == 200 and answer.headers["x-model-version"] == "1"
    assert plain == {
        "predictions": [pytest.approx(float(expected.run(expected.encode_rows([[30.0, 3.0]]))[0, 0]), rel=1e-6)],
        "outputs": ["probability"],
        "model": MODEL,
        "version": 1,
        "request_id": answer.headers["x-request-id"],
    }
    assert int(answer.headers["content-length"]) == len(answer.body)


@WAYS
@pytest.mark.parametrize(("target", "words"), [(CLASSES, ["cook", "nurse", "teacher"]), (NUMBER, ["salary"])])
def test_classes_are_lists_and_numbers_are_numbers_with_the_words_of_both(way, target, words):
    model = predictor(MIXED, target)
    app = endpoint(state(ModelVersions(served(1, model=model))))
    plain = run(way(app, {"rows": [{"years": 3, "remote": "yes"}, {"years": None, "remote": "no"}]})).json()
    expected = model.run(model.encode_rows([[3, "yes"], [None, "no"]]))
    assert plain["outputs"] == words
    assert np.allclose(np.array(plain["predictions"]).reshape(2, -1), expected, atol=1e-6)
    assert isinstance(plain["predictions"][0], list) == (len(words) > 1)


@WAYS
def test_float32_bodies_get_float32_answers(way):
    rows = np.array([[30.0, 3.0], [40.0, np.nan]], "<f4")
    app = endpoint()
    answer = run(way(app, rows.tobytes(), head=headers(content_type=FLOAT32)))
    expected = predictor(NUMBERS, seed=1)
    assert answer.headers["content-type"] == FLOAT32 and answer.headers["x-model-version"] == "1"
    inputs = expected.encode_rows([[30.0, 3.0], [40.0, None]])
    assert np.array_equal(np.frombuffer(answer.body, "<f4"), expected.run(inputs)[:, 0])


@WAYS
def test_each_answer_has_its_line_with_body_and_answer_as_they_came_and_went(way):
    app = endpoint()
    answer = run(way(app, head=headers(TOKENS.token("FR", sub="Frida"))))
    (line,) = app.log.lines
    assert (line.request_id, line.jurisdiction, line.subject) == (answer.headers["x-request-id"], "FR", "Frida")
    assert (line.model, line.version, line.role) == (MODEL, 1, "champion")
    assert line.body == json.dumps({"rows": [ROW]}).encode() and line.answer == answer.body
    assert abs(line.at - time.time()) < 10


@WAYS
@pytest.mark.parametrize(
    ("token", "status"),
    [(TOKENS.token("US"), 421), (TOKENS.token("KP"), 451), (TOKENS.token("DE", exp=1), 401), ("none", 401)],
)
def test_a_request_of_another_region_is_refused_before_its_body_is_read_or_logged(way, token, status):
    app = endpoint()
    answer = run(way(app, head=headers(token)))
    assert answer.status == status and app.log.lines == []
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert (answer.json().get("region") == "US") == (status == 421)


@pytest.mark.parametrize("token", [TOKENS.token("US"), TOKENS.token("KP"), "none"])
def test_the_body_of_such_a_request_is_never_asked_for(token):
    body = Body([b"secret"])
    answer = run(asked(endpoint(), body, head=headers(token)))
    assert answer.status in (401, 421, 451) and body.reads == 0


@WAYS
def test_a_body_that_cannot_be_read_is_refused_by_its_column_and_not_logged(way):
    app = endpoint()
    answer = run(way(app, {"rows": [{"age": "Frida", "years": 1}]}))
    assert (answer.status, answer.json()["column"]) == (422, "age")
    assert app.log.lines == [] and "Frida" not in answer.body.decode()


@WAYS
@pytest.mark.parametrize(
    "path",
    [
        "//v1/models/m/predict",
        "/v1/models/m/predict/",
        "/v1/models/%6d/predict",
        "/v1/models/../m/predict",
        "/v1/models/x/predict",
        "/v1/models/m;a=b/predict",
        "/V1/models/m/predict",
        "/",
    ],
)
def test_a_path_is_served_to_the_letter_or_not_at_all(way, path):
    app = endpoint()
    answer = run(way(app, path=path))
    assert answer is None or answer.status == 404
    assert app.log.lines == []


def test_another_method_is_refused_and_named():
    answer = run(asked(endpoint(), method="GET"))
    assert answer.status == 405 and "POST" in answer.json()["error"]
    assert run(asked(endpoint(), path="/openapi.json")).status == 405


def test_head_has_no_body():
    answer = run(asked(endpoint(), path="/healthz", method="HEAD"))
    assert answer.status == 200 and answer.body == b"" and answer.headers["content-length"] == "3"


def test_metrics_are_told_within_the_zone_alone():
    assert run(asked(endpoint(), path="/metrics", method="GET")).status == 404
    inside = run(asked(endpoint(), path="/metrics", method="GET", scope={"state": {"zone": True}}))
    assert inside.status == 200 and b"fedsov_inference" in inside.body


@WAYS
@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"content_type": "text/csv"}, 415),
        ({"content_type": ""}, 415),
        ({"content_type": "application/json; charset=latin-1"}, 415),
        ({"content_encoding": "br"}, 415),
        ({"inference_header_content_length": "10"}, 415),
        ({"transfer_encoding": "chunked"}, 400),
    ],
)
def test_what_is_said_of_a_body_that_cannot_be_read_is_refused(way, more, status):
    head = [*headers(**more), *([(b"content-length", b"3")] if way is asked and "transfer_encoding" in more else [])]
    assert run(way(endpoint(), head=head)).status == status


@pytest.mark.parametrize(
    "twice", [(b"content-type", b"application/json"), (b"content-length", b"10"), (b"content-length", b"1e1")]
)
def test_what_stands_twice_or_is_no_number_is_refused(twice):
    head = [*headers(), (b"content-length", b"31"), twice]
    answer = run(asked(endpoint(), head=head))
    assert answer.status == 400 and answer.headers["connection"] == "close"


@WAYS
@pytest.mark.parametrize("coding", ["gzip, chunked", "gzip"])
def test_a_transfer_coding_that_is_not_undone_here_is_refused(way, coding):
    answer = run(way(endpoint(), head=headers(transfer_encoding=coding)))
    assert answer.status == 400 and answer.headers["connection"] == "close"


@WAYS
def test_json_may_say_its_letters(way):
    assert run(way(endpoint(), head=headers(content_type="Application/JSON; charset=UTF-8"))).status == 200


@WAYS
def test_gzip_is_unpacked_and_logged_as_it_was_before(way):
    app = endpoint()
    body = json.dumps({"rows": [ROW]}).encode()
    assert run(way(app, gzip.compress(body), head=headers(content_encoding="gzip"))).status == 200
    assert app.log.lines[0].body == body


@WAYS
def test_a_gzip_bomb_is_refused(way):
    body = gzip.compress(b" " * 50_000_000)
    assert run(way(endpoint(), body, head=headers(content_encoding="gzip"))).status == 413


@WAYS
def test_a_body_beyond_the_limit_is_refused(way):
    answer = run(way(endpoint(), b" " * 200_000, head=headers(content_length="200000") if way is asked else None))
    assert answer.status == 413 and answer.headers["connection"] == "close"


def test_chunks_beyond_the_limit_are_read_no_further():
    body = Body([b" " * 60_000] * 10)
    assert run(asked(endpoint(), body)).status == 413
    assert body.reads == 2


def test_a_body_in_parts_is_put_together():
    content = json.dumps({"rows": [ROW]}).encode()
    app = endpoint()
    assert run(asked(app, Body([content[:5], b"", content[5:]]))).status == 200
    assert app.log.lines[0].body == content


def test_a_slow_body_is_given_up_and_the_connection_with_it():
    began = time.perf_counter()
    answer = run(asked(endpoint(), Body([b'{"rows"'], ends=False)))
    assert answer.status == 408 and answer.headers["connection"] == "close"
    assert 0.2 < time.perf_counter() - began < 5


def test_a_client_that_leaves_is_no_fault(caplog):
    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    body = Body([])
    body.receive = receive
    app = endpoint()
    assert run(asked(app, body)).status == 400
    assert app.log.lines == [] and not caplog.records


def test_bytes_that_wait_are_bounded():
    limits = RequestLimits(body=100_000, waiting=150_000, seconds=0.5)
    app = endpoint(state(limits=limits))

    async def many() -> list[int]:
        head = headers(content_length="100000")
        first = asyncio.create_task(asked(app, Body([b" "], ends=False), head=head))
        await asyncio.sleep(0.05)
        second = await asked(app, Body([b" "], ends=False), head=head)
        await first
        third = await asked(app, Body([b" " * 100_000]), head=head)
        return [second.status, third.status]

    assert run(many()) == [429, 400]


@WAYS
def test_rates_are_of_all_and_of_each_subject(way):
    app = endpoint(state(rates=(Rate(3.0), Rate(2.0))))

    async def several() -> list[int]:
        tokens = [TOKENS.token("DE", sub=name) for name in ("a", "a", "a", "b", "c")]
        return [(await way(app, head=headers(token))).status for token in tokens]

    assert run(several()) == [200, 200, 429, 429, 429]
    assert len(app.log.lines) == 2


@pytest.mark.parametrize("rates", [(Rate(1e-6), Rate(0.0)), (Rate(0.0), Rate(1e-6))], ids=["of all", "of a subject"])
def test_a_request_too_many_whose_body_could_go_on_ends_the_connection(rates):
    app = endpoint(state(rates=rates))

    async def several() -> list[tuple[int, str | None]]:
        heads = (headers(), headers(content_length="31"), headers(transfer_encoding="chunked"))
        answers = [await asked(app, head=head) for head in heads]
        return [(answer.status, answer.headers.get("connection")) for answer in answers]

    assert run(several()) == [(200, None), (429, None), (429, "close")]


@WAYS
def test_after_the_day_of_the_last_decision_nobody_is_answered(way):
    app = endpoint(state(valid_until=time.time() - 10))
    answer = run(way(app))
    assert answer.status == 503 and "nobody decided" in answer.json()["error"]
    assert run(way(endpoint(state(valid_until=time.time() + 1000)))).status == 200


@WAYS
def test_nothing_is_answered_unlogged(way):
    app = endpoint(log=ListLog(full=True))
    answer = run(way(app))
    assert answer.status == 503 and answer.headers["retry-after"] == "1" and b"predictions" not in answer.body


@WAYS
def test_no_answer_leaves_before_its_line_is_on_the_disk(way):
    log = ListLog(holds=True)
    app = endpoint(state(before_answer=True), log=log)

    async def held() -> tuple[bool, int]:
        asking = asyncio.create_task(way(app))
        await asyncio.sleep(0.1)
        was_done = asking.done()
        log.waiting[0](None)
        return was_done, (await asking).status

    assert run(held()) == (False, 200)


@WAYS
@pytest.mark.parametrize("fault", ["full", "never"])
def test_an_answer_whose_line_cannot_be_written_does_not_leave(way, fault):
    from fedsov.errors import LogFull

    log = ListLog(holds=True)
    app = endpoint(state(before_answer=True), log=log)

    async def held() -> object:
        asking = asyncio.create_task(way(app))
        await asyncio.sleep(0.05)
        if fault == "full":
            log.waiting[0](LogFull("no room"))
        answer = await asking
        log.waiting[0](None)  # a line that comes too late is no second answer
        await asyncio.sleep(0)
        return answer

    answer = run(held())
    assert answer.status == 503 and b"predictions" not in answer.body


def test_a_token_of_a_new_key_is_believed_after_one_look():
    keys = Keys()
    keys.check.replace_keys({})
    app = endpoint(keys=keys)
    assert run(at_once(app)) is None
    assert run(asked(app)).status == 200
    assert keys.asked == [TOKENS.issuer]


def test_a_token_of_an_unknown_key_is_refused_after_that_look():
    keys = Keys()
    app = endpoint(keys=keys)
    assert run(asked(app, head=headers(TOKENS.token("DE", kid="k9")))).status == 401
    assert keys.asked == [TOKENS.issuer] and app.log.lines == []


@WAYS
def test_a_clock_that_steps_ends_and_begins_tokens_and_harms_nothing_else(way):
    now = [time.time()]
    app = endpoint(state(rates=(Rate(1000.0), Rate(1000.0))), clock=lambda: now[0])
    token = TOKENS.token("DE", nbf=int(now[0]) - 1, exp=int(now[0]) + 60)

    async def stepped() -> list[int]:
        statuses = []
        for step in (0.0, 3600.0, -7200.0, 3600.0):
            now[0] += step
            statuses.append((await way(app, head=headers(token))).status)
        return statuses

    assert run(stepped()) == [200, 401, 401, 200]
    first, second = app.log.lines
    assert abs(second.at - first.at) < 1.0 and app.usage.snapshot(now[0])["statuses"] == {"401": 2}


def canary_of(share: float, **more: object) -> ModelVersions:
    return ModelVersions(served(1), ((served(2, "canary", **more), share),))


@WAYS
def test_a_canary_answers_its_share_and_says_its_version(way):
    app = endpoint(state(canary_of(0.3)))

    async def many() -> list[int]:
        return [(await way(app)).json()["version"] for _ in range(400)]

    answered = run(many())
    assert answered.count(2) == pytest.approx(120, abs=40)
    assert [line.role for line in app.log.lines] == ["canary" if version == 2 else "champion" for version in answered]


@WAYS
def test_what_a_canary_cannot_read_the_champion_answers_and_it_is_counted(way):
    names = ["age", "column_0", "years"]
    app = endpoint(state(canary_of(1.0, model=predictor(wide(1)), known=names)))
    answer = run(way(app))
    assert answer.json()["version"] == 1 and app.log.lines[0].role == "champion"
    assert app.usage.snapshot(0.0)["events"] == {"canary could not read": 1}
    assert outcomes(app) == {(1, "champion"): (1, 0, 0), (2, "canary"): (0, 0, 1)}


@WAYS
def test_a_shadow_sees_its_share_and_answers_nobody(way):
    app = endpoint(state(ModelVersions(served(1), (), ((served(2, "shadow"), 1.0), (served(3, "shadow"), 1e-9)))))
    answer = run(way(app))
    first, second = app.log.lines
    assert answer.json()["version"] == 1 and (first.role, second.role) == ("champion", "shadow")
    assert first.request_id == second.request_id and second.version == 2
    assert json.loads(second.answer)["version"] == 2 and second.body == first.body


@WAYS
def test_a_shadow_that_fails_harms_no_answer_and_is_counted(way, caplog):
    broken = replace(served(2, "shadow", model=predictor(MIXED)))
    app = endpoint(state(ModelVersions(served(1), (), ((broken, 1.0),))))
    with caplog.at_level(logging.WARNING):
        assert run(way(app)).status == 200
    assert app.usage.snapshot(0.0)["events"] == {"shadow failed": 1}
    assert "30.0" not in caplog.text


@WAYS
def test_without_a_champion_canaries_answer_their_share_and_nobody_the_rest(way):
    app = endpoint(state(ModelVersions(None, ((served(2, "canary"), 0.5),))))

    async def many() -> set[int]:
        return {(await way(app)).status for _ in range(50)}

    assert run(many()) == {200, 503}


@WAYS
def test_a_fault_is_answered_with_the_request_s_id_and_logged_without_a_value(way, caplog):
    class Broken:
        @property
        def check(self) -> object:
            raise ValueError("Frida-1957")

    app = endpoint(keys=Broken())
    with caplog.at_level(logging.ERROR):
        answer = run(way(app))
    assert answer.status == 500 and answer.headers["x-request-id"] in caplog.text
    assert "Frida-1957" not in caplog.text + answer.body.decode() and "ValueError" in caplog.text


@WAYS
def test_a_model_that_answers_with_no_number_is_a_fault_and_no_answer(way):
    broken = predictor(NUMBERS)
    broken.run = lambda inputs: np.full((len(inputs), 1), np.nan, np.float32)
    app = endpoint(state(ModelVersions(served(1, model=broken))))
    for head, body in ((headers(), None), (headers(content_type=FLOAT32), np.zeros((1, 2), "<f4").tobytes())):
        assert run(way(app, body, head=head)).status == 500
    assert app.log.lines == []
    assert outcomes(app) == {(1, "champion"): (0, 2, 0)}


@WAYS
def test_rows_that_a_version_does_not_read_are_counted_for_it_and_what_is_no_json_is_nobody_s_fault(way):
    app = endpoint(state(ModelVersions(served(1))))
    for body, status in (({"rows": [{"age": 3}]}, 422), (b"{", 400), ({"lines": []}, 422)):
        assert run(way(app, body)).status == status
    assert outcomes(app) == {(1, "champion"): (0, 0, 1)}


def outcomes(app: Endpoint) -> dict[tuple[int, str], tuple[int, int, int]]:
    """By version and role: answers, faults, and rows that were not read."""
    every = app.usage.snapshot(0.0)["versions"]
    return {(version, role): (counts[0], counts[4], counts[5]) for _, version, role, *counts in every}


@WAYS
def test_use_is_counted_by_version_and_refusals_by_status(way):
    reference = Reference.of({name: np.zeros(20) for name in NUMBERS.names}, np.full(20, 0.5))
    usage = Usage()
    usage.watch({(MODEL, 1): reference}, 0.0)
    app = endpoint(state(ModelVersions(served(1, reference=reference))), usage=usage)

    async def several() -> None:
        await way(app, {"rows": [ROW, ROW]})
        await way(app, {"rows": []})
        await way(app, head=headers("none"))

    run(several())
    counts = app.usage.snapshot(0.0)
    assert [entry[:5] for entry in counts["versions"]] == [[MODEL, 1, "champion", 1, 2]]
    assert counts["statuses"] == {"422": 1, "401": 1}
    assert counts["drift"][0][2]["rows"] == 2


def test_a_change_of_state_leaves_requests_under_way_with_what_they_began_with():
    app = endpoint()
    content = json.dumps({"rows": [ROW]}).encode()

    async def changed() -> list[int]:
        gate = asyncio.Event()
        body = Body([content])
        receive = body.receive

        async def later() -> dict[str, object]:
            await gate.wait()
            return await receive()

        body.receive = later
        asking = asyncio.create_task(asked(app, body))
        await asyncio.sleep(0.02)
        app.state = state(ModelVersions(served(2)))
        gate.set()
        return [(await asking).json()["version"], (await asked(app)).json()["version"]]

    assert run(changed()) == [1, 2]


def test_both_ways_answer_alike():
    bodies = [
        {"rows": [ROW]}, {"rows": [ROW] * 3}, {"rows": []}, {"rows": [{"age": 1}]}, {"instances": []}, b"{", b"", [ROW],
        {"dataframe_split": {"columns": ["years", "age"], "data": [[1, 2]]}},
    ]  # fmt: skip
    for body in bodies:
        first, second = run(asked(endpoint(), body)), run(at_once(endpoint(), body))
        assert first.status == second.status
        assert first.json() | {"request_id": ""} == second.json() | {"request_id": ""}
        assert set(first.headers) == set(second.headers)


def test_ids_differ_between_requests_and_processes():
    one, other = endpoint(), endpoint()
    ids = [run(asked(app)).headers["x-request-id"] for app in (one, one, other)]
    assert len(set(ids)) == 3 and all(len(each) == 24 for each in ids)


def test_a_path_names_the_endpoint_s_own_model():
    assert f"/v1/models/{MODEL}/predict" == PREDICT
