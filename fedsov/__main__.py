"""`python -m fedsov`, installed as `fedsov`: see `fedsov.cli`."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Runs the command line and ends with its exit code."""
    from fedsov.cli.main import run
    from fedsov.storage.private_files import keep_private

    keep_private()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
