"""The process of one job at the hub: it runs the job in the hub's home, and tells a line of JSON for each event.

    python -m fedsov.api.deployment.run_job HOME < job.json

    {"line": "..."}      progress          {"result": {...}}                          how it ended
    {"run": "..."}       the run's name    {"error": {"type": ..., "text": ...}}      or why it did not

The dispatcher starts it before there is a job, so that its imports are done
(`fedsov.api.deployment.dispatcher`). A job that was begun before goes on from its run's checkpoint. SIGINT stops it
between two instants that are both good ones, as Ctrl-C does.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedsov.errors import ConfigurationError, FedsovError
from fedsov.processes import reuse_memory
from fedsov.storage.private_files import keep_private

RUN_LINE = re.compile(r"^run (\S+); to resume")
"""The line by which a run says its name."""


def main() -> None:
    """Waits for a job on standard input, does it, and tells its events."""
    home = Path(sys.argv[1])
    keep_private()
    reuse_memory()
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no event
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def tell(**event: Any) -> None:
        print(json.dumps(event), file=out)

    def progress(line: str) -> None:
        if named := RUN_LINE.match(line):
            tell(run=named[1])
        tell(line=line)

    warm_up()
    text = sys.stdin.read()
    if not text:
        return
    job = json.loads(text)
    try:
        tell(result=run_job(home, job, progress))
    except FedsovError as error:
        tell(error={"type": type(error).__name__, "text": str(error)})
    except KeyboardInterrupt:
        tell(stopped=True)


def warm_up() -> None:
    """Imports what every job needs, while there is none yet."""
    import fedsov.api.collect_result
    import fedsov.api.register_models
    import fedsov.api.train
    import fedsov.config.hub_settings
    import fedsov.config.settings
    import fedsov.hub.finishing
    import fedsov.hub.region_queries
    import fedsov.hub.resume
    import fedsov.hub.run
    import fedsov.runtimes.deployment.runtime  # noqa: F401 - imported for their time alone


def run_job(home: Path, job: Mapping[str, Any], progress: Any) -> Any:
    """The job's result in plain values.

    Raises FedsovError; ConfigurationError for a kind of job that there is not.
    """
    from fedsov.api.deployment.told_result import result_to_plain
    from fedsov.api.resume import find_run
    from fedsov.api.train import plan_settings, train_settings
    from fedsov.config.settings import settings_of
    from fedsov.serialization import fields_of, to_plain

    kind, config = str(job["kind"]), dict(job["config"])
    submitted = {"job": str(job["id"]), "by": str(job["by"])} if "by" in job else None
    if kind not in ("train", "plan", "resume"):
        raise ConfigurationError(f"the hub runs no job of kind {kind!r}; it runs train, plan and resume")
    if run := job.get("run") or (config.get("run") if kind == "resume" else None):
        settings, begun = find_run(home, str(run))
        return result_to_plain(train_settings(settings, progress=progress, resumed=begun, submitted=submitted))
    if kind == "plan":
        settings = settings_of(_at_home(home, config.get("settings")))
        plan, report = plan_settings(settings, progress=progress, fresh=bool(config.get("fresh")))
        return {"plan": to_plain(plan), "ingested": fields_of(report)}
    settings = settings_of(_at_home(home, config))
    return result_to_plain(train_settings(settings, progress=progress, submitted=submitted))


def _at_home(home: Path, config: Any) -> dict[str, Any]:
    """A configuration that was submitted, for the hub's own home and its own coordinator.

    Raises ConfigurationError for what is none, and for one that would have the hub turn to another coordinator.
    """
    runtime = config.get("runtime", {}) if isinstance(config, Mapping) else None
    options = (runtime.get("options") or {}) if isinstance(runtime, Mapping) else None
    if not isinstance(runtime, Mapping) or not isinstance(options, Mapping):
        raise ConfigurationError("what was submitted is no configuration; submit by `fedsov train runtime=deployment`")
    if "hub" in options:
        raise ConfigurationError("runtime.options.hub: a run at a hub is that hub's own; leave it out")
    border = config.get("border")
    for key in ("evidence", "rules"):
        _check_inside(home, f"border.{key}", border.get(key) if isinstance(border, Mapping) else None)
    return {**config, "workspace": str(home), "runtime": {**runtime, "kind": "deployment", "hub": None}}


def _check_inside(home: Path, key: str, path: Any) -> None:
    """Raises ConfigurationError for a file of the hub's machine neither in its home nor shipped: a message about
    what is wrong in a file tells of it."""
    if path is None:
        return
    from fedsov.config.hydra_compose import config_dir

    resolved = Path(os.path.expanduser(str(path))).resolve()
    if not any(resolved.is_relative_to(folder.resolve()) for folder in (home, config_dir())):
        raise ConfigurationError(
            f"{key}={path} is no file of the hub's home; put the file into {home} and name it with its whole path"
        )


if __name__ == "__main__":
    main()
