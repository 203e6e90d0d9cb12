"""A hundred ways to go wrong: each is one line that names the place, exit code 2, and nothing is written."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import variegate as vg
from tests.conftest import SAMPLE
from variegate.cli import main

GOOD = [{"instruction": f"Question {at}?", "response": f"Answer number {at}."} for at in range(12)]
LENGTH = ("--metrics", "sequence_length")
COSINE = ("--metrics", "distsum_cosine")


def lines(*rows: Any) -> bytes:
    return b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows)


def third(row: Any) -> bytes:
    """Two good rows, then the one in question."""
    return lines(*GOOD[:2], row)


def chat(messages: Any) -> bytes:
    good = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    return lines(good, good, {"messages": messages})


def alpaca(**fields: Any) -> bytes:
    good = {"instruction": "Add.", "input": "1 2", "output": "3"}
    return lines(good, good, {**good, **fields})


def npy(array: Any, allow_pickle: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, x=np.eye(3))
    return buffer.getvalue()


def parquet(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def arrow() -> bytes:
    buffer = io.BytesIO()
    table = pa.Table.from_pylist(GOOD)
    with pa.ipc.new_file(buffer, table.schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()


class Trap:
    """Unpickling this would leave a file behind."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("unpickled"),))


# name of the input file, its bytes, further arguments of `measure FILE`, what the error must say
FILES: list[tuple[str, bytes | None, tuple[str, ...], str]] = [
    ("missing.jsonl", None, LENGTH, r"missing\.jsonl: no such file"),
    ("missing.npy", None, COSINE, r"missing\.npy: no such file"),
    ("no/folder/x.parquet", None, LENGTH, r"x\.parquet: no such file"),
    ("rows.docx", b"x", LENGTH, r"rows\.docx: the ending '\.docx' is no known data file"),
    ("rows", b"x", LENGTH, r"rows: the ending '' is no known data file"),
    ("rows.txt", b'{"instruction": "a"}', LENGTH, r"rows\.txt: looks like JSON .* Rename it"),
    ("rows.nl", b"list all files\n", LENGTH, r"line-parallel text files must first be joined"),
    ("rows.parquet.gz", gzip.compress(b"x"), LENGTH, r"parquet files are compressed inside"),
    # empty and damaged files of every kind
    ("empty.jsonl", b"", LENGTH, r"empty\.jsonl: the file is empty"),
    ("blank.jsonl", b"\n\n  \n", LENGTH, r"blank\.jsonl: the file is empty"),
    ("empty.json", b"", LENGTH, r"empty\.json: the file is empty"),
    ("empty.csv", b"", LENGTH, r"empty\.csv: the file is empty"),
    ("empty.parquet", b"", LENGTH, r"empty\.parquet: the file is empty"),
    ("empty.arrow", b"", LENGTH, r"empty\.arrow: the file is empty"),
    ("empty.npy", b"", COSINE, r"empty\.npy: is no readable \.npy file"),
    ("empty.jsonl.gz", b"", LENGTH, r"empty\.jsonl\.gz"),
    ("text.parquet", b"hello there, this is text", LENGTH, r"text\.parquet: is no readable parquet file"),
    ("cut.parquet", parquet(GOOD)[:-30], LENGTH, r"cut\.parquet: is no readable parquet file"),
    ("norows.parquet", parquet(GOOD[:0]), LENGTH, r"norows\.parquet: has no rows"),
    ("text.arrow", b"hello there, this is text", LENGTH, r"text\.arrow: is no readable arrow file"),
    ("cut.arrow", arrow()[:-200], LENGTH, r"cut\.arrow: is no readable arrow file"),
    ("text.jsonl.gz", b"not compressed at all", LENGTH, r"text\.jsonl\.gz.*no whole gzip file"),
    ("cut.jsonl.gz", gzip.compress(lines(*GOOD * 50))[:-20], LENGTH, r"cut\.jsonl\.gz"),
    ("text.jsonl.zst", b"not compressed at all", LENGTH, r"text\.jsonl\.zst.*no whole zstd file"),
    ("text.npy", b"hello there, this is text", COSINE, r"text\.npy: is no readable \.npy file"),
    ("cut.npy", npy(np.eye(9))[:-40], COSINE, r"cut\.npy: is no readable \.npy file"),
    # encodings
    ("utf16.jsonl", lines(*GOOD).decode().encode("utf-16"), LENGTH, r"utf16\.jsonl: is UTF-16 text\. Convert it"),
    ("latin1.csv", "instruction,response\na,b\ncafé,thé\n".encode("latin-1"), LENGTH, r"latin1\.csv, line 3: .*iconv"),
    ("bytes.jsonl", lines(GOOD[0], b'{"instruction": "a", "response": "\xff"}\n'), LENGTH, r"bytes\.jsonl, line 2: is not valid UTF-8"),
    ("bytes.json", b'[{"instruction": "a",\n "response": "\xff"}]', LENGTH, r"bytes\.json, line 2: is not valid UTF-8"),
    ("half.jsonl", third(b'{"instruction": "a", "response": "\\ud800"}\n'), LENGTH, r"half\.jsonl, line 3: .*surrogate"),
    ("nul.csv", b"instruction,response\na,b\x00\n", LENGTH, r"nul\.csv, line 2: holds a NUL"),
    # JSON
    ("broken.jsonl", third(b'{"instruction": "a", "response"\n'), LENGTH, r"broken\.jsonl, line 3: is not valid JSON: .* column"),
    ("cut.jsonl", lines(*GOOD)[:-8], LENGTH, r"cut\.jsonl, line 12: is not valid JSON"),
    ("all.jsonl", b"hello\nthere\n", LENGTH, r"all\.jsonl, line 1: is not valid JSON"),
    ("open.json", json.dumps(GOOD).encode()[:-1], LENGTH, r"open\.json, line 1: the list that opens the file is never closed"),
    ("comma.json", b'[{"instruction": "a", "response": "b"},\n', LENGTH, r"comma\.json, line \d: the list .* never closed"),
    ("tail.json", b'"a", "output": "b"}]', LENGTH, r"tail\.json, line 1: .*piece of a larger file"),
    ("trailing.json", b'[{"instruction": "a", "response": "b"},]', LENGTH, r"trailing\.json, line 1: is not valid JSON"),
    ("value.json", b"42", LENGTH, r"value\.json: holds a single JSON value"),
    ("none.json", b"[]", LENGTH, r"none\.json: the list has no rows"),
    ("under.json", json.dumps({"version": 1, "data": GOOD}).encode(), LENGTH, r"under\.json: is one JSON object.*jq -c '\.\[\"data\"\]"),
    ("keyed.json", json.dumps({"a": GOOD[0], "b": GOOD[1]}).encode(), LENGTH, r"keyed\.json: is one JSON object.*jq -c '\.\[\]'"),
    ("pretty.jsonl", json.dumps({"a": 1, "b": [1, 2]}, indent=1).encode(), LENGTH, r"pretty\.jsonl: is one JSON object"),
    ("deep.jsonl", third(b"[" * 200_000 + b"\n"), LENGTH, r"deep\.jsonl, line 3: is n"),
    ("digits.jsonl", third(b'{"instruction": "a", "response": "b", "n": ' + b"9" * 5000 + b"}\n"), LENGTH, r"digits\.jsonl, line 3"),
    ("lists.jsonl", lines([1, 2], [3, 4]), LENGTH, r"lists\.jsonl: row 1 is no object with named fields"),
    ("numbers.json", b"[1, 2, 3]", LENGTH, r"numbers\.json: row 1 is no object"),
    ("null.jsonl", third(b"null\n"), LENGTH, r"null\.jsonl, line 3: is not an object with named fields but null"),
    ("mixed.json", json.dumps([*GOOD[:2], "text"]).encode(), LENGTH, r"mixed\.json, row 3: is not an object .* a string"),
    # CSV
    ("header.csv", b"instruction,response\n", LENGTH, r"header\.csv: has a header but no rows"),
    ("ragged.csv", b"instruction,response\na,b\nc,d,e\n", LENGTH, r"ragged\.csv, line 3: has 3 fields but the header names 2"),
    ("short.csv", b"instruction,response\na\n", LENGTH, r"short\.csv, line 2: has 1 fields but the header names 2"),
    ("twice.csv", b"response,instruction,response\na,b,c\n", LENGTH, r"twice\.csv, line 1: the name 'response' stands twice"),
    ("quote.csv", b'instruction,response\na,b\n"c,d\n', LENGTH, r"quote\.csv, line 3: is not valid CSV"),
    ("noheader.tsv", b"Is the moon made of cheese today?\tno\tIt is rock.\n" * 2, LENGTH, r"noheader\.tsv: the first line does not look"),
    ("blank.csv", b"instruction,response\na,b\nc,\n", LENGTH, r"blank\.csv, line 3: has an empty response"),
    # rows of every schema
    ("field.jsonl", third({"instruction": "a"}), LENGTH, r"field\.jsonl, line 3: lacks the field 'response' \(schema instruction-response, detected\)"),
    ("null2.jsonl", third({"instruction": "a", "response": None}), LENGTH, r"line 3: field 'response' must be a string but is null"),
    ("number.jsonl", third({"instruction": "a", "response": 7}), LENGTH, r"line 3: field 'response' must be a string but is a number"),
    ("list.jsonl", third({"instruction": "a", "response": ["b"]}), LENGTH, r"line 3: field 'response' must be a string but is a list"),
    ("flag.jsonl", third({"instruction": True, "response": "b"}), LENGTH, r"line 3: field 'instruction' must be a string but is a boolean"),
    ("object.jsonl", third({"instruction": {}, "response": "b"}), LENGTH, r"line 3: field 'instruction' must be a string but is an object"),
    ("empty2.jsonl", third({"instruction": "a", "response": ""}), LENGTH, r"empty2\.jsonl, line 3: has an empty response"),
    ("space.jsonl", third({"instruction": "a", "response": " \n\t"}), LENGTH, r"space\.jsonl, line 3: has an empty response"),
    ("null.parquet", parquet([*GOOD[:2], {"instruction": "a", "response": None}]), LENGTH, r"null\.parquet, row 3: field 'response' must be a string but is null"),
    ("input.jsonl", alpaca(input=3), LENGTH, r"input\.jsonl, line 3: field 'input' must be a string"),
    ("system.jsonl", alpaca(system=["x"]), LENGTH, r"line 3: field 'system' must be a string but is a list"),
    ("history.jsonl", alpaca(history="before"), LENGTH, r"line 3: field 'history' must be a list of \[user, assistant\] pairs"),
    ("pair.jsonl", alpaca(history=[["only one"]]), LENGTH, r"line 3: field 'history\[0\]' must be a \[user, assistant\] pair"),
    ("pair2.jsonl", alpaca(history=[["a", 5]]), LENGTH, r"line 3: field 'history\[0\]\[1\]' must be a string"),
    ("notlist.jsonl", chat("Hi"), LENGTH, r"line 3: field 'messages' must be a list of turns but is a string"),
    ("noturns.jsonl", chat([]), LENGTH, r"line 3: field 'messages' is an empty list"),
    ("noobject.jsonl", chat(["Hi"]), LENGTH, r"line 3: field 'messages\[0\]' must be an object but is a string"),
    ("norole.jsonl", chat([{"content": "Hi"}]), LENGTH, r"line 3: lacks the field 'messages\[0\]\.role'"),
    ("role.jsonl", chat([{"role": "wizard", "content": "Hi"}]), LENGTH, r"line 3: field 'messages\[0\]\.role' holds the role 'wizard'"),
    ("rolenull.jsonl", chat([{"role": None, "content": "Hi"}]), LENGTH, r"line 3: .*holds the role None"),
    ("nocontent.jsonl", chat([{"role": "user"}]), LENGTH, r"line 3: lacks the field 'messages\[0\]\.content'"),
    ("content.jsonl", chat([{"role": "user", "content": 5}]), LENGTH, r"line 3: field 'messages\[0\]\.content' must be a string but is a number"),
    ("part.jsonl", chat([{"role": "user", "content": [5]}]), LENGTH, r"line 3: field 'messages\[0\]\.content' holds a part that is a number"),
    ("noassistant.jsonl", chat([{"role": "user", "content": "Hi"}]), LENGTH, r"noassistant\.jsonl, line 3: has no assistant turn"),
    ("image.jsonl", chat([{"role": "assistant", "content": [{"type": "image"}]}]), LENGTH, r"line 3: has an empty response"),
    ("from.jsonl", lines({"conversations": [{"from": "human", "value": "Hi"}]}), LENGTH, r"from\.jsonl, line 1: has no assistant turn"),
    ("value.jsonl", lines({"conversations": [{"from": "gpt"}]}), LENGTH, r"value\.jsonl, line 1: lacks the field"),
    ("prompt.jsonl", lines({"prompt": 5, "completion": "b"}), LENGTH, r"prompt\.jsonl, line 1: field 'prompt' must be a list of turns"),
    # what is not instruction data, or not clearly so
    ("dpo.jsonl", lines({"prompt": "a", "chosen": "b", "rejected": "c"}), LENGTH, r"dpo\.jsonl: preference pairs .*--schema preference"),
    ("prompts.jsonl", lines({"prompt": "a"}), LENGTH, r"prompts\.jsonl: prompts without responses .*--columns instruction=prompt --side instruction"),
    ("qa.jsonl", lines({"question": "a", "answer": "b"}), LENGTH, r"qa\.jsonl: .*--columns instruction=question,response=answer"),
    ("two.jsonl", lines({"instruction": "a", "output": "b", "response": "c"}), LENGTH, r"two\.jsonl: rows hold both 'output' and 'response'"),
    ("marks.jsonl", lines({"text": "### Human: a\n### Assistant: b"}), LENGTH, r"marks\.jsonl: .*chat markers"),
    ("unknown.jsonl", lines({"foo": "a", "bar": "b"}), LENGTH, r"unknown\.jsonl: no schema has the fields foo, bar"),
    # vectors
    ("flat.npy", npy(np.ones(5)), COSINE, r"flat\.npy: must hold floats of shape \(rows, dimensions\)"),
    ("whole.npy", npy(np.ones((5, 2), int)), COSINE, r"whole\.npy: must hold floats"),
    ("none.npy", npy(np.ones((0, 2))), COSINE, r"none\.npy: must hold floats"),
    ("object.npy", npy(np.array([[Trap()]], object), allow_pickle=True), COSINE, r"object\.npy: is no readable \.npy file"),
    ("pickle.npy", pickle.dumps(Trap()), COSINE, r"pickle\.npy: is no readable \.npy file"),
    ("archive.npy", npz(), COSINE, r"archive\.npy: .*an archive"),
    ("nan.npy", npy(np.array([[1.0, 2], [np.nan, 1]])), COSINE, r"nan\.npy: the vectors of row 2 hold values that are not finite"),
    ("inf.npy", npy(np.array([[1.0, 2], [np.inf, 1]])), COSINE, r"inf\.npy: the vectors of row 2 hold values that are not finite"),
    ("zero.npy", npy(np.array([[1.0, 2], [0, 0]])), COSINE, r"zero\.npy: the vectors of row 2 are zero"),
    ("one.npy", npy(np.ones((1, 2))), COSINE, r"distsum_cosine needs at least 2 samples, got 1"),
    ("lexical.npy", npy(np.eye(4)), LENGTH, r"lexical\.npy: holds vectors only"),
    ("few.npy", npy(np.eye(4)), ("--metrics", "novelsum", "--reference", "few.npy"), r"more than k = 10 distinct reference rows, but there are 4"),
]  # fmt: skip

