"""Envoy's configuration: `envoy.json` to start with, and what it reads again when it changes: `lds`, `rds`, `cds.json`.

`envoy --mode validate` opens none of these three; `static.json` has all in one, for that check and for whoever
restarts Envoy at a change.

Tokens are checked by `jwt_authn`. It believes a token without `exp` unless told otherwise, reads a token from the
query (``access_token``) unless told where to look, and knows the claim only after a first route was chosen: hence
`require_expiration`, `max_lifetime`, `from_headers` and `clear_route_cache`. A token without a `kid` is tried with
every key of its issuer there; `rbac`, which reads the token's head as metadata, refuses it.

Each chain of regions is a cluster whose regions have priorities; panic mode, which sends requests to regions that are
down, is off. Files are replaced whole, so that Envoy, which watches their names, never reads half of one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from fedsov.errors import ConfigurationError
from fedsov.inference.gateway.table import HEADER, PATHS, GatewayTable, Keys, Upstream, chain_name
from fedsov.inference.tokens.issuers import Issuer

_TYPE = "type.googleapis.com/envoy."
_HTTP = f"{_TYPE}extensions.filters.http."
REMEMBERED = 4096
"""Tokens whose signature is not checked again; each ends with its `exp`."""


def render(table: GatewayTable, keys: Keys, folder: Path) -> dict[str, str]:
    """The files by name.

    Args:
        folder: where they will lie, an absolute path.

    Raises ConfigurationError for what Envoy cannot check.
    """
    routes, clusters = _routes(table), [_cluster(table, chain) for chain in table.routing.chains()]
    watched = {"rds": {"route_config_name": routes["name"], "config_source": _watched(folder, "rds.json")}}
    listener = _listener(table, keys, {"route_config": _untyped(routes)})
    whole = {"listeners": [_untyped(listener)], "clusters": [_untyped(cluster) for cluster in clusters]}
    changing = {name: _watched(folder, f"{name[:3]}.json") for name in ("lds_config", "cds_config")}
    return {
        "envoy.json": _text({**_BOOTSTRAP, "dynamic_resources": changing}),
        "static.json": _text({**_BOOTSTRAP, "static_resources": whole}),
        "lds.json": _resources([_listener(table, keys, watched)]),
        "rds.json": _resources([routes]),
        "cds.json": _resources(clusters),
    }


def _text(plain: Any) -> str:
    return json.dumps(plain, indent=1) + "\n"


def _resources(listed: list[dict[str, Any]]) -> str:
    version = sha256(json.dumps(listed).encode()).hexdigest()[:16]
    return _text({"version_info": version, "resources": listed})


def _typed(kind: str, **fields: Any) -> dict[str, Any]:
    return {"@type": f"{_TYPE}{kind}", **fields}


def _untyped(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name != "@type"}


def _watched(folder: Path, name: str) -> dict[str, Any]:
    source = {"path": f"{folder}/{name}", "watched_directory": {"path": str(folder)}}
    return {"resource_api_version": "V3", "path_config_source": source}


_BOOTSTRAP: Mapping[str, Any] = {
    "node": {"id": "fedsov", "cluster": "fedsov"},
    # a country with all of its parts is a pattern of some hundred words; the limit is for patterns of strangers
    "layered_runtime": {
        "layers": [{"name": "fedsov", "static_layer": {"re2.max_program_size.error_level": 1_000_000}}]
    },
    "overload_manager": {
        "resource_monitors": [
            {
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": _typed(
                    "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                    max_active_downstream_connections=10000,
                ),
            }
        ]
    },
}


def _listener(table: GatewayTable, keys: Keys, routed: Mapping[str, Any]) -> dict[str, Any]:
    chain: dict[str, Any] = {
        "filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": _connections(table, keys, routed)}
        ]
    }
    if table.certificate is not None and table.key is not None:
        files = {
            "certificate_chain": {"filename": str(table.certificate)},
            "private_key": {"filename": str(table.key)},
        }
        secure = {"tls_certificates": [files], "alpn_protocols": ["http/1.1"]}
        chain["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": _typed(
                "extensions.transport_sockets.tls.v3.DownstreamTlsContext", common_tls_context=secure
            ),
        }
    return _typed(
        "config.listener.v3.Listener",
        name="requests",
        address=_address(table.listen.bare_host, table.listen.port),
        per_connection_buffer_limit_bytes=1 << 20,
        filter_chains=[chain],
    )


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1" if host == "localhost" else host, "port_value": port}}


def _connections(table: GatewayTable, keys: Keys, routed: Mapping[str, Any]) -> dict[str, Any]:
    limits = table.limits
    return _typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="requests",
        codec_type="HTTP1",
        **routed,
        normalize_path=False,
        path_with_escaped_slashes_action="REJECT_REQUEST",
        common_http_protocol_options={
            "idle_timeout": "60s",
            "max_headers_count": 100,
            "headers_with_underscores_action": "DROP_HEADER",
        },
        max_request_headers_kb=max(1, limits.head // 1024),
        request_headers_timeout=f"{limits.head_seconds}s",
        request_timeout=f"{limits.seconds}s",
        stream_idle_timeout=f"{limits.seconds}s",
        delayed_close_timeout="1s",
        generate_request_id=False,
        local_reply_config=_replies(),
        http_filters=[
            _filter("header_mutation", _without_headers(table)),
            _filter("jwt_authn", _tokens(table, keys)),
            _filter("rbac", _with_key_id()),
            _filter("buffer", {"@type": f"{_HTTP}buffer.v3.Buffer", "max_request_bytes": limits.body}),
            _filter("router", {"@type": f"{_HTTP}router.v3.Router", "suppress_envoy_headers": True}),
        ],
    )


def _filter(name: str, configured: dict[str, Any]) -> dict[str, Any]:
    return {"name": f"envoy.filters.http.{name}", "typed_config": configured}


def _claim_header(place: int) -> str:
    """The header by which the check of tokens hands an issuer's claim to the routes."""
    return f"{HEADER}-claim-{place}"


