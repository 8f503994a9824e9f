"""The built-in gateway as a program of its own, for tests: its table is `ports.json` beside the issuers of a folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fedsov.runtimes.serving.gateway_process import LoadedTable, run
from tests.inference.gateway.world import table_of


def main(folder: Path, port: int) -> None:
    files = tuple(folder / name for name in ("ports.json", "issuers.yaml", "jwks.json"))

    def load() -> LoadedTable:
        return LoadedTable(table_of(folder, json.loads(files[0].read_text()), port), files)

    run(load, say=lambda line: print(line, flush=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
