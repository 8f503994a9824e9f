"""nginx's configuration: `nginx.conf`, the check of tokens as a script of njs, and its table.

Stock nginx has no check of tokens: `gateway.js` does it, some five times dearer than HAProxy's. Nor has it health
checks: a region that does not answer is found out by each request, which then goes to the next lawful one, in order.
Bodies stay in memory; nothing of a request is written to a disk.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fedsov.errors import ConfigurationError
from fedsov.inference.gateway.table import HEADER, PATHS, GatewayTable, Keys, Upstream, chain_down
from fedsov.inference.tokens.issuers import Issuer
from fedsov.inference.tokens.key_sets import PublicKey

MODULE = "/usr/lib/nginx/modules/ngx_http_js_module.so"
"""Where Debian's libnginx-mod-http-js has it."""
ALGORITHMS = ("RS256", "ES256")


def render(table: GatewayTable, keys: Keys, folder: Path) -> dict[str, str]:
    """The files by name.

    Args:
        folder: where they will lie, an absolute path.

    Raises ConfigurationError for what the script cannot check.
    """
    script = files("fedsov.inference.gateway").joinpath("nginx.js").read_text()
    lines = [*_main(folder), *_server(table, folder), *_locations(table), "  }", "}"]
    return {"nginx.conf": "\n".join(lines) + "\n", "gateway.js": script, "table.js": _script_table(table, keys)}


def _script_table(table: GatewayTable, keys: Keys) -> str:
    chains = table.routing.chains()
    plain = {
        "paths": PATHS,
        "leeway": table.issuers.leeway,
        "issuers": {issuer.issuer: _issuer(table, issuer, keys) for issuer in table.issuers.issuers},
        "chains": {code: place for place, codes in enumerate(chains.values()) for code in codes},
    }
    return f"export default {json.dumps(plain, indent=1)};\n"


def _issuer(table: GatewayTable, issuer: Issuer, keys: Keys) -> dict[str, Any]:
    return {
        "audience": issuer.audience,
        "longest": issuer.longest_lifetime,
        "claim": issuer.claim,
        "words": table.words(issuer),
        "keys": {key.key_id: _key(key, issuer) for key in keys[issuer.issuer].keys.values()},
    }


def _key(key: PublicKey, issuer: Issuer) -> dict[str, str]:
    if key.algorithm not in ALGORITHMS:
        raise ConfigurationError(
            f"nginx cannot check {key.algorithm} (key {key.key_id} of {issuer.issuer}); have the provider sign with "
            f"{' or '.join(ALGORITHMS)}, or render envoy"
        )
    spki = key.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {"algorithm": key.algorithm, "spki": base64.b64encode(spki).decode()}


def _main(folder: Path) -> list[str]:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return [
        "# Written by `fedsov gateway render nginx`; an edit is lost at the next one.",
        f"load_module {MODULE};",
        "worker_processes auto;",
        "error_log stderr warn;",
        f"pid {folder}/nginx.pid;",
        "events { worker_connections 4096; }",
        "http {",
        "  access_log off;",
        *(f"  {kind}_temp_path {folder}/{kind};" for kind in kinds),
        f"  js_path {folder};",
        "  js_import gateway from gateway.js;",
    ]


def _server(table: GatewayTable, folder: Path) -> Iterator[str]:
    limits = table.limits
    for region in table.regions.values():
        alive = "keepalive 64; keepalive_requests 1000000;"
        yield f"  upstream region_{region.name} {{ server {region.address}; {alive} }}"
    secure = " ssl" if table.certificate else ""
    yield "  server {"
    yield f"    listen {table.listen}{secure};"
    if table.certificate is not None:
        yield f"    ssl_certificate {table.certificate};"
        yield f"    ssl_certificate_key {table.key};"
        yield "    ssl_protocols TLSv1.2 TLSv1.3;"
    yield from (
        "    server_tokens off;",
        "    keepalive_requests 1000000;",
        "    keepalive_timeout 60s;",
        f"    client_header_timeout {limits.head_seconds}s;",
        f"    large_client_header_buffers 4 {limits.head};",
        f"    client_max_body_size {limits.body};",
        f"    client_body_buffer_size {limits.body + limits.body // 8 + 65536};",  # a full one would go to a file
        f"    client_body_timeout {limits.seconds}s;",
        f"    send_timeout {limits.seconds}s;",
        "    merge_slashes off;",
        "    recursive_error_pages on;",
        "    js_var $jurisdiction;",
        """    location = /healthz { default_type application/json; return 200 '{"status":"well"}'; }""",
        "    location / { js_content gateway.route; }",
    )


def _locations(table: GatewayTable) -> Iterator[str]:
    """A place for each region of each chain, which passes on to the next where its region does not answer."""
    for number, chain in enumerate(table.routing.chains()):
        for place, name in enumerate(chain):
            yield f"    location @to_{number}_{place} {{"
            yield from _proxied(table.regions[name], table.limits.seconds)
            yield f"      error_page 502 504 = @to_{number}_{place + 1};"
            yield "    }"
        answer = json.dumps({"error": chain_down(chain)})
        yield f"    location @to_{number}_{len(chain)} {{ default_type application/json; return 503 '{answer}'; }}"


def _proxied(region: Upstream, seconds: int) -> Iterator[str]:
    yield f"      proxy_pass {'https' if region.is_tls else 'http'}://region_{region.name};"
    yield from (
        "      proxy_http_version 1.1;",
        "      proxy_set_header Connection '';",
        "      proxy_set_header Host $http_host;",
        f"      proxy_set_header {HEADER} $jurisdiction;",
        "      proxy_connect_timeout 2s;",
        f"      proxy_read_timeout {seconds}s;",
        f"      proxy_send_timeout {seconds}s;",
        "      proxy_max_temp_file_size 0;",
        "      proxy_next_upstream off;",
    )
    if region.ca is not None:
        yield from (
            f"      proxy_ssl_trusted_certificate {region.ca};",
            "      proxy_ssl_verify on;",
            "      proxy_ssl_verify_depth 3;",
            "      proxy_ssl_server_name on;",
            f"      proxy_ssl_name {region.certified_name};",
        )
