"""A time stamp is kept only where a trusted authority gave it for that very head. `openssl ts` plays the authority."""

from __future__ import annotations

import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fedsov.errors import ConfigurationError, LedgerBroken
from fedsov.ledger import standalone_verifier, timestamps
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import export

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CONFIGURATION = """
[req]
distinguished_name = dn
x509_extensions = v3
prompt = no
[dn]
CN = Local authority
[v3]
basicConstraints = CA:FALSE
extendedKeyUsage = critical,timeStamping
keyUsage = digitalSignature
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = keyCertSign
[tsa]
default_tsa = t
[t]
serial = serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256,sha512
accuracy = secs:1
ordering = yes
tsa_name = no
ess_cert_id_chain = no
"""


class Authority:
    """A time-stamping authority in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.root = folder, folder / "ca.pem"
        (folder / "tsa.cnf").write_text(CONFIGURATION)
        self._openssl(
            "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=root -days 30 -extensions ca"
        )
        self._openssl("req -newkey rsa:2048 -nodes -keyout tsa.key -out tsa.csr")
        self._openssl(
            "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out tsa.pem -days 30 "
            "-extfile tsa.cnf -extensions v3",
            configured=False,
        )

    def _openssl(self, words: str, *, configured: bool = True) -> None:
        more = ["-config", "tsa.cnf"] if configured else []
        subprocess.run(["openssl", *words.split(), *more], cwd=self.folder, check=True, capture_output=True)

    def reply(self, query: bytes) -> bytes:
        (self.folder / "q.tsq").write_bytes(query)
        self._openssl("ts -reply -queryfile q.tsq -out q.tsr -signer tsa.pem -inkey tsa.key")
        return (self.folder / "q.tsr").read_bytes()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "a")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path / "ledger.sqlite", "eu")
    made.append_all({"number": number} for number in range(5))
    return made


def test_a_stamped_head_is_kept_verifies_and_is_exported(ledger: Ledger, authority: Authority, tmp_path: Path) -> None:
    timestamps.query(ledger.head()).write(tmp_path / "q")
    ledger.append({"number": 5})  # the ledger may grow while the authority is asked
    asked = timestamps.Query.read(tmp_path / "q")
    reply = authority.reply(asked.content)
    moment = timestamps.stamped(asked, reply, authority.root.read_bytes())
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
    entry = timestamps.keep(ledger, asked, reply, stamped_at=moment, now=NOW)
    assert timestamps.check(ledger, entry.body["note"]["anchor"]) == ""
    export(ledger, tmp_path / "export")
    assert standalone_verifier.main([str(tmp_path / "export")]) == 0
    words = ["ts", "-verify", "-data", "5.head", "-in", "5.tsr", "-CAfile", str(authority.root)]
    done = subprocess.run(["openssl", *words], cwd=tmp_path / "export", capture_output=True, text=True)
    assert done.returncode == 0 and "Verification: OK" in done.stdout + done.stderr, done.stderr


def test_a_reply_for_another_head_or_by_another_authority_is_not_kept(
    ledger: Ledger, authority: Authority, tmp_path: Path
) -> None:
    asked = timestamps.query(ledger.head())
    reply, root = authority.reply(asked.content), authority.root.read_bytes()
    again = timestamps.query(ledger.head())
    with pytest.raises(LedgerBroken, match="Nonce mismatch"):
        timestamps.stamped(again, reply, root)
    ledger.append({"number": 5})
    later = timestamps.query(ledger.head())
    with pytest.raises(LedgerBroken, match="no time stamp of the head of eu at 6 entries"):
        timestamps.stamped(timestamps.Query(later.head, asked.nonce, later.content), reply, root)
    with pytest.raises(LedgerBroken, match="it was not kept"):
        timestamps.stamped(asked, reply, Authority(tmp_path / "another").root.read_bytes())


def test_no_changed_byte_of_a_reply_makes_another_time(ledger: Ledger, authority: Authority) -> None:
    asked = timestamps.query(ledger.head())
    reply, root = authority.reply(asked.content), authority.root.read_bytes()
    moment, kept = timestamps.stamped(asked, reply, root), 0
    for place in range(0, len(reply), 13):
        changed = bytearray(reply)
        changed[place] ^= 1
        try:
            assert timestamps.stamped(asked, bytes(changed), root) == moment
            kept += 1  # a byte that says nothing about the time, such as one of a second certificate
        except LedgerBroken:
            continue
    assert kept < len(reply) // 13 // 2
    for nonsense in (b"", b"hello", reply[:-1], reply[:40]):
        with pytest.raises(LedgerBroken):
            timestamps.stamped(asked, nonsense, root)


def test_a_head_that_the_ledger_does_not_continue_is_not_anchored(
    ledger: Ledger, authority: Authority, tmp_path: Path
) -> None:
    with closing(Ledger(tmp_path / "other" / "ledger.sqlite", "eu")) as other:
        asked = timestamps.query(other.head())
    with pytest.raises(LedgerBroken, match="does not continue"):
        timestamps.keep(ledger, asked, b"", stamped_at=NOW, now=NOW)


def test_time_stamps_that_are_damaged_in_the_ledger_are_named(ledger: Ledger) -> None:
    head = ledger.head().to_json()
    assert "cannot be read" in timestamps.check(ledger, {})
    assert "cannot be read" in timestamps.check(ledger, {"head": head, "reply": "?"})
    assert "something else" in timestamps.check(ledger, {"head": head, "reply": "aGVsbG8="})
    assert "does not continue" in timestamps.check(ledger, {"head": {**head, "size": 3}, "reply": "aGVsbG8="})


def test_queries_roots_and_addresses_that_are_none_are_refused(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no query at"):
        timestamps.Query.read(tmp_path / "absent")
    with pytest.raises(ConfigurationError, match="no certificate"):
        timestamps.stamped(timestamps.query(ledger.head()), b"", b"hello")
    with pytest.raises(ConfigurationError, match="--url takes"):
        timestamps.post("file:///etc/passwd", timestamps.query(ledger.head()))
    with pytest.raises(ConfigurationError, match="no time stamp from"):
        timestamps.post("http://127.0.0.1:9/", timestamps.query(ledger.head()))
