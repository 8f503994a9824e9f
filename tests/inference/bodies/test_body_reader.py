"""Bodies become inputs, or are refused by the name of a column; nothing of them is passed over in silence."""

from __future__ import annotations

import datetime
import gzip
import json
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.inference.bodies.body_reader import ARROW, FLOAT32, JSON, BodyReader, plain_body
from fedsov.inference.bodies.body_refusals import BodyRefused
from fedsov.model.features import Features
from tests.inference.models import MIXED, NUMBERS, predictor, wide

NUMBERS_MODEL, MIXED_MODEL = predictor(NUMBERS), predictor(MIXED)


def reader(features: Features = NUMBERS, *, most_rows: int = 1000, **more: Any) -> BodyReader:
    model = NUMBERS_MODEL if features is NUMBERS else MIXED_MODEL if features is MIXED else predictor(features)
    names = [column.name for column in model.columns]
    return BodyReader(model, **{"positional": names, "known": names, "most_rows": most_rows, **more})


def refused(body: bytes, media_type: str = JSON, features: Features = NUMBERS, **more: Any) -> BodyRefused:
    with pytest.raises(BodyRefused) as caught:
        reader(features, **more).inputs(body, media_type)
    return caught.value


def outcome(read: BodyReader, body: bytes, media_type: str) -> str | int:
    """That a body is read, or the status of its refusal; anything else it raises is a test's failure."""
    try:
        return "read" if read.inputs(body, media_type).shape[1] == NUMBERS.inputs else "other inputs"
    except BodyRefused as error:
        return error.status


def arrow(columns: Mapping[str, Any], **options: Any) -> bytes:
    table, sink = pa.table(dict(columns)), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


AGES, YEARS = [30.0, 55.5, 41.0], [1.0, None, 7.25]
EXPECTED = NUMBERS_MODEL.encode({"age": AGES, "years": YEARS})
AS_ROWS = [{"years": years, "age": age} for age, years in zip(AGES, YEARS, strict=True)]


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (json.dumps({"rows": AS_ROWS}).encode(), JSON),
        (json.dumps({"dataframe_records": AS_ROWS}, indent=2).encode(), JSON),
        (
            json.dumps(
                {
                    "dataframe_split": {
                        "columns": ["years", "age"],
                        "data": [list(pair) for pair in zip(YEARS, AGES, strict=True)],
                    }
                }
            ).encode(),
            JSON,
        ),
        (arrow({"years": YEARS, "age": AGES}), ARROW),
        (np.array([AGES, [1.0, np.nan, 7.25]], "<f4").T.tobytes(), FLOAT32),
    ],
    ids=["rows", "dataframe_records", "dataframe_split", "arrow", "float32"],
)
def test_every_form_gives_the_same_inputs_in_any_order_of_columns(body, media_type):
    assert np.array_equal(reader().inputs(body, media_type), EXPECTED)


def test_text_is_read_in_every_form_that_has_names():
    expected = MIXED_MODEL.encode({"years": [1.0, 2.0], "remote": ["yes", None]})
    rows = [{"remote": "yes", "years": 1}, {"remote": None, "years": 2.0}]
    split = {"dataframe_split": {"columns": ["remote", "years"], "index": [0, 1], "data": [["yes", 1], [None, 2]]}}
    table = {"remote": pa.array(["yes", None]).dictionary_encode(), "years": pa.array([1, 2], pa.int16())}
    for body, media_type in (
        (json.dumps({"rows": rows}).encode(), JSON),
        (json.dumps(split).encode(), JSON),
        (arrow(table), ARROW),
    ):
        assert np.array_equal(reader(MIXED).inputs(body, media_type), expected)


def test_a_colon_and_a_bracket_within_a_text_are_read_as_text():
    features = Features(levels=(("place", ("a:b[c]{", "d")),))
    body = json.dumps({"rows": [{"place": "a:b[c]{"}]}).encode()
    assert reader(features).inputs(body, JSON).tolist() == [[1.0, 0.0]]


