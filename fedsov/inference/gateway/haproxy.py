"""HAProxy's configuration: `haproxy.cfg`, a map of codes for each issuer, and each key as a PEM file.

Written for 2.6, the version of Debian 12, which reads no JSON Web Key Set: a new key is a new file and a reload
(master-worker, `haproxy -W`; SIGUSR2), in which the old process hands its sockets over and answers what it has begun.

Each rule asks for what must be true. A variable that is not set makes every test false: `deny if exp - now lt 0` lets
a token without `exp` pass, `deny unless exp - now gt 0` does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fedsov.checks import listed
from fedsov.errors import ConfigurationError
from fedsov.inference.gateway.table import HEADER, PATHS, GatewayTable, Keys, Upstream, chain_down, chain_name
from fedsov.inference.tokens.issuers import Issuer
from fedsov.inference.tokens.key_sets import PublicKey

ALGORITHMS = ("RS256", "ES256")
"""What `jwt_verify` of HAProxy 2.6 can check of what a table may list."""
MOST_AUDIENCES = 4
"""Of a token's list of audiences, how many are looked at."""
_PLAIN = re.compile(r"[A-Za-z0-9._~:/+=@-]+")
_WORD = re.compile(r"[!-~]+")


def render(table: GatewayTable, keys: Keys, folder: Path) -> dict[str, str]:
    """The files by name.

    Args:
        folder: where they will lie, an absolute path.

    Raises ConfigurationError for what HAProxy cannot check.
    """
    issuers = list(enumerate(table.issuers.issuers))
    files = {f"words-{place}.map": _map(table.words(issuer)) for place, issuer in issuers}
    chains = table.routing.chains()
    files["chains.map"] = _map({code: chain_name(chain) for chain, codes in chains.items() for code in codes})
    for place, issuer in issuers:
        for number, key in _numbered(issuer, keys):
            files[f"key-{place}-{number}.pem"] = _pem(key)
    if table.certificate is not None and table.key is not None:
        files["gateway.pem"] = _combined(table.certificate, table.key)
    lines = [*_global(table), *_frontend(table, keys, folder), *_backends(table)]
    return {"haproxy.cfg": "\n".join(lines) + "\n", **files}


def _numbered(issuer: Issuer, keys: Keys) -> Iterator[tuple[int, PublicKey]]:
    """The keys of an issuer in the order of their ids, each with its number."""
    for word, called in ((issuer.issuer, "issuer"), (issuer.audience, "audience"), (issuer.claim, "claim")):
        _check(word, called)
    for word in issuer.mapping:
        if not _WORD.fullmatch(word):
            raise ConfigurationError(
                f"HAProxy cannot tell the word {word!r} of {issuer.issuer} (its maps hold printable ASCII without "
                "blanks); have the provider say the code, or render envoy"
            )
    for number, (key_id, key) in enumerate(sorted(keys[issuer.issuer].keys.items())):
        _check(key_id, "key id")
        if key.algorithm not in ALGORITHMS:
            raise ConfigurationError(
                f"HAProxy cannot check {key.algorithm} (key {key_id} of {issuer.issuer}); it can {listed(ALGORITHMS)}: "
                "have the provider sign with one of them, or render envoy"
            )
        yield number, key


def _check(word: str, called: str) -> None:
    if not _PLAIN.fullmatch(word):
        raise ConfigurationError(
            f"HAProxy's configuration cannot hold the {called} {word!r}; use letters, digits and . _ ~ : / + = @ -"
        )


def _map(words: dict[str, str]) -> str:
    return "".join(f"{word} {value}\n" for word, value in sorted(words.items()))


def _pem(key: PublicKey) -> str:
    return str(key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "ascii")


def _combined(certificate: Path, key: Path) -> str:
    try:
        return f"{certificate.read_text().strip()}\n{key.read_text().strip()}\n"
    except OSError as problem:
        raise ConfigurationError(f"{problem.filename} cannot be read: {problem.strerror}") from None


