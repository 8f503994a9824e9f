"""What an endpoint's processes are told: one file, signed by the region, which they read again when it changes.

    publish(place, keys.sign)              # at every change of the region's settings
    place = read_place(path, region_key)   # in the endpoint's processes

The region's own settings (``region.yaml``) stay the authority. Whoever reads them writes this file from them, so that
the processes that answer requests import nothing of a region's training. They get the region's public key on their
command line, and believe no file that it did not sign.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from fedsov.checks import instance, section, store, text, text_mapping, texts, whole
from fedsov.errors import CertificateRefused, ConfigurationError
from fedsov.inference.limits import RequestLimits
from fedsov.keys.signed_text import holds_ed25519, read, written
from fedsov.storage.atomic_files import write_file
from fedsov.storage.bounded_files import TooLarge, read_bounded
from fedsov.storage.serving_folder import ServingFolder

FORMAT = "fedsov endpoint 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointPlace:
    """An endpoint of one region.

    Attributes:
        region: its name, and `folder` the region's own.
        region_key: the region's public key of signing (Ed25519, hexadecimal).
        hub_key: the hub's, as the region pins it.
        jurisdictions: the region's own, whose people's requests are answered here.
        hosts: others whose requests are answered here, each because the border permits that crossing.
        elsewhere: jurisdictions that another region serves, and that region's name: their requests get 421.
        sealing_keys: of each of `hosts` that has a home region, that region's name and its sealing key (hexadecimal),
            as ``REGION:KEY``: lines of its people are sealed for it.
        categories: kinds of data that requests hold, for which it was decided whose may come; a version that takes
            others is not served before that was decided. Empty in a test alone, for any.
        approved_counter: the number of the list of approved versions that the region's ledger noted last; an older list
            is refused.
        published_at: when this was written, seconds since 1970; what was written before is not believed afterwards.
        valid_until: seconds since 1970 after which nobody is answered, because nobody decided anew whom the region may
            serve; 0 for no end.
        issuers_sha256: the digest of the issuers' table that the region's settings took; "" where they name none, and
            nobody is believed.
        limits: what one request and one second may have.
        log: how the log of requests is kept: plain values of `fedsov.inference.request_log`'s settings.
        use_seconds: length of a window in which it is counted who asks for what, for a report that may leave; 0 where
            the region tells nobody of its use, and nothing is counted.
        workers: processes that answer.
        host, port: where they listen; port 0 for any free one.
        zone_port: a second port, of this machine alone, which also tells /metrics; 0 for none.
        is_tls: whether `ServingFolder.certificate` and `.key` are used.

    Raises ConfigurationError for a value that cannot be.
    """

    region: str
    folder: Path
    region_key: str
    hub_key: str
    jurisdictions: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    sealing_keys: Mapping[str, str] = field(default_factory=dict)
    categories: tuple[str, ...] = ()
    approved_counter: int = 0
    published_at: float = 0.0
    valid_until: float = 0.0
    issuers_sha256: str = ""
    limits: RequestLimits = field(default_factory=RequestLimits)
    log: Mapping[str, Any] = field(default_factory=dict)
    use_seconds: int = 0
    workers: int = 1
    host: str = "127.0.0.1"
    port: int = 8080
    zone_port: int = 0
    is_tls: bool = False

    def __post_init__(self) -> None:
        words = {name: text(name, getattr(self, name)) for name in _TEXTS}
        lists = {name: texts(name, getattr(self, name)) for name in ("jurisdictions", "hosts", "categories")}
        tables = {name: text_mapping(name, getattr(self, name)) for name in ("elsewhere", "sealing_keys")}
        ports = {name: whole(name, getattr(self, name), at_least=0, at_most=65535) for name in ("port", "zone_port")}
        store(self, use_seconds=whole("use_seconds", self.use_seconds, at_least=0, at_most=86_400))
        store(self, folder=Path(self.folder), workers=whole("serving.workers", self.workers, at_least=1, at_most=64))
        store(
            self, limits=instance("limits", self.limits, RequestLimits, "limits"), **words, **lists, **tables, **ports
        )
        if not self.jurisdictions:
            raise ConfigurationError(f"{self.region} has no jurisdiction, and serves nobody")

    @property
    def serving(self) -> ServingFolder:
        """The paths of the endpoint's files."""
        return ServingFolder(self.folder)

    @property
    def path(self) -> Path:
        """Where `publish` puts this file."""
        return self.serving.endpoint

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **asdict(replace(self, limits=RequestLimits())),
            "folder": str(self.folder),
            "limits": self.limits.to_json(),
        }

    @staticmethod
    def from_json(plain: Any) -> EndpointPlace:
        """The inverse of `to_json`. Raises ConfigurationError."""
        given = section("endpoint.json", plain, EndpointPlace)
        limits = RequestLimits.from_json(given.pop("limits", {}))
        return EndpointPlace(**{**given, "limits": limits})


_TEXTS = ("region", "region_key", "hub_key", "issuers_sha256", "host")
FIXED = ("region", "folder", "region_key", "host", "port", "zone_port", "is_tls", "workers")
"""What only a restart changes."""


def needs_restart(running: EndpointPlace, new: EndpointPlace) -> tuple[str, ...]:
    """The names of what changed and only a restart changes."""
    changed = [part.name for part in fields(EndpointPlace) if getattr(running, part.name) != getattr(new, part.name)]
    return tuple(name for name in changed if name in FIXED)


def publish(place: EndpointPlace, sign: Callable[[bytes], bytes]) -> Path:
    """Writes the endpoint's file, signed by the region; running processes read it within a second.

    Args:
        sign: of the region's keys.

    Raises WorkspaceUnusable.
    """
    write_file(place.path, written(FORMAT, place.to_json(), sign))
    return place.path


def read_place(path: Path, region_key: str) -> EndpointPlace:
    """The endpoint of a file that the region signed.

    Args:
        region_key: the region's public key, hexadecimal.

    Raises ConfigurationError where there is none, CertificateRefused where another signed it or it was changed.
    """
    try:
        content = read_bounded(path)
    except (OSError, TooLarge) as problem:
        raise ConfigurationError(
            f"{path} cannot be read ({problem}); the region's owner writes it: `fedsov region set`"
        ) from None

    def holds(plain: Mapping[str, Any], message: bytes, signature: bytes) -> bool:
        return plain["region_key"] == region_key and holds_ed25519(region_key, message, signature)

    place = EndpointPlace.from_json(read(content, FORMAT, holds, called=str(path)))
    if place.path.resolve() != path.resolve():
        raise CertificateRefused(f"{path} is another place's file: it says {place.path}; write it there")
    return place
