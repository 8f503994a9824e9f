"""Writes the code of fedsov/protocol/control/control.proto anew: control_pb2.py, and its types for mypy.

python scripts/control_protocol.py [FOLDER]    # in place of this repository's root
"""

import sys
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).parent.parent
SOURCE = "fedsov/protocol/control/control.proto"


def generate(root: Path) -> None:
    """Writes both files below a folder. Raises SystemExit where the source is not understood."""
    words = [f"--proto_path={ROOT}", f"--python_out={root}", f"--pyi_out={root}", str(ROOT / SOURCE)]
    if code := protoc.main(["protoc", *words]):
        raise SystemExit(code)


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
