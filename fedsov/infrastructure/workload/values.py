"""What may be chosen of how a party runs; everything else is the same for all, and as closed as it runs.

    Workload(party="DE", role="region", hub=HubAddress("hub.example"), hub_networks=("203.0.113.7/32",))

A value is checked when it is made, since it becomes part of a unit, a shell command or a firewall's rule. Whoever adds
a listener to a party (an endpoint for predictions) or lets it reach a service of its own zone (a key service, a bucket,
a database) names it: `Listener`, `Reachable`. What is not named is closed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from fedsov.checks import real, whole
from fedsov.errors import ConfigurationError, unknown
from fedsov.keys.certificates import HUB, REGION, check_name
from fedsov.storage.party_file import HubAddress

RUNNING_ROLES = (HUB, REGION)
"""The roles that run something. An operator runs commands by hand."""
HEALTH_PORT = 8081
PREDICT = "predict"
"""The listener of a region's endpoint, which answers people's questions."""
PERSONS_FOLDERS = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
"""Where no service has its home: systemd hides these from it."""
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9_.-]+)+")
_IMAGE = re.compile(r"[a-z0-9]([a-z0-9._/:-]*[a-z0-9])?(:[A-Za-z0-9_.-]{1,128})?(@sha256:[0-9a-f]{64})?")
_WORD = re.compile(r"[a-z]([a-z0-9-]{0,13}[a-z0-9])?")
_PLAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Listener:
    """A port that a party listens on, beside its health and the hub's own.

    Attributes:
        name: a word of small letters, such as ``predict``.
        networks: who may reach it, as CIDR; where there are none, only the party's own zone.
    """

    name: str
    port: int
    networks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _match("a listener's name", self.name, _WORD, "a word of at most 15 small letters, digits and -")
        whole(f"the port of {self.name}", self.port, at_least=1024, at_most=65535)
        _networks(f"who may reach {self.name}", self.networks)


@dataclass(frozen=True, slots=True)
class Reachable:
    """A service of the party's own zone that it may reach: its name, its network as CIDR, and its port."""

    name: str
    network: str
    port: int

    def __post_init__(self) -> None:
        _match("a service's name", self.name, _WORD, "a word of at most 15 small letters, digits and -")
        whole(f"the port of {self.name}", self.port, at_least=1, at_most=65535)
        _networks(f"where {self.name} is", (self.network,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A party and how it runs.

    Attributes:
        party: its name, as in its certificate; `role` is ``hub`` or ``region``.
        hub: where the hub listens; the hub's own port is this one.
        hub_networks: the hub's addresses as CIDR, for firewalls know no names; not needed where the host is an address.
        member_networks: for a hub, from where its members come; where there are none, from anywhere (TLS decides).
        home: the folder of the party on its machine; in a container it is always ``CONTAINER_HOME``.
        program: the Python in which fedsov is installed on the machine.
        image: the container image, with a tag or a digest.
        memory: MiB at most; `cpus` at most, and `disk` in GiB for the home.
        uid: the number of the user in the container.
    """

    party: str
    role: str
    hub: HubAddress
    hub_networks: tuple[str, ...] = ()
    member_networks: tuple[str, ...] = ()
    listeners: tuple[Listener, ...] = ()
    reaches: tuple[Reachable, ...] = ()
    home: str = ""
    program: str = "/opt/fedsov/bin/python"
    image: str = "fedsov:0.1.0"
    health_port: int = HEALTH_PORT
    memory: int = 4096
    cpus: float = 2.0
    disk: int = 20
    uid: int = 10001

    def __post_init__(self) -> None:
        check_name(self.party)
        if self.role not in RUNNING_ROLES:
            raise ConfigurationError(unknown("role of a party that runs", self.role, RUNNING_ROLES))
        _match("hub.host", self.hub.host.replace(":", "a"), _HOST, "a name or an address")
        _match("image", self.image, _IMAGE, "a container image such as registry.example/fedsov:0.1.0")
        _match("program", self.program, _PATH, "an absolute path")
        _home(self.folder)
        _networks("hub_networks", self.hub_networks)
        _networks("member_networks", self.member_networks)
        whole("memory", self.memory, at_least=512)
        real("cpus", self.cpus, at_least=0.1)
        whole("disk", self.disk, at_least=1)
        whole("uid", self.uid, at_least=1)
        _distinct(self)

    @property
    def folder(self) -> str:
        """The party's home on its machine."""
        return self.home or f"/var/lib/{self.name}"

    @property
    def name(self) -> str:
        """The name of its unit, user, namespace and container: small letters, so that every system takes it."""
        short = self.party.lower()
        if not _PLAIN.fullmatch(short):
            digest = sha256(self.party.encode()).hexdigest()[:8]
            short = re.sub(r"[^a-z0-9-]", "-", short)[:30].strip("-") + f"-{digest}"
        return "fedsov-hub" if self.role == HUB else f"fedsov-region-{short.lstrip('-')}"

    @property
    def is_hub(self) -> bool:
        return self.role == HUB

    @property
    def hub_addresses(self) -> tuple[str, ...]:
        """The hub's networks: those given, or its address where its host is one."""
        try:
            return self.hub_networks or (str(ipaddress.ip_network(self.hub.host)),)
        except ValueError:
            return ()

    @property
    def hub_address(self) -> str:
        """The one address that a hub's name stands for; empty where there are several, or it is known by no name."""
        single = [network for each in self.hub_addresses if (network := ipaddress.ip_network(each)).num_addresses == 1]
        return str(single[0].network_address) if self.asks_names and len(single) == 1 else ""

    @property
    def asks_names(self) -> bool:
        """Whether the party needs a name server."""
        try:
            ipaddress.ip_address(self.hub.host)
        except ValueError:
            return not self.is_hub
        return False

    @property
    def reaching(self) -> tuple[Reachable, ...]:
        """Every service that it may reach: for a region the hub first."""
        ports = {"hub": self.hub.port, "control": self.hub.control.port}
        own = [Reachable(name, each, port) for each in self.hub_addresses for name, port in ports.items()]
        return (() if self.is_hub else tuple(own)) + self.reaches

    @property
    def bridge(self) -> str:
        """The name of its bridge on a machine with Docker; Linux takes 15 letters."""
        return f"fs-{sha256(self.name.encode()).hexdigest()[:12]}"

    @property
    def listening(self) -> tuple[Listener, ...]:
        """Every port that others than the party's own zone may reach, the hub's own first, and further listeners.

        A hub has three: its own, the control plane's for regions, and that of its pages for people.
        """
        ports = {"hub": self.hub.port, "control": self.hub.control.port, "pages": self.hub.pages.port}
        whence = self.member_networks or ("0.0.0.0/0", "::/0")
        own = [Listener(name, port, whence) for name, port in ports.items()] if self.is_hub else []
        return (*own, *self.listeners)


def _distinct(workload: Workload) -> None:
    ports = [whole("health_port", workload.health_port, at_least=1024, at_most=65535)]
    ports += [listener.port for listener in workload.listening]
    names = [listener.name for listener in workload.listening]
    for what, values in (("port", ports), ("name", [*names, "health"])):
        twice = sorted({str(value) for value in values if values.count(value) > 1})  # type: ignore[arg-type]
        if twice:
            raise ConfigurationError(f"{workload.party}: two listeners have the {what} {twice[0]}; give each its own")


def _home(path: str) -> None:
    _match("home", path, _PATH, "an absolute path of letters, digits, _, - and .")
    for folder in PERSONS_FOLDERS:
        if path == folder or path.startswith(f"{folder}/"):
            raise ConfigurationError(
                f"home is {path}, and {folder} is hidden from services; choose another, such as /var/lib/fedsov"
            )


def _match(what: str, value: str, pattern: re.Pattern[str], expected: str) -> None:
    if not pattern.fullmatch(value):
        raise ConfigurationError(f"{what} is {value!r}; expected {expected}")


def _networks(what: str, networks: Iterable[str]) -> None:
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise ConfigurationError(f"{what}: {error}; write networks such as 203.0.113.7/32") from None