SELECT = ("select", "pool.jsonl", "--size", "3", "-o", "out.jsonl")
MEASURE = ("measure", "pool.jsonl")

# arguments, given pool.jsonl (12 good rows), chat.jsonl (nested) and folder/; what the error must say
USAGE: list[tuple[tuple[str, ...], str]] = [
    (("mesure", "pool.jsonl"), r"No such command 'mesure'"),
    (("measure",), r"Missing argument 'DATA\.\.\.'"),
    (("measure", "folder"), r"folder: no data file in this folder"),
    ((*MEASURE, "--metrics", "novelsumm"), r"Unknown metric 'novelsumm'. Did you mean novelsum"),
    ((*MEASURE, "--side", "left"), r"'left' is not one of"),
    ((*MEASURE, "--schema", "alpacca"), r"Unknown schema 'alpacca'. Did you mean alpaca"),
    ((*MEASURE, "--schema", "messages", *LENGTH), r"pool\.jsonl, line 1: lacks the field 'messages' \(schema messages, as asked\)"),
    ((*MEASURE, "--schema", "text", "--columns", "response=a"), r"--schema and --columns exclude each other"),
    ((*MEASURE, "--columns", "instruction"), r"--columns takes PART=FIELD"),
    ((*MEASURE, "--columns", "answer=response"), r"Unknown part in --columns 'answer'"),
    ((*MEASURE, "--columns", "input=response"), r"--columns must name at least"),
    ((*MEASURE, "--columns", "instruction=q,response=a", *LENGTH), r"pool\.jsonl, line 1: lacks the field 'q'"),
    ((*MEASURE, "--columns", "instruction=instruction", *LENGTH), r"pool\.jsonl: has no both side"),
    ((*MEASURE, "--columns", "response=response", "--side", "instruction", *LENGTH), r"pool\.jsonl: has no instruction side"),
    ((*MEASURE, "--embedder", "column:vec", *COSINE), r"pool\.jsonl, line 1: lacks the field 'vec'"),
    ((*MEASURE, "--embedder", "column:response", *COSINE), r"pool\.jsonl, row 1: field 'response' is no vector"),
    ((*MEASURE, "--embedder", "three.npy", *COSINE), r"three\.npy: holds 3 vectors, but pool\.jsonl has 12 rows"),
    ((*MEASURE, "--embedder", "magic:x", *COSINE), r"Unknown embedder 'magic:x'"),
    ((*MEASURE, "--tokenizer", "folder", *LENGTH), r"folder: this folder holds no tokenizer\.json"),
    ((*MEASURE, "--tokenizer", "pool.jsonl", *LENGTH), r"pool\.jsonl: no tokenizer could be loaded"),
    ((*MEASURE, "--topics", "kmeans:x", "--metrics", "topic_count"), r"'kmeans:K' with a whole number K"),
    ((*MEASURE, "--topics", "domain", "--metrics", "topic_count"), r"pool\.jsonl, line 1: lacks the field 'domain'. It has: instruction, response"),
    ((*MEASURE, "--topics", "kmeans:50", "--metrics", "topic_count"), r"50 clusters need at least 50 samples, but there are 12"),
    ((*MEASURE, "--size-matched", "13", *LENGTH), r"pool\.jsonl: has 12 rows, fewer than the 13 asked for"),
    ((*MEASURE, "--size-matched", "0"), r"0 is not in the range"),
    ((*MEASURE, "--seeds", "many"), r"'many' is not a valid integer"),
    ((*MEASURE, "--set", "novelsum.k"), r"--set takes KEY=VALUE"),
    ((*MEASURE, "--set", "k=3"), r"takes METRIC\.KEY=VALUE"),
    ((*MEASURE, "--set", "novelsam.k=3"), r"Unknown metric in params 'novelsam'"),
    ((*MEASURE, "--set", "novelsum.q=3", "--metrics", "novelsum"), r"Unknown parameter of novelsum 'q'"),
    ((*MEASURE, "--set", "novelsum.alpha=-1", "--metrics", "novelsum"), r"'alpha' parameter of novelsum must be"),
    ((*MEASURE, "--json", "no/where.json"), r"no: no such folder"),
    ((*MEASURE, "--per-sample", "novelty.exe"), r"'\.exe' is no known data file"),
    (("measure", "pool.jsonl", "chat.jsonl", "--per-sample", "n.csv"), r"--per-sample takes one data set at a time"),
    (("select", "pool.jsonl", "-o", "out.jsonl"), r"Missing option '--size'"),
    (("select", "pool.jsonl", "--size", "3"), r"Missing option '-o'"),
    (("select", "pool.jsonl", "--size", "0", "-o", "out.jsonl"), r"int in \[1, 12\], the rows of pool\.jsonl. Got 0"),
    (("select", "pool.jsonl", "--size", "-4", "-o", "out.jsonl"), r"Got -4 instead"),
    (("select", "pool.jsonl", "--size", "13", "-o", "out.jsonl"), r"Got 13 instead"),
    (("select", "pool.jsonl", "--size", "ten", "-o", "out.jsonl"), r"'ten' is not a valid integer"),
    ((*SELECT, "--strategy", "k_centre"), r"Unknown strategy 'k_centre'. Did you mean k_center"),
    ((*SELECT, "--side", "all"), r"'all' is not one of"),
    ((*SELECT, "--set", "first=99"), r"'first' parameter of novelselect must be .* in \[0, 11\]"),
    ((*SELECT, "--set", "frist=0"), r"Unknown parameter of novelselect 'frist'. Did you mean first"),
    ((*SELECT, "--set", "k=0"), r"'k' parameter of novelselect"),
    ((*SELECT, "--set", "beta=much"), r"'beta' parameter of novelselect .*Got 'much'"),
    ((*SELECT, "--set", "closeness=2"), r"'closeness' parameter of novelselect must be a number in \(0, 1\]"),
    ((*SELECT, "--set", "duplicates=some"), r"'near', 'exact' or 'keep'"),
    ((*SELECT, "--set", "seed=3"), r"--seed"),
    ((*SELECT, "--strategy", "k_center", "--set", "metric=manhattan"), r"'euclidean' or 'cosine'"),
    ((*SELECT, "--strategy", "random", "--set", "first=0"), r"random must be left out, since it has no parameters"),
    ((*SELECT, "--strategy", "k_center", "--reference", "chat.jsonl"), r"takes no reference"),
    (("select", "pool.jsonl", "--size", "3", "-o", "out.exe"), r"out\.exe: the ending '\.exe'|'\.exe' is no known data file"),
    (("select", "pool.jsonl", "--size", "3", "-o", "out.npy"), r"out\.npy: rows of text cannot be written as \.npy"),
    (("select", "pool.jsonl", "--size", "3", "-o", "no/out.jsonl"), r"no: no such folder. Create it first"),
    (("select", "pool.jsonl", "--size", "3", "-o", "dir.jsonl"), r"dir\.jsonl: is a folder"),
    (("select", "pool.jsonl", "--size", "3", "-o", "pool.jsonl", "--strategy", "random"), r"pool\.jsonl: is the data that was read"),
    (("select", "pool.jsonl", "--size", "3", "-o", "chat.jsonl", "--reference", "chat.jsonl"), r"chat\.jsonl: is the data that was read"),
    (("select", "chat.jsonl", "--size", "2", "-o", "out.csv", "--strategy", "random"), r"out\.csv: the nested field 'messages' does not fit into CSV"),
    (("select", "three.npy", "--size", "4", "-o", "out.json"), r"int in \[1, 3\], the rows of three\.npy"),
    (("embed", "pool.jsonl", "--cache", "off"), r"no cache to fill"),
    (("embed", "pool.jsonl", "--cache", "pool.jsonl"), r"the cache cannot be written here"),
    (("list", "metric"), r"'metric' is not one of"),
]  # fmt: skip


