"""Every way in and out."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import variegate as vg
from tests.conftest import SAMPLE, needs
from variegate.data.write import write_rows
from variegate.storage import whole_files

PAIRS = [{"instruction": f"Frage {at}, bitte", "response": f'Antwort "{at}"\nZeile', "n": str(at)} for at in range(7)]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def put(name: str, rows=PAIRS) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return name


# --- file kinds

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


# --- places


def test_several_files_and_folders():
    put("pool/b.jsonl", PAIRS[:2])
    put("pool/deep/a.jsonl", [{"text": "c"}])
    put("pool/.hidden/x.jsonl")
    put("pool/s.jsonl.selection.json")
    put("pool/s.jsonl.bad-rows.jsonl")
    Path("pool/dataset_info.json").write_text("{}", encoding="utf-8")
    Path("pool/README.md").write_text("words", encoding="utf-8")
    pool = vg.load("pool")
    assert [source.name for source in pool.sources] == ["pool/b.jsonl", "pool/deep/a.jsonl"]
    assert [source.schema.name for source in pool.sources] == ["instruction-response", "text"]
    assert pool.numbers.tolist() == [0, 1, 2]
    both = vg.load(["pool/deep/a.jsonl", "pool/b.jsonl"])
    assert both.rows() == [{"text": "c"}, *PAIRS[:2]]
    both.take([2, 0]).write("out.jsonl")
    assert [json.loads(line) for line in Path("out.jsonl").read_text(encoding="utf-8").splitlines()] == [PAIRS[1], {"text": "c"}]


def test_a_list_of_everything():
    put("pool/a.jsonl", PAIRS[:1])
    vg.load(put("pool/b.jsonl", PAIRS[1:3])).write("b.csv")
    vg.load("pool/b.jsonl").write("b.parquet")
    pool = vg.load([Path("b.csv"), "pool", Path("b.parquet")])
    assert pool.rows() == [*PAIRS[1:3], *PAIRS[:3], *PAIRS[1:3]]
    assert pool.numbers.tolist() == list(range(7))
    assert pool.origin[:, 0].tolist() == [0, 0, 1, 2, 2, 3, 3]
    assert vg.load(("b.csv", "pool/a.jsonl")).rows() == [*PAIRS[1:3], PAIRS[0]]
    with pytest.raises(vg.ParameterError, match="No data given"):
        vg.load([])
    with pytest.raises(vg.DataError, match=r"none\.jsonl: no such file or folder"):
        vg.load(["b.csv", "none.jsonl"])


def test_folders_are_read_in_the_order_of_their_names():
    for name in ("b/2.jsonl", "a.jsonl", "b/10.jsonl", "b.jsonl", "c/d/e.jsonl.gz", "C.jsonl"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps({"text": name}).encode()
        Path(name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    for name in (".a.jsonl", "b/.x/y.jsonl", "x.npy", "x.txt", "x.jsonl.bak", "y.jsonl.tmp", "z.jsonl.selection.json"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("no rows", encoding="utf-8")
    expected = sorted(Path(name) for name in ("b/2.jsonl", "a.jsonl", "b/10.jsonl", "b.jsonl", "c/d/e.jsonl.gz", "C.jsonl"))
    assert [row["text"] for row in vg.load(".").rows()] == [path.as_posix() for path in expected]
    Path("empty").mkdir()
    with pytest.raises(vg.DataError, match=r"empty: no data file in this folder\. Known endings: \.jsonl"):
        vg.load("empty")


def test_a_hidden_folder_that_is_named_is_read():
    put(".hidden/a.jsonl")
    assert vg.load(".hidden").rows() == PAIRS


@pytest.mark.parametrize("form", ["lines", "list", "one object"])
def test_stdin(form, monkeypatch):
    rows = PAIRS[:1] if form == "one object" else PAIRS
    content = Path(put("a.jsonl", rows)).read_bytes()
    if form != "lines":
        content = json.dumps(rows if form == "list" else rows[0], indent=1).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))
    pool = vg.load("-")
    assert (pool.rows(), pool.name, pool.sources[0].name) == (rows, "-", "stdin")
    assert pool.sha256 == hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b""), encoding="utf-8"))
    with pytest.raises(vg.DataError, match="stdin: the file is empty"):
        vg.load("-")


@pytest.mark.parametrize("name", ["x" * 5000, "x" * 300 + ".jsonl", "a\0b"], ids=["long", "long file", "nul"])
def test_what_cannot_be_a_name_is_an_error(name):
    with pytest.raises(vg.DataError, match=r"cannot be the name of a file|no such file"):
        vg.load(name)


def test_a_url_of_any_file_system():
    import fsspec

    with fsspec.open("memory://bucket/pool.jsonl.gz", "wb") as stream:
        stream.write(gzip.compress(Path(put("a.jsonl")).read_bytes()))
    assert vg.load("memory://bucket/pool.jsonl.gz").rows() == PAIRS
    vg.load("a.jsonl").write("a.parquet")
    for name in ("deep/pool.parquet", "pool.jsonl"):
        with fsspec.open(f"memory://bucket/{name}", "wb") as stream:
            stream.write(Path(f"a{Path(name).suffix}").read_bytes())
        pool = vg.load(f"memory://bucket/{name}")
        assert (pool.rows(), pool.sha256) == (PAIRS, hashlib.sha256(Path(f"a{Path(name).suffix}").read_bytes()).hexdigest())
        pool.take([1]).write("out.jsonl")
        assert vg.load("out.jsonl").rows() == PAIRS[1:2]
    assert len(vg.load(["memory://bucket/pool.jsonl", "a.jsonl"])) == 14
    assert vg.load(f"file://{Path('a.jsonl').resolve()}").rows() == PAIRS
    with pytest.raises(vg.DataError, match=r"memory://bucket/none\.jsonl: no such file"):
        vg.load("memory://bucket/none.jsonl")
    with pytest.raises(vg.DataError, match=r"nowhere://x\.jsonl: cannot be read"):
        vg.load("nowhere://x.jsonl")


@pytest.mark.parametrize("kind", ["list", "tuple", "arrow", pytest.param("pandas", marks=needs("pandas"))])
def test_rows_in_memory(kind):
    import pyarrow as pa

    table = pa.Table.from_pylist(PAIRS)
    rows = {"list": list, "tuple": tuple, "arrow": lambda _: table, "pandas": lambda _: table.to_pandas()}[kind](PAIRS)
    pool = vg.load(rows, name="mine")
    assert (pool.name, pool.rows()) == ("mine", PAIRS)
    assert repr(pool) == f"Corpus('mine', {len(PAIRS)} rows, schema instruction-response, sides instruction, response, both)"
    (result,) = vg.measure(rows, ["sequence_length"])
    assert (result.dataset, result.n) == ("rows in memory", len(PAIRS))


@pytest.mark.parametrize("data", [iter(PAIRS), PAIRS[0], 5, None, [5]], ids=["iterator", "row", "number", "None", "numbers"])
def test_what_is_no_data_says_what_is(data):
    with pytest.raises(vg.ParameterError, match=r"Data must be a path, .* or of rows .mappings.*Got"):
        vg.load(data)


def test_a_row_in_memory_that_is_bad_is_named():
    with pytest.raises(vg.DataError, match="rows in memory, row 2: is not an object with named fields but a string"):
        vg.load([PAIRS[0], "text"])


@needs("datasets")
class TestDatasets:
    def test_what_holds_several_sets_or_has_no_end_is_refused(self):
        import datasets

        one = datasets.Dataset.from_list(PAIRS)
        with pytest.raises(vg.ParameterError, match=r"several data sets \(train, test\)"):
            vg.load(datasets.DatasetDict({"train": one, "test": one}))
        with pytest.raises(vg.ParameterError, match="has no length"):
            vg.load(one.to_iterable_dataset())

    def test_a_dataset_in_and_out(self):
        import datasets

        whole = datasets.Dataset.from_list(PAIRS)
        pool = vg.load(whole.select([4, 2, 0]))
        assert pool.rows() == [PAIRS[4], PAIRS[2], PAIRS[0]]
        out = pool.take([1]).to_dataset()
        assert isinstance(out, datasets.Dataset)
        assert out.to_list() == [PAIRS[2]]
        assert vg.select(whole, 3, "k_center", first=1).indices[0] == 1

    def test_a_dataset_keeps_its_features(self):
        import datasets

        features = datasets.Features(
            {
                "text": datasets.Value("string"),
                "label": datasets.ClassLabel(names=["no", "yes"]),
                "n": datasets.Value("int16"),
                "tags": datasets.Sequence(datasets.Value("string")),
            }
        )
        rows = [{"text": f"t{at}", "label": at % 2, "n": at, "tags": ["x"] * at} for at in range(4)]
        whole = datasets.Dataset.from_list(rows, features=features)
        pool = vg.load(whole)
        assert pool.take([3, 1]).to_dataset().to_list() == [rows[3], rows[1]]
        assert pool.to_dataset().features == features
        pool.take([2]).write("a.parquet")
        assert datasets.Dataset.from_parquet("a.parquet", cache_dir="cache").features == features

    def test_a_dataset_has_every_column_that_any_row_has(self):
        rows = [{"text": "a"}, {"text": "b", "id": 7}, {"text": "c", "by": {"who": "x"}}]
        out = vg.load(put("a.jsonl", rows)).to_dataset()
        assert out.column_names == ["text", "id", "by"]
        assert [{key: value for key, value in row.items() if value is not None} for row in out.to_list()] == rows

    def test_a_dataset_of_mixed_types_is_refused(self):
        pool = vg.load(put("a.jsonl", [{"text": "a", "n": 1}, {"text": "b", "n": "two"}]))
        with pytest.raises(vg.DataError, match="mixed types"):
            pool.to_dataset()

    def test_a_dataset_without_rows_is_refused(self):
        import datasets

        with pytest.raises(vg.DataError, match="dataset: has no rows"):
            vg.load(datasets.Dataset.from_list(PAIRS).select([]))

    def test_a_folder_that_datasets_has_saved(self):
        import datasets

        rows = datasets.Dataset.from_list(PAIRS)
        # Its bar goes to stderr and has no part in this.
        datasets.disable_progress_bars()
        try:
            rows.save_to_disk("one", num_shards=2)
            datasets.DatasetDict({"train": rows, "test": rows.select([0])}).save_to_disk("splits")
        finally:
            datasets.enable_progress_bars()
        assert vg.load("one").rows() == PAIRS
        assert vg.load("splits/train").rows() == PAIRS
        assert len(vg.load("splits")) == 8

    @pytest.mark.parametrize(
        ("name", "asked"),
        [
            ("lab/set", ("lab/set", None, None)),
            ("lab/set:en", ("lab/set", "en", None)),
            ("lab/set:en@test[:5]", ("lab/set", "en", "test[:5]")),
            ("lab/set@test", ("lab/set", None, "test")),
            ("lab-1/set_2.v3", ("lab-1/set_2.v3", None, None)),
            ("lab/set:en-US.v2@train+test", ("lab/set", "en-US.v2", "train+test")),
            ("lab/set@train[10%:20%]", ("lab/set", None, "train[10%:20%]")),
        ],
    )
    def test_a_hub_id(self, name, asked, monkeypatch):
        import datasets

        calls = []

        def stand_in(repository, config, split):
            calls.append((repository, config, split))
            rows = datasets.Dataset.from_list(PAIRS)
            return rows if split else datasets.DatasetDict({"train": rows, "test": rows.select([0])})

        monkeypatch.setattr(datasets, "load_dataset", stand_in)
        pool = vg.load(name)
        assert (pool.rows(), pool.name, calls) == (PAIRS, name, [asked])
        assert [vg.load([name, put("a.jsonl", PAIRS[:1])]).rows(), len(calls)] == [PAIRS + PAIRS[:1], 2]

    def test_a_hub_id_whose_split_must_be_said(self, monkeypatch):
        import datasets

        rows = datasets.Dataset.from_list(PAIRS)
        monkeypatch.setattr(datasets, "load_dataset", lambda *arguments, split: datasets.DatasetDict({"dev": rows, "test": rows}))
        with pytest.raises(vg.DataError, match=r"lab/set: has the splits dev, test\. Say which with lab/set@dev"):
            vg.load("lab/set")
        with pytest.raises(vg.DataError, match=r"lab/set:en: has the splits dev, test\. Say which with lab/set:en@dev"):
            vg.load("lab/set:en")

    def test_a_hub_id_with_one_split_only(self, monkeypatch):
        import datasets

        rows = datasets.Dataset.from_list(PAIRS)
        monkeypatch.setattr(datasets, "load_dataset", lambda *arguments, split: datasets.DatasetDict({"validation": rows}))
        assert vg.load("lab/set").rows() == PAIRS

    @pytest.mark.parametrize("name", ["lab/set.jsonl", "./lab/set", "/lab/set", "here/set", "set", "a/b/c"])
    def test_a_path_that_is_not_there_is_not_asked_of_the_hub(self, name, monkeypatch):
        import datasets

        Path("here").mkdir()
        monkeypatch.setattr(datasets, "load_dataset", None)
        with pytest.raises(vg.DataError, match=rf"^{name}: no such file or folder\.$"):
            vg.load(name)

    def test_a_hub_id_that_cannot_be_had(self, monkeypatch):
        import datasets

        def fails(*arguments, split):
            raise ConnectionError("no way there")

        monkeypatch.setattr(datasets, "load_dataset", fails)
        with pytest.raises(
            vg.DataError, match=r"lab/set: no such file or folder, and not to be had from the Hugging Face Hub .*no way there"
        ):
            vg.load("lab/set")

    def test_without_the_package_the_command_that_installs_it(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "datasets", None)
        with pytest.raises(vg.MissingExtraError, match=r"pip install 'variegate\[hub\]'"):
            vg.load("lab/set")


# --- the corpus


@pytest.mark.parametrize("size", [1, 7, 399, 400, 401])
def test_the_hash_of_texts_does_not_depend_on_how_they_are_chunked(size, monkeypatch):
    whole = {side: vg.load(SAMPLE).text_digest(side) for side in ("instruction", "response", "both")}
    assert len(set(whole.values())) == 3
    monkeypatch.setattr("variegate.loading.CHUNK", size)
    pool = vg.load(SAMPLE)
    assert {side: pool.text_digest(side) for side in whole} == whole
    assert pool.take(range(400)).text_digest("both") == whole["both"]
    assert pool.take(range(399)).text_digest("both") != whole["both"]
    assert pool.take([1, 0, *range(2, 400)]).text_digest("both") != whole["both"]


def test_the_hash_of_texts_knows_where_one_ends_but_not_their_file():
    texts = {
        name: vg.load(put("a.jsonl", [{"text": text} for text in rows])).text_digest("both")
        for name, rows in {"one": ["ab", "c"], "two": ["a", "bc"], "three": ["abc"], "four": ["c", "ab"]}.items()
    }
    assert len(set(texts.values())) == 4
    pool = vg.load(put("a.jsonl"))
    for name in ("a.csv", "a.parquet", "a.json.gz"):
        pool.write(name)
        assert vg.load(name).text_digest("both") == pool.text_digest("both")


def test_a_part_takes_its_views_along(monkeypatch):
    pool = vg.load(SAMPLE)
    x, words = {side: pool.vectors(side) for side in ("both", "response")}, pool.tokens("response", "words")

    def refuse(*arguments):
        raise AssertionError("built anew")

    monkeypatch.setattr("variegate.views.embed.embed_texts", refuse)
    monkeypatch.setattr("variegate.views.tokens.tokenize_texts", refuse)
    rows = [9, 3, 3, 399]
    part = pool.take(rows, name="part")
    assert (part.name, len(part), part.numbers.tolist()) == ("part", 4, rows)
    for side, vectors in x.items():
        np.testing.assert_array_equal(part.vectors(side), vectors[rows])
    assert [part.tokens("response", "words")[at].tolist() for at in range(4)] == [words[row].tolist() for row in rows]
    smaller = part.take([3, 0])
    np.testing.assert_array_equal(smaller.vectors(), x["both"][[399, 9]])
    assert smaller.tokens("response", "words")[1].tolist() == words[9].tolist()
    with pytest.raises(AssertionError, match="built anew"):
        part.vectors("instruction")
    tags, topics = pool.tags("both", "keyphrases", pool), pool.topics("both", "kmeans:9", "static", pool)
    monkeypatch.setattr("variegate.views.tags.keyphrases.keyphrase_tags", refuse)
    monkeypatch.setattr("variegate.views.topics.cluster_labels", refuse)
    part = pool.take(rows)
    assert part.topics("both", "kmeans:9", "static", pool).tolist() == topics[rows].tolist()
    assert [part.tags("both", "keyphrases", pool)[at].tolist() for at in range(4)] == [tags[row].tolist() for row in rows]
    # Fitted on itself, a part has tags of its own.
    with pytest.raises(AssertionError, match="built anew"):
        part.tags("both", "keyphrases", part)
    given = vg.Corpus.from_vectors(np.arange(12.0).reshape(4, 3) + 1)
    given.vectors()
    np.testing.assert_array_equal(given.take([2, 0]).vectors(), [[7, 8, 9], [1, 2, 3]])


def test_a_part_is_the_same_as_its_rows_alone():
    pool = vg.load(SAMPLE)
    rows = [9, 3, 3]
    part = pool.take(rows)
    assert part.rows() == [pool.rows()[row] for row in rows]
    assert part.column("id") == [pool.column("id")[row] for row in rows]
    part.write("part.jsonl")
    alone = vg.load("part.jsonl")
    for side in ("instruction", "response", "both"):
        assert part.texts(side).to_pylist() == alone.texts(side).to_pylist()
        assert part.text_digest(side) == alone.text_digest(side)
        np.testing.assert_array_equal(part.vectors(side), alone.vectors(side))
        np.testing.assert_array_equal(part.tokens(side).ids, alone.tokens(side).ids)


def test_clusters_are_those_of_the_corpus_that_they_are_fitted_on():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)) * 9
    # Arrays have no names of their own: both references are called "vectors".
    references = [vg.Corpus.from_vectors(rng.normal(size=(60, 4)) * scale) for scale in ([9, 1, 1, 1], [1, 1, 1, 9])]
    used_twice = vg.Corpus.from_vectors(x)
    for reference in references:
        alone = vg.Corpus.from_vectors(x).topics("both", "kmeans:3", "static", reference)
        np.testing.assert_array_equal(used_twice.topics("both", "kmeans:3", "static", reference), alone)


def test_columns_come_in_the_order_of_the_rows():
    put("a.jsonl", PAIRS[:3])
    put("b.jsonl", PAIRS[3:])
    assert vg.load(["a.jsonl", "b.jsonl"]).take([6, 0, 4, 1]).column("n") == ["6", "0", "4", "1"]
