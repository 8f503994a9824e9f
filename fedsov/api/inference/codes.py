"""The codes that a region serves: a country with every part of it that no other region names.

Gateways and endpoints take a claim to the letter, so that what is no code (``PT-BR``) is served by nobody. A region of
US serves US-OH too, unless another region has US-OH for its own; one of US-OH serves nobody who claims US.

>>> with_parts(["DE"], others=["DE-BY"])[:3]
('DE', 'DE-BB', 'DE-BE')
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache

from fedsov.border.law.bundle_loader import load_atlas
from fedsov.errors import ConfigurationError
from fedsov.inference.tokens.issuers import CODE


def with_parts(codes: Iterable[str], others: Collection[str]) -> tuple[str, ...]:
    """The codes, and the parts (ISO 3166-2) of those that are countries, but for those that others have for their own.

    Args:
        others: what other regions name as their own.

    Raises ConfigurationError for what is no code.
    """
    named = [checked_code(code) for code in codes]
    parts = [part for code in named for part in _parts().get(code, ()) if part not in others]
    return tuple(dict.fromkeys((*named, *parts)))


def checked_code(code: str) -> str:
    """The code itself. Raises ConfigurationError for what is none, with the code that may be meant."""
    meant = load_atlas().code(code)
    country, dash, _ = code.partition("-")
    is_known = meant == code and CODE.fullmatch(code) and (not dash or code in _parts().get(country, ()))
    if not is_known:
        guess = f"; did you mean {meant}?" if meant and meant != code and "-" not in meant else ""
        raise ConfigurationError(f"{code!r} is not a known ISO 3166 code, such as DE or US-OH{guess}")
    return code


@lru_cache(maxsize=1)
def _parts() -> dict[str, tuple[str, ...]]:
    """The codes of the parts of each country, sorted."""
    import pycountry

    parts: dict[str, list[str]] = {}
    for part in pycountry.subdivisions:
        parts.setdefault(part.country_code, []).append(part.code)
    return {country: tuple(sorted(codes)) for country, codes in parts.items()}
