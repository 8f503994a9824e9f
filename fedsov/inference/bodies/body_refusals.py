"""How a body that cannot be read is refused: by a status, a reason, and the column's name."""

from __future__ import annotations


class BodyRefused(Exception):
    """A body that cannot be read: the status of the answer, why, and the column where there is one."""

    def __init__(self, status: int, why: str, column: str = "") -> None:
        super().__init__(why)
        self.status, self.why, self.column = status, why, column


def counted_rows(rows: int, most: int) -> None:
    """Refuses no rows, and more than the limit. Raises BodyRefused."""
    if not rows:
        raise BodyRefused(422, "the body has no rows; send one at least")
    if rows > most:
        raise BodyRefused(413, f"{rows} rows are above the limit of {most} (serving.limits.rows); send fewer")
