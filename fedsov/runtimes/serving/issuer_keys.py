"""The keys of issuers that an endpoint believes, and the check that they make."""

from __future__ import annotations

from pathlib import Path

from fedsov.errors import ConfigurationError, FedsovError
from fedsov.inference.issuers import Issuer, IssuerTable
from fedsov.inference.key_sets import KeySet, read_key_set
from fedsov.inference.tokens import TokenCheck
from fedsov.runtimes.serving.loading import load_issuers
from fedsov.runtimes.serving.place import EndpointPlace
from fedsov.storage.bounded_files import TooLarge, read_bounded


class IssuerKeys:
    """A table of issuers with their keys; `check` is made anew where the table changed, and gets new keys otherwise."""

    def __init__(self, place: EndpointPlace) -> None:
        self.check, self.fault = TokenCheck(IssuerTable(()), {}), ""
        self.read(place)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of keys that the table names."""
        return tuple(Path(issuer.jwks) for issuer in self.check.table.issuers if not issuer.has_url)

    def read(self, place: EndpointPlace) -> None:
        """Takes the table and its keys; where they cannot be read the old ones go on, and `fault` says why."""
        try:
            table = load_issuers(place)
            keys = {issuer.issuer: _keys(issuer) for issuer in table.issuers if not issuer.has_url}
        except FedsovError as error:
            self.fault = "" if self.check.table.issuers else str(error)
            raise
        if table == self.check.table:
            self.check.replace_keys(keys)
        else:
            self.check = TokenCheck(table, keys)
        self.fault = "" if keys else "keys of an issuer: no table of issuers names a file of keys"


def _keys(issuer: Issuer) -> KeySet:
    """The keys in an issuer's file. Raises ConfigurationError."""
    try:
        return read_key_set(read_bounded(Path(issuer.jwks)), issuer)
    except (OSError, TooLarge) as problem:
        raise ConfigurationError(f"the keys of {issuer.issuer} cannot be read from {issuer.jwks}: {problem}") from None