def _without_headers(table: GatewayTable) -> dict[str, Any]:
    """What a client sends under the gateway's own names is taken away."""
    names = [HEADER, *(_claim_header(place) for place in range(len(table.issuers.issuers)))]
    return {
        "@type": f"{_HTTP}header_mutation.v3.HeaderMutation",
        "mutations": {"request_mutations": [{"remove": name} for name in names]},
    }


def _with_key_id() -> dict[str, Any]:
    """Refuses a token that names no key; health, which has no token, passes."""
    named = {
        "filter": "envoy.filters.http.jwt_authn",
        "path": [{"key": "head"}, {"key": "kid"}],
        "value": {"present_match": True},
    }
    with_key = {"sourced_metadata": {"metadata_matcher": named, "metadata_source": "DYNAMIC"}}
    policies = {
        "a token that names its key": {
            "permissions": [{"any": True}],
            "principals": [with_key, {"url_path": {"path": {"exact": "/healthz"}}}],
        }
    }
    return {"@type": f"{_HTTP}rbac.v3.RBAC", "rules": {"action": "ALLOW", "policies": policies}}


def _tokens(table: GatewayTable, keys: Keys) -> dict[str, Any]:
    issuers = list(enumerate(table.issuers.issuers))
    providers = {f"issuer-{place}": _provider(place, issuer, keys, table.issuers.leeway) for place, issuer in issuers}
    names = [{"provider_name": name} for name in providers]
    requires = names[0] if len(names) == 1 else {"requires_any": {"requirements": names}}
    return {
        "@type": f"{_HTTP}jwt_authn.v3.JwtAuthentication",
        "providers": providers,
        "rules": [{"match": {"path": "/healthz"}}, {"match": {"prefix": "/"}, "requires": requires}],
    }


def _provider(place: int, issuer: Issuer, keys: Keys, leeway: int) -> dict[str, Any]:
    if "." in issuer.claim:
        raise ConfigurationError(
            f"Envoy reads a dot in the claim {issuer.claim!r} of {issuer.issuer} as a level of its own; have the "
            "provider use a name without a dot, or render haproxy or nginx"
        )
    known = keys[issuer.issuer].keys.values()
    jwks = {"keys": [{**_public(key.jwk), "alg": key.algorithm} for key in known]}
    return {
        "issuer": issuer.issuer,
        "audiences": [issuer.audience],
        "local_jwks": {"inline_string": json.dumps(jwks)},
        "from_headers": [{"name": "authorization", "value_prefix": "Bearer "}],
        "forward": True,
        "claim_to_headers": [{"header_name": _claim_header(place), "claim_name": issuer.claim}],
        "clear_route_cache": True,
        "header_in_metadata": "head",
        "require_expiration": True,
        "max_lifetime": f"{issuer.longest_lifetime}s",
        "clock_skew_seconds": leeway,
        "jwt_cache_config": {"jwt_cache_size": REMEMBERED},
    }


def _public(jwk: Mapping[str, Any]) -> dict[str, Any]:
    return {name: jwk[name] for name in ("kty", "kid", "n", "e", "crv", "x", "y") if name in jwk}