def _global(table: GatewayTable) -> list[str]:
    seconds, limits = table.limits.seconds, table.limits
    return [
        "# Written by `fedsov gateway render haproxy`; an edit is lost at the next one.",
        "global",
        "  log stderr format raw daemon notice",
        "  maxconn 4000",
        f"  tune.bufsize {limits.head + 1024 + 2048}",
        "  tune.maxrewrite 1024",
        f"  hard-stop-after {seconds + 30}s",
        "defaults",
        "  mode http",
        "  log global",
        "  option dontlog-normal",
        "  option idle-close-on-response",
        "  timeout connect 2s",
        f"  timeout http-request {limits.head_seconds}s",
        "  timeout http-keep-alive 60s",
        f"  timeout client {seconds}s",
        f"  timeout server {seconds}s",
        "  timeout queue 2s",
        "  retries 1",
        "  retry-on conn-failure",
        "  default-server check inter 500ms fall 2 rise 1 observe layer4 error-limit 5 on-error mark-down",
        "",
    ]


def _answer(status: int, why: str) -> str:
    """Ends a request: an answer in JSON with the reason."""
    challenge = " hdr www-authenticate Bearer" if status == 401 else ""
    return (
        f"""http-request return status {status} content-type application/json{challenge} string '{{"error":"{why}"}}'"""
    )


def _frontend(table: GatewayTable, keys: Keys, folder: Path) -> list[str]:
    tls = f" ssl crt {folder}/gateway.pem ssl-min-ver TLSv1.2 alpn http/1.1" if table.certificate else ""
    lines = [
        "frontend requests",
        f"  bind {table.listen}{tls}",
        "  monitor-uri /healthz",
        f"  {_answer(405, 'GET and POST are answered here')} unless METH_GET or METH_POST",
        f"  {_answer(400, 'the path is not plain')} unless {{ url -m beg / }} {{ path -m reg ^{PATHS}$ }}",
        f"  {_answer(400, 'two Host headers')} if {{ req.fhdr_cnt(host) gt 1 }}",
        f"  {_answer(400, 'nothing is upgraded here')} if {{ req.hdr(upgrade) -m found }}",
        f"  {_answer(413, 'the body is too large')} if {{ req.hdr_val(content-length) gt {table.limits.body} }}",
        f"  {_answer(401, 'the request has no token')} unless {{ req.hdr(authorization) -m found }}",
        f"  {_answer(400, 'two Authorization headers')} unless {{ req.hdr_cnt(authorization) eq 1 }}",
        f"  http-request del-header {HEADER}",
        f"  http-request del-header {HEADER.replace('-', '_')}",
        "  http-request set-var(txn.token) http_auth_bearer",
        "  http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg')",
        "  http-request set-var(txn.kid) var(txn.token),jwt_header_query('$.kid')",
        "  http-request set-var(txn.iss) var(txn.token),jwt_payload_query('$.iss')",
        "  http-request set-var(txn.aud) var(txn.token),jwt_payload_query('$.aud')",
        # a list of audiences has no value of its own here, only parts
        *(
            f"  http-request set-var(txn.aud{part}) var(txn.token),jwt_payload_query('$.aud[{part}]')"
            " unless { var(txn.aud) -m found }"
            for part in range(MOST_AUDIENCES)
        ),
        "  http-request set-var(txn.exp) var(txn.token),jwt_payload_query('$.exp','int')",
        "  http-request set-var(txn.nbf) var(txn.token),jwt_payload_query('$.nbf','int')",
        "  http-request set-var(txn.nbf_any) var(txn.token),jwt_payload_query('$.nbf')",
        "  http-request set-var(txn.now) date()",
    ]
    for place, issuer in enumerate(table.issuers.issuers):
        lines += _of_issuer(place, issuer, keys, table, folder)
    return [*lines, *_routed(folder, table.issuers.leeway)]


