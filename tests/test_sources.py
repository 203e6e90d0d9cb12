"""Places that rows come from: files, folders, stdin, URLs, memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
from pathlib import Path

import pytest

import variegate as vg
from tests.conftest import needs
from tests.sources import PAIRS, put

pytestmark = pytest.mark.usefixtures("here")


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
