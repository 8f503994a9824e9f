"""A job names the hub's files; a region of a deployment relies on its own."""

from pathlib import Path

from fedsov.api import region_settings
from fedsov.protocol.job import Asked
from fedsov.runtimes.deployment.region.own_files import with_own_files
from fedsov.storage.workspace import Workspace

THEIRS = Asked(evidence=Path("/hub/documents.yaml"), days_per_round=3)


def test_a_region_relies_on_its_own_register_where_the_job_relies_on_one(tmp_path: Path) -> None:
    region_settings.init(tmp_path, "DE")
    folder, register = Workspace(tmp_path).region("DE"), tmp_path / "documents.yaml"
    register.write_text("documents: []\n")
    assert with_own_files(folder, THEIRS) == THEIRS, "it has no register: the job is refused when it is opened"
    region_settings.set_settings(tmp_path, ["DE"], [f"evidence={register}"])
    asked = with_own_files(folder, THEIRS)
    assert (asked.evidence, asked.rules, asked.days_per_round) == (register, None, 3)
    assert with_own_files(folder, Asked()) == Asked(), "a job that relies on no document still relies on none"


def test_settings_that_cannot_be_read_are_left_to_whoever_opens_the_region(tmp_path: Path) -> None:
    assert with_own_files(tmp_path / "DE", THEIRS) == THEIRS
