"""Two services sign one repository in one PostgreSQL database, and regions see one chain of versions."""

import copy
import threading
from contextlib import closing

import pytest

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.database.place import SCHEME
from fedsov.control_plane.repository.repository import Repository
from tests.control_plane.repository.conftest import World
from tests.postgresql_server import postgresql_server

EACH = 5


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A hub's repository in PostgreSQL."""
    server = postgresql_server()
    try:
        url = SCHEME + server.get_uri().split("://", 1)[1]
        with closing(World(tmp_path_factory.mktemp("services") / "w", url=url)) as first:
            yield first
    finally:
        server.cleanup()


@pytest.fixture
def second(world):
    """Another service of the same repository."""
    with closing(Database.open(world.database.engine.url.render_as_string(hide_password=False))) as database:
        yield Repository.open(database, world.control, world.hub)


def test_two_services_publish_at_once_and_each_list_is_there(world, second):
    before = world.reader("DE", "before").source.poll().timestamp
    services = {"DE": world.repository, "US": second}
    lists = {name: [world.signed(name, number + 1) for number in range(EACH)] for name in services}

    def publish(name):
        for listed in lists[name]:
            with services[name].database.changing() as connection:
                services[name].publish(connection, lists=[listed])

    threads = [threading.Thread(target=publish, args=(name,)) for name in services]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in services:
        polled = world.reader(name).source.poll()
        assert (polled.content, polled.version) == (lists[name][-1].content, EACH)
        assert polled.timestamp == before + 2 * EACH, "none was lost, and none was signed twice"


def test_a_file_that_one_service_took_is_handed_out_by_the_other(world, second):
    path, content = "models/salaries/1/model.onnx", b"x" * 4000
    world.publish(files={path: content}, readers=["DE"])
    other = copy.copy(world)
    other.repository = second
    assert other.reader("DE", "by-the-other").source.file(path) == content
