"""Hydra's part: the config groups are found and composed, with the overrides of a command line.

`config_dir` finds them in a checkout or an installed wheel; `compose` makes one configuration of them, which
`fedsov.config.settings` turns into settings. What Hydra finds wrong becomes one line with the way out (`one_line`).
Words and files may have the old names of moved settings (`fedsov.config.moved_settings`).

    compose(["algorithm=fedyogi", "federation.rounds=3"])
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from fedsov.checks import override_words
from fedsov.config.moved_settings import renamed, renamed_words
from fedsov.config.named_files import GROUP, RESOLVER, resolve, with_named_files
from fedsov.config.own_tables import with_defaults
from fedsov.errors import ConfigurationError, nearest, unknown

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override
    from omegaconf import DictConfig

COMPOSING = Lock()
MOST_CHOSEN = 32
_CHOSEN: dict[tuple[object, ...], DictConfig] = {}
"""What the latest choices of groups gave, by the choices and by each file's time and size."""


def config_dir() -> Path:
    """The config groups: beside the package in a checkout or an editable install, inside it in a wheel."""
    beside = Path(__file__).resolve().parents[2] / "configs"
    return beside if (beside / "train.yaml").is_file() else Path(str(files("fedsov") / "_configs"))


def demo_register() -> Path:
    """The register of the demonstration, whose documents are fictional."""
    return config_dir() / "border" / "evidence_demo.yaml"


REGISTERS = ("evidence_demo", "controller")
"""Files beside a group's choices that are none: registers of documents, which `border.evidence` names."""

OPEN = (
    "dataset.kinds",
    "dataset.aliases",
    "dataset.categories",
    "dataset.consent",
    "algorithm.options",
    "runtime.options",
    "dataset.bounds",
    "dataset.source_options",
    "dataset.levels",
)
"""Mappings whose keys are the user's own; Hydra takes new keys only under its ``++``."""


def opened(overrides: Sequence[str]) -> list[str]:
    """The overrides by the settings' names of now, those of an open mapping in the form that lets them add keys.

    Those of a file (``KEY=@FILE``) are there one by one, and before all what one's own data set has by default.
    Raises ConfigurationError where a file cannot be read.
    """
    words = with_defaults(renamed_words(with_named_files(overrides)))
    return [f"++{word}" if word.startswith(OPEN) and "=" in word else word for word in words]


@contextmanager
def old_names() -> Iterator[list[str]]:
    """While it is open, Hydra reads files that may have old names of moved settings; yields the files that have."""
    from hydra._internal.config_repository import ConfigRepository
    from omegaconf import DictConfig, OmegaConf

    read = ConfigRepository.load_config
    old: list[str] = []

    def _load_config(repository: ConfigRepository, config_path: str) -> Any:
        result = read(repository, config_path)
        if result is not None and isinstance(result.config, DictConfig) and not config_path.startswith("hydra/"):
            plain: Any = OmegaConf.to_container(result.config, resolve=False)
            package = _package(result.header.get("package"), config_path)
            settings = renamed(plain, package=package, file=f"{config_path}.yaml")
            if settings != plain:
                old.append(config_path)
            result.config = OmegaConf.create(settings)
        return result

    ConfigRepository.load_config = _load_config  # type: ignore[method-assign, assignment]
    try:
        yield old
    finally:
        ConfigRepository.load_config = read  # type: ignore[method-assign]


def _package(header: str | None, config_path: str) -> str:
    """The group that a file's settings are of, by its header or its place; empty for all groups."""
    group = config_path.rpartition("/")[0].replace("/", ".")
    return {"_global_": "", "_group_": group}.get(header or group, header or group)


def register_resolvers() -> None:
    """Makes ``${config_dir:}`` known to configurations."""
    from omegaconf import OmegaConf

    OmegaConf.register_new_resolver("config_dir", lambda: str(config_dir()), replace=True)
    OmegaConf.register_new_resolver(RESOLVER, resolve, replace=True)


def compose(overrides: Sequence[str]) -> DictConfig:
    """The configuration of a run, composed outside a Hydra application.

    What the choices of groups give is composed once, while their files stay as they are; other words are then applied
    to a copy, as Hydra does it.

    Raises ConfigurationError, in one line, for an override that does not exist or cannot be read.
    """
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra.errors import HydraException

    register_resolvers()
    overrides = override_words(overrides)
    check_choices(overrides)
    try:
        words = opened(overrides)
        with _alone():
            if (apart := _choices_and_values(words)) is None:
                return _composed(words)[0]
            config = _of_choices(apart[0])
            ConfigLoaderImpl._apply_overrides_to_config(apart[1], config)
            return config
    except (HydraException, ValueError) as error:
        raise ConfigurationError(one_line(error, overrides)) from error


def _composed(words: Sequence[str]) -> tuple[DictConfig, list[str]]:
    """What Hydra makes of these words, and the files that it read which have old names of moved settings."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    with old_names() as old, initialize_config_dir(version_base="1.3", config_dir=str(config_dir())):
        return hydra_compose("train", overrides=list(words)), old


def _choices_and_values(words: Sequence[str]) -> tuple[list[str], list[Override]] | None:
    """The words that choose of a group, and those that set a value; None where Hydra has to see all of them at once.

    That is for its own settings, for sweeps, which it refuses, and for a mapping in the place of a group's choice.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    groups, choices, values = _groups(), [], []
    for word, override in zip(words, OverridesParser.create().parse_overrides(list(words)), strict=True):
        key = override.key_or_group
        chooses = not key or key in groups or "/" in key or override.package is not None
        if key.partition(".")[0] == "hydra" or override.is_sweep_override():
            return None
        if chooses and not isinstance(override.value(), str):
            return None
        if chooses:
            choices.append(word)
        else:
            values.append(override)
    return choices, values


