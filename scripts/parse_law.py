"""Writes law/parsed.json anew, after a change of the law's YAML: `python scripts/parse_law.py`.

See `fedsov.border.law.parsed_law`.
"""

from fedsov.border.law.bundle_loader import packaged
from fedsov.border.law.parsed_law import PARSED, written

if __name__ == "__main__":
    PARSED.write_bytes(written({name: text for name, text in packaged().items() if name.endswith(".yaml")}))
    print(f"{PARSED}: {PARSED.stat().st_size:,} bytes")
