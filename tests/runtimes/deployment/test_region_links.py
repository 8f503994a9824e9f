"""Who has a part in a run: whoever has none is named, with the reason and the way back."""

from __future__ import annotations

from typing import Any

from fedsov.runtimes.deployment.grid_line import RegionSeen
from fedsov.runtimes.deployment.region_links import DeployedLinks


class Line:
    """What a coordinator tells of regions, and nothing else."""

    def __init__(self) -> None:
        self.revoked = {"FR": "2026-11-30: it was lost"}

    def regions(self) -> dict[str, RegionSeen]:
        return {"DE": RegionSeen(1, connected=True), "GB": RegionSeen(2, connected=False)}


def begun(names: list[str] | None) -> tuple[list[str], list[str]]:
    """The regions of a run for which these are wanted, and what was said."""
    said: list[str] = []
    line: Any = Line()
    return DeployedLinks(line, wait=0.0, least=1, pause=0.0, say=said.append).wait_for(names), said


def test_a_region_that_was_revoked_is_named_whether_it_was_asked_for_or_all_were() -> None:
    for names in (None, ["DE", "FR"]):
        regions, said = begun(names)
        assert regions == ["DE"]
        assert (
            "begins without FR, whose certificate was revoked on 2026-11-30: it was lost; `fedsov deploy renew` in its "
            "home, and an approval, bring it back"
        ) in said
    assert begun(["DE"]) == (["DE"], []), "nobody asked for it"


def test_one_that_is_away_is_named() -> None:
    regions, said = begun(["DE", "GB"])
    assert regions == ["DE"]
    assert said == ["begins without GB, which did not connect (`fedsov status`)"]
