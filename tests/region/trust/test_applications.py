"""An application is its files: which network needs an approval, and of what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fedsov.model import own_network
from fedsov.model.network import NetworkSpec
from fedsov.region.settings import RegionSettings
from fedsov.region.trust import applications
from fedsov.region.trust.applications import application
from tests.own_settings import CLOSED


def _installed(place: Path, name: str, module: str, files: dict[str, str]) -> None:
    info = place / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[fedsov.networks]\n{name} = {module}:build\n")
    for path, text in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)


def refusal(own: RegionSettings, network: str, *, examples: bool) -> str:
    return applications.refusal(
        own, NetworkSpec(network, (8,) if network == "mlp" else ()), examples=examples, private=False
    )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_fedsov_s_own_networks_need_no_approval() -> None:
    assert refusal(CLOSED, "mlp", examples=False) == refusal(CLOSED, "logistic", examples=False) == ""


def test_people_s_rows_need_an_approval_always_and_example_rows_once_others_are_approved(site: Path) -> None:
    _installed(site, "onefile", "onefile", {"onefile.py": "def build(inputs, outputs): ...\n"})
    package, digest = application("onefile")
    assert package == "onefile" and len(digest) == 64
    assert digest in refusal(CLOSED, "onefile", examples=False)
    assert refusal(CLOSED, "onefile", examples=True) == ""
    others, approved = (replace(CLOSED, applications=each) for each in (("ab" * 32,), ("ab" * 32, digest)))
    assert f"[{'ab' * 32}, {digest}]" in refusal(others, "onefile", examples=True)
    assert refusal(approved, "onefile", examples=False) == refusal(approved, "onefile", examples=True) == ""


def test_a_digest_is_of_every_file_by_path_and_content_but_of_none_that_python_makes(site: Path) -> None:
    _installed(site, "whole", "whole.deep.build", {"whole/__init__.py": "", "whole/deep/build.py": "x = 1\n"})
    _, before = application("whole")
    (site / "whole" / "__pycache__").mkdir()
    (site / "whole" / "__pycache__" / "build.pyc").write_bytes(b"compiled")
    assert application("whole")[1] == before
    (site / "whole" / "deep" / "build.py").rename(site / "whole" / "deep" / "built.py")
    assert application("whole")[1] != before
    (site / "whole" / "deep" / "built.py").rename(site / "whole" / "deep" / "build.py")
    assert application("whole")[1] == before
    (site / "whole" / "deep" / "build.py").write_text("x = 2\n")
    assert application("whole")[1] != before


def test_a_network_of_no_package_is_not_run_over_people_s_rows(site: Path) -> None:
    _installed(site, "gone", "nowhere", {})
    assert application("gone") == ("nowhere", "")
    assert "of no installed package" in refusal(CLOSED, "gone", examples=False)
    assert application("nobody-named-this") == ("", "")


def test_a_network_that_was_registered_in_this_process_is_of_its_module(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(inputs: int, outputs: int) -> None: ...

    monkeypatch.setitem(own_network._registered, "here", build)  # type: ignore[arg-type]
    package, digest = application("here")
    assert package == __name__.partition(".")[0] and len(digest) == 64


def test_a_package_with_a_link_in_it_is_refused_for_nobody_counts_what_it_leads_to(site: Path) -> None:
    (site / "elsewhere").mkdir()
    (site / "elsewhere" / "build.py").write_text("x = 1\n")
    _installed(site, "linked", "linked.deep.build", {"linked/__init__.py": ""})
    (site / "linked" / "deep").symlink_to(site / "elsewhere")
    own = replace(CLOSED, applications=("ab" * 32,))
    assert "package linked holds the link deep" in refusal(own, "linked", examples=False)


def test_a_network_that_two_packages_name_is_refused_for_one_digest_would_speak_of_both(site: Path) -> None:
    _installed(site, "both", "first", {"first.py": "x = 1\n"})
    (site / "other-1.0.dist-info").mkdir()
    (site / "other-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (site / "other-1.0.dist-info" / "entry_points.txt").write_text("[fedsov.networks]\nboth = second:build\n")
    assert "packages first, second all name it" in refusal(CLOSED, "both", examples=False)