def _of_choices(choices: Sequence[str]) -> DictConfig:
    """The configuration that these choices of groups give, the caller's own."""
    files = sorted(config_dir().rglob("*.yaml"))
    of_now = (*choices, "", *((str(path), (stat := path.stat()).st_mtime_ns, stat.st_size) for path in files))
    if (config := _CHOSEN.get(of_now)) is None:
        config, old = _composed(choices)
        if not old:  # a file with an old name is read, and warned of, each time
            while len(_CHOSEN) >= MOST_CHOSEN:
                _CHOSEN.pop(next(iter(_CHOSEN)))
            _CHOSEN[of_now] = config
    return deepcopy(config)


def check_choices(overrides: Sequence[str]) -> None:
    """Raises ConfigurationError for GROUP=CHOICE where the group has no such choice.

    Hydra says nothing about one of an optional group (`experiment`), and runs without it. Choices that a search path
    of the user's own may add are left to Hydra.
    """
    if any(word.lstrip("+").startswith("hydra.searchpath") for word in overrides):
        return
    groups = _groups()
    for word in overrides:
        group, _, value = word.lstrip("+").partition("=")
        if (choices := groups.get(group.partition("@")[0])) and re.fullmatch(r"[\w.,-]+", value):
            for choice in value.split(","):
                if choice not in ("null", *choices):
                    file = f"; a file is named by an @: {group}=@{choice}" if choice.endswith((".yaml", ".yml")) else ""
                    raise ConfigurationError(f"{unknown(group, choice, choices)}{file}")


def _groups() -> Mapping[str, list[str]]:
    """The config groups, and the choices of each."""
    folders = (path for path in config_dir().iterdir() if path.is_dir())
    return {
        folder.name: sorted(path.stem for path in folder.glob("*.yaml") if path.stem not in REGISTERS)
        for folder in sorted(folders)
    }


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


SETTINGS = "fedsov train --cfg job"
"""The command that prints every setting."""
_UNKNOWN = re.compile(r"Could not (?:override|delete from config\.) '([^']+)'")


def one_line(error: BaseException, overrides: Sequence[str] = ()) -> str:
    """A configuration error in one line, with the way out; an unknown setting with the one that it resembles."""
    text = str(error).partition("Config search path")[0]
    if (match := _UNKNOWN.match(text)) and match[1] not in (settings := _settings_of(overrides)):
        return _unknown_setting(match[1], settings)
    if match := re.match(r"Multiple values for (\S+)\. ", text):
        return f"{match[1]} has a value already; write {match[1]}=CHOICE without a + to choose another"
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("See https:", "To append", "Set the env"))]
    override = getattr(error, "override", None)
    if override and override not in lines[0]:
        lines.insert(0, f"cannot read the override {override}")
    if lines[0].startswith("Missing mandatory"):
        return "{0} is not set; give {0}=VALUE".format(getattr(error, "full_key", "a key"))
    starts = [place for place, line in enumerate(lines) if line.startswith("Available options")]
    place = starts[0] + 1 if starts else len(lines)
    said = f"{'; '.join(lines[:place])} {', '.join(lines[place:])}".strip()
    return f"{said} (see `{SETTINGS}` for every key)"


def _unknown_setting(key: str, settings: Sequence[str]) -> str:
    """The message about a setting that does not exist; those of the same group are meant before others."""
    groups = {name.rpartition(".")[0] for name in settings} - {""}
    group, _, last = key.rpartition(".")
    if group and group not in groups and (spelled := nearest(group, groups)):
        group = spelled[0]
    siblings = {name.rpartition(".")[2]: name for name in settings if name.rpartition(".")[0] == group}
    within = nearest(last, siblings) or [name for name in siblings if _abbreviates(last, name)]
    namesakes = [name for name in settings if name.rpartition(".")[2] == last]
    guesses = [siblings[name] for name in within[:1]] or namesakes[:3] or nearest(key, settings)
    if group and siblings and not within and not namesakes:
        return f"unknown setting {key!r}; {group} has {', '.join(siblings)}"
    return unknown("setting", key, settings, see=SETTINGS, guess=" or ".join(guesses))


def _abbreviates(short: str, name: str) -> bool:
    """True for the first letters of a name's words, as "lr" of learning_rate."""
    return short == "".join(word[:1] for word in name.split("_"))


def _settings_of(overrides: Sequence[str]) -> list[str]:
    """Every setting and group that there is with these choices of groups, such as ``model.hidden``."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException

    groups = _groups()
    chosen = [word for word in overrides if word.lstrip("+").partition("=")[0] in groups and "," not in word]
    chosen = [f"{GROUP}=table" if word.startswith(f"{GROUP}=@") else word for word in chosen]
    with _alone(), old_names(), initialize_config_dir(version_base="1.3", config_dir=str(config_dir())):
        try:
            config = hydra_compose("train", overrides=chosen)
        except HydraException:
            config = hydra_compose("train")
    return [*groups, *_paths(config)]


def _paths(config: DictConfig, prefix: str = "") -> Iterator[str]:
    from omegaconf import DictConfig, OmegaConf

    for key in map(str, config):
        path = f"{prefix}{key}"
        yield path
        if not OmegaConf.is_missing(config, key) and not OmegaConf.is_interpolation(config, key):
            part = config[key]
            if isinstance(part, DictConfig):
                yield from _paths(part, f"{path}.")
