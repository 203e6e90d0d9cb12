"""Kinds of files: what is written comes back, with its types and to the byte."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import variegate as vg
from tests.conftest import SAMPLE
from tests.sources import PAIRS, put
from variegate.data.write import write_rows
from variegate.storage import whole_files

pytestmark = pytest.mark.usefixtures("here")


KINDS = [
    "a.jsonl",
    "a.ndjson",
    "a.json",
    "a.csv",
    "a.tsv",
    "a.parquet",
    "a.arrow",
    "a.jsonl.gz",
    "a.jsonl.zst",
    "a.ndjson.zst",
    "a.json.gz",
    "a.json.zst",
    "a.csv.gz",
    "a.csv.zst",
    "a.tsv.gz",
    "a.feather",
    "A.JSONL.GZ",
]


@pytest.mark.parametrize("out", KINDS)
@pytest.mark.parametrize("source", ["pool.jsonl", "pool.parquet"])
def test_rows_come_back_as_they_were_written(out, source):
    pool = vg.load(put("pool.jsonl"))
    if source == "pool.parquet":
        pool.write(source)
        pool = vg.load(source)
    pool.take([5, 0, 3]).write(out)
    back = vg.load(out)
    assert back.rows() == [PAIRS[5], PAIRS[0], PAIRS[3]]
    assert back.texts("both").to_pylist()[1] == 'Frage 0, bitte\nAntwort "0"\nZeile'
    assert back.sources[0].schema.name == "instruction-response"


# Every type that JSON has, nested fields and text that breaks careless writers.
RICH = [
    {"text": "a", "n": 1, "share": 0.1, "kept": True, "none": None, "tags": ["x", "y"], "by": {"who": "é", "when": 1}},
    {
        "text": "b\u2028c\x85d\x0be\x1cf",
        "n": -(2**53),
        "share": 1e-300,
        "kept": False,
        "none": None,
        "tags": [],
        "by": {"who": "", "when": 2},
    },
    {
        "text": "\r\n\t\"',;\\ \ufeff🦙",
        "n": 0,
        "share": -0.0,
        "kept": True,
        "none": None,
        "tags": [""],
        "by": {"who": "\r", "when": 3},
    },
]


@pytest.mark.parametrize("through", ["a.jsonl", "a.json", "a.parquet", "a.arrow", "a.feather", "a.jsonl.zst", "a.json.gz"])
@pytest.mark.parametrize("then", ["b.jsonl", "b.json", "b.parquet", "b.arrow"])
def test_values_keep_their_types(through, then):
    vg.load(put("pool.jsonl", RICH)).write(through)
    vg.load(through).write(then)
    assert vg.load(then).rows() == RICH


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz"])
def test_csv_holds_strings(name):
    rows = [{"text": "a", "n": 1, "share": 0.5, "none": None}, {"text": "b", "n": 2, "more": "x"}]
    vg.load(put("pool.jsonl", rows)).write(name)
    assert vg.load(name).rows() == [
        {"text": "a", "n": "1", "share": "0.5", "none": "", "more": ""},
        {"text": "b", "n": "2", "share": "", "none": "", "more": "x"},
    ]


AWKWARD = [
    '"',
    ",",
    "\t",
    "a\nb",
    "a\r\nb",
    "a\rb",
    "\r",
    " a ",
    "'",
    "\u2028",
    "\x0b\x0c\x1c",
    "a\\,b",
    '""\n"',
    "\n",
    "#",
    "\ufeff",
]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
@pytest.mark.parametrize("text", AWKWARD, ids=repr)
def test_text_that_csv_must_quote(text, name):
    rows = [{"instruction": text, "response": f"x{text}"}, {"instruction": "plain", "response": f"{text}y"}]
    vg.load(put("pool.jsonl", rows)).write(name)
    assert vg.load(name).rows() == rows


def test_an_arrow_stream_is_read_too():
    table = pa.Table.from_pylist(PAIRS)
    with pa.OSFile("a.arrow", "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    assert vg.load("a.arrow").rows() == PAIRS
    vg.load("a.arrow").take([6, 2]).write("b.arrow")
    with pa.memory_map("b.arrow") as source:
        written = pa.ipc.open_file(source).read_all()
    assert (written.schema, written.to_pylist()) == (table.schema, [PAIRS[6], PAIRS[2]])


def test_members_of_a_compressed_file_are_read_one_after_the_other():
    lines = Path(put("a.jsonl")).read_bytes().splitlines(keepends=True)
    Path("a.jsonl.gz").write_bytes(gzip.compress(lines[0]) + gzip.compress(b"".join(lines[1:])))
    zstd = pa.Codec("zstd")
    Path("a.jsonl.zst").write_bytes(zstd.compress(lines[0], asbytes=True) + zstd.compress(b"".join(lines[1:]), asbytes=True))
    assert vg.load("a.jsonl.gz").rows() == vg.load("a.jsonl.zst").rows() == PAIRS


def test_lines_stay_the_same_to_the_byte():
    odd = b'{"response":"b",  "instruction" : "\\u00e9", "x": 1.0e5}\r\n\n  {"instruction": "c", "response": "d"}'
    Path("odd.jsonl").write_bytes(b"\xef\xbb\xbf" + odd)
    pool = vg.load("odd.jsonl")
    pool.take([1, 0]).write("out.jsonl")
    assert (
        Path("out.jsonl").read_bytes()
        == b'  {"instruction": "c", "response": "d"}\n{"response":"b",  "instruction" : "\\u00e9", "x": 1.0e5}\n'
    )


@pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
def test_a_subset_of_lines_is_the_lines_themselves(packed):
    lines = SAMPLE.read_bytes().splitlines(keepends=True)
    rows = [399, 0, 7, 7, 123]
    vg.load(SAMPLE).take(rows).write(f"out.jsonl{packed}")
    # Read by other programs' eyes, not by our own.
    with pa.input_stream(f"out.jsonl{packed}", compression="detect") as stream:
        assert stream.read() == b"".join(lines[row] for row in rows)
    vg.load(SAMPLE).write("whole.jsonl")
    assert Path("whole.jsonl").read_bytes() == SAMPLE.read_bytes()
    vg.load([str(SAMPLE), put("more.jsonl")]).take([401, 2]).write("both.jsonl")
    assert Path("both.jsonl").read_bytes() == Path("more.jsonl").read_bytes().splitlines(keepends=True)[1] + lines[2]


def odd_table(rows: int) -> pa.Table:
    """Columns whose types a reader of plain rows would not guess."""
    return pa.table(
        {
            "text": pa.array([f"t{at}" for at in range(rows)], pa.large_string()),
            "n": pa.array(range(rows), pa.int16()),
            "tags": pa.array([["x"], []] * (rows // 2), pa.list_(pa.string())),
            "kind": pa.array(["x", "y"] * (rows // 2), pa.dictionary(pa.int32(), pa.string())),
            "vec": pa.array([[0.5, 1.5]] * rows, pa.list_(pa.float32(), 2)),
            "none": pa.array([None] * rows, pa.string()),
            "when": pa.array([at * 10**6 for at in range(rows)], pa.timestamp("us", "UTC")),
            "by": pa.array([{"who": "a", "id": at} for at in range(rows)], pa.struct([("who", pa.string()), ("id", pa.uint8())])),
            "blob": pa.array([bytes([at]) for at in range(rows)]),
        }
    ).replace_schema_metadata({"made": "by hand"})


@pytest.mark.parametrize("rows", [[1], [3, 0, 0], [2, 1, 3, 0]], ids=str)
def test_tables_keep_their_schema(rows):
    pq.write_table(odd_table(4), "a.parquet")
    table = pq.read_table("a.parquet")
    vg.load("a.parquet").take(rows).write("b.parquet")
    vg.load("b.parquet").write("c.arrow")
    vg.load("c.arrow").write("d.parquet")
    for name in ("b.parquet", "d.parquet"):
        back = pq.read_table(name)
        assert back.schema.equals(table.schema, check_metadata=True)
        assert back.equals(table.take(rows))


def test_tables_of_several_files_keep_the_schema_that_they_share():
    Path("pool").mkdir()
    pq.write_table(odd_table(6).slice(0, 2), "pool/part-0.parquet")
    pq.write_table(odd_table(6).slice(2), "pool/part-1.parquet")
    table = pa.concat_tables([pq.read_table("pool/part-0.parquet"), pq.read_table("pool/part-1.parquet")])
    rows = [5, 0, 2, 1]
    vg.load("pool").take(rows).write("b.parquet")
    assert pq.read_table("b.parquet").schema.equals(table.schema)
    assert pq.read_table("b.parquet").equals(table.take(rows))


def test_tables_of_different_schemas_are_joined_column_by_column():
    pq.write_table(pa.table({"text": ["a"], "n": [1]}), "a.parquet")
    pq.write_table(pa.table({"text": ["b"], "m": ["x"]}), "b.parquet")
    both = vg.load(["a.parquet", "b.parquet", put("c.jsonl", [{"text": "c", "n": 3}])])
    expected = [{"text": "c", "n": 3, "m": None}, {"text": "b", "n": None, "m": "x"}, {"text": "a", "n": 1, "m": None}]
    both.take([2, 1, 0]).write("out.parquet")
    assert vg.load("out.parquet").rows() == expected
    both.take([2, 1, 0]).write("out.jsonl")
    assert vg.load("out.jsonl").rows() == [{key: value for key, value in row.items() if value is not None} for row in expected]


@pytest.mark.parametrize("name", ["{}.jsonl.gz", "{}.csv.gz", "{}.json.zst", "{}.jsonl.zst", "{}.parquet", "{}.arrow"])
def test_the_same_rows_give_the_same_bytes(name, monkeypatch):
    pool = vg.load(put("pool.jsonl"))
    pool.write(name.format("one"))
    monkeypatch.setattr("time.time", lambda: 1.0)
    vg.load("pool.jsonl").write(name.format("two"))
    assert Path(name.format("one")).read_bytes() == Path(name.format("two")).read_bytes()


def test_compressed_lines_are_those_of_the_file():
    vg.load(put("pool.jsonl")).write("one.jsonl.gz")
    content = Path("one.jsonl.gz").read_bytes()
    assert gzip.decompress(content) == Path("pool.jsonl").read_bytes()
    assert content[3:8] == bytes(5), "neither a name nor a time inside"


def test_a_table_of_mixed_types_is_refused_with_a_way_out():
    pool = vg.load(put("pool.jsonl", [{"text": "a", "n": 1}, {"text": "b", "n": "two"}]))
    with pytest.raises(vg.DataError, match=r"out\.parquet: the rows do not fit into a table.*mixed types.*Write \.jsonl"):
        pool.write("out.parquet")
    assert sorted(path.name for path in Path().iterdir()) == ["pool.jsonl"]


def test_nothing_is_half_written():
    pool = vg.load(put("pool.jsonl"))
    Path("out.jsonl").write_text("what was there before", encoding="utf-8")
    with pytest.raises(RuntimeError, match="stop"), whole_files(Path("out.jsonl"), Path("out.json")) as (first, _):
        write_rows(first, [(pool.sources[0].rows, 0)], Path("out.jsonl"))
        raise RuntimeError("stop")
    assert Path("out.jsonl").read_text(encoding="utf-8") == "what was there before"
    assert sorted(path.name for path in Path().iterdir()) == ["out.jsonl", "pool.jsonl"]


def test_content_counts_for_more_than_the_ending():
    Path("lines.json").write_bytes(Path(put("a.jsonl")).read_bytes())
    Path("list.jsonl").write_text(json.dumps(PAIRS, indent=1), encoding="utf-8")
    Path("one.json").write_text(json.dumps(PAIRS[0], indent=2), encoding="utf-8")
    assert vg.load("lines.json").rows() == vg.load("list.jsonl").rows() == PAIRS
    assert vg.load("one.json").rows() == PAIRS[:1]
