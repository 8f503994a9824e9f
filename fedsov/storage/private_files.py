"""Folders and files that their owner alone can read, whatever the process's umask: 0700 and 0600.

    make_private_folder(workspace / "regions" / "DE" / "store")
    create_private_file(path)                # empty, before a library writes into it

What exists already keeps the mode that its owner gave it.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

FOLDER, FILE = 0o700, 0o600


def make_private_folder(folder: Path) -> None:
    """Makes a folder, and each missing one above it, for their owner alone. Raises OSError where it cannot be made."""
    for part in reversed((folder, *folder.parents)):
        if not part.exists():
            part.mkdir(mode=FOLDER, exist_ok=True)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def create_private_file(path: Path) -> None:
    """Makes an empty file for its owner alone. Raises FileExistsError where there is one, OSError for a full disk."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE))
