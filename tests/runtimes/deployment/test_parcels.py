"""Parcels: what is packed comes out again, and nothing between can be changed unseen."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.runtimes.deployment.parcels import ParcelDamaged, head_of, pack_parcel, unpack_parcel

contents = st.lists(st.binary(max_size=200), max_size=5)


def named(items):
    return {hashlib.sha256(item).hexdigest(): item for item in items}


@given(st.binary(max_size=100), contents)
def test_a_parcel_gives_its_head_and_objects_back(head, items):
    parcel = pack_parcel(head, named(items))
    assert unpack_parcel(parcel) == (head, named(items))
    assert head_of(parcel) == head


@given(st.binary(min_size=1, max_size=50), contents, st.data())
def test_a_changed_byte_of_an_object_is_seen(head, items, data):
    objects = named([b"x" * 40, *items])
    parcel = bytearray(pack_parcel(head, objects))
    place = data.draw(st.integers(4 + len(head), len(parcel) - 1))
    parcel[place] ^= 1
    with pytest.raises(ParcelDamaged):
        unpack_parcel(bytes(parcel))


@given(st.binary(max_size=50), contents, st.data())
def test_a_cut_parcel_is_refused(head, items, data):
    parcel = pack_parcel(head, named([b"something", *items]))
    end = data.draw(st.integers(0, len(parcel) - 1))
    ends = {len(pack_parcel(head, dict(list(named([b"something", *items]).items())[:count]))) for count in range(6)}
    if end not in ends:  # an object fewer is a parcel too: whoever needs the object says that it is missing
        with pytest.raises(ParcelDamaged):
            unpack_parcel(parcel[:end])


def test_a_head_longer_than_the_parcel_is_refused():
    with pytest.raises(ParcelDamaged):
        unpack_parcel((1000).to_bytes(4, "big") + b"short")
    with pytest.raises(ParcelDamaged):
        head_of(b"ab")
