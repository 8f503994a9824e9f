"""`python -m fedsov`: see `fedsov.cli`."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line and ends with its exit code."""
    from fedsov.cli.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
