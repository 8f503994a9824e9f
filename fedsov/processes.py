"""What every process does that imports slow libraries once and forks on request.

While it imports, it ends with the process that it would serve (`ending_with`). Then it has one thread, and pages that
its forks share (`freeze`). A fork leaves by itself, without what its parent would do at its own end (`live`).

    with ending_with(control):
        import torch
    freeze()
    if os.fork() == 0:
        live(serve)

Forks come from such a process alone: a fork of one with threads copies the locks that they hold, and nobody opens them.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def ending_with(control: socket.socket, caller: int | None = None) -> Iterator[None]:
    """Ends this process where its caller ends while the block runs; at its end the process has no more threads.

    Args:
        control: a socket whose other end the caller holds.
        caller: the caller's number, where this process is its child: another one may still hold the socket.
    """
    is_over, hung_up = threading.Event(), select.poll()
    hung_up.register(control, 0)

    def watch() -> None:
        while not is_over.is_set():
            if hung_up.poll(100) or caller not in (None, os.getppid()):
                os._exit(0)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()  # a process that forks has one thread


def freeze() -> None:
    """Leaves what is in memory now out of every later collection, so that forks go on sharing its pages."""
    gc.collect()
    gc.freeze()


_MMAP_MAX, _TRIM_THRESHOLD = -4, -1
"""Parameters of glibc's ``mallopt``."""


def reuse_memory() -> bool:
    """Has this process keep what it frees; False where the system's C library has no such setting.

    By default glibc gives an array of 32 MiB or more back to the system as soon as it is freed, and the next one is
    zeroed anew, page by page: more time than a gradient step on it takes. For processes that end with their work.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(set_option(_MMAP_MAX, 0) and set_option(_TRIM_THRESHOLD, 1 << 30))


def live(run: Callable[[], None]) -> NoReturn:
    """A fork's whole life; it leaves without its parent's exit functions, with code 0, or 1 after an error's trace."""
    code = 1
    try:
        run()
        code = 0
    except BaseException:  # boundary: a fork must not go on as its parent
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def is_alive(number: int) -> bool:
    """Whether a process of this number is there, be it another user's."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
