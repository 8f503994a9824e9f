"""What a region tells of its rows is told to a hub that its owner pinned, and a hub's word pins nobody."""

from contextlib import closing
from dataclasses import replace

import pytest

from fedsov.api import region_settings
from fedsov.api.train import ingest_settings
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.errors import InputError, JobRefused
from fedsov.keys import open_keys
from fedsov.keys.protocol import KeySettings
from fedsov.ledger.ledger import Ledger
from fedsov.region.settings_file import FILE, Change, read_settings, write_settings
from fedsov.runtimes.deployment.region.holdings import check_own, holdings
from fedsov.storage.workspace import Workspace, ledger_of
from tests.world import people

ROWS = ["country,age,bought", *(f"{country},{20 + n % 60},{n % 2}" for country in ("AT", "DE") for n in range(60))]


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


def test_what_region_yaml_lacks_no_job_says_for_it(tmp_path):
    rows = [word for word in people(tmp_path, ROWS, target="bought") if "examples" not in word]
    ingest_settings(settings(compose(rows)), progress=lambda line: None)
    workspace = Workspace(tmp_path / "w")
    name = workspace.region_names()[0]
    folder = workspace.region(name)

    def asked():
        return holdings(settings(compose(rows)).plain, workspace, name, run="r")

    asked()
    forget(workspace, name)
    written = (folder / FILE).read_bytes()
    with pytest.raises(JobRefused, match="does not say this of the rows of people"):
        asked()
    assert (folder / FILE).read_bytes() == written, "nothing is written down of a job"
    with closing(Ledger.read(ledger_of(folder))) as ledger:
        assert "takes it from no job" in str(list(ledger.entries())[-1].body)


def forget(workspace, name):
    """The region says nothing of its data set any more, as before its first ingestion."""
    folder = workspace.region(name)
    with closing(Ledger(ledger_of(folder), name)) as ledger:
        own = replace(read_settings(folder, ledger), datasets={})
        write_settings(folder, open_keys(KeySettings(name, folder)), ledger, Change(own, "a test", "to see"))
