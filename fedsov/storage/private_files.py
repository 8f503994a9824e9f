"""Folders and files that their owner alone can read, whatever the process's umask: 0700 and 0600.

    make_private_folder(workspace / "regions" / "DE" / "store")
    create_private_file(path)                # empty, before a library writes into it
    lock = open_private(path, os.O_RDWR)     # opened or created

What exists already keeps the mode that its owner gave it. Nothing is written through a symbolic link: a link that
somebody planted at a file's name is an error that names it. Folders may be links, for a region on a disk of its own.
"""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

FOLDER, FILE = 0o700, 0o600
UMASK = 0o077
_LINK = "is a symbolic link, and nothing is written through one; remove it"


def keep_private() -> None:
    """Lets this process and its children create files and folders for their owner alone. For a program's `main`."""
    os.umask(UMASK)


def make_private_folder(folder: Path) -> None:
    """Makes a folder, and each missing one above it, for their owner alone. Raises OSError where it cannot be made."""
    for part in reversed((folder, *folder.parents)):
        if not part.exists():
            part.mkdir(mode=FOLDER, exist_ok=True)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def create_private_file(path: Path) -> None:
    """Makes an empty file for its owner alone. Raises FileExistsError where there is one, OSError for a full disk."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE))


def open_private(path: Path, flags: int) -> int:
    """The descriptor of a file that is created for its owner alone where there is none.

    Args:
        flags: how it is opened, such as ``os.O_RDWR``.

    Raises OSError, also where the name is a symbolic link.
    """
    no_link(path)
    return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE)


def beside(path: Path) -> Path:
    """A name that nobody can foresee, in the folder of `path`, for what will take its place."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}")


def no_link(path: Path) -> None:
    """Raises OSError where the name is a symbolic link, be its target there or not."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, _LINK, str(path))
