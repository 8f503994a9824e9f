"""What a party may be called in a certificate."""

from __future__ import annotations

import pytest

from fedsov.errors import CertificateRefused
from fedsov.keys.certificates import check_name, new_key, request


@pytest.mark.parametrize("name", ["", "D E", "DE\n", "Köln", "a/b", "x" * 64, "a.b", "*"])
def test_a_name_that_no_certificate_can_have_is_refused(name: str) -> None:
    with pytest.raises(CertificateRefused, match="cannot be in a certificate"):
        check_name(name)
    with pytest.raises(CertificateRefused, match="cannot be in a certificate"):
        request(new_key(), "region", name)


def test_an_unknown_role_and_a_host_in_other_letters_are_refused() -> None:
    with pytest.raises(CertificateRefused, match="unknown role 'router'; there are hub, region, operator"):
        request(new_key(), "router", "R")
    with pytest.raises(CertificateRefused, match="is no name of a machine"):
        request(new_key(), "hub", "hub", hosts=["höb.example"])
