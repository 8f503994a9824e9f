"""The OpenID provider that a hub names for its people.

The provider says who somebody is; what the person may do is the hub's account of that subject. An e-mail address or a
group that a provider claims gives no right.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OpenIdProvider:
    """Where people sign in.

    Attributes:
        issuer: its address, as its tokens name it.
        client: this hub's name there; `secret` is the hub's password there.
        label: what the button says.
    """

    issuer: str
    client: str
    secret: str
    label: str = "OpenID"
