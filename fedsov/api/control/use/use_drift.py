"""How far what an endpoint is asked lies from its models' training, in the words of a report of use.

The index itself stays in the region: three words leave, of the last day's and the present day's rows together, of
`fedsov.inference.use.drift.LEAST_ROWS` rows or more, for a version that people enough asked in the window told of.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from fedsov.errors import ConfigurationError
from fedsov.inference.use.drift import REFERENCE, SCORE, Reference
from fedsov.inference.use.usage import Key, windows
from fedsov.protocol.use_report import DRIFT, Drift, drift_band
from fedsov.runtimes.serving.running import read_running
from fedsov.storage.bounded_files import TooLarge, parsed_json, read_bounded
from fedsov.storage.serving_folder import ServingFolder


def drift_of(folder: Path, versions: Iterable[Key]) -> tuple[Drift, ...]:
    """The drift of these versions, as the workers that run count it; nothing of one that has no reference."""
    serving = ServingFolder(folder)
    running = read_running(serving.running)
    references = {key: known for key in sorted(versions) if (known := _reference(serving.model(*key))) is not None}
    if running is None or not running.usage:
        return ()
    drifts = []
    for (model, version), window in windows(running.usage, references).items():
        values = window.psi()
        if SCORE in values:
            words = [drift_band(value) for name, value in values.items() if name != SCORE]
            few, some, many = (words.count(word) for word in DRIFT)
            drifts.append(Drift(model, version, (few, some, many), drift_band(values[SCORE])))
    return tuple(drifts)


def _reference(folder: Path) -> Reference | None:
    with suppress(OSError, TooLarge, ValueError, ConfigurationError):
        return Reference.from_json(parsed_json(read_bounded(folder / REFERENCE)))
    return None
