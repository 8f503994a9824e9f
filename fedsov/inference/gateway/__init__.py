"""Gateways: one table of regions and issuers, as configuration of HAProxy, Envoy or nginx, and a small one of our own.

Each checks the token of a request (signature, key, algorithm, issuer, audience, times, one jurisdiction) and sends it
to the first of the lawful regions that is up. The endpoint behind it checks again: a gateway is never what the promise
rests on.
"""
