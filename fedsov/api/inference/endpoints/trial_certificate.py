"""A certificate for a trial's endpoint on this machine: signed by itself, and believed by whoever is given it.

    curl --cacert .fedsov/regions/DE/serving/tls.crt https://127.0.0.1:8443/healthz

In earnest an endpoint has a certificate of an authority that people's programs know, put beside its key by its owner.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from fedsov.keys.certificates import new_key, private_key
from fedsov.keys.certificates.party_names import host_name, subject_of
from fedsov.storage.atomic_files import write_file
from fedsov.storage.private_files import make_private_folder
from fedsov.storage.serving_folder import ServingFolder

DAYS = 90


def make_certificate(serving: ServingFolder, region: str, *, now: datetime) -> None:
    """Writes a key (P-256) and its certificate into the endpoint's folder. Raises WorkspaceUnusable."""
    text = new_key()
    key, name = private_key(text), subject_of(f"fedsov trial, endpoint of {region}")
    hosts = [host_name(host) for host in ("localhost", "127.0.0.1", "::1")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    make_private_folder(serving.root)
    serving.certificate.unlink(missing_ok=True)  # a cut here leaves no certificate beside another key
    write_file(serving.key, text)
    write_file(serving.certificate, certificate.public_bytes(Encoding.PEM))
