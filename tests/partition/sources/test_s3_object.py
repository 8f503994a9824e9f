"""A source in S3: moto's server, which checks no credential."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from fedsov.errors import InputError
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.sources import read_source
from tests.partition.world import people, read, run, spec_of


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
        address = "http://{}:{}".format(*server.get_host_and_port())
        bucket = boto3.client("s3", region_name="us-east-1", endpoint_url=address)
        bucket.create_bucket(Bucket="people")
        sink = pa.BufferOutputStream()
        pq.write_table(people(), sink)
        bucket.put_object(Bucket="people", Key="day=1/people.parquet", Body=sink.getvalue().to_pybytes())
        bucket.put_object(Bucket="people", Key="people.csv", Body=b"country,passport,wage\nDE,x1,5\nUS,x2,6\n")
        yield address
    server.stop()


def _spec(endpoint: str, path: str, **changed: object) -> DatasetSpec:
    options = {"region": "us-east-1", "endpoint": endpoint}
    return spec_of(Path(path), **({"source": "s3", "source_options": options} | changed))


def test_an_object_is_read_as_a_file_is(endpoint: str, tmp_path: Path) -> None:
    report = run(_spec(endpoint, "s3://people/day=1/people.parquet"), tmp_path)
    assert report.stored["EU"] == len(read(tmp_path, "EU")) > 0 and sum(report.stored.values()) == 60
    assert run(_spec(endpoint, "s3://people/day=1/people.parquet"), tmp_path).up_to_date
    assert read_source(_spec(endpoint, "s3://people/people.csv")).num_rows == 2


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("s3://people/none.csv", "s3://people/none.csv does not exist"),
        ("s3://nobody/none.csv", "does not exist|cannot read"),
        ("s3://me:secret@people/people.csv", "without a credential"),
        ("people.csv", "needs dataset.path=s3://BUCKET/KEY"),
    ],
)
def test_an_object_that_is_not_there_is_named_in_one_line(endpoint: str, path: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as refusal:
        read_source(_spec(endpoint, path))
    assert "secret" not in str(refusal.value) and "\n" not in str(refusal.value)


def test_an_endpoint_in_the_clear_on_another_machine_is_refused(endpoint: str) -> None:
    options = {"endpoint": "http://s3.example"}
    with pytest.raises(InputError, match="in the clear; use https"):
        read_source(_spec(endpoint, "s3://people/people.csv", source_options=options))