@given(
    st.lists(
        st.tuples(*[st.one_of(st.none(), st.floats(-1e9, 1e9), st.integers(-(2**70), 2**70))] * 3),
        min_size=1,
        max_size=5,
    ),
    st.permutations(range(3)),
)
@settings(max_examples=100, deadline=None)
def test_the_fast_ways_give_what_the_slow_one_gives(rows, order):
    features = wide(3)
    model, read = predictor(features), reader(features)
    names = [column.name for column in model.columns]
    expected = model.encode_rows([list(row) for row in rows])
    records = [{names[at]: row[at] for at in order} for row in rows]
    split = {"columns": [names[at] for at in order], "data": [[row[at] for at in order] for row in rows]}
    assert np.array_equal(read.inputs(json.dumps({"rows": records}).encode(), JSON), expected)
    assert np.array_equal(read.inputs(json.dumps({"dataframe_split": split}).encode(), JSON), expected)


@pytest.mark.parametrize(
    ("rows", "column"),
    [
        ('[{"age": 1, "years": NaN}]', "years"),
        ('[{"age": -Infinity, "years": 1}]', "age"),
        ('[{"age": 1e999, "years": 1}]', "age"),
        ('[{"age": 1' + "0" * 400 + ', "years": 1}]', "age"),
        ('[{"age": "1.5", "years": 1}]', "age"),
        ('[{"age": true, "years": 1}]', "age"),
        ('[{"age": [1], "years": 1}]', "age"),
        ('[{"age": {"x": 1}, "years": 1}]', "age"),
        ('[{"age": 1}]', "years"),
        ('[{"age": 1, "years": 2}, {"age": 1}]', "years"),
        ('[{"age": 1, "years": 2, "salary": 5}]', "salary"),
        ('[{"age": 1, "years": 2}, {"age": 1, "years": 2, "salary": 5}]', "salary"),
        ('[{"age": 1, "age": 2}]', "age"),
        ('[{"age": 1, "years": 2, "age": 3}]', "age"),
        ('[{"age": 1, "ye\\u0430rs": 2}]', "ye\u0430rs"),
        ('[{"age": 1, "y\u0435ars": 2}]', "y\u0435ars"),
    ],
)
def test_what_a_row_cannot_have_is_refused_by_its_column(rows, column):
    for form in ("rows", "dataframe_records"):
        error = refused(f'{{"{form}": {rows}}}'.encode())
        assert (error.status, error.column) == (422, column)


@pytest.mark.parametrize(
    ("split", "column"),
    [
        ('{"columns": ["age", "years"], "data": [[1, NaN]]}', "years"),
        ('{"columns": ["age", "years"], "data": [[1, 2], [1]]}', "years"),
        ('{"columns": ["age", "years"], "data": [[1, 2], [1, 2, 3]]}', "years"),
        ('{"columns": ["age", "years"], "data": [[1, 2, 3], [1]]}', "years"),
        ('{"columns": ["age", "years"], "data": [[1, [2]]]}', "years"),
        ('{"columns": ["age", "years"], "data": [[[1], 2]]}', "age"),
        ('{"columns": ["age", "years"], "data": [[1, "2"]]}', "years"),
        ('{"columns": ["age", "years"], "data": [[true, 2]]}', "age"),
        ('{"columns": ["age"], "data": [[1]]}', "years"),
        ('{"columns": ["age", "years", "age"], "data": [[1, 2, 3]]}', "age"),
        ('{"columns": ["age", "years", "pay"], "data": [[1, 2, 3]]}', "pay"),
    ],
)
def test_what_a_table_cannot_have_is_refused_by_its_column(split, column):
    error = refused(f'{{"dataframe_split": {split}}}'.encode())
    assert (error.status, error.column) == (422, column)


