"""The repository at the hub: what both signed is handed out whole, to whom it is for, and nothing else is."""

import pytest

from fedsov.control_plane.repository.repository import IN_DATABASE


def test_a_region_gets_the_list_that_hub_and_region_signed(world):
    reader = world.reader("DE")
    assert reader.source.poll().version == 0
    listed = world.signed("DE")
    world.publish(listed)
    polled = reader.source.poll()
    assert (polled.content, polled.version) == (listed.content, 1)


@pytest.mark.parametrize("size", [20_000, IN_DATABASE + 1])
def test_a_file_of_a_model_goes_to_the_regions_that_may_have_it(world, size):
    path, content = "models/salaries/1/model.safetensors", b"x" * size
    world.publish(files={path: content}, readers=["DE"])
    assert world.reader("DE").source.file(path) == content
    with pytest.raises(Exception, match="lacks a file"):
        world.reader("US").source.file(path)
