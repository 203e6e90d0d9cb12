"""Every way in and out."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import variegate as vg
from tests.conftest import SAMPLE
from variegate.data.write import write_rows
from variegate.storage import whole_files

PAIRS = [{"instruction": f"Frage {at}, bitte", "response": f'Antwort "{at}"\nZeile', "n": str(at)} for at in range(7)]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def put(name: str, rows=PAIRS) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
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
    "a.json.gz",
    "a.csv.gz",
    "a.csv.zst",
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


def test_an_arrow_stream_is_read_too():
    table = pa.Table.from_pylist(PAIRS)
    with pa.OSFile("a.arrow", "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    assert vg.load("a.arrow").rows() == PAIRS


def test_lines_stay_the_same_to_the_byte():
    odd = b'{"response":"b",  "instruction" : "\\u00e9", "x": 1.0e5}\r\n\n  {"instruction": "c", "response": "d"}'
    Path("odd.jsonl").write_bytes(b"\xef\xbb\xbf" + odd)
    pool = vg.load("odd.jsonl")
    pool.take([1, 0]).write("out.jsonl")
    assert (
        Path("out.jsonl").read_bytes()
        == b'  {"instruction": "c", "response": "d"}\n{"response":"b",  "instruction" : "\\u00e9", "x": 1.0e5}\n'
    )


def test_parquet_keeps_its_schema():
    table = pa.table({"text": ["a", "b"], "n": pa.array([1, 2], pa.int16()), "tags": [["x"], []]})
    pq.write_table(table, "a.parquet")
    vg.load("a.parquet").take([1]).write("b.parquet")
    assert pq.read_table("b.parquet").schema == table.schema


def test_the_same_rows_give_the_same_compressed_bytes():
    pool = vg.load(put("pool.jsonl"))
    pool.write("one.jsonl.gz")
    pool.write("two.jsonl.gz")
    assert Path("one.jsonl.gz").read_bytes() == Path("two.jsonl.gz").read_bytes()
    assert gzip.decompress(Path("one.jsonl.gz").read_bytes()) == Path("pool.jsonl").read_bytes()


def test_a_table_of_mixed_types_is_refused_with_a_way_out():
    pool = vg.load(put("pool.jsonl", [{"text": "a", "n": 1}, {"text": "b", "n": "two"}]))
    with pytest.raises(vg.DataError, match=r"out\.parquet: the rows do not fit into a table.*mixed types.*Write \.jsonl"):
        pool.write("out.parquet")
    assert sorted(path.name for path in Path().iterdir()) == ["pool.jsonl"]


def test_nothing_is_half_written():
    pool = vg.load(put("pool.jsonl"))
    Path("out.jsonl").write_text("what was there before")
    with pytest.raises(RuntimeError, match="stop"), whole_files(Path("out.jsonl"), Path("out.json")) as (first, _):
        write_rows(first, [(pool.sources[0].rows, 0)], Path("out.jsonl"))
        raise RuntimeError("stop")
    assert Path("out.jsonl").read_text() == "what was there before"
    assert sorted(path.name for path in Path().iterdir()) == ["out.jsonl", "pool.jsonl"]


def test_content_counts_for_more_than_the_ending():
    Path("lines.json").write_bytes(Path(put("a.jsonl")).read_bytes())
    Path("list.jsonl").write_text(json.dumps(PAIRS, indent=1))
    Path("one.json").write_text(json.dumps(PAIRS[0], indent=2))
    assert vg.load("lines.json").rows() == vg.load("list.jsonl").rows() == PAIRS
    assert vg.load("one.json").rows() == PAIRS[:1]


# --- places


def test_several_files_and_folders():
    put("pool/b.jsonl", PAIRS[:2])
    put("pool/deep/a.jsonl", [{"text": "c"}])
    put("pool/.hidden/x.jsonl")
    put("pool/s.jsonl.selection.json")
    put("pool/s.jsonl.bad-rows.jsonl")
    Path("pool/dataset_info.json").write_text("{}")
    Path("pool/README.md").write_text("words")
    pool = vg.load("pool")
    assert [source.name for source in pool.sources] == ["pool/b.jsonl", "pool/deep/a.jsonl"]
    assert [source.schema.name for source in pool.sources] == ["instruction-response", "text"]
    assert pool.numbers.tolist() == [0, 1, 2]
    both = vg.load(["pool/deep/a.jsonl", "pool/b.jsonl"])
    assert both.rows() == [{"text": "c"}, *PAIRS[:2]]
    both.take([2, 0]).write("out.jsonl")
    assert [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()] == [PAIRS[1], {"text": "c"}]


def test_stdin(monkeypatch):
    content = Path(put("a.jsonl")).read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    pool = vg.load("-")
    assert (pool.rows(), pool.sources[0].name) == (PAIRS, "stdin")


def test_a_url_of_any_file_system():
    import fsspec

    with fsspec.open("memory://bucket/pool.jsonl.gz", "wb") as stream:
        stream.write(gzip.compress(Path(put("a.jsonl")).read_bytes()))
    assert vg.load("memory://bucket/pool.jsonl.gz").rows() == PAIRS
    with pytest.raises(vg.DataError, match=r"memory://bucket/none\.jsonl: no such file"):
        vg.load("memory://bucket/none.jsonl")
    with pytest.raises(vg.DataError, match=r"nowhere://x\.jsonl: cannot be read"):
        vg.load("nowhere://x.jsonl")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
class TestDatasets:
    def test_a_dataset_in_and_out(self):
        import datasets

        whole = datasets.Dataset.from_list(PAIRS)
        pool = vg.load(whole.select([4, 2, 0]))
        assert pool.rows() == [PAIRS[4], PAIRS[2], PAIRS[0]]
        out = pool.take([1]).to_dataset()
        assert isinstance(out, datasets.Dataset)
        assert out.to_list() == [PAIRS[2]]
        assert vg.select(whole, 3, "k_center", first=1).indices[0] == 1

    @pytest.mark.parametrize(
        ("name", "asked"),
        [
            ("lab/set", ("lab/set", None, None)),
            ("lab/set:en", ("lab/set", "en", None)),
            ("lab/set:en@test[:5]", ("lab/set", "en", "test[:5]")),
            ("lab/set@test", ("lab/set", None, "test")),
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
        assert vg.load(name).rows() == PAIRS
        assert calls == [asked]

    def test_a_hub_id_whose_split_must_be_said(self, monkeypatch):
        import datasets

        rows = datasets.Dataset.from_list(PAIRS)
        monkeypatch.setattr(datasets, "load_dataset", lambda *arguments, split: datasets.DatasetDict({"dev": rows, "test": rows}))
        with pytest.raises(vg.DataError, match=r"lab/set: has the splits dev, test\. Say which with lab/set@dev"):
            vg.load("lab/set")

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


def test_the_hash_of_texts_does_not_depend_on_how_they_are_chunked(monkeypatch):
    whole = vg.load(SAMPLE).text_digest("both")
    monkeypatch.setattr("variegate.loading.CHUNK", 7)
    assert vg.load(SAMPLE).text_digest("both") == whole
    assert vg.load(SAMPLE).take(range(399)).text_digest("both") != whole


def test_a_part_takes_its_views_along():
    pool = vg.load(SAMPLE)
    x, tokens = pool.vectors(), pool.tokens()
    vg.use_cache("off")
    part = pool.take([9, 3, 3])
    np.testing.assert_array_equal(part.vectors(), x[[9, 3, 3]])
    assert part.tokens()[1].tolist() == tokens[3].tolist()
    assert part.texts("both").to_pylist()[0] == pool.texts("both").to_pylist()[9]
    assert part.column("id") == [pool.column("id")[at] for at in (9, 3, 3)]
    np.testing.assert_array_equal(vg.load(SAMPLE).take([9, 3]).vectors(), x[[9, 3]])


def test_columns_come_in_the_order_of_the_rows():
    put("a.jsonl", PAIRS[:3])
    put("b.jsonl", PAIRS[3:])
    assert vg.load(["a.jsonl", "b.jsonl"]).take([6, 0, 4, 1]).column("n") == ["6", "0", "4", "1"]
