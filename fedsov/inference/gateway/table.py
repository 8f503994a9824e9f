"""The table of a gateway: where it listens, whose tokens it believes, and the regions with whom they may serve.

    listen: 127.0.0.1:8440
    certificate: gateway.crt        # and key: gateway.key, where it speaks TLS itself
    issuers: issuers.yaml           # the same file that endpoints have
    limits: {body: 8388608, head: 16384, seconds: 30}
    health: /readyz
    entity: Example AG              # who runs the gateway, and evidence: documents.yaml, for the border's decision
    regions:
      DE:
        url: https://de.example:8443
        ca: de-ca.crt               # what its certificate is checked with; needed for https
        server_name: de.example     # the name in its certificate, where that is not the host of its url
        jurisdictions: [DE]         # its own; every part of a country that no other region names
        hosts: [FR]                 # others that it may answer for, where the border permits that crossing
        location: DE                # where its machines are
        entity: Example AG          # whose it is; needed where it serves another country than its place
        distance: 10                # from this gateway, in any unit; without one the order counts

Files are sought beside the table. A key that nobody reads is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedsov.border.law.yaml_text import read_mapping
from fedsov.checks import mapping, prefixed, real, refused, require, section, text, text_or_none, texts, whole
from fedsov.errors import ConfigurationError
from fedsov.inference.routing import RoutingTable
from fedsov.inference.tokens.issuers import Issuer, IssuerTable
from fedsov.inference.tokens.key_sets import KeySet

PATHS = r"/v[12](/[A-Za-z0-9_-][A-Za-z0-9._-]*)*"
"""The paths that a gateway passes on: no empty part, none that begins with a dot, nothing escaped."""
HEADER = "x-jurisdiction"
"""The header by which a gateway tells a region the code; what a client sends under this name is taken away."""
_URL = re.compile(r"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::([0-9]{1,5}))?/?")
_LISTEN = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})")
_HEALTH = re.compile(r"/[A-Za-z0-9/_-]{0,100}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_IP = re.compile(r"[0-9.]+|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}")


@dataclass(frozen=True, slots=True)
class HostPort:
    """A host and a port."""

    host: str
    port: int

    @property
    def bare_host(self) -> str:
        """The host without the brackets of IPv6."""
        return self.host.strip("[]")

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Upstream:
    """How a gateway reaches a region, and for whom the region answers, as the table says it.

    Attributes:
        ca: the file of the authority that its certificate is checked with; None where it speaks no TLS.
        server_name: the name that its certificate must have, and that is asked for (SNI); "" for the address's host.
        jurisdictions, hosts: codes as they are written, before the parts of countries are added.
        location, entity: where and whose it is; "" where it is not said, of a workspace's region.
    """

    name: str
    address: HostPort
    ca: Path | None = None
    jurisdictions: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    location: str = ""
    entity: str = ""
    distance: float = 0.0
    server_name: str = ""

    @property
    def is_tls(self) -> bool:
        return self.ca is not None

    @property
    def certified_name(self) -> str:
        """The DNS name or the IP address that its certificate must be for."""
        return self.server_name or self.address.bare_host

    @property
    def has_dns_name(self) -> bool:
        """Whether that is a name, not an IP address."""
        return not _IP.fullmatch(self.certified_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLimits:
    """What a gateway takes of one request: bytes of body and head, seconds until it is whole and answered."""

    body: int = 8 << 20
    head: int = 16 << 10
    seconds: int = 30

    @property
    def head_seconds(self) -> int:
        """Seconds for the head to come."""
        return min(10, self.seconds)

    @staticmethod
    def from_settings(plain: Any) -> GatewayLimits:
        """The group `limits`. Raises ConfigurationError."""
        settings = section("limits", plain, GatewayLimits)
        lows, highs = {"body": 1024, "head": 4096, "seconds": 1}, {"body": 2**31, "head": 2**16, "seconds": 3600}
        return GatewayLimits(
            **{
                name: whole(f"limits.{name}", value, at_least=lows[name], at_most=highs[name])
                for name, value in settings.items()
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayTable:
    """Everything a gateway is made of, but the keys of the issuers.

    Attributes:
        certificate, key: of the gateway itself; None where what stands before it speaks TLS.
        routing: who may serve whom, by the regions' names.
        health: the path by which a region says that it can answer.
    """

    listen: HostPort
    issuers: IssuerTable
    regions: Mapping[str, Upstream]
    routing: RoutingTable
    certificate: Path | None = None
    key: Path | None = None
    limits: GatewayLimits = field(default_factory=GatewayLimits)
    health: str = "/readyz"

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ConfigurationError("certificate and key belong together; name both files, or neither")
        if unreachable := sorted({region.name for region in self.routing.regions} - {*self.regions}):
            raise ConfigurationError(f"region {unreachable[0]} may serve and has no url")

    def words(self, issuer: Issuer) -> dict[str, str]:
        """What an issuer may say for a code that some region serves, and that code."""
        served = set(self.routing.codes())
        words = {code: code for code in served if code not in issuer.mapping}
        return words | {word: code for word, code in issuer.mapping.items() if code in served}


def chain_name(chain: tuple[str, ...]) -> str:
    """What a configuration calls the regions of a chain together."""
    return "to_" + ".".join(chain)


def chain_down(chain: tuple[str, ...]) -> str:
    """Why a request is answered with 503."""
    return f"{' and '.join(chain)} may serve this jurisdiction and {'is' if len(chain) == 1 else 'are'} down"


Keys = Mapping[str, KeySet]
"""The keys of each issuer, by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFile:
    """A table as its file says it: before the border was asked about hosts, and parts of countries were added."""

    listen: HostPort
    issuers: Path
    regions: Mapping[str, Upstream]
    certificate: Path | None = None
    key: Path | None = None
    limits: GatewayLimits = field(default_factory=GatewayLimits)
    health: str = "/readyz"
    entity: str = ""
    evidence: Path | None = None


