"""The files of gateways: written whole, in an order in which no route points to what is not there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fedsov.errors import ConfigurationError
from fedsov.runtimes.serving.gateway_files import check, put_files, tell


def clusters(*names: str) -> str:
    return json.dumps({"version_info": "-".join(names), "resources": [{"name": name} for name in names]})


def test_envoy_gets_new_clusters_before_routes_and_loses_old_ones_after(tmp_path: Path) -> None:
    put_files("envoy", tmp_path, {"cds.json": clusters("a", "b"), "rds.json": "1"}, pause=lambda seconds: None)
    seen = []

    def look(seconds: float) -> None:
        names = [cluster["name"] for cluster in json.loads((tmp_path / "cds.json").read_text())["resources"]]
        seen.append((names, (tmp_path / "rds.json").read_text()))

    files = {"cds.json": clusters("b", "c"), "rds.json": "2"}
    assert put_files("envoy", tmp_path, files, pause=look)
    assert seen == [(["b", "c", "a"], "1"), (["b", "c", "a"], "2")]
    assert json.loads((tmp_path / "cds.json").read_text())["version_info"] == "b-c"
    assert not put_files("envoy", tmp_path, files, pause=look)


def test_files_of_keys_that_are_gone_go_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    put_files("haproxy", tmp_path, {"haproxy.cfg": "a", "key-0-0.pem": "x", "key-0-1.pem": "y"})
    put_files("haproxy", tmp_path, {"haproxy.cfg": "b", "key-0-0.pem": "x"})
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", "haproxy.cfg", "key-0-0.pem"}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*.pem")} == {0o600}


def test_a_file_without_a_process_is_said(tmp_path: Path) -> None:
    for content in (None, "", "nonsense", "4194304999", "0", "-1", "1", str(os.getpid())):
        if content is not None:
            (tmp_path / "pid").write_text(content)
        with pytest.raises(ConfigurationError, match="names no haproxy"):
            tell("haproxy", tmp_path / "pid")
    tell("envoy", tmp_path / "pid")  # which watches its files


def test_a_program_that_is_not_installed_says_nothing_about_validity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert check("haproxy", tmp_path).is_valid is None
    assert "not installed" in check("nginx", tmp_path).text