def refused(capsys: pytest.CaptureFixture[str], folder: Path, arguments: tuple[str, ...], message: str) -> None:
    before = sorted(folder.rglob("*"))
    assert main([*arguments, *(["--quiet"] if arguments[0] in ("measure", "select", "embed") else [])]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("variegate: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert re.search(message, err), err
    assert sorted(folder.rglob("*")) == before, "something was written"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_are_more_than_a_hundred():
    assert len(FILES) + len(USAGE) > 150
    assert len({name for name, *_ in FILES}) == len(FILES)


@pytest.mark.parametrize(("name", "content", "arguments", "message"), FILES, ids=[row[0] for row in FILES])
def test_a_file_that_cannot_be_used(name, content, arguments, message, folder, capsys):
    if content is not None:
        (folder / name).write_bytes(content)
    refused(capsys, folder, ("measure", name, *arguments), message)


@pytest.mark.parametrize(("arguments", "message"), USAGE, ids=[" ".join(row[0]) for row in USAGE])
def test_a_command_that_cannot_be_run(arguments, message, folder, capsys):
    (folder / "pool.jsonl").write_bytes(lines(*GOOD))
    (folder / "chat.jsonl").write_bytes(b"".join(SAMPLE.read_bytes().splitlines(keepends=True)[:3]))
    (folder / "three.npy").write_bytes(npy(np.eye(3)))
    (folder / "folder").mkdir()
    (folder / "folder" / "notes.txt").write_text("nothing")
    (folder / "dir.jsonl").mkdir()
    refused(capsys, folder, arguments, message)


def test_skipping_bad_rows_says_how_many_and_which(folder, capsys):
    bad = [{"instruction": "a", "response": ""}, {"instruction": "a"}]
    (folder / "pool.jsonl").write_bytes(lines(GOOD[0], bad[0], *GOOD[1:4], b"not json\n", bad[1], *GOOD[4:]))
    assert main(["select", "pool.jsonl", "--size", "12", "--strategy", "random", "--on-bad-row", "skip", "-o", "out.jsonl"]) == 0
    assert "3 bad rows left out, listed in out.jsonl.bad-rows.jsonl" in capsys.readouterr().err
    listed = [json.loads(line) for line in Path("out.jsonl.bad-rows.jsonl").read_text().splitlines()]
    assert [(row["file"], row["place"], row["row"]) for row in listed] == [
        ("pool.jsonl", "line 2", 1), ("pool.jsonl", "line 6", 5), ("pool.jsonl", "line 7", 6),
    ]  # fmt: skip
    assert [row["reason"].split(":")[0] for row in listed] == [
        "has an empty response",
        "is not valid JSON",
        "lacks the field 'response'",
    ]
    record = json.loads(Path("out.jsonl.selection.json").read_text())
    assert sorted(record["indices"]) == [0, 2, 3, 4, 7, 8, 9, 10, 11, 12, 13, 14]
    assert record["pool"] | {"sha256": ""} == {"files": ["pool.jsonl"], "rows": 15, "sha256": "", "skipped": 3}
    rows = (folder / "pool.jsonl").read_bytes().splitlines()
    assert Path("out.jsonl").read_bytes().splitlines() == [rows[index] for index in record["indices"]]


def test_nothing_but_bad_rows_is_an_error_even_when_skipping(folder):
    (folder / "pool.jsonl").write_bytes(lines({"instruction": "a", "response": ""}))
    with pytest.raises(vg.DataError, match="no row could be read; the first, line 1, has an empty response"):
        vg.load("pool.jsonl", on_bad_row="skip")
