"""Hydra's part: the config groups are found and composed, with the overrides of a command line.

`config_dir` finds them in a checkout or an installed wheel; `compose` makes one configuration of them, which
`fedsov.config.settings` turns into settings. What Hydra finds wrong becomes one line with the way out (`one_line`).

    compose(["algorithm=fedyogi", "federation.rounds=3"])
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from fedsov.errors import ConfigurationError

if TYPE_CHECKING:
    from omegaconf import DictConfig

COMPOSING = Lock()


def config_dir() -> Path:
    """The config groups: beside the package in a checkout or an editable install, inside it in a wheel."""
    beside = Path(__file__).resolve().parents[2] / "configs"
    return beside if (beside / "train.yaml").is_file() else Path(str(files("fedsov") / "_configs"))


OPEN = (
    "dataset.kinds",
    "dataset.aliases",
    "dataset.categories",
    "dataset.consent",
    "algorithm.options",
    "dataset.bounds",
    "dataset.levels",
)
"""Mappings whose keys are the user's own; Hydra takes new keys only under its ``++``."""


def opened(overrides: Sequence[str]) -> list[str]:
    """The overrides, those of an open mapping in the form that lets them add keys."""
    return [f"++{word}" if word.startswith(OPEN) and "=" in word else word for word in overrides]


def register_resolvers() -> None:
    """Makes ``${config_dir:}`` known to configurations."""
    from omegaconf import OmegaConf

    OmegaConf.register_new_resolver("config_dir", lambda: str(config_dir()), replace=True)


def compose(overrides: Sequence[str]) -> DictConfig:
    """The configuration of a run, composed outside a Hydra application.

    Raises ConfigurationError, in one line, for an override that does not exist or cannot be read.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException

    register_resolvers()
    try:
        with _alone(), initialize_config_dir(version_base="1.3", config_dir=str(config_dir())):
            return hydra_compose("train", overrides=opened(overrides))
    except (HydraException, ValueError) as error:
        raise ConfigurationError(one_line(error)) from error


@contextmanager
def _alone() -> Iterator[None]:
    """Hydra has one state in a process; the caller may be a Hydra application itself, or another thread."""
    from hydra.core.global_hydra import GlobalHydra

    with COMPOSING:
        state = GlobalHydra.instance()
        outer, state.hydra = state.hydra, None
        try:
            yield
        finally:
            GlobalHydra.instance().hydra = outer


def one_line(error: BaseException) -> str:
    """A configuration error in one line, with the way out."""
    lines = [line.strip() for line in str(error).partition("Config search path")[0].splitlines()]
    lines = [line for line in lines if line and not line.startswith(("See https:", "To append", "Set the env"))]
    override = getattr(error, "override", None)
    if override and override not in lines[0]:
        lines.insert(0, f"cannot read the override {override}")
    if lines[0].startswith("Missing mandatory"):
        return "{0} is not set; give {0}=VALUE".format(getattr(error, "full_key", "a key"))
    starts = [place for place, line in enumerate(lines) if line.startswith("Available options")]
    place = starts[0] + 1 if starts else len(lines)
    said = f"{'; '.join(lines[:place])} {', '.join(lines[place:])}".strip()
    return f"{said} (see `python -m fedsov train --cfg job` for every key)"
