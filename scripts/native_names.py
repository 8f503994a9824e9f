"""Writes fedsov/partition/columns/native_names.csv: what countries are called in their own languages (Unicode CLDR).

Needs Babel: `pip install Babel`, then `python scripts/native_names.py`. Shipped as a file, since Babel takes seconds
for the few hundred names that a column of jurisdictions may hold.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from babel import Locale
from babel.core import UnknownLocaleError
from babel.languages import get_official_languages

TO = Path(__file__).parents[1] / "fedsov" / "partition" / "columns" / "native_names.csv"


def main() -> None:
    names: set[tuple[str, str]] = set()
    for code in sorted(Locale("en").territories):
        if not re.fullmatch(r"[A-Z]{2}", code):
            continue
        for language in get_official_languages(code, regional=True, de_facto=True):
            try:
                name = Locale.parse(language).territories.get(code)
            except (UnknownLocaleError, ValueError):
                continue
            if name:
                names.add((name, code))
    with TO.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", "alpha2"])
        writer.writerows(sorted(names, key=lambda pair: pair[::-1]))


if __name__ == "__main__":
    main()
