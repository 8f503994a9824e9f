import shutil

import pytest

from tests.runtimes.deployment.preflight.a_party import a_hub, a_trial


@pytest.fixture(scope="session")
def _made(tmp_path_factory):
    """A hub that answers, and the folder of its trial, which nobody changes."""
    workspace = tmp_path_factory.mktemp("trial") / "w"
    with a_hub() as hub:
        trial = a_trial(workspace, hub.address)
        hub.listen(trial.hub)
        yield hub, workspace


@pytest.fixture
def hub(_made):
    """The hub, which answers as it should."""
    hub = _made[0]
    hub.status, hub.date, hub.body = 200, "", {}
    return hub


@pytest.fixture
def workspace(_made, tmp_path):
    """A copy of the trial's folder."""
    shutil.copytree(_made[1], tmp_path / "w")
    return tmp_path / "w"