@pytest.mark.parametrize(
    "body",
    [b"", b"[", b"{}", b"[]", b"3", b'{"rows": 3}', b'{"rows": [3]}', b'{"rows": [[1, 2]]}', b'{"instances": [{}]}',
     b'{"rows": [{"age": 1, "years": 2}], "params": {}}', b'{"rows": [], "rows": [{"age": 1, "years": 2}]}',
     b'{"rows": []}', b'{"dataframe_split": {"columns": ["age", "years"], "data": []}}', b'{"dataframe_split": []}',
     b'{"dataframe_split": {"columns": [1], "data": [[1]]}}', b'{"dataframe_split": {"columns": [], "data": [[]]}}',
     b'{"rows": [{"age": 1, "years": 2}]} x', b"\xff\xfe", b'{"rows": [{"age": 1, "years": 2}]', b'{"rows": null}'],
)  # fmt: skip
def test_what_is_no_body_of_rows_is_refused(body):
    assert refused(body).status in (400, 422)


@pytest.mark.parametrize("letters", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_json_in_other_letters_than_utf_8_is_refused(letters):
    text = '{"rows": [{"age": 1, "years": 1, "\u00e9": 1}]}'
    assert refused(text.encode(letters)).status == 400


@pytest.mark.parametrize("opening", [b"[", b'{"rows":', b'{"rows":[', b'{"dataframe_split":{"data":['])
def test_json_nested_a_hundred_thousand_times_is_refused_at_once(opening):
    began = time.perf_counter()
    assert refused(opening * 100_000).status == 400
    assert time.perf_counter() - began < 2.0


def test_a_reader_reads_on_after_each_refusal():
    read = reader()
    for body in (b"[" * 2000, b'{"dataframe_split": {"columns": ["age", "years"], "data": [[1, [2]]]}}', b"{"):
        with pytest.raises(BodyRefused):
            read.inputs(body, JSON)
        assert np.array_equal(read.inputs(json.dumps({"rows": AS_ROWS}).encode(), JSON), EXPECTED)


def test_more_rows_than_the_limit_are_refused_in_every_form():
    rows = [{"age": 1.0, "years": 2.0}] * 3
    split = {"columns": ["age", "years"], "data": [[1, 2]] * 3}
    for body, media_type in (
        (json.dumps({"rows": rows}).encode(), JSON),
        (json.dumps({"dataframe_split": split}).encode(), JSON),
        (arrow({"age": [1.0] * 3, "years": [2.0] * 3}), ARROW),
        (np.ones((3, 2), "<f4").tobytes(), FLOAT32),
    ):
        assert refused(body, media_type, most_rows=2).status == 413
        assert len(reader(most_rows=3).inputs(body, media_type)) == 3


def test_no_rows_are_refused_in_every_form():
    for body, media_type in (
        (arrow({"age": pa.array([], pa.float64()), "years": pa.array([], pa.float64())}), ARROW),
        (b"", FLOAT32),
    ):
        assert refused(body, media_type).status == 422


def test_half_a_row_of_float32_is_refused_with_the_columns_order():
    assert "age, years" in refused(b"\0" * 12, FLOAT32).why


def test_infinite_float32_is_refused_by_its_column():
    assert refused(np.array([[1.0, np.inf]], "<f4").tobytes(), FLOAT32).column == "years"


def test_rows_without_names_are_refused_where_the_model_reads_text():
    assert refused(np.zeros((1, 2), "<f4").tobytes(), FLOAT32, MIXED).column == "remote"


def test_rows_without_names_have_the_champion_s_order_whichever_version_reads_them():
    read = BodyReader(NUMBERS_MODEL, positional=("years", "age"), known=(), most_rows=10)
    expected = NUMBERS_MODEL.encode({"years": [1.0], "age": [30.0]})
    assert np.array_equal(read.inputs(np.array([[1.0, 30.0]], "<f4").tobytes(), FLOAT32), expected)


def test_a_version_that_needs_a_column_more_refuses_rows_without_names_by_that_column():
    read = BodyReader(NUMBERS_MODEL, positional=("years",), known=(), most_rows=10)
    with pytest.raises(BodyRefused) as caught:
        read.inputs(np.array([[1.0]], "<f4").tobytes(), FLOAT32)
    assert caught.value.column == "age"


def test_a_column_that_another_version_asks_for_is_no_column_too_many():
    read = reader(known=("age", "years", "salary"))
    rows = [{**row, "salary": 5} for row in AS_ROWS]
    assert np.array_equal(read.inputs(json.dumps({"rows": rows}).encode(), JSON), EXPECTED)


def test_another_media_type_is_refused_with_those_that_are_read():
    error = refused(b"", "text/csv")
    assert error.status == 415 and ARROW in error.why


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_arrow_is_refused_before_it_is_unpacked(compression):
    body = arrow({"age": np.zeros(10_000_000), "years": np.zeros(10_000_000)}, compression=compression)
    assert len(body) < 2_000_000
    began = time.perf_counter()
    assert refused(body, ARROW).status == 415
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize(
    ("columns", "column"),
    [
        ({"age": [1.0], "years": ["x"]}, "years"),
        ({"age": [1.0], "years": [[1.0]]}, "years"),
        ({"age": [1.0], "years": pa.nulls(1)}, "years"),
        ({"age": [1.0], "years": [b"x"]}, "years"),
        ({"age": [1.0], "years": [True]}, "years"),
        ({"age": [1.0]}, "years"),
        ({"age": [1.0], "years": [1.0], "pay": [1.0]}, "pay"),
    ],
)
def test_what_arrow_cannot_have_is_refused_by_its_column(columns, column):
    error = refused(arrow(columns), ARROW)
    assert (error.status, error.column) == (422, column)


def test_days_of_arrow_are_counted_as_in_training():
    body = arrow({"age": [1.0], "years": [datetime.date(1970, 1, 11)]})
    assert np.array_equal(reader().inputs(body, ARROW), NUMBERS_MODEL.encode({"age": [1.0], "years": [10.0]}))


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_bytes_are_more_than_refused(body):
    whole = arrow({"age": [1.0], "years": [1.0]})
    for media_type, content in (
        (JSON, body),
        (FLOAT32, body),
        (ARROW, body),
        (ARROW, whole[:100] + body + whole[100:]),
    ):
        assert outcome(reader(), content, media_type) in ("read", 400, 413, 415, 422)


def test_every_truncation_and_flipped_byte_of_arrow_is_refused_or_read():
    whole = arrow({"age": [1.0, 2.0], "years": [1.0, None]})
    read = reader()
    for place in range(len(whole)):
        for content in (whole[:place], whole[:place] + bytes([whole[place] ^ 0x80]) + whole[place + 1 :]):
            assert outcome(read, content, ARROW) in ("read", 400, 413, 415, 422)


def test_no_refusal_repeats_a_value():
    secret = "Frida-1957"
    for body in (
        json.dumps({"rows": [{"years": 1, "remote": secret}]}),
        json.dumps({"rows": [{"years": secret, "remote": "yes"}]}),
        json.dumps({"dataframe_split": {"columns": ["years", "remote"], "data": [[secret, "yes"]]}}),
        json.dumps({"rows": [[secret]]}),
        '{"rows": [{"years": 1, "remote": "' + secret,
    ):
        assert secret not in refused(body.encode(), features=MIXED).why


def test_gzip_is_unpacked_and_no_further_than_the_limit():
    body = b"a" * 1000
    assert plain_body(gzip.compress(body, mtime=0), "gzip", 1000) == body
    assert plain_body(body, "", 10) == body
    with pytest.raises(BodyRefused) as caught:
        plain_body(gzip.compress(b"\0" * 100_000_000, mtime=0), "gzip", 1 << 20)
    assert caught.value.status == 413


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no gzip",
        gzip.compress(b"a", mtime=0)[:-3],
        gzip.compress(b"a", mtime=0) + b"x",
        gzip.compress(b"a", mtime=0) * 2,
    ],
)
def test_what_is_not_one_whole_gzip_is_refused(body):
    with pytest.raises(BodyRefused) as caught:
        plain_body(body, "gzip", 1000)
    assert caught.value.status == 400


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip"])
def test_another_encoding_is_refused(encoding):
    with pytest.raises(BodyRefused) as caught:
        plain_body(b"", encoding, 10)
    assert caught.value.status == 415
