"""The same run from Python: what `python -m fedsov train` does, returned as a value."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from fedsov.federation.result import RunResult
from fedsov.federation.warm import Warm


class WarmFor(AbstractContextManager[Warm]):
    """A warm process for the length of a block."""

    def __init__(self, modules: Sequence[str]) -> None:
        self.warm = Warm.start(modules)

    def __enter__(self) -> Warm:
        return self.warm

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.warm.stop()


def train(overrides: Sequence[str] = (), *, say: Callable[[str], None] | None = None) -> RunResult:
    """One whole run: ingest, plan, train, record.

    Args:
        overrides: as on the command line, ``["federation.rounds=5", "dataset=table", ...]``.
        say: told of progress, one line at a time; by default the lines go to standard error.

    Raises:
        FedsovError: in one line, with the way out; see `fedsov.errors` for the kinds.
    """
    from fedsov.federation.modules import TO_TRAIN

    with WarmFor(TO_TRAIN) as warm:
        from fedsov.composing import compose
        from fedsov.config import settings
        from fedsov.federation import assemble

        return assemble.train(settings(compose(overrides)), warm, say=say or _to_stderr)


def resume(
    run: str = "latest", *, workspace: Path | str = ".fedsov", say: Callable[[str], None] | None = None
) -> RunResult:
    """Goes on with a run that was killed, under its own settings and to the bit-identical result.

    Args:
        run: its name, which it says when it begins; by default the workspace's newest.
        say: as of `train`.

    Raises:
        FedsovError: as `train`; and for a run that has ended well, is not in this workspace or began on other rows.
    """
    from fedsov.federation import assemble, resume
    from fedsov.federation.modules import TO_TRAIN

    settings, begun = resume.found(Path(workspace), run)
    with WarmFor(TO_TRAIN) as warm:
        return assemble.train(settings, warm, say=say or _to_stderr, resumed=begun)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)