def read_table(content: bytes, path: Path) -> TableFile:
    """The table in a file's content. Raises ConfigurationError, with the file and the setting."""
    plain = read_mapping(content, path.name, keeps_words=True)
    with prefixed(f"{path.name}: "):
        settings = section("", plain, TableFile)
        regions = mapping("regions", settings["regions"], "a mapping as {NAME: {url: ..., jurisdictions: [...]}}")
        if not regions:
            raise refused("regions", "a mapping with at least one region", regions)
        files = {name: _file(name, settings.get(name), path.parent) for name in ("certificate", "key", "evidence")}
        return TableFile(
            listen=address_of("listen", settings["listen"]),
            issuers=path.parent / text("issuers", settings["issuers"], "a file"),
            regions={
                _name(name): _upstream(f"regions.{name}", str(name), part, path.parent)
                for name, part in regions.items()
            },
            limits=GatewayLimits.from_settings(settings.get("limits", {})),
            health=_health(settings.get("health", "/readyz")),
            entity=text("entity", settings.get("entity", "")),
            **files,
        )


def address_of(name: str, value: Any) -> HostPort:
    """HOST:PORT. Raises ConfigurationError for any other."""
    written = _LISTEN.fullmatch(text(name, value, "HOST:PORT"))
    if written is None or int(written[2]) > 65535:
        raise refused(name, "HOST:PORT, as 127.0.0.1:8440", value)
    return HostPort(written[1], int(written[2]))


def _name(value: Any) -> str:
    if not _NAME.fullmatch(str(value)):
        raise refused("a name in regions", "letters, digits, '-' and '_', 64 at most", value)
    return str(value)


def _upstream(group: str, name: str, plain: Any, folder: Path) -> Upstream:
    settings = section(group, plain, Upstream, beside=("url",), without=("name", "address"))
    url = text(f"{group}.url", settings.get("url", ""), "a URL")
    written = _URL.fullmatch(url)
    if written is None:
        raise refused(f"{group}.url", "http://HOST:PORT or https://HOST:PORT, without a path", url)
    secure = written[1] == "https"
    ca = _file(f"{group}.ca", settings.get("ca"), folder)
    if secure and ca is None:
        raise ConfigurationError(
            f"{group}.ca is not set; name the file of the authority that {name}'s certificate is checked with"
        )
    if ca is not None and not secure:
        raise ConfigurationError(f"{group}.ca is set and {group}.url is http; write https, or take ca away")
    own = texts(f"{group}.jurisdictions", settings.get("jurisdictions", []))
    if not own:
        raise refused(f"{group}.jurisdictions", "a list with at least one code", list(own))
    return Upstream(
        name,
        HostPort(written[2], int(written[3] or (443 if secure else 80))),
        ca,
        own,
        texts(f"{group}.hosts", settings.get("hosts", [])),
        text(f"{group}.location", require(group, settings, "location"), "an ISO 3166 code"),
        text(f"{group}.entity", settings.get("entity", "")),
        real(f"{group}.distance", settings.get("distance", 0.0), at_least=0.0),
        _server_name(f"{group}.server_name", settings.get("server_name")),
    )


def _server_name(name: str, value: Any) -> str:
    host = text_or_none(name, value, "a DNS name") or ""
    if host and not _HOST.fullmatch(host):
        raise refused(name, "a DNS name", value)
    return host


def _file(name: str, value: Any, folder: Path) -> Path | None:
    word = text_or_none(name, value, "a file")
    return None if word is None else folder / word


def _health(value: Any) -> str:
    path = text("health", value, "a path")
    if not _HEALTH.fullmatch(path):
        raise refused("health", "a path such as /readyz", value)
    return path
