"""What a region tells of its rows is told to a hub that its owner pinned, and a hub's word pins nobody."""

import pytest

from fedsov.api import region_settings
from fedsov.api.train import ingest_settings
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.errors import InputError, JobRefused
from fedsov.region.settings_file import FILE
from fedsov.runtimes.deployment.region.holdings import check_own, holdings
from fedsov.storage.workspace import Workspace


def test_a_region_tells_of_itself_alone_and_only_a_hub_that_its_owner_pinned(tmp_path):
    chosen = settings(compose([f"workspace={tmp_path}"]))
    ingest_settings(chosen, progress=lambda line: None)
    workspace = Workspace(tmp_path)
    name = workspace.region_names()[0]
    part = holdings(chosen.plain, workspace, name, run="r")
    check_own(part, name)
    other = {**part["regions"][0], "name": "ZZ"}
    for said in (
        {"regions": [other]},
        {"regions": [*part["regions"], other]},
        {"regions": part["regions"] * 2},
        {"stores": {**part["stores"], "ZZ": "0"}},
        {"settings": {"ZZ": "0"}},
        {"settled": ["ZZ"]},
    ):
        with pytest.raises(InputError, match="tells of"):
            check_own({**part, **said}, name)
    folder = workspace.region(name)
    before = (folder / FILE).read_bytes()
    region_settings.set_settings(tmp_path, [name], ["parties.hub=null"], by="a test", why="to see")
    without = (folder / FILE).read_bytes()
    assert without != before
    with pytest.raises(JobRefused, match="has not pinned where the hub is"):
        holdings(chosen.plain, workspace, name, run="r")
    assert (folder / FILE).read_bytes() == without
