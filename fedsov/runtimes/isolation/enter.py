"""Raises walls around this process, and becomes another program behind them.

    python -m fedsov.runtimes.isolation.enter WALLS PROGRAM [WORDS...]

It imports next to nothing: namespaces of users are for processes with one thread. Where the walls do not rise, the
program is not run: whoever begins it tried them before (`fedsov.runtimes.isolation.rooms`).
"""

from __future__ import annotations

import os
import sys

from fedsov.runtimes.bench.confinement import own_modules
from fedsov.runtimes.isolation.walls import Walls, raise_walls


def main() -> None:
    """Raises the walls and runs the program."""
    walls, program = Walls.from_json(sys.argv[1]), sys.argv[2:]
    modules = own_modules()
    try:
        raise_walls(walls)
    except OSError as error:
        sys.exit(f"fedsov: no walls by {walls.means} now ({error.strerror}), as there were; start `fedsov up` again")
    os.environ.update(modules)
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