def _of_issuer(place: int, issuer: Issuer, keys: Keys, table: GatewayTable, folder: Path) -> list[str]:
    """What sets the variables of a verified token; without them nothing passes."""
    whose = f"{{ var(txn.iss) -m str '{issuer.issuer}' }}"
    names = ("aud", *(f"aud{part}" for part in range(MOST_AUDIENCES)))
    audiences = [f"  acl audience-{place} var(txn.{name}) -m str '{issuer.audience}'" for name in names]
    verified = [
        f"  http-request set-var(txn.verified) var(txn.token),"
        f"jwt_verify('{key.algorithm}','{folder}/key-{place}-{number}.pem')"
        f" if {whose} {{ var(txn.kid) -m str '{key.key_id}' }} {{ var(txn.alg) -m str '{key.algorithm}' }}"
        for number, key in _numbered(issuer, keys)
    ]
    claim = issuer.claim.replace(".", "\\\\.")
    longest = issuer.longest_lifetime + table.issuers.leeway
    return [
        f"  # tokens of {issuer.issuer}",
        *verified,
        *audiences,
        f"  http-request set-var(txn.ours) bool(true) if {whose} audience-{place}",
        f"  http-request set-var(txn.brief) bool(true) if {whose} {{ var(txn.exp),sub(txn.now) -m int le {longest} }}",
        f"  http-request set-var(txn.word) var(txn.token),jwt_payload_query('$.{claim}') if {whose}",
        f"  http-request set-var(txn.code) var(txn.word),map({folder}/words-{place}.map)"
        f" if {whose} {{ var(txn.word) -m reg ^[!-~]+$ }}",
    ]


def _routed(folder: Path, leeway: int) -> list[str]:
    # a match takes no number below 0: "gt -5" matches nothing
    living = f"{{ var(txn.exp),add({leeway}),sub(txn.now) -m int gt 0 }}"
    begins = f"{{ var(txn.nbf),sub(txn.now) -m int gt {leeway} }}"
    odd = "{ var(txn.nbf_any) -m found } !{ var(txn.nbf) -m found }"
    unsigned = "the token is not signed by a key of an issuer in the table"
    return [
        f"  {_answer(401, unsigned)} unless {{ var(txn.verified) -m int 1 }}",
        f"  {_answer(401, 'the token is for another audience')} unless {{ var(txn.ours) -m bool }}",
        f"  {_answer(401, 'the token has expired, or does not say when it ends')} unless {living}",
        f"  {_answer(401, 'the token lives longer than its issuer may allow')} unless {{ var(txn.brief) -m bool }}",
        f"  {_answer(401, 'the token is not valid yet')} if {begins} or {odd}",
        f"  http-request set-var(txn.chain) var(txn.code),map({folder}/chains.map)",
        f"  {_answer(451, 'no region may serve this jurisdiction')} unless {{ var(txn.chain) -m found }}",
        f"  http-request set-header {HEADER} %[var(txn.code)]",
        "  use_backend %[var(txn.chain)]",
        "",
    ]


def _backends(table: GatewayTable) -> Iterator[str]:
    for chain in table.routing.chains():
        yield f"backend {chain_name(chain)}"
        yield f"  option httpchk GET {table.health}"
        yield "  http-check expect status 200"
        # not by a rule on nbsrv, which is 0 in an old process that still answers what it has begun
        body = f"""'{{"error":"{chain_down(chain)}"}}'"""
        yield f"  http-error status 503 content-type application/json string {body}"
        for place, name in enumerate(chain):
            yield f"  server {name} {_server(table.regions[name])}{' backup' if place else ''}"
        yield ""


def _server(region: Upstream) -> str:
    if region.ca is None:
        return str(region.address)
    name = region.certified_name
    if not region.has_dns_name:
        raise ConfigurationError(
            f"HAProxy checks no IP address in a certificate: set regions.{region.name}.server_name to the DNS name "
            f"that {region.name}'s certificate has, such as localhost"
        )
    checked = f"ssl verify required verifyhost {name} sni str({name}) check-sni {name}"
    return f"{region.address} {checked} ca-file {region.ca}"
