"""Counts of people's rows as they are told outside their region, or where no region's gate is: in tens."""

from __future__ import annotations

FEWEST = 10
"""What fewer rows share is not told: a spelling, say, might be a person's name in the wrong column."""


def in_tens(rows: int, *, least: int = 0) -> int:
    """Rounded down to tens, and `least` where that is more: a weight, say, is 1 at least.

    >>> in_tens(47), in_tens(9), in_tens(9, least=1)
    (40, 0, 1)
    """
    return max(rows // FEWEST * FEWEST, least)


def about(rows: int) -> str:
    """In words.

    >>> about(47), about(9)
    ('40 rows or more', 'fewer than 10 rows')
    """
    return f"{in_tens(rows):,} rows or more" if rows >= FEWEST else f"fewer than {FEWEST} rows"
