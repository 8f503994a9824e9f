"""`promote`: a version of a registered model becomes the champion."""

from __future__ import annotations

from fedsov.cli.words import CODES, Command, print_json, words_of
from fedsov.errors import ConfigurationError

HELP = f"""usage: python -m fedsov promote MODEL VERSION [workspace=DIR] [--json]

Gives a version of a registered model the alias `champion`, in the registry that holds it (the hub's or a region's).
{CODES}
"""


def _promote(arguments: list[str]) -> int:
    from fedsov.api.promotion import promote

    words = words_of(arguments, flags=("--json",), names=2)
    if len(words.names) != 2 or not words.names[1].isdigit():
        raise ConfigurationError("promote takes a model and a version: python -m fedsov promote MODEL 1")
    model, version = words.names[0], int(words.names[1])
    owner = promote(words.workspace, model, version)
    if words.json:
        print_json({"model": model, "version": version, "alias": "champion", "registry": owner})
    else:
        print(f"{model} v{version} is now champion in the registry of {owner}")
    return 0


COMMANDS = {"promote": Command(_promote, HELP)}
