"""The real gateways from one table: each is valid, sends requests where they may go, and under attack nowhere else."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.inference import http_attacks
from tests.inference.gateway.world import (
    CHECKS,
    COMMANDS,
    MAY,
    GatewayWorld,
    Request,
    builtin_command,
    claimed,
    free_port,
    running,
    send,
    wait_until,
    write_all,
    write_ports,
)
from tests.inference.token_attacks import TOKEN_ATTACKS, Attack

KINDS = ("haproxy", "envoy", "nginx")
BUILTIN = "builtin"
GROUPS = {
    "tokens": TOKEN_ATTACKS,
    "headers": http_attacks.HEADER_ATTACKS,
    "paths": http_attacks.PATH_ATTACKS,
    "smuggling": http_attacks.SMUGGLING_ATTACKS,
    "bodies": http_attacks.BODY_ATTACKS,
    "sizes": http_attacks.SIZE_ATTACKS,
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> GatewayWorld:
    return GatewayWorld.new(tmp_path_factory.mktemp("gateways"))


def render(kind: str, world: GatewayWorld, port: int, folder: Path, **changes) -> None:
    table = world.table(port, **changes)
    write_all(folder, import_module(f"fedsov.inference.gateway.{kind}").render(table, world.keys(table), folder))


def status_of(world: GatewayWorld, port: int, code: str) -> int | None:
    """How a gateway answers a true token of this code."""
    return send(port, world.tokens.request(world.tokens.token(code))).status


@pytest.fixture(scope="module", params=[*KINDS, BUILTIN])
def gateway(request: pytest.FixtureRequest, world: GatewayWorld) -> Iterator[SimpleNamespace]:
    """A running gateway of each kind, in front of the same regions."""
    kind, port = request.param, free_port()
    folder = world.folder / kind
    if kind == BUILTIN:
        write_ports(world.folder, {name: region.port for name, region in world.regions.items()})
        command = builtin_command(world.folder, port)
    else:
        render(kind, world, port, folder)
        command = COMMANDS[kind](folder)
    with running(command, port, world.folder / f"{kind}.log"):
        ask = partial(status_of, world, port)
        wait_until(lambda: {ask(code) for code in ("DE", "US", "IN")} == {200}, what=kind)
        world.forget()
        yield SimpleNamespace(kind=kind, port=port, ask=ask, folder=folder)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_rendered_is_valid(kind: str, world: GatewayWorld, tmp_path: Path) -> None:
    render(kind, world, free_port(), tmp_path)
    checked = subprocess.run(CHECKS[kind](tmp_path), capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stderr + checked.stdout


def test_requests_reach_the_region_of_their_claim(gateway: SimpleNamespace, world: GatewayWorld) -> None:
    for code, region in {"DE": "DE", "DE-BY": "DE", "US-OH": "US", "IN": "IN", "FR": "DE"}.items():
        for token in (world.tokens.token(code), world.tokens.es256(code, aud=["another", "fedsov"])):
            answer = send(gateway.port, world.tokens.request(token))
            assert answer.status == 200 and f'"region": "{region}", "jurisdiction": "{code}"' in answer.text
    assert all(request.body == world.tokens.body for seen in world.seen().values() for request in seen)


@pytest.mark.parametrize("group", GROUPS)
def test_under_attack_no_request_reaches_a_wrong_region(
    gateway: SimpleNamespace, world: GatewayWorld, group: str
) -> None:
    assert {attack.name: wrong for attack in GROUPS[group] if (wrong := _wrong(attack, gateway.port, world))} == {}


def _wrong(attack: Attack, port: int, world: GatewayWorld) -> list[str]:
    """What an attack achieved that it must not."""
    world.forget()
    answer = send(port, attack.raw(world.tokens), seconds=attack.seconds)
    wrong = [
        f"{name}: {problem}"
        for name, seen in world.seen().items()
        for each in seen
        for problem in _problems(each, name, attack)
    ]
    if answer.status not in attack.statuses:
        wrong.append(f"answered {answer.status}: {answer.text[:200]}")
    return wrong + (["the connection stayed open"] if answer.is_late else [])


def _problems(request: Request, region: str, attack: Attack) -> list[str]:
    code = claimed(request)
    problems = {
        f"got a request that claims {code!r}": code != attack.claims or code not in MAY[region],
        "got a jurisdiction that the gateway did not write": request.values("x-jurisdiction") != [code],
        "got a jurisdiction under another name": bool(request.values("x_jurisdiction")),
        "got two tokens": len(request.values("authorization")) != 1,
        "got an upgrade": bool(request.values("upgrade")),
        "got what was smuggled": "smuggled" in request.target,
        "got both a length and chunks": bool(request.values("content-length") and request.values("transfer-encoding")),
    }
    return [problem for problem, there in problems.items() if there]


def test_a_region_that_is_down_is_served_by_the_lawful_ones_in_order_and_by_no_other(
    gateway: SimpleNamespace, world: GatewayWorld
) -> None:
    world.regions["DE"].down()
    try:
        wait_until(lambda: (gateway.ask("DE"), gateway.ask("FR")) == (503, 200), 5, what="503 for DE, IN for FR")
        world.forget()
        answer = send(gateway.port, world.tokens.request(world.tokens.token("FR")))
        assert answer.status == 200 and '"region": "IN"' in answer.text
        answer = send(gateway.port, world.tokens.request(world.tokens.token("DE")))
        assert answer.status == 503 and "may serve" in answer.text
        assert set(world.seen()) == {"IN"}
        assert gateway.ask("US") == 200 and gateway.ask("KP") == 451
    finally:
        world.regions["DE"].up()
    wait_until(lambda: gateway.ask("DE") == 200, 5, what="DE again")
