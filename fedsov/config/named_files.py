"""``KEY=@FILE``: a setting, or a whole data set, read from a YAML file of the user's.

    dataset=@people.yaml              every key of the group ``dataset``, over those of ``dataset=table``
    dataset.aliases=@aliases.yaml     what Hydra's grammar cannot say: {Österreich: AT, "Côte d'Ivoire": CI}

Words after it go on counting. yes, no, on and off are words there, as levels and Norway's code are. In a described
data set ``path`` is looked for beside the file. The values enter the configuration through a resolver, so that Hydra's
own grammar never reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fedsov.border.law.yaml_text import read_mapping
from fedsov.errors import ConfigurationError
from fedsov.storage.bounded_files import TooLarge, read_bounded

RESOLVER = "named_file"
GROUP = "dataset"


def with_named_files(words: Sequence[str]) -> list[str]:
    """The words with each ``KEY=@FILE`` as words that Hydra reads.

    Raises ConfigurationError for a file that cannot be read or is no mapping.
    """
    return [each for word in words for each in _expanded(word)]


def resolve(path: str, key: str = "") -> Any:
    """What a file holds under a key, or all of it; the path in hexadecimal, so that no grammar reads it."""
    content = _read(Path(bytes.fromhex(path.removeprefix("p")).decode("utf-8", "surrogateescape")))
    return content[key] if key else dict(content)


def _expanded(word: str) -> Iterator[str]:
    key, equals, value = word.partition("=")
    if not equals or not value.startswith("@") or len(value) < 2:
        yield word
        return
    path = Path(value[1:]).expanduser().absolute()
    named, bare = _in_hexadecimal(path), key.lstrip("+")
    content = _read(path)
    if bare != GROUP:
        yield f"{key}='${{{RESOLVER}:{named}}}'"
        return
    yield f"{GROUP}=table"
    for part, inner in content.items():
        if not str(part).isidentifier():
            raise ConfigurationError(f"{path} has a key {part!r}, which is no setting of a data set")
        if part == "path" and isinstance(inner, str):
            beside = _in_quotes(str(path.parent / Path(inner).expanduser()))
            yield f"{GROUP}.path={beside}"
        else:
            yield f"{GROUP}.{part}='${{{RESOLVER}:{named},{part}}}'"


def _in_hexadecimal(path: Path) -> str:
    return "p" + str(path).encode("utf-8", "surrogateescape").hex()


def _in_quotes(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _read(path: Path) -> dict[str, Any]:
    try:
        content = read_bounded(path)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    except TooLarge as error:
        raise ConfigurationError(f"{path} cannot be settings: {error}") from None
    return dict(read_mapping(content, str(path), keeps_words=True))
