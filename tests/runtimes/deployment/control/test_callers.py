"""Who is let in to the service of regions, by name; and that one region's flood is its own."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from fedsov.api.deployment.hub_home import hub_home
from fedsov.keys.certificates import identity_of, new_authority, new_key, request
from fedsov.protocol.control import control_pb2 as control
from fedsov.runtimes.deployment.control.callers import AT_ONCE, BURST, Callers, TooMany
from fedsov.runtimes.deployment.control.calls import CALLS, LARGEST_MESSAGE
from fedsov.runtimes.deployment.hub.access import Access, Caller
from fedsov.runtimes.deployment.hub_connection import Credentials, HubUnreachable
from fedsov.runtimes.deployment.region_agent.control_client import ControlClient, ControlRefused
from fedsov.storage.deployment_folder import DeploymentFolder
from tests.runtimes.deployment.control.world import ControlWorld, serving


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlWorld]:
    with ControlWorld.begin(tmp_path_factory.mktemp("hub"), ["DE", "FR", "ES"]) as world:
        yield world


def test_a_region_speaks_in_the_name_of_its_certificate_and_no_message_has_another(world: ControlWorld) -> None:
    fields = {name for call in CALLS.values() for name in call.request.DESCRIPTOR.fields_by_name}
    assert not fields & {"region", "name", "party", "owner"}


def test_without_a_certificate_nobody_is_answered(world: ControlWorld) -> None:
    roots = world.trial.hub.authority.read_bytes()
    target = f"localhost:{world.address.port}"
    with grpc.secure_channel(target, grpc.ssl_channel_credentials(roots)) as channel:
        call = CALLS["Hello"]
        ask = channel.unary_unary(call.path, call.write, call.answer.FromString)
        with pytest.raises(grpc.RpcError) as refused:
            ask(control.HelloRequest(protocol=1), timeout=20)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


def test_an_operators_certificate_is_refused_by_its_role(world: ControlWorld) -> None:
    with (
        ControlClient(world.address, Credentials.of_operator(world.trial.hub)) as client,
        pytest.raises(ControlRefused, match="the role operator, and this service is for regions alone"),
    ):
        client.hello()


def test_a_certificate_of_another_authority_is_refused_in_the_handshake(world: ControlWorld, tmp_path: Path) -> None:
    folder, now, key = DeploymentFolder(tmp_path), datetime.now(UTC), new_key()
    other = new_authority("a passphrase of another", now=now).opened("a passphrase of another")
    folder.root.mkdir(parents=True)
    folder.key.write_bytes(key)
    folder.certificate.write_bytes(other.sign(request(key, "region", "DE"), days=30, now=now))
    folder.authority.write_bytes(world.trial.hub.authority.read_bytes())
    with ControlClient(world.address, Credentials.of(folder)) as client, pytest.raises(HubUnreachable):
        client.hello()


def test_a_region_that_was_revoked_is_refused_by_name_at_its_next_call(world: ControlWorld) -> None:
    client = world.client("ES")
    client.hello()
    identity = identity_of(world.trial.regions["ES"].certificate.read_bytes())
    with hub_home(world.trial.hub.home) as home:
        home.revoke(identity.serial, "ES", at=datetime.now(UTC), by="a test", why="the machine was stolen")
    with pytest.raises(ControlRefused, match="ES.*the machine was stolen") as refused:
        client.watch({}, wait=0.0)
    assert refused.value.code == "PERMISSION_DENIED"


def test_a_certificate_that_ended_is_refused_with_the_way_to_renew_it(world: ControlWorld) -> None:
    later = datetime.now(UTC) + timedelta(days=900)
    with (
        serving(world.trial, world.database, clock=lambda: later) as (_, address),
        ControlClient(address, Credentials.of(world.trial.regions["DE"])) as client,
        pytest.raises(ControlRefused, match="certificate of DE ended on .*deploy renew"),
    ):
        client.hello()


def test_a_message_that_is_too_large_is_refused_before_it_is_read(world: ControlWorld) -> None:
    client = world.client("DE")
    with pytest.raises(ControlRefused) as refused:
        client.report(control.RunningReport(remarks=["x" * (LARGEST_MESSAGE + 1)]))
    assert refused.value.code == "RESOURCE_EXHAUSTED"
    assert client.hello().hub == "hub"


def test_another_version_of_the_protocol_is_told_what_to_install(world: ControlWorld) -> None:
    client = world.client("DE")
    with pytest.raises(ControlRefused, match="DE speaks version 99 .* install the hub's version"):
        client._ask("Hello", control.HelloRequest(protocol=99), 20)


def test_a_region_that_calls_too_often_is_refused_and_another_is_not(world: ControlWorld) -> None:
    seconds = [0.0]
    callers = Callers(Access(world.trial.hub), clock=lambda: seconds[0])
    one, other = (Caller("region", name, "1", datetime.now(UTC), "") for name in ("DE", "FR"))
    for _ in range(int(BURST)):
        with callers.admitted(one):
            pass
    with pytest.raises(TooMany, match="DE calls more than 50 times a second"), callers.admitted(one):
        pass
    with callers.admitted(other):
        pass
    seconds[0] = 1.0
    with callers.admitted(one):
        pass


def test_a_region_has_so_many_calls_under_way_and_no_more(world: ControlWorld) -> None:
    callers, who = Callers(Access(world.trial.hub)), Caller("region", "DE", "1", datetime.now(UTC), "")
    under_way = [callers.admitted(who) for _ in range(AT_ONCE)]
    for each in under_way:
        each.__enter__()
    with pytest.raises(TooMany, match=f"DE has {AT_ONCE} calls under way"), callers.admitted(who):
        pass
    for each in under_way:
        each.__exit__(None, None, None)
    with callers.admitted(who):
        pass


def test_bytes_that_are_no_call_end_their_connection_and_nothing_else(world: ControlWorld) -> None:
    own = world.trial.regions["DE"]
    context = Credentials.of(own).context()
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", world.address.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as line,
    ):
        line.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)
        try:
            while line.recv(4096):
                pass
        except (ssl.SSLError, OSError):
            pass
    assert world.client("DE").hello().hub == "hub"
