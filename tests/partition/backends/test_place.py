"""A region's bucket is said once, in settings that hold no credential; what would be ignored or weaken is refused."""

from __future__ import annotations

import pytest

from fedsov.errors import ConfigurationError
from fedsov.partition.backends.place import FOLDER, StorePlace, check_apart, place_of
from fedsov.region.settings import RegionSettings

PLACE = StorePlace("s3://fedsov-de/people", "https://s3.example", "eu-central-1", "/etc/fedsov/de.yaml")


def test_a_place_is_the_same_from_settings_and_from_a_manifest_and_names_its_files() -> None:
    assert place_of(PLACE.to_json()) == PLACE == StorePlace.from_settings({**PLACE.to_json()})
    assert StorePlace.from_settings({"bucket": "s3://fedsov-de/people/"}).under("a", "b") == "s3://fedsov-de/people/a/b"
    assert (PLACE.kind, PLACE.name, PLACE.root) == ("s3", "fedsov-de", "s3://fedsov-de")
    assert FOLDER.to_json() == {} == place_of({}).to_json() and FOLDER.words() == "the region's folder"


def test_a_region_s_settings_have_it_and_those_of_before_have_none() -> None:
    own = RegionSettings("DE").changed(["store.bucket=s3://fedsov-de", "store.credentials_file=de.yaml"])
    assert own.store.bucket == "s3://fedsov-de" and own.store.credentials_file.endswith("/de.yaml")
    assert RegionSettings.from_settings(own.to_plain()) == own
    before = {key: value for key, value in own.to_plain().items() if key != "store"}
    assert RegionSettings.from_settings(before).store == FOLDER


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"bucket": "https://example.com/x"}, "must be s3://BUCKET/PREFIX"),
        ({"bucket": "s3://key:secret@bucket/x"}, "without a credential"),
        ({"bucket": "s3://bucket/../other"}, "must be s3://"),
        ({"bucket": "s3://bucket//x"}, "must be s3://"),
        ({"bucket": "s3:///x"}, "must be s3://"),
        ({"bucket": "s3://bucket", "endpoint": "http://s3.example"}, "in the clear; use https"),
        ({"bucket": "gs://bucket", "aws_region": "eu-central-1"}, "would be ignored by gs://"),
        ({"endpoint": "https://s3.example"}, "store.endpoint would be ignored without store.bucket"),
        ({"bucket": "s3://bucket", "credentials_file": "de.yaml"}, "must be a whole path"),
        ({"buckets": "s3://bucket"}, "bucket"),
    ],
)
def test_a_place_that_cannot_be_is_refused(settings: dict[str, str], fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault) as refusal:
        StorePlace.from_settings(settings)
    assert "secret" not in str(refusal.value)


def test_two_regions_never_have_one_bucket_be_it_under_two_prefixes_or_two_credentials() -> None:
    other = StorePlace("s3://fedsov-de/others", "https://s3.example")
    check_apart({"DE": PLACE}, {"FR": FOLDER, "US": StorePlace("s3://fedsov-us/people", "https://s3.example")})
    with pytest.raises(ConfigurationError, match="s3://fedsov-de is the bucket of region FR"):
        check_apart({"DE": PLACE}, {"FR": other})
    with pytest.raises(ConfigurationError, match="is the bucket of region"):
        check_apart({"EU": PLACE, "FR": PLACE}, {})
    with pytest.raises(ConfigurationError, match="s3://fedsov-de is the bucket of region DE"):
        check_apart({"FR": PLACE}, {"DE": FOLDER})
