"""A wall clock that goes wrong, of Python alone: where no compiler makes `shifted_clock.c`."""

from __future__ import annotations

import datetime
import time
from typing import Any

_datetime, _time, _time_ns = datetime.datetime, time.time, time.time_ns


def shift(seconds: float) -> None:
    """Shifts what `time.time` and `datetime.now` say in this process from now on."""

    class Kind(type):
        def __instancecheck__(cls, value: Any) -> bool:
            return isinstance(value, _datetime)

    class Shifted(_datetime, metaclass=Kind):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return _datetime.now(tz) + datetime.timedelta(seconds=seconds)

    time.time = lambda: _time() + seconds
    time.time_ns = lambda: _time_ns() + int(seconds * 1e9)
    datetime.datetime = Shifted  # type: ignore[misc]
