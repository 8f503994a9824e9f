"""What tests fall back to where a system permits no network namespace and no mount does what the real thing would."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.runtimes.deployment.disks import LIMITS, SmallDisk
from tests.runtimes.deployment.network import Relay


def test_a_relay_passes_on_drops_nothing_while_it_is_cut_and_goes_on() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as hub:
        relay = Relay()
        port = relay.port(hub.getsockname()[1])
        with closing(socket.create_connection(("127.0.0.1", port))) as near:
            far, _ = hub.accept()
            near.sendall(b"before")
            assert far.recv(100) == b"before"
            relay.cut()
            near.sendall(b"meanwhile")
            far.settimeout(0.3)
            with pytest.raises(TimeoutError):
                far.recv(100)
            relay.mend()
            far.settimeout(5)
            assert far.recv(100) == b"meanwhile"
            far.close()
        relay.end()


def test_a_limit_of_file_sizes_leaves_a_process_no_byte_until_it_is_lifted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1)
    folder = tmp_path / "disk"
    folder.mkdir()
    (folder / "kept").write_text("kept")
    disk = SmallDisk(folder)
    assert disk.kind == LIMITS and (folder / "kept").read_text() == "kept"
    program = """
import pathlib, sys
for line in sys.stdin:
    try:
        pathlib.Path(sys.argv[1]).write_text("x")
        print("written", flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
"""
    words = [sys.executable, "-c", program, str(folder / "file")]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    told = []
    for act in (lambda: None, lambda: disk.fill(process.pid), disk.free):
        act()
        process.stdin.write("\n")
        process.stdin.flush()
        told.append(process.stdout.readline().strip())
    process.communicate()
    disk.end()
    assert told == ["written", "File too large", "written"]
