"""How long the fuzzing tests look: some examples in an ordinary run, FEDSOV_FUZZ_SECONDS seconds each where it is set.

FEDSOV_FUZZ_SECONDS=600 scripts/test tests/hostile -k whatever
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from hypothesis import HealthCheck, settings

SECONDS = float(os.environ.get("FEDSOV_FUZZ_SECONDS", "0"))


def fuzzed(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A property that is tried on so many examples; again and again for as long as the environment says."""
    chosen = settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        tried = chosen(test)

        @wraps(tried)
        def again(*arguments: Any, **named: Any) -> None:
            until = time.monotonic() + SECONDS
            tried(*arguments, **named)
            while time.monotonic() < until:
                tried(*arguments, **named)

        return again

    return decorate
