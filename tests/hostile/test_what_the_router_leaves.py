"""After an ingestion the router has kept nothing: whoever reads every file that it could write finds no value."""

from __future__ import annotations

from pathlib import Path

from deltalake import write_deltalake

from tests.partition.world import CANARY, bytes_under, people
from tests.world import answered, fedsov


def test_no_file_of_the_workspace_or_the_temporary_folder_holds_a_value_that_was_ingested(
    tmp_path: Path,
) -> None:
    source, temporary, workspace = tmp_path / "people_delta", tmp_path / "tmp", tmp_path / "w"
    temporary.mkdir()
    countries = ["Germany", *(("China", "Canary Atlantis", "US")[row % 3] for row in range(119))]
    write_deltalake(str(source), people(120, country=countries))
    words = (
        f"workspace={workspace}", "dataset=delta", "dataset.name=people", f"dataset.path={source}",
        "dataset.jurisdiction=country", "dataset.subject=passport", "dataset.target=wage",
        "dataset.target_above_region_median=true", "federation.regions=auto", "border=none",
        "dataset.location=CN",
    )  # fmt: skip
    report = answered(fedsov("ingest", *words, "--json", "--quiet", env={"TMPDIR": str(temporary)}))
    assert report["location"] == "CN" and report["regions"] == ["CN"] and len(report["quarantined"]) == 3
    assert not list(temporary.iterdir()), "the router left a temporary file"
    left = bytes_under(workspace)
    assert len(left) > 10
    for secret in (*CANARY, "Person 7", "P0000007"):
        for spelled in (secret.encode(), secret.encode("utf-16-le")):
            assert not [name for name, content in left.items() if spelled in content]
