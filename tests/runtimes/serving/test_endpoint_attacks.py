"""Attacks on a bare endpoint of DE, with no gateway before it: what is forged reaches nobody, and leaves no trace."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from fedsov.inference.limits import RequestLimits
from tests.inference.gateway.world import send
from tests.inference.http_attacks import HTTP_ATTACKS
from tests.inference.token_attacks import TOKEN_ATTACKS, Attack, TokenWorld
from tests.runtimes.serving.serving_world import MODEL, Running, ServingWorld, free_port

ROWS = {"rows": [{"age": 30, "years": 3}]}
ATTACKS = (*TOKEN_ATTACKS, *HTTP_ATTACKS)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, TokenWorld, list[int]]]:
    """An endpoint of DE that also hosts US, so that nothing but the token keeps a forged one away."""
    world = ServingWorld.new(
        tmp_path_factory.mktemp("attacked"),
        hosts=("US",),
        elsewhere={"FR": "FR"},
        limits=RequestLimits(seconds=2.0, head_seconds=2.0),
        zone_port=free_port(),
    )
    world.tokens = TokenWorld.new(
        path=f"/v1/models/{MODEL}/predict", columns=("age", "years"), row=(30, 3), body=json.dumps(ROWS).encode()
    )
    world.write_issuers()
    world.publish()
    world.approve(1)
    with world.serving() as running:
        yield running.ready(), world.tokens, []


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name for attack in ATTACKS])
def test_an_attack_on_the_bare_endpoint_is_refused_or_answered_by_its_own_claim(
    attacked: tuple[Running, TokenWorld, list[int]], attack: Attack
) -> None:
    running, tokens, answered = attacked
    statuses = attack.statuses if attack.endpoint is None else attack.endpoint
    if not statuses:
        return
    answer = send(running.port, attack.raw(tokens), seconds=attack.seconds)
    assert not answer.is_late and answer.status in statuses, answer.text[:300]
    assert running.predict(ROWS).status == 200  # it goes on
    answered += [answer.text.count('"predictions"'), 1]


def test_after_the_attacks_only_true_requests_are_in_the_log(attacked: tuple[Running, TokenWorld, list[int]]) -> None:
    running, _, answered = attacked
    end = time.monotonic() + 5
    while len(lines := running.world.lines()) < sum(answered) and time.monotonic() < end:
        time.sleep(0.05)
    assert len(lines) >= sum(answered) > 0
    assert {line.words[0] for line in lines} == {"DE"}


def test_metrics_are_told_at_the_zone_s_port_alone(attacked: tuple[Running, TokenWorld, list[int]]) -> None:
    running, _, _ = attacked
    assert running.get("/metrics").status == 404
    text = running.get("/metrics", port=running.world.place.zone_port).body.decode()
    assert f'fedsov_inference_requests_total{{region="DE",model="{MODEL}",version="1",role="champion"}}' in text
    assert 'fedsov_inference_ready{region="DE"} 1' in text


def test_nothing_of_a_request_is_in_a_log_line_or_in_the_clear_in_the_folder(
    attacked: tuple[Running, TokenWorld, list[int]],
) -> None:
    running, _, _ = attacked
    canary = 987654321.125
    assert running.predict({"rows": [{"age": canary, "years": 1}]}).status == 200
    assert running.predict({"rows": [{"age": f"x{canary}", "years": 1}]}).status == 422
    assert running.predict({"rows": [{"age": canary, "years": 1}]}, jurisdiction="FR").status == 421
    time.sleep(0.2)
    running.read_all()
    word = str(canary).encode()
    assert word not in running.output
    for path in running.world.folder.rglob("*"):
        assert not path.is_file() or word not in path.read_bytes()
