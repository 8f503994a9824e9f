"""What the search finds: a canary in each encoding, however it is packed; and what it does not take for one."""

from __future__ import annotations

import base64
import gzip
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from tests.containment.canaries import Canary, Search, canaries_of, needles, people

CANARIES = canaries_of("DE")
SEARCH = Search(needles(CANARIES))


def _zipped(content: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.txt", content)
    return held.getvalue()


ENCODINGS: dict[str, Callable[[Canary], bytes]] = {
    "utf-8": lambda canary: canary.text.encode(),
    "utf-16-le": lambda canary: canary.text.encode("utf-16-le"),
    "utf-16-be": lambda canary: canary.text.encode("utf-16-be"),
    "reversed": lambda canary: canary.text[::-1].encode(),
    "hex": lambda canary: canary.text.encode().hex().encode(),
    **{
        f"base64 after {shift} bytes": lambda canary, shift=shift: base64.b64encode(
            b"x" * shift + canary.text.encode() + b"yz"
        )
        for shift in range(3)
    },
    "url-safe base64": lambda canary: base64.urlsafe_b64encode(canary.text.encode()),
    "zlib": lambda canary: zlib.compress(canary.text.encode() * 3),
    "gzip": lambda canary: gzip.compress(canary.text.encode()),
    "zip": lambda canary: _zipped(canary.text.encode() * 3),
    "zlib in base64 in hex": lambda canary: base64.b64encode(zlib.compress(canary.text.encode() * 9)).hex().encode(),
}
FLOATS = {
    "float32 little-endian": "<f",
    "float32 big-endian": ">f",
    "float64 little-endian": "<d",
    "float64 big-endian": ">d",
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_canary_is_found_in_every_encoding(name: str) -> None:
    noise = random.Random(1).randbytes(5000)
    for canary in CANARIES:
        found = SEARCH.clear("here", noise + ENCODINGS[name](canary) + noise)
        assert {(find.what, find.region) for find in found} >= {(canary.what, "DE")}, canary


@pytest.mark.parametrize("name", FLOATS)
def test_a_rare_float_is_found_as_a_number_in_base64_and_in_hex(name: str) -> None:
    (number,) = [canary.number for canary in CANARIES if canary.number is not None][:1]
    content = struct.pack(FLOATS[name], number)
    for packed in (
        content,
        base64.b64encode(b"xxx" + content + b"xxx"),
        content.hex().encode(),
        zlib.compress(content * 5),
    ):
        assert [find for find in SEARCH.clear("here", b"head" + packed) if find.what == "rare float"], packed


def test_arrays_of_a_region_s_rows_are_found_in_flower_s_own_form() -> None:
    held = io.BytesIO()
    np.save(held, np.array([canary.number for canary in CANARIES if canary.number is not None], np.float32))
    assert len({find.encoding for find in SEARCH.clear("array", held.getvalue())}) == 1


def test_random_bytes_and_other_people_s_rows_hold_no_canary() -> None:
    noise = random.Random(2).randbytes(1 << 20)
    assert not SEARCH.ciphertext("link", noise)
    others = [line for line in people("DE", 50) if not any(canary.text in line for canary in CANARIES)]
    assert len(others) == 50 - len(CANARIES) // 3
    assert not SEARCH.clear("rows", "\n".join(others).encode())


def test_a_number_of_four_bytes_is_not_looked_for_in_ciphertext() -> None:
    (number,) = [canary.number for canary in CANARIES if canary.number is not None][:1]
    assert not SEARCH.ciphertext("link", struct.pack("<f", number))
    assert SEARCH.ciphertext("link", struct.pack("<d", number))


def test_regions_canaries_are_their_own() -> None:
    assert not {canary.text for canary in CANARIES} & {canary.text for canary in canaries_of("FR")}
    assert people("DE", 12) == people("DE", 12)
