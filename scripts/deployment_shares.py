"""What share of a round gates, ledgers and TLS take, measured in the processes of a deployment.

    with measured(folder) as shares, up(rows) as trial:
        trial.train(...)
    shares["gates, ledgers and TLS in a round, %"]

Gates and ledgers are timed where they are called (`deployment_timers`): the hub's and the slowest region's, for regions
work side by side. What TLS costs follows from the bytes of the requests and what a byte costs both ends here, which is
measured over a pair of TLS objects in memory.
"""

from __future__ import annotations

import os
import ssl
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from deployment_parties import REGIONS

TIMERS = Path(__file__).parent / "deployment_timers"
SHARE = "gates, ledgers and TLS in a round, %"


@contextmanager
def measured(folder: Path) -> Iterator[dict[str, float]]:
    """The shares, once the block has ended."""
    times, shares = folder / "times", dict[str, float]()
    times.mkdir(exist_ok=True)
    for old in times.iterdir():
        old.unlink()
    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "FEDSOV_TIMES")}
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(TIMERS), before["PYTHONPATH"])))
    os.environ["FEDSOV_TIMES"] = str(times)
    try:
        yield shares
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    shares.update(_shares(times))


def _shares(times: Path) -> dict[str, float]:
    """Between the first and the last crossing of updates at the hub; in percent of that time."""
    lines = [line.split() for path in times.iterdir() for line in path.read_text().splitlines()]
    gates = defaultdict[str, list[tuple[float, float]]](list)
    for what, owner, end, seconds, _ in lines:
        if what == "gate":
            gates[owner].append((float(end), float(seconds)))
    hub = sorted(gates["hub"])
    first, last = _rounds(hub)
    spent = {owner: sum(seconds for end, seconds in several if first < end <= last) for owner, several in gates.items()}
    requests = [int(size) for what, _, end, _, size in lines if what == "tls" and first < float(end) <= last]
    whole, slowest = last - first, max(spent.get(name, 0.0) for name in REGIONS)
    tls = sum(requests) * seconds_per_byte() + len(requests) * seconds_per_request()
    found = {"gates and ledger at the hub": spent["hub"], "gate and ledger at the slowest region": slowest, "TLS": tls}
    shares = {f"{name}, % of a round": 100 * seconds / whole for name, seconds in found.items()}
    return {SHARE: sum(shares.values()), **shares}


def _rounds(hub: list[tuple[float, float]]) -> tuple[float, float]:
    """When rounds went on: the middle three fifths of the hub's crossings, which come at each round alike."""
    fifth = len(hub) // 5
    return hub[fifth][0], hub[-1 - fifth][0]


def seconds_per_byte() -> float:
    """That a byte in large records costs both ends."""
    return _carried(1 << 20) / (1 << 20)


def seconds_per_request() -> float:
    """That the records of a request and of its answer cost beside their bytes."""
    return 2 * _carried(256)


def _carried(size: int, times: int = 50) -> float:
    """Seconds for so many bytes through a pair of TLS objects, both ends together."""
    near, far = _pair()
    content, started = os.urandom(size), time.process_time()
    for _ in range(times):
        near[0].write(content)
        far[1].write(near[2].read())
        left = size
        while left:
            left -= len(far[0].read(1 << 18))
    return (time.process_time() - started) / times


_End = tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]


def _pair() -> tuple[_End, _End]:
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = _certified(Path(folder))
        server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        server.load_cert_chain(certificate, key)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE  # of the arithmetic alone
    near, far = _end(client, server_side=False), _end(server, server_side=True)
    for _ in range(4):
        for end, other in ((near, far), (far, near)):
            with suppress(ssl.SSLWantReadError):
                end[0].do_handshake()
            other[1].write(end[2].read())
    return near, far


def _certified(folder: Path) -> tuple[Path, Path]:
    """A certificate of its own and its key, in files."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    text = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (folder / "a.crt").write_bytes(text)
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "a.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    return folder / "a.crt", folder / "a.key"


def _end(context: ssl.SSLContext, *, server_side: bool) -> _End:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    return context.wrap_bio(incoming, outgoing, server_side=server_side), incoming, outgoing
