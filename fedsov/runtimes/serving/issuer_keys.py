"""Whose tokens a worker believes: the region's table of issuers, and their keys as they come.

keys = IssuerKeys(place)
claims = keys.check.check(headers, now)
await keys.renew(refused.issuer)         # where a token named a key that is not there
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from fedsov.errors import FedsovError
from fedsov.inference.tokens.issuers import IssuerTable
from fedsov.inference.tokens.token_check import TokenCheck
from fedsov.runtimes.serving.jwks import KeySources
from fedsov.runtimes.serving.loading import load_issuers
from fedsov.runtimes.serving.place import EndpointPlace

FIRST_LOOK = 1.0
"""Seconds that a start waits for an issuer's URL; its keys may come later."""


class IssuerKeys:
    """A table of issuers with their keys; `check` is made anew where the table changed, and gets new keys otherwise."""

    def __init__(self, place: EndpointPlace) -> None:
        """Reads the table. Where it cannot be read, nobody is believed, and `fault` says why."""
        self.check, self._sources, self._table_fault = TokenCheck(IssuerTable(()), {}), KeySources(IssuerTable(())), ""
        self._taken = ""
        with suppress(FedsovError):
            self.take(place)

    @property
    def fault(self) -> str:
        """Why nobody is believed; "" where somebody may be."""
        if self._sources.keys:
            return ""
        return next(iter(self._sources.faults), self._table_fault or "keys of an issuer that the region believes")

    def take(self, place: EndpointPlace) -> None:
        """Takes the table of the region's file.

        Raises ConfigurationError. The old one goes on only where it still is the one that the settings took.
        """
        try:
            table = load_issuers(place)
        except FedsovError as error:
            self._table_fault = str(error)
            if place.issuers_sha256 != self._taken:
                self._believe(IssuerTable(()))
            raise
        self._table_fault, self._taken = "", place.issuers_sha256
        self._believe(table)

    def _believe(self, table: IssuerTable) -> None:
        if table != self.check.table:
            self._sources, self.check = KeySources(table), TokenCheck(table, {})

    async def first_look(self) -> None:
        """Reads the keys, and waits a moment for those of URLs."""
        looking = asyncio.create_task(self.look())
        await asyncio.wait({looking}, timeout=FIRST_LOOK)

    async def look(self) -> None:
        """Takes keys that changed, and fetches what is due; for every second or so."""
        sources, check = self._sources, self.check
        check.replace_keys(await asyncio.to_thread(sources.look))

    async def renew(self, issuer: str) -> None:
        """Looks for newer keys of an issuer, one of which a token named."""
        sources, check = self._sources, self.check
        check.replace_keys(await asyncio.to_thread(sources.renew, issuer))
