"""What a region tells of its rows is told to a hub that its owner pinned, and a hub's word pins nobody."""

import pytest

from fedsov.api import region_settings
from fedsov.api.train import ingest_settings
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.errors import JobRefused
from fedsov.region.settings_file import FILE
from fedsov.runtimes.deployment.region.holdings import holdings
from fedsov.storage.workspace import Workspace


def test_a_hub_that_nobody_pinned_is_told_nothing_and_pins_itself_by_no_word(tmp_path):
    chosen = settings(compose([f"workspace={tmp_path}"]))
    ingest_settings(chosen, progress=lambda line: None)
    workspace = Workspace(tmp_path)
    name = workspace.region_names()[0]
    assert holdings(chosen.plain, workspace, name, run="r")["stores"].keys() == {name}
    folder = workspace.region(name)
    before = (folder / FILE).read_bytes()
    region_settings.set_settings(tmp_path, [name], ["parties.hub=null"], by="a test", why="to see")
    without = (folder / FILE).read_bytes()
    assert without != before
    with pytest.raises(JobRefused, match="has not pinned where the hub is"):
        holdings(chosen.plain, workspace, name, run="r")
    assert (folder / FILE).read_bytes() == without