def _routes(table: GatewayTable) -> dict[str, Any]:
    plain = {"safe_regex": {"regex": PATHS}}
    other = {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD|POST"}}, "invert_match": True}
    return _typed(
        "config.route.v3.RouteConfiguration",
        name="by_jurisdiction",
        virtual_hosts=[
            {
                "name": "all",
                "domains": ["*"],
                "routes": [
                    {"match": {"path": "/healthz"}, "direct_response": _reply(200, "well")},
                    _refused({"prefix": "/", "headers": [other]}, 405, "GET and POST are answered here"),
                    *_lawful(table, plain),
                    _refused(plain, 451, "no region may serve this jurisdiction"),
                    _refused({"prefix": "/"}, 400, "the path is not plain"),
                ],
            }
        ],
    )


def _refused(match: Mapping[str, Any], status: int, why: str) -> dict[str, Any]:
    return {"match": match, "direct_response": _reply(status, why)}


def _reply(status: int, why: str) -> dict[str, Any]:
    return {"status": status, "body": {"inline_string": json.dumps({"error" if status != 200 else "status": why})}}


def _lawful(table: GatewayTable, plain: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The routes to regions: of each issuer, its own words for a code by themselves, the codes of a chain together."""
    chains = table.routing.chains()
    for place, issuer in enumerate(table.issuers.issuers):
        words = table.words(issuer)
        for chain, codes in chains.items():
            same = [word for word, code in words.items() if word == code and code in codes]
            if same:
                yield _route(table, plain, place, same, chain, f"%REQ({_claim_header(place)})%")
            for word, code in words.items():
                if word != code and code in codes:
                    yield _route(table, plain, place, [word], chain, code)


def _route(
    table: GatewayTable, plain: Mapping[str, Any], place: int, words: list[str], chain: tuple[str, ...], code: str
) -> dict[str, Any]:
    pattern = {"safe_regex": {"regex": "|".join(sorted(map(_quoted, words)))}}
    single = {"name": "authorization", "string_match": {"contains": ","}, "invert_match": True}
    header = {"key": HEADER, "value": code}
    return {
        "match": {**plain, "headers": [{"name": _claim_header(place), "string_match": pattern}, single]},
        "route": {"cluster": chain_name(chain), "timeout": f"{table.limits.seconds}s"},
        "request_headers_to_add": [{"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
    }


def _quoted(word: str) -> str:
    """A word as RE2 matches it to the letter."""
    return "".join(
        letter if letter.isalnum() or letter in "-_" or not letter.isascii() else f"\\{letter}" for letter in word
    )


def _cluster(table: GatewayTable, chain: tuple[str, ...]) -> dict[str, Any]:
    regions = [table.regions[name] for name in chain]
    return _typed(
        "config.cluster.v3.Cluster",
        name=chain_name(chain),
        type="STRICT_DNS",
        connect_timeout="2s",
        common_lb_config={"healthy_panic_threshold": {"value": 0}},
        load_assignment={
            "cluster_name": chain_name(chain),
            "endpoints": [_endpoint(place, region) for place, region in enumerate(regions)],
        },
        health_checks=[
            {
                "timeout": "1s",
                "interval": "0.5s",
                "no_traffic_interval": "0.5s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "http_health_check": {"path": table.health},
            }
        ],
        transport_socket_matches=[_secure(region) for region in regions if region.is_tls],
    )


def _endpoint(place: int, region: Upstream) -> dict[str, Any]:
    address = _address(region.address.bare_host, region.address.port)
    marked = {"metadata": {"filter_metadata": {"envoy.transport_socket_match": {"region": region.name}}}}
    return {"priority": place, "lb_endpoints": [{"endpoint": {"address": address}, **marked}]}


def _secure(region: Upstream) -> dict[str, Any]:
    """TLS to a region: its certificate is of its authority, and for its host."""
    host = region.certified_name
    kind = "DNS" if region.has_dns_name else "IP_ADDRESS"
    checked = {
        "trusted_ca": {"filename": str(region.ca)},
        "match_typed_subject_alt_names": [{"san_type": kind, "matcher": {"exact": host}}],
    }
    context = _typed(
        "extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        common_tls_context={"validation_context": checked},
        **({"sni": host} if kind == "DNS" else {}),
    )
    return {
        "name": region.name,
        "match": {"region": region.name},
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context},
    }


def _replies() -> dict[str, Any]:
    """JSON, as the other gateways answer: 503 with its reason; for the rest what Envoy says."""
    down = {
        "filter": {
            "status_code_filter": {"comparison": {"op": "EQ", "value": {"default_value": 503, "runtime_key": "none"}}}
        },
        "body": {"inline_string": "the regions that may serve this jurisdiction are down; no other may"},
    }
    return {
        "mappers": [down],
        "body_format": {"json_format": {"error": "%LOCAL_REPLY_BODY%"}, "content_type": "application/json"},
    }
