"""The way to the hub: its name, its port, TLS of both sides, its clock. Nobody else is asked."""

from __future__ import annotations

import http.client
import socket
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from fedsov.errors import ConfigurationError, FedsovError
from fedsov.keys.certificates import der_of
from fedsov.runtimes.deployment.hub_connection import Credentials, why_refused
from fedsov.runtimes.deployment.preflight.values import Amiss, ExaminedHome
from fedsov.storage.party_file import HubAddress

SECONDS = 5.0
"""How long the hub has to answer."""
APART = 300.0
"""Seconds that two clocks may differ."""
ALIVE = "/health"
LARGEST = 1 << 16


def name(examined: ExaminedHome) -> str:
    """That the hub's name has an address."""
    hub = examined.party.hub
    try:
        found = socket.getaddrinfo(hub.host, hub.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Amiss(
            f"{hub.host} has no address ({error.strerror})",
            f"mend the name server, or write its address into /etc/hosts: ADDRESS {hub.host}",
        ) from None
    return f"{hub.host} is {', '.join(sorted({str(entry[4][0]) for entry in found}))}"


def port(examined: ExaminedHome) -> str:
    """That somebody listens there."""
    return _listened_on(examined.party.hub)


def control_port(examined: ExaminedHome) -> str:
    """That somebody listens where regions reach the control plane."""
    return _listened_on(examined.party.hub.control)


def is_listened_on(place: HubAddress) -> bool:
    """Whether somebody listens at an address."""
    try:
        socket.create_connection((place.host, place.port), timeout=SECONDS).close()
    except OSError:
        return False
    return True


def _listened_on(place: HubAddress) -> str:
    try:
        socket.create_connection((place.host, place.port), timeout=SECONDS).close()
    except OSError as error:
        raise Amiss(
            f"{place} cannot be reached ({_reason(error)})",
            "start the hub (`fedsov hub`), or let the firewalls on the way pass this address and port",
        ) from None
    return f"{place} is listened on"


def handshake(examined: ExaminedHome) -> str:
    """That the hub and this party believe each other, and that the hub takes its requests."""
    status, _, body = _asked(examined)
    if status >= 400:
        why = why_refused(body) or "without a reason"
        raise Amiss(f"the hub answers with status {status}: {why}", "ask the hub's people to approve this party")
    return "the hub and this party believe each other's certificates"


def clock(examined: ExaminedHome) -> str:
    """That this machine's clock and the hub's are together."""
    _, date, _ = _asked(examined)
    now = examined.machine.now()
    try:
        hub_now = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        raise Amiss(f"the hub told no time that can be read ({date[:40]!r})", "start the hub in this version") from None
    apart = (now - _in_utc(hub_now)).total_seconds()
    if abs(apart) > APART:
        way = "ahead of" if apart > 0 else "behind"
        raise Amiss(
            f"this machine's clock is {abs(apart):.0f} s {way} the hub's, and {APART:.0f} s are allowed",
            "let NTP keep both clocks (`timedatectl set-ntp true`)",
        )
    return f"{abs(apart):.0f} s from the hub's"


def is_running(examined: ExaminedHome) -> bool:
    """Whether this very hub answers at its own address: who listens there has its certificate."""
    hub = examined.party.hub
    try:
        context = Credentials.of(examined.folder).context()
        with (
            socket.create_connection((hub.host, hub.port), timeout=SECONDS) as line,
            context.wrap_socket(line, server_hostname=hub.host) as secured,
        ):
            return secured.getpeercert(binary_form=True) == der_of(examined.folder.certificate.read_bytes())
    except (OSError, FedsovError):
        return False


def _in_utc(told: datetime) -> datetime:
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def _asked(examined: ExaminedHome) -> tuple[int, str, bytes]:
    """Status, date and body of the hub's answer. Raises Amiss."""
    hub = examined.party.hub
    connection: http.client.HTTPSConnection | None = None
    try:
        context = Credentials.of(examined.folder).context()
        connection = http.client.HTTPSConnection(hub.host, hub.port, timeout=SECONDS, context=context)
        connection.request("GET", ALIVE)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("date", ""), answer.read(LARGEST)
    except ConfigurationError as error:
        raise Amiss(str(error), "mend what is said of certificate and key first") from None
    except (OSError, http.client.HTTPException) as error:
        raise _of_handshake(hub, error) from None
    finally:
        if connection is not None:
            connection.close()


def _of_handshake(hub: HubAddress, error: Exception) -> Amiss:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Amiss(
            f"the certificate of {hub} is not believed ({error.verify_message})",
            "compare ca.crt with the hub's, and its fingerprint over another way; somebody may stand between",
        )
    if isinstance(error, ssl.SSLError):
        return Amiss(
            f"{hub} refuses this party's certificate ({error.reason or 'TLS ended'})",
            "ask the hub's people whether their authority signed it: `fedsov deploy approve`",
        )
    return Amiss(
        f"{hub} broke off ({_reason(error)})",
        "see whether what listens there is the hub, and no proxy that ends TLS",
    )


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer in {SECONDS:.0f} s"
    return getattr(error, "strerror", None) or type(error).__name__
