"""Input and usage that cannot work: one line that names the place, exit code 2, and every file as it was before."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import re
import shlex
import struct
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import variegate as vg
from variegate.cli import main

LENGTH = "--metrics sequence_length"
COSINE = "--metrics distsum_cosine"

GOOD = [{"instruction": f"Name {at} rivers.", "response": f"Here are {at} of them."} for at in range(12)]
TALK = [{"role": "user", "content": "Good morning"}, {"role": "assistant", "content": "Hello"}]
NUMBERS = np.random.default_rng(3).normal(size=(12, 3))


class Case(NamedTuple):
    name: str
    # File name -> content; None makes a folder, and "-" is what stands on stdin.
    files: dict[str, bytes | None]
    command: str
    message: str


# --- what files are made of


def lines(*rows: Any) -> bytes:
    return b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows)


def listed(*rows: Any) -> bytes:
    return json.dumps(rows, indent=1).encode()


def third(row: Any) -> bytes:
    """Two good rows, then the one in question."""
    return lines(*GOOD[:2], row)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows)


def parquet(rows: Any) -> bytes:
    stream = io.BytesIO()
    pq.write_table(rows if isinstance(rows, pa.Table) else table(rows), stream)
    return stream.getvalue()


def arrow(rows: Any, stream_format: bool = False) -> bytes:
    stream = io.BytesIO()
    content = rows if isinstance(rows, pa.Table) else table(rows)
    with (pa.ipc.new_stream if stream_format else pa.ipc.new_file)(stream, content.schema) as writer:
        writer.write_table(content)
    return stream.getvalue()


def zst(content: bytes) -> bytes:
    return pa.compress(content, "zstd", asbytes=True)


def npy(array: Any, allow_pickle: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def npy_with_header(header: str) -> bytes:
    text = header.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(96)


def npz() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, vectors=NUMBERS)
    return stream.getvalue()


def with_row(row: int, values: Any) -> Any:
    changed = NUMBERS.copy()
    changed[row] = values
    return changed


def with_column(row: int, value: Any) -> bytes:
    """A pool with vectors in the column v, one of them another value."""
    return lines(*({**good, "v": value if at == row else NUMBERS[at].tolist()} for at, good in enumerate(GOOD)))


def strings_of_bytes(*values: bytes) -> pa.Array:
    """A column that says it is text, whatever its bytes."""
    return pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())


class Trap:
    """Leaves a file behind where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("unpickled"),))


def file(name: str, content: bytes | None, message: str, arguments: str = LENGTH) -> Case:
    return Case(
        name, {} if content is None else {name: content}, f"measure {name} {arguments}", f"{re.escape(name)}(?:{message})"
    )


def chat(name: str, messages: Any, message: str) -> Case:
    return file(name, lines({"messages": TALK}, {"messages": TALK}, {"messages": messages}), f", line 3: {message}")


def alpaca(name: str, message: str, **fields: Any) -> Case:
    good = {"instruction": "Add.", "input": "1 2", "output": "3"}
    return file(name, lines(good, good, {**good, **fields}), f", line 3: {message}")


def shape(name: str, row: Any, message: str, arguments: str = LENGTH) -> Case:
    return file(name, lines(row), message, arguments)


# --- files as files

PLACES = [
    *(file(f"missing.{ending}", None, ": no such file") for ending in ("jsonl", "json", "csv", "tsv", "parquet", "arrow", "jsonl.gz")),
    file("missing.npy", None, ": no such file", COSINE),
    file("no/such/place.parquet", None, ": no such file"),
    file("nowhere://bucket/pool.jsonl", None, ": cannot be read .*nowhere"),
    file("memory://bucket/none.jsonl", None, ": no such file"),
    file("memory://bucket/pool.txt", None, r": the ending '\.txt' is no known data file"),
    file("rows.docx", b"PK", r": the ending '\.docx' is no known data file. Known: \.jsonl"),
    file("rows", b"x", ": the ending '' is no known data file"),
    file("prose.txt", b"Once upon a time", r": the ending '\.txt' is no known data file"),
    file("json.txt", lines(*GOOD), ": looks like JSON .* Rename it to"),
    file("pool.jsonl.bz2", b"BZh9", r": the ending '\.bz2' is no known data file"),
    file("pool.gz", gzip.compress(lines(*GOOD)), ": the ending '' is no known data file"),
    file("pool.npz", npz(), r": the ending '\.npz' is no known data file", COSINE),
    file("commands.cm", b"ls -l\n", ": .*line-parallel text files must first be joined .* paste"),
    file("pool.parquet.gz", gzip.compress(parquet(GOOD)), r": parquet files are compressed inside.*without '\.gz'"),
    file("pool.arrow.zst", zst(arrow(GOOD)), r": arrow files are compressed inside.*without '\.zst'"),
    file("pool.npy.gz", gzip.compress(npy(NUMBERS)), ": npy files are compressed inside", COSINE),
    file("pool.npy", None, r": (is a folder|is no readable \.npy file .*directory)", COSINE)._replace(files={"pool.npy": None}),
    Case("a folder without data", {"folder": None, "folder/notes.md": b"x"}, f"measure folder {LENGTH}", "folder: no data file in this folder"),
    Case("a folder under the name of a file", {"pool.jsonl": None}, f"measure pool.jsonl {LENGTH}", r"pool\.jsonl: no data file in this folder"),
    Case(
        "a folder of hidden files, vectors and records",
        {"f": None, "f/.pool.jsonl": lines(*GOOD), "f/v.npy": npy(NUMBERS), "f/dataset_info.json": b"{}", "f/s.selection.json": b"{}"},
        f"measure f {LENGTH}", "f: no data file in this folder",
    ),
    Case("a folder with one bad row", {"f": None, "f/a.jsonl": lines(*GOOD), "f/b.jsonl": third({"instruction": "a"})}, f"measure f {LENGTH}", r"f/b\.jsonl, line 3: lacks the field 'response'"),
    Case("a folder with one empty file", {"f": None, "f/a.jsonl": lines(*GOOD), "f/deep": None, "f/deep/b.csv": b""}, f"measure f {LENGTH}", r"f/deep/b\.csv: the file is empty"),
    Case("nothing on stdin", {"-": b""}, f"measure - {LENGTH}", "stdin: the file is empty"),
    Case("a bad row on stdin", {"-": third({"instruction": "a", "response": 4})}, f"measure - {LENGTH}", "stdin, line 3: field 'response' must be a string"),
    Case("a second file with a bad row", {"a.jsonl": lines(*GOOD), "b.csv": b"instruction,response\na,\n"}, f"measure a.jsonl b.csv {LENGTH}", r"b\.csv, line 2: has an empty response"),
    Case("a reference that is missing", {"a.jsonl": lines(*GOOD)}, "measure a.jsonl --reference gone.jsonl --metrics novelsum", r"gone\.jsonl: no such file"),
    file("a" * 300 + ".jsonl", None, "", LENGTH)._replace(name="a name longer than a name can be"),
]  # fmt: skip

DAMAGED = [
    # empty
    *(file(f"empty.{ending}", b"", ": the file is empty") for ending in ("jsonl", "json", "csv", "tsv", "parquet", "arrow", "feather", "jsonl.gz", "csv.zst")),
    file("empty.npy", b"", r": is no readable \.npy file", COSINE),
    file("packed.jsonl.gz", gzip.compress(b""), ": the file is empty"),
    file("packed.json.zst", zst(b" \n"), ": the file is empty"),
    file("blank.jsonl", b"\n \n\t\n", ": the file is empty"),
    file("mark.jsonl", b"\xef\xbb\xbf", ": the file is empty"),
    file("norows.json", b"[]", ": the list has no rows"),
    file("norows.csv", b"instruction,response\n", ": has a header but no rows"),
    file("norows.tsv", b"instruction\tresponse\r\n", ": has a header but no rows"),
    file("norows.parquet", parquet(table(GOOD)[:0]), ": has no rows"),
    file("norows.arrow", arrow(table(GOOD)[:0]), ": has no rows"),
    file("nocolumns.parquet", parquet(pa.table({})), ": has no rows"),
    # cut off
    file("cut.jsonl", lines(*GOOD)[:-9], ", line 12: is not valid JSON: .* at column"),
    file("cut.json", listed(*GOOD)[:-2], r", line \d+: the list that opens the file is never closed .*close the list with '\]'"),
    file("cutlist.jsonl", listed(*GOOD)[:-30], ": .*never closed|, line 4[0-9]: "),
    file("cut.csv", b'instruction,response\na,b\n"c,d\ne,f\n', ", line 3: is not valid CSV"),
    file("cut.parquet", parquet(GOOD)[:-40], ": is no readable parquet file"),
    file("hole.parquet", parquet(GOOD * 50)[:20] + b"\xff" * 30 + parquet(GOOD * 50)[50:], ": is no readable parquet file"),
    file("cut.arrow", arrow(GOOD)[:-200], ": is no readable arrow file"),
    file("cutstream.arrow", arrow(GOOD, True)[:-300], ": is no readable arrow file"),
    file("cut.jsonl.gz", gzip.compress(lines(*GOOD * 30))[:-20], ": .*no whole gzip file"),
    file("sum.jsonl.gz", gzip.compress(lines(*GOOD * 30))[:-8] + bytes(8), ": .*no whole gzip file"),
    file("tail.jsonl.gz", gzip.compress(lines(*GOOD)) + b"more", ": .*no whole gzip file"),
    file("cut.jsonl.zst", zst(lines(*GOOD * 30))[:-20], ": .*no whole zstd file"),
    file("cut.npy", npy(NUMBERS)[:-40], r": is no readable \.npy file", COSINE),
    file("zeros.jsonl", lines(*GOOD) + bytes(64), ", line 13: is not valid JSON"),
    # other content than the ending says
    file("prose.jsonl", b"Once upon\na time\n", ", line 1: is not valid JSON"),
    file("csv.jsonl", b"instruction,response\na,b\n", ", line 1: is not valid JSON"),
    file("zip.jsonl", gzip.compress(lines(*GOOD)), ", line 1: is not valid UTF-8|: .*gzip"),
    file("parquet.jsonl", parquet(GOOD), ", line 1: is not valid UTF-8|: .*parquet"),
    file("parquet.csv", parquet(GOOD), ", line 1: is not valid UTF-8|: .*parquet"),
    file("vectors.json", npy(NUMBERS), ", line 1: is not valid UTF-8"),
    file("lines.csv", lines(*GOOD), ": .*(the first line does not look like field names|JSON)"),
    file("lines.parquet", lines(*GOOD), ": is no readable parquet file"),
    file("lines.arrow", lines(*GOOD), ": is no readable arrow file"),
    file("table.arrow", parquet(GOOD), ": is no readable arrow file"),
    file("table.parquet", arrow(GOOD), ": is no readable parquet file"),
    file("plain.jsonl.gz", lines(*GOOD), ": .*no whole gzip file"),
    file("plain.jsonl.zst", lines(*GOOD), ": .*no whole zstd file"),
    file("gzip.jsonl.zst", gzip.compress(lines(*GOOD)), ": .*no whole zstd file"),
    # numpy's own message proposes to unpickle the file, which nobody should
    file("lines.npy", lines(*GOOD), r": is no readable \.npy file(?!.*unsafely)", COSINE),
    # encodings
    file("utf16.jsonl", lines(*GOOD).decode().encode("utf-16"), ": is UTF-16 text. Convert it first: iconv -f utf-16"),
    file("utf16.json", listed(*GOOD).decode().encode("utf-16"), ": is UTF-16 text"),
    file("utf16.tsv", "instruction\tresponse\na\tb\n".encode("utf-16"), ": is UTF-16 text"),
    file("utf16.jsonl.gz", gzip.compress(lines(*GOOD).decode().encode("utf-16")), ": is UTF-16 text"),
    file("utf16le.jsonl", lines(*GOOD).decode().encode("utf-16-le"), ": .*UTF-16|, line 1: is not valid JSON"),
    file("utf32.jsonl", lines(*GOOD).decode().encode("utf-32"), ": .*UTF-32"),
    file("latin1.jsonl", third('{"instruction": "Thé?", "response": "Café"}\n'.encode("latin-1")), r", line 3: is not valid UTF-8 \(byte 0xe9"),
    file("latin1.json", '[{"instruction": "a",\n"response": "Café"}]'.encode("latin-1"), r", line 2: is not valid UTF-8 \(byte 0xe9"),
    file("latin1.csv", "instruction,response\na,b\nThé?,Café\n".encode("latin-1"), ", line 3: is not valid UTF-8 .* iconv -f latin1"),
    file("latin1name.csv", "instruction,réponse\na,b\n".encode("latin-1"), ", line 1: is not valid UTF-8"),
    file("bytes.jsonl", third(b'{"instruction": "a", "response": "\xc3("}\n'), ", line 3: is not valid UTF-8"),
    file("bytes.parquet", parquet(pa.table({"instruction": ["a", "b"], "response": strings_of_bytes(b"ok", b"\xff")})), ", row 2: is not valid UTF-8"),
    file("bytes.arrow", arrow(pa.table({"instruction": ["a", "b"], "response": strings_of_bytes(b"ok", b"\xff")})), ", row 2: is not valid UTF-8"),
    file("half.jsonl", third(b'{"instruction": "a", "response": "\\ud83d"}\n'), ", line 3: holds half of a surrogate pair in the assistant's text"),
    file("half.json", b'[{"instruction": "\\udc00", "response": "b"}]', ", row 1: holds half of a surrogate pair in the user's text"),
]  # fmt: skip

JSON = [
    file("comma.json", b'[{"instruction": "a", "response": "b"},]', r", line 1: is not valid JSON: .* at column \d+"),
    file("open.json", b'[{"instruction": "a", "response": "b"},\n', r", line \d: the list that opens the file is never closed"),
    file("piece.json", b'"response": "b"}, {"instruction": "c"}]', ", line 1: is not valid JSON .*piece of a larger file"),
    file("two.json", listed(GOOD[0]) + b"\n" + listed(GOOD[1]), r", line 7: is not valid JSON: Extra data"),
    file("quotes.json", b"[{'instruction': 'a', 'response': 'b'}]", ", line 1: is not valid JSON: .*double quotes"),
    file("break.json", b'[{"instruction": "a\nb", "response": "c"}]', ", line 1: is not valid JSON: .*control character"),
    file("comment.jsonl", third(b'// {"instruction": "a"}\n'), ", line 3: is not valid JSON"),
    file("trailing.jsonl", third(b'{"instruction": "a", "response": "b"},\n'), ", line 3: is not valid JSON: Extra data"),
    file("returns.jsonl", lines(*GOOD).replace(b"\n", b"\r"), ", line 1: is not valid JSON: Extra data"),
    *(file(f"{name}.json", content, ": holds a single JSON value, not a list") for name, content in (("number", b"42"), ("string", b'"a"'), ("null", b"null"), ("nan", b"NaN"))),
    file("object.json", b"{}", ": is one JSON object .*not a list of rows"),
    file("object.jsonl", b"{}\n", ": no schema has the fields none"),
    file("under.json", json.dumps({"version": 2, "data": GOOD}).encode(), r": is one JSON object \(keys: version, data\).*jq -c '\.\[\"data\"\]\[\]'"),
    file("splits.json", json.dumps({"train": GOOD, "test": GOOD[:2]}).encode(), r": is one JSON object .*jq -c '\.\[\"train\"\]\[\]'"),
    file("keyed.json", json.dumps({"q1": GOOD[0], "q2": GOOD[1]}).encode(), r": is one JSON object .*jq -c '\.\[\]'"),
    file("columns.json", json.dumps({"question": ["a", "b"], "answer": ["c", "d"]}).encode(), ": is one JSON object .*Write it as a list of rows"),
    file("pretty.jsonl", json.dumps({"name": "x", "rows": [1, 2]}, indent=1).encode(), ": is one JSON object"),
    file("deep.json", b"[" * 100_000 + b"]" * 100_000, ": is nested too deeply"),
    file("deep.jsonl", third(b'{"instruction": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"), ", line 3: is nested too deeply"),
    file("digits.json", b'[{"instruction": "a", "response": "b", "n": ' + b"9" * 5000 + b"}]", ": is not valid JSON .*digits"),
    file("digits.jsonl", third(b'{"instruction": "a", "response": "b", "n": ' + b"9" * 5000 + b"}\n"), ", line 3: is not valid JSON: .*digits"),
    file("lists.jsonl", lines(["a", "b"], ["c", "d"]), ": row 1 is no object with named fields"),
    file("numbers.json", b"[1, 2.5, 3]", ": row 1 is no object with named fields"),
    file("nulls.jsonl", b"null\nnull\n", ": row 1 is no object with named fields"),
    file("strings.jsonl", b'"a"\n"b"\n', ": row 1 is no object with named fields"),
    file("listrow.json", listed(*GOOD[:2], ["a", "b"]), ", row 3: is not an object with named fields but a list"),
    file("numberrow.jsonl", third(7), ", line 3: is not an object with named fields but a number"),
    file("nanrow.json", b'[{"instruction": "a", "response": "b"}, NaN]', ", row 2: is not an object with named fields but a number"),
    file("nullrow.jsonl", third(None), ", line 3: is not an object with named fields but null"),
    file("boolrow.jsonl", third(True), ", line 3: is not an object with named fields but a boolean"),
    file("gap.jsonl", lines(GOOD[0], b"\n\n", {"instruction": "a"}), ", line 4: lacks the field 'response'"),
]  # fmt: skip

CSV = [
    file("long.csv", b"instruction,response\na,b\nc,d,e\n", ", line 3: has 3 fields but the header names 2"),
    file("short.tsv", b"instruction\tresponse\na\n", ", line 2: has 1 fields but the header names 2"),
    file("after.csv", b'instruction,response\r\n"a\nb\nc",d\r\ne,f,g\r\n', ", line 5: has 3 fields but the header names 2"),
    file("twice.csv", b"instruction,response,response\na,b,c\n", ", line 1: the name 'response' stands twice in the header"),
    file("nameless.csv", b"instruction,response,,\na,b,,\n", ", line 1: the name '' stands twice"),
    file("quote.csv", b'instruction,response\n"a"b,c\n', ", line 2: is not valid CSV"),
    file("nul.csv", b"instruction,response\na,b\n\x00,c\n", ", line 3: holds a NUL character"),
    file("noheader.csv", b"Who wrote Hamlet?,Shakespeare\nWho wrote Faust?,Goethe\n", ": the first line does not look like field names .*Put a line of names on top"),
    file("noheader.tsv", b"Is the moon made of cheese?\tno\tIt is rock.\n" * 2, ": the first line does not look like field names"),
    file("semicolon.csv", b"instruction;response\na;b\n", ": no schema has the fields instruction;response"),
    file("capitals.csv", b"Instruction,Response\na,b\n", ": no schema has the fields Instruction, Response"),
    file("space.csv", b"instruction, response\na,b\n", ": (?!prompts without responses).* response"),
    file("lateheader.csv", b"\ninstruction,response\na,b\n", ", line [12]: "),
    file("emptyfield.csv", b"instruction,response\na,b\nc,\n", ", line 3: has an empty response"),
    file("onecolumn.csv", b"response\na\n", ": no schema has the fields response"),
    file("nested.csv", b'messages\n"[{""role"": ""user"", ""content"": ""a""}]"\n', ", line 2: field 'messages' must be a list of turns but is a string"),
]  # fmt: skip

ROWS = [
    shape("one.json", {**GOOD[0], "response": None}, ", row 1: field 'response' must be a string but is null"),
    file("field.jsonl", third({"instruction": "a"}), r", line 3: lacks the field 'response' \(schema instruction-response, detected\). .*--on-bad-row skip"),
    file("null.jsonl", third({"instruction": "a", "response": None}), ", line 3: field 'response' must be a string but is null"),
    file("number.jsonl", third({"instruction": "a", "response": 4.5}), ", line 3: field 'response' must be a string but is a number"),
    file("bool.jsonl", third({"instruction": False, "response": "b"}), ", line 3: field 'instruction' must be a string but is a boolean"),
    file("list.jsonl", third({"instruction": "a", "response": ["b"]}), ", line 3: field 'response' must be a string but is a list"),
    file("dict.jsonl", third({"instruction": {"a": 1}, "response": "b"}), ", line 3: field 'instruction' must be a string but is an object"),
    file("nan.jsonl", third(b'{"instruction": NaN, "response": "b"}\n'), ", line 3: field 'instruction' must be a string but is a number"),
    file("noresponse.jsonl", third({"instruction": "a", "response": ""}), ", line 3: has an empty response"),
    file("white.jsonl", third({"instruction": "a", "response": " \n\t\u3000"}), ", line 3: has an empty response"),
    file("null.parquet", parquet([*GOOD[:2], {"instruction": "a", "response": None}]), ", row 3: field 'response' must be a string but is null"),
    file("binary.parquet", parquet([{"instruction": b"a", "response": b"b"}]), ", row 1: field 'instruction' must be a string"),
    file("twice.parquet", parquet(pa.table([["a"], ["b"], ["c"]], ["instruction", "response", "response"])), ": .*response"),
    file("twice.arrow", arrow(pa.table([["a"], ["b"], ["c"]], ["instruction", "response", "response"])), ": .*response"),
    file("dates.parquet", parquet(pa.table({"instruction": ["a"], "response": ["b"], "t": pa.array([2**62], pa.timestamp("us"))})), ".*(row 1|'t')"),
    alpaca("input.jsonl", "field 'input' must be a string but is a number", input=3),
    alpaca("output.jsonl", "field 'output' must be a string but is a list", output=["a"]),
    alpaca("outputnull.jsonl", "field 'output' must be a string but is null", output=None),
    alpaca("outputblank.jsonl", "has an empty response", output="\n"),
    alpaca("system.jsonl", "field 'system' must be a string but is an object", system={}),
    alpaca("history.jsonl", r"field 'history' must be a list of \[user, assistant\] pairs but is a string", history="a"),
    alpaca("historyflat.jsonl", r"field 'history\[0\]' must be a \[user, assistant\] pair", history=["a", "b"]),
    alpaca("historyone.jsonl", r"field 'history\[1\]' must be a \[user, assistant\] pair", history=[["a", "b"], ["c"]]),
    alpaca("historynull.jsonl", r"field 'history\[0\]\[1\]' must be a string but is null", history=[["a", None]]),
    chat("msgstring.jsonl", "Hi", "field 'messages' must be a list of turns but is a string"),
    chat("msgnull.jsonl", None, "field 'messages' must be a list of turns but is null"),
    chat("msgempty.jsonl", [], "field 'messages' is an empty list"),
    chat("msgflat.jsonl", ["Hi", "Hello"], r"field 'messages\[0\]' must be an object but is a string"),
    chat("msgpair.jsonl", [*TALK, ["user", "Hi"]], r"field 'messages\[2\]' must be an object but is a list"),
    chat("norole.jsonl", [{"content": "Hi"}], r"lacks the field 'messages\[0\]\.role'"),
    chat("role.jsonl", [*TALK, {"role": "wizard", "content": "Hi"}], r"field 'messages\[2\]\.role' holds the role 'wizard', which is none of user"),
    chat("rolenumber.jsonl", [{"role": 1, "content": "Hi"}], r"field 'messages\[0\]\.role' holds the role 1"),
    chat("rolehalf.jsonl", [{"role": "\ud800", "content": "Hi"}], r"field 'messages\[0\]\.role' holds the role '\\ud800'"),
    chat("nocontent.jsonl", [{"role": "user"}, TALK[1]], r"lacks the field 'messages\[0\]\.content'"),
    chat("contentnull.jsonl", [TALK[0], {"role": "assistant", "content": None}], r"field 'messages\[1\]\.content' must be a string but is null"),
    chat("contentnumber.jsonl", [{"role": "user", "content": 5}, TALK[1]], r"field 'messages\[0\]\.content' must be a string but is a number"),
    chat("contentobject.jsonl", [{"role": "user", "content": {"text": "a"}}, TALK[1]], r"field 'messages\[0\]\.content' must be a string but is an object"),
    chat("contentpart.jsonl", [TALK[0], {"role": "assistant", "content": ["a", 7]}], r"field 'messages\[1\]\.content' holds a part that is a number"),
    chat("onlyuser.jsonl", TALK[:1], "has no assistant turn"),
    chat("onlysystem.jsonl", [{"role": "system", "content": "Be brief."}], "has no assistant turn"),
    chat("onlytool.jsonl", [TALK[0], {"role": "tool", "content": "4"}], "has no assistant turn"),
    chat("onlyimage.jsonl", [TALK[0], {"role": "assistant", "content": [{"type": "image"}]}], "has an empty response"),
    chat("callhalf.jsonl", [TALK[0], {"role": "assistant", "content": None, "tool_calls": [{"name": "\udfff"}]}], "holds half of a surrogate pair in the assistant's text"),
    file("calls.parquet", parquet([{"messages": [{"role": "assistant", "content": "a", "tool_calls": [b"\x00"]}]}]), ", row 1: .*tool_calls"),
    file("messages.parquet", parquet(pa.table({"messages": pa.array([None], pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])))})), ", row 1: field 'messages' must be a list of turns but is null"),
    shape("gpt.jsonl", {"conversations": [{"from": "human", "value": "Hi"}]}, ", line 1: has no assistant turn"),
    shape("gptvalue.jsonl", {"conversations": [{"from": "gpt"}]}, r", line 1: lacks the field 'conversations\[0\]\.(value|content)'"),
    shape("gptfrom.jsonl", {"conversations": [{"value": "Hi"}]}, r", line 1: lacks the field 'conversations\[0\]\.(from|role)'"),
    shape("gptrole.jsonl", {"conversations": [{"from": "narrator", "value": "Hi"}]}, r", line 1: field 'conversations\[0\]\.from' holds the role 'narrator'"),
    shape("gptflat.jsonl", {"conversations": ["Hi", "Hello"]}, r", line 1: field 'conversations\[0\]' must be an object"),
    shape("gptsystem.jsonl", {"system": 3, "conversations": [{"from": "gpt", "value": "a"}]}, ", line 1: field 'system' must be a string but is a number"),
    shape("prompt.jsonl", {"prompt": 5, "completion": "b"}, ", line 1: field 'prompt' must be .* but is a number"),
    shape("completion.jsonl", {"prompt": "a", "completion": None}, ", line 1: field 'completion' must be .* but is null"),
    shape("completionblank.jsonl", {"prompt": "a", "completion": "  "}, ", line 1: has an empty response"),
    shape("completionrole.jsonl", {"prompt": "a", "completion": [TALK[0]]}, ", line 1: has no assistant turn"),
    file("text.jsonl", lines({"text": "a"}, {"text": None}), ", line 2: field 'text' must be a string but is null"),
    shape("textlist.jsonl", {"text": ["a"]}, ", line 1: field 'text' must be a string but is a list"),
    shape("textblank.jsonl", {"text": "\n"}, ", line 1: has an empty response"),
    # rows that are no instruction data, or could be read in two ways
    shape("dpo.jsonl", {"prompt": "a", "chosen": "b", "rejected": "c"}, ": preference pairs .*Pass --schema preference"),
    shape("dpochat.jsonl", {"messages": TALK[:1], "chosen": TALK[1], "rejected": TALK[1]}, ": preference pairs .*Pass --schema preference"),
    shape("dponumber.jsonl", {"prompt": "a", "chosen": 5, "rejected": "c"}, ", line 1: field 'chosen' must be .* but is a number", f"{LENGTH} --schema preference"),
    shape("dponone.jsonl", {"prompt": "a", "rejected": "c"}, r", line 1: lacks the field 'chosen' \(schema preference, as asked\)", f"{LENGTH} --schema preference"),
    shape("prompts.jsonl", {"id": 1, "prompt": "a"}, ": prompts without responses .*--columns instruction=prompt --side instruction"),
    shape("turns.jsonl", {"id": 1, "turns": ["a", "b"]}, ": prompts without responses .*--columns instruction=turns --side instruction"),
    shape("qa.jsonl", {"question": "a", "answer": "b"}, ": no schema .*--columns instruction=question,response=answer"),
    shape("answers.jsonl", {"input": "a", "output": ["b"]}, ": (?!prompts without responses).*'?output"),
    shape("both.jsonl", {"instruction": "a", "output": "b", "response": "c"}, ": rows hold both 'output' and 'response'.*--schema alpaca .*--schema instruction-response"),
    *(
        shape(f"marks{at}.jsonl", {"text": text}, ": the field 'text' holds whole conversations with chat markers .*--schema text")
        for at, text in enumerate(("<|user|> a <|ai|> b", "### Human: a\n### Assistant: b", "[INST] a [/INST] b", "<|im_start|>user\na", "Human: a\nAssistant: b", "<start_of_turn>user\na"))
    ),
    shape("dialogue.jsonl", {"turns": [{"speaker": "A", "utterance": "a"}, {"speaker": "B", "utterance": "b"}]}, ": .*--columns messages=turns,role=speaker,content=utterance,user=A,assistant=B"),
    shape("pairs.jsonl", {"utterances": [["A", "a"], ["B", "b"]]}, ": .*'utterances' is a list of lists"),
    shape("unknown.jsonl", {"foo": "a", "bar": "b"}, ": no schema has the fields foo, bar"),
]  # fmt: skip

VECTORS = [
    file("flat.npy", npy(np.ones(5)), r": must hold floats of shape \(rows, dimensions\) but holds float64 of shape \(5,\)", COSINE),
    file("point.npy", npy(np.float64(3)), r": must hold floats .*of shape \(\)", COSINE),
    file("cube.npy", npy(np.ones((2, 2, 2))), r": must hold floats .*of shape \(2, 2, 2\)", COSINE),
    file("norows.npy", npy(np.ones((0, 4))), r": must hold floats .*of shape \(0, 4\)", COSINE),
    file("nocolumns.npy", npy(np.ones((4, 0))), r": must hold floats .*of shape \(4, 0\)", COSINE),
    *(
        file(f"{kind}.npy", npy(np.ones((4, 2)).astype(kind)), f": must hold floats .*but holds {shown}", COSINE)
        for kind, shown in (("int64", "int64"), ("bool", "bool"), ("complex128", "complex128"), ("str", "<U"))
    ),
    file("fields.npy", npy(np.zeros((3, 2), [("a", "f4")])), ": must hold floats", COSINE),
    file("objects.npy", npy(np.array([[Trap(), 1.0]], object), allow_pickle=True), r": is no readable \.npy file", COSINE),
    file("pickle.npy", pickle.dumps(Trap()), r": is no readable \.npy file", COSINE),
    file("archive.npy", npz(), ": must hold floats .*but holds an archive", COSINE),
    file("magic.npy", b"\x93NUMPY", r": is no readable \.npy file", COSINE),
    file("version.npy", b"\x93NUMPY\x09\x00" + bytes(60), r": is no readable \.npy file", COSINE),
    file("header.npy", npy_with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2"), r": is no readable \.npy file", COSINE),
    file("type.npy", npy_with_header("{'descr': '<q9', 'fortran_order': False, 'shape': (3, 2), }"), r": is no readable \.npy file", COSINE),
    file("minus.npy", npy_with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-3, 2), }"), r": is no readable \.npy file", COSINE),
    file("larger.npy", npy_with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000, 2), }"), r": is no readable \.npy file", COSINE),
    file("endless.npy", npy_with_header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({10**30}, 2), }}"), r": is no readable \.npy file", COSINE),
    file("nanrow.npy", npy(with_row(4, np.nan)), ": the vectors of row 5 hold values that are not finite", COSINE),
    file("infrow.npy", npy(with_row(0, -np.inf)), ": the vectors of row 1 hold values that are not finite", COSINE),
    file("zerorow.npy", npy(with_row(11, 0)), ": the vectors of row 12 are zero", COSINE),
    file("manyzero.npy", npy(NUMBERS * 0), r": the vectors of rows 1, 2, 3, 4, 5 and 7 more are zero", COSINE),
    file("huge.npy", npy(with_row(4, 1e200)), r".*\brow 5\b", COSINE),
    file("hugepool.npy", npy(NUMBERS * 1e200), r".*\brows 1, 2", "--metrics novelsum --reference hugepool.npy"),
    file("tiny.npy", npy(with_row(4, 1e-310)), r".*\brow 5\b", COSINE),
    file("single.npy", npy(NUMBERS[:1]), ".*distsum_cosine needs at least 2 samples, got 1", COSINE),
    file("notext.npy", npy(NUMBERS), ": holds vectors only", LENGTH),
    file("notopic.npy", npy(NUMBERS), ": holds vectors only, so it has no field 'domain'", "--metrics topic_count --topics domain"),
    file("few.npy", npy(NUMBERS[:6]), ".*needs more than k = 10 distinct reference rows, but there are 6", "--metrics novelsum --reference few.npy"),
    Case("select with huge vectors", {"h.npy": npy(NUMBERS * 1e200)}, "select h.npy --size 3 --strategy k_center -o o.json", r"h\.npy.*\brows 1, 2"),
    Case("select with few reference rows", {"v.npy": npy(NUMBERS), "r.npy": npy(NUMBERS[:6])}, "select v.npy --size 3 --reference r.npy -o o.json", r"[vr]\.npy.*needs more than k = 10 distinct reference rows, but there are \d"),
    *(
        Case(f"vectors of other dimensions, {name}", {"v.npy": npy(NUMBERS), "wide.npy": npy(np.hstack([NUMBERS, NUMBERS[:, :1]]))}, command, r"(?=.*wide\.npy)(?=.*\b4\b)(?=.*\b3\b)")
        for name, command in (
            ("measure", "measure v.npy --reference wide.npy --metrics novelsum --set novelsum.k=3"),
            ("select", "select v.npy --reference wide.npy --size 3 --set k=3 -o o.json"),
            ("topics", "measure v.npy --reference wide.npy --metrics topic_count --topics kmeans:3"),
            ("per sample", "measure v.npy --reference wide.npy --metrics distsum_cosine --per-sample n.csv --set novelsum.k=3"),
        )
    ),
]  # fmt: skip

# --- usage: beside the files of a case stand these

STAGE: dict[str, bytes | None] = {
    "pool.jsonl": lines(*GOOD),
    "chat.jsonl": lines(
        *({"messages": [{"role": "user", "content": f"Hi {at}"}, TALK[1]], "meta": {"at": at}} for at in range(12))
    ),
    "texts.jsonl": lines({"text": "Rivers flow."}, {"text": "Hills stand."}),
    "three.npy": npy(NUMBERS[:3]),
    "twelve.npy": npy(NUMBERS),
    "folder": None,
    "folder/notes.md": b"nothing here",
    "out.d": None,
}


def usage(command: str, message: str, **files: bytes | None) -> Case:
    """A command; a file's name is given without its ending, which is .jsonl."""
    return Case(command, {**STAGE, **{f"{name}.jsonl": content for name, content in files.items()}}, command, message)


def pick(more: str, message: str, **files: bytes | None) -> Case:
    return usage(f"select pool.jsonl --size 3 {more}", message, **files)


BAD_ROW = lines(*GOOD, {"instruction": "a"})

COMMANDS = [
    usage("mesure pool.jsonl", "No such command 'mesure'"),
    usage("measure", r"Missing argument 'DATA\.\.\.'"),
    usage("measure pool.jsonl --metric novelsum", "No such option '?--metric'?"),
    usage("select", "Missing argument 'POOL'"),
    usage("select pool.jsonl chat.jsonl --size 3 -o out.jsonl", r"unexpected extra argument \(chat\.jsonl\)"),
    usage("embed", "Missing argument 'POOL'"),
    usage("tokenize pool.jsonl --side sideways", "'sideways' is not one of 'instruction'"),
    usage("list metric", "'metric' is not one of"),
    usage("list --quiet", "No such option '?--quiet'?"),
    # names
    usage("measure pool.jsonl --metrics novelsumm", "Unknown metric 'novelsumm'. Did you mean novelsum"),
    usage("measure pool.jsonl --metrics novelsum,", "Unknown metric ''"),
    usage("measure pool.jsonl --metrics ''", "Unknown metric ''"),
    usage("select pool.jsonl --size 3 -o out.jsonl --strategy k_centre", "Unknown strategy 'k_centre'. Did you mean k_center"),
    usage(f"measure pool.jsonl {COSINE} --embedder magic:x", "Unknown embedder 'magic:x'"),
    usage(f"measure pool.jsonl {COSINE} --embedder ''", "Unknown embedder ''"),
    usage(f"measure pool.jsonl {COSINE} --embedder openai:", "embedder openai:.* lacks the model's name"),
    usage(f"measure pool.jsonl {COSINE} --embedder no/such/model", "no/such/model: no model could be loaded"),
    usage(f"measure pool.jsonl {LENGTH} --tokenizer no/such/tokenizer.json", r"no/such/tokenizer\.json: no tokenizer could be loaded"),
    usage(f"measure pool.jsonl {LENGTH} --tokenizer folder", r"folder: this folder holds no tokenizer\.json"),
    usage("tokenize pool.jsonl --tokenizer chat.jsonl", r"chat\.jsonl: no tokenizer could be loaded"),
    usage("measure pool.jsonl --side left", "'left' is not one of"),
    usage("select pool.jsonl --size 3 -o out.jsonl --side all", "'all' is not one of"),
    usage(f"measure pool.jsonl {LENGTH} --schema alpacca", "Unknown schema 'alpacca'. Did you mean alpaca"),
    usage(f"measure pool.jsonl {LENGTH} --schema ''", "Unknown schema ''"),
    usage(f"measure pool.jsonl {LENGTH} --schema sharegpt", r"pool\.jsonl, line 1: lacks the field 'conversations' \(schema sharegpt, as asked\)"),
    usage(f"measure pool.jsonl {LENGTH} --on-bad-row ignore", "'ignore' is not one of"),
    # --columns
    usage(f"measure pool.jsonl {LENGTH} --schema text --columns response=response", "--schema and --columns exclude each other"),
    usage(f"measure pool.jsonl {LENGTH} --columns response", "--columns takes PART=FIELD.*Got 'response'"),
    usage(f"measure pool.jsonl {LENGTH} --columns ''", "--columns takes PART=FIELD"),
    usage(f"measure pool.jsonl {LENGTH} --columns response=response,", "--columns takes PART=FIELD"),
    usage(f"measure pool.jsonl {LENGTH} --columns =response", "--columns takes PART=FIELD"),
    usage(f"measure pool.jsonl {LENGTH} --columns answer=response", "Unknown part in --columns 'answer'"),
    usage(f"measure pool.jsonl {LENGTH} --columns input=response", "--columns must name at least"),
    usage(f"measure pool.jsonl {LENGTH} --columns messages=response,response=response", "Unknown part in --columns 'response'"),
    usage(f"measure pool.jsonl {LENGTH} --columns response=instruction,response=response", "--columns .*response"),
    usage(f"measure pool.jsonl {LENGTH} --columns instruction=question,response=response", r"pool\.jsonl, line 1: lacks the field 'question'"),
    usage(f"measure chat.jsonl {LENGTH} --columns messages=turns", r"chat\.jsonl, line 1: lacks the field 'turns'"),
    usage(f"measure chat.jsonl {LENGTH} --columns messages=messages,role=speaker", r"chat\.jsonl, line 1: lacks the field 'messages\[0\]\.speaker'"),
    usage(f"measure chat.jsonl {LENGTH} --columns messages=messages,user=USER", r"chat\.jsonl, line 1: field 'messages\[0\]\.role' holds the role 'user'"),
    usage(f"measure pool.jsonl {LENGTH} --columns instruction=instruction", r"pool\.jsonl: has no both side"),
    usage(f"measure pool.jsonl {LENGTH} --columns response=response --side instruction", r"pool\.jsonl: has no instruction side"),
    usage(f"measure texts.jsonl {LENGTH} --side instruction", r"texts\.jsonl: has no instruction side \(schema text\)"),
    usage(f"measure texts.jsonl {LENGTH} --side all", r"texts\.jsonl: has no instruction side"),
    usage("select texts.jsonl --size 1 --strategy k_center --side instruction -o out.jsonl", r"texts\.jsonl: has no instruction side"),
    usage("measure pool.jsonl --reference texts.jsonl --metrics novelsum --side instruction", r"texts\.jsonl: has no instruction side"),
    usage(f"measure rows.jsonl {LENGTH} --side instruction --columns instruction=q", r"rows\.jsonl, line 2: has an empty prompt", rows=lines({"q": "a"}, {"q": " "})),
    usage(f"measure rows.jsonl {LENGTH} --side instruction --columns instruction=q", r"rows\.jsonl, line 1: field 'q' must be a string but is a number", rows=lines({"q": ["a", 3]}))._replace(name="a list of prompts with a number in it"),
    usage(f"measure rows.jsonl {COSINE} --side instruction", r"rows\.jsonl, instruction side: the vectors of row 2 are zero", rows=lines({"messages": TALK}, {"messages": TALK[1:]})),
    # vectors from elsewhere
    usage(f"measure pool.jsonl {COSINE} --embedder gone.npy", r"gone\.npy: no such file"),
    usage(f"measure pool.jsonl {COSINE} --embedder three.npy", r"three\.npy: holds 3 vectors, but pool\.jsonl has 12 rows"),
    usage("select pool.jsonl --size 3 -o out.jsonl --embedder three.npy", r"three\.npy: holds 3 vectors, but pool\.jsonl has 12 rows"),
    usage(f"measure pool.jsonl {COSINE} --embedder v.npy", r"v\.npy.* row 3 ")._replace(files={**STAGE, "v.npy": npy(with_row(2, np.nan))}),
    usage("measure pool.jsonl --reference twelve.npy --metrics novelsum", r"(?=.*twelve\.npy)(?=.*\b256\b)(?=.*\b3\b)"),
    usage(f"measure pool.jsonl {COSINE} --embedder column:vec", r"pool\.jsonl, line 1: lacks the field 'vec'. It has: instruction, response"),
    usage(f"measure pool.jsonl {COSINE} --embedder column:response", r"pool\.jsonl.*(column|'response')"),
    *(
        usage(f"measure rows.jsonl {COSINE} --embedder column:v", rf"rows\.jsonl.*{place}", rows=with_column(4, value))._replace(name=f"a column of vectors with {name}")
        for name, value, place in (
            ("one of another length", [1.0, 2.0], "(line|row) 5.*'v'"),
            ("a null", None, "(line|row) 5.*'v'"),
            ("text", "north", "(line|row) 5.*'v'"),
            ("an object", {"x": 1.0}, "(line|row) 5.*'v'"),
            ("a NaN", [1.0, float("nan"), 1.0], "row 5 hold values that are not finite"),
            ("a number beyond float32", [1.0, 1e300, 1.0], "(line|row) 5"),
            ("a number beyond float64", [1.0, 10**400, 1.0], "(line|row) 5"),
            ("zeros", [0.0, 0.0, 0.0], "row 5 are zero"),
            ("JSON that is too deep", "[" * 100_000, "(line|row) 5"),
        )
    ),
    # numbers
    *(usage(f"select pool.jsonl --size {size} -o out.jsonl", message) for size, message in (
        ("0", r"int in \[1, 12\], the rows of pool\.jsonl. Got 0"), ("-4", "Got -4 instead"), ("13", "Got 13 instead"),
        ("ten", "'ten' is not a valid integer"), ("3.5", "'3.5' is not a valid integer"), ("''", "'' is not a valid integer"),
    )),
    usage("select pool.jsonl -o out.jsonl", "Missing option '--size'"),
    usage("select three.npy --size 4 -o out.json", r"int in \[1, 3\], the rows of three\.npy"),
    usage("select pool.jsonl --size 3 -o out.jsonl --seed x", "'x' is not a valid integer"),
    usage("select pool.jsonl --size 3 -o out.jsonl --seed -1", "seed.*-1"),
    usage(f"measure pool.jsonl {LENGTH} --size-matched 0", "0 is not in the range"),
    usage(f"measure pool.jsonl {LENGTH} --size-matched many", "'many' is not a valid integer"),
    usage(f"measure pool.jsonl {LENGTH} --size-matched 13", r"pool\.jsonl: has 12 rows, fewer than the 13 asked for"),
    usage(f"measure pool.jsonl texts.jsonl {LENGTH} --size-matched 5", r"texts\.jsonl: has 2 rows, fewer than the 5 asked for"),
    usage(f"measure pool.jsonl {COSINE} --size-matched 1", r"pool\.jsonl.*distsum_cosine needs at least 2 samples, got 1"),
    usage(f"measure pool.jsonl {LENGTH} --seeds 0", "0 is not in the range"),
    usage("measure pool.jsonl --metrics topic_count --topics kmeans:0", "'kmeans:K' with a whole number K"),
    usage("measure pool.jsonl --metrics topic_count --topics kmeans:many", "'kmeans:K' with a whole number K"),
    usage("measure pool.jsonl --metrics topic_count --topics kmeans:²", "'kmeans:K' with a whole number K"),
    usage("measure pool.jsonl --metrics topic_count --topics kmeans:40", r"pool\.jsonl.*40 clusters need at least 40 samples, but there are 12"),
    usage("measure pool.jsonl --metrics topic_count --topics domain", r"pool\.jsonl, line 1: lacks the field 'domain'"),
    # --set
    usage("measure pool.jsonl --set novelsum.k", "--set takes KEY=VALUE.*Got 'novelsum.k'"),
    usage("measure pool.jsonl --set =3", "--set takes KEY=VALUE"),
    usage("measure pool.jsonl --set k=3", "--set of measure takes METRIC.KEY=VALUE"),
    usage("measure pool.jsonl --set novelsum.=3", "--set of measure takes METRIC.KEY=VALUE"),
    usage("measure pool.jsonl --set novelsam.k=3", "Unknown metric .*'novelsam'. Did you mean novelsum"),
    usage("measure pool.jsonl --metrics novelsum --set novelsum.alfa=3", "Unknown parameter of novelsum 'alfa'. Did you mean alpha"),
    usage("measure pool.jsonl --metrics novelsum --set novelsum.reference=3", "Unknown parameter of novelsum 'reference'"),
    usage(f"measure pool.jsonl {LENGTH} --set novelsum.alfa=3", "Unknown parameter of novelsum 'alfa'"),
    usage(f"measure pool.jsonl {LENGTH} --set sequence_length.k=3", r"sequence_length (?!.*Known: \.)"),
    usage(f"measure pool.jsonl {LENGTH} --set novelsum.alfa=3 --per-sample n.csv", "Unknown parameter of novelsum 'alfa'"),
    *(
        usage(f"measure pool.jsonl --metrics {metric} --set {metric}.{option}", f"'{option.partition('=')[0]}' parameter of {metric} must be")
        for metric, option in (
            ("novelsum", "k=0"), ("novelsum", "k=2.5"), ("novelsum", "k=true"), ("novelsum", "alpha=-1"), ("novelsum", "alpha=much"),
            ("novelsum", "alpha=null"), ("novelsum", "alpha=[1]"), ("novelsum", "alpha=inf"), ("novelsum", "beta="), ("novelsum", "density_of=both"),
            ("novelsum", "duplicates=some"), ("novelsum", "include_self=perhaps"), ("vendi_score", "q=0"), ("vendi_score", "q=NaN"),
            ("vendi_score", "q=big"), ("vendi_score", "q=null"),
        )
    ),
    pick("-o out.jsonl --set first", "--set takes KEY=VALUE"),
    pick("-o out.jsonl --set frist=0", "Unknown parameter of novelselect 'frist'. Did you mean first"),
    pick("-o out.jsonl --set seed=3", "--seed"),
    pick("-o out.jsonl --set data=3", "data(?!.*--data)"),
    pick("-o out.jsonl --strategy random --set first=0", "random must be left out, since it has no parameters"),
    pick("-o out.jsonl --strategy k_center --set alpha=1", "Unknown parameter of k_center 'alpha'"),
    pick("-o out.jsonl --strategy k_center --set metric=foo", "'metric' parameter of k_center must be 'euclidean' or 'cosine'"),
    pick("-o out.jsonl --strategy k_center --set first=most_novel", "'first' parameter of k_center must be"),
    pick("-o out.jsonl --strategy random --reference chat.jsonl", "'reference' parameter of random must be left out"),
    pick("-o out.jsonl --set k=100", r"pool\.jsonl.*needs more than k = 100 distinct reference rows"),
    *(
        pick(f"-o out.jsonl --set {option}", f"'{option.partition('=')[0]}' parameter of novelselect must be")
        for option in (
            "first=12", "first=-1", "first=1.5", "first=true", "first=last", "k=0", "k=ten", "alpha=-1", "alpha=null", "alpha=[1]", "beta=NaN",
            "closeness=2", "closeness=0", "closeness=near", "closeness=null", "density_of=self", "duplicates=null",
        )
    ),
    pick("-o out.jsonl --set beta=1000", "beta"),
    # outputs
    pick("", "Missing option '-o'"),
    pick("-o out.exe", r"out\.exe: the ending '\.exe' is no known data file"),
    pick("-o out", "out: the ending '' is no known data file"),
    pick("-o out.npy", r"out\.npy: rows of text cannot be written as \.npy"),
    pick("-o out.parquet.gz", "parquet files are compressed inside"),
    pick("-o no/out.jsonl", "no: no such folder. Create it first"),
    pick("-o pool.jsonl/out.jsonl", r"pool\.jsonl: no such folder"),
    pick("-o dir.jsonl", r"dir\.jsonl: is a folder", dir=None),
    pick(f"-o {'a' * 300}.jsonl", "a{300}")._replace(name="an output with a name longer than a name can be"),
    pick("--strategy random -o pool.jsonl", r"pool\.jsonl: is the data that was read"),
    pick("--strategy random -o ./folder/../pool.jsonl", r"pool\.jsonl: is the data that was read"),
    pick("--set k=3 --reference chat.jsonl -o chat.jsonl", r"chat\.jsonl: is the data that was read"),
    Case("an output that is a file of the pool's folder", {"f": None, "f/a.jsonl": lines(*GOOD), "f/b.jsonl": lines(*GOOD)}, "select f --size 3 --strategy random -o f/b.jsonl", r"f/b\.jsonl: is the data that was read"),
    Case("an output whose record is the pool", {"s.jsonl.selection.json": listed(*GOOD)}, "select s.jsonl.selection.json --size 3 --strategy random -o s.jsonl", r"s\.jsonl\.selection\.json"),
    usage("select twelve.npy --size 3 --strategy random -o twelve.npy", r"twelve\.npy: is the data that was read"),
    usage("select twelve.npy --size 3 --strategy random -o picks.npy", r"picks\.npy.*\.json"),
    usage("select chat.jsonl --size 3 --strategy random -o out.csv", r"out\.csv: the nested field '(messages|meta)' does not fit into CSV"),
    usage("select rows.jsonl --size 2 --strategy random -o out.parquet", r"out\.parquet: the rows hold values of mixed types", rows=lines({**GOOD[0], "n": 1}, {**GOOD[1], "n": "two"})),
    *(
        usage(f"select rows.jsonl --size 2 --strategy random -o out.{ending}", rf"out\.{ending}.*'?n\b", rows=lines({**GOOD[0], "n": value}, {**GOOD[1], "n": value}))._replace(name=f"{name} for .{ending}")
        for name, value, ending in (
            ("half a surrogate pair", "\ud800", "csv"), ("half a surrogate pair", "\ud800", "parquet"), ("half a surrogate pair", "\ud800", "arrow"),
            ("a number beyond 64 bits", 10**30, "parquet"), ("an object without fields", {}, "parquet"),
        )
    ),
    *(
        Case(f"bytes for .{ending}", {"p.parquet": parquet([{**GOOD[0], "img": b"\x89"}])}, f"select p.parquet --size 1 --strategy random -o out.{ending}", rf"out\.{ending}.*img")
        for ending in ("jsonl", "csv")
    ),
    usage(f"measure pool.jsonl {LENGTH} --json no/out.json", "no: no such folder"),
    usage(f"measure pool.jsonl {LENGTH} --json folder", "folder: is a folder"),
    usage(f"measure pool.jsonl {LENGTH} --json pool.jsonl", r"pool\.jsonl.*data that was read"),
    usage(f"measure pool.jsonl {LENGTH} --per-sample n.exe", r"n\.exe: the ending '\.exe' is no known"),
    usage(f"measure pool.jsonl {LENGTH} --per-sample no/n.csv", "no: no such folder"),
    usage(f"measure pool.jsonl chat.jsonl {LENGTH} --per-sample n.csv", "--per-sample takes one data set at a time"),
    usage(f"measure pool.jsonl {LENGTH} --per-sample pool.jsonl", r"pool\.jsonl.*data that was read"),
    usage(f"measure pool.jsonl --reference chat.jsonl {LENGTH} --per-sample chat.jsonl", r"chat\.jsonl.*data that was read"),
    usage(f"measure pool.jsonl {LENGTH} --per-sample both.json --json both.json", r"both\.json"),
    usage(f"measure pool.jsonl --reference texts.jsonl {LENGTH} --per-sample n.csv", r"(pool|texts)\.jsonl.*needs more than k = 10 distinct reference rows, but there are 2"),
    usage(f"measure bad.jsonl {LENGTH} --on-bad-row skip --bad-rows no/bad.jsonl", "no: no such folder", bad=BAD_ROW),
    usage(f"measure bad.jsonl {LENGTH} --on-bad-row skip --bad-rows out.d", r"out\.d: is a folder", bad=BAD_ROW),
    usage(f"measure bad.jsonl {LENGTH} --on-bad-row skip --bad-rows bad.jsonl", r"bad\.jsonl.*data that was read", bad=BAD_ROW),
    usage("select bad.jsonl --size 3 --strategy random --on-bad-row skip --bad-rows out.jsonl -o out.jsonl", r"out\.jsonl", bad=BAD_ROW),
    usage(f"measure bad.jsonl {LENGTH} --on-bad-row skip", r"bad\.jsonl: no row could be read; the first, line 1, lacks the field 'response'", bad=lines({"instruction": "a"}))._replace(command=f"measure bad.jsonl {LENGTH} --on-bad-row skip --schema instruction-response", name="skipping all rows"),
    usage("embed pool.jsonl --cache off", "no cache to fill"),
    usage("tokenize pool.jsonl --cache off", "no cache to fill"),
    usage("embed pool.jsonl --cache pool.jsonl", r"pool\.jsonl/.*the cache cannot be written here"),
    usage("embed twelve.npy", r"twelve\.npy: holds vectors"),
    usage("tokenize twelve.npy", r"twelve\.npy: holds vectors"),
]  # fmt: skip

CASES = [*PLACES, *DAMAGED, *JSON, *CSV, *ROWS, *VECTORS, *COMMANDS]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: None) -> Path:
    """An empty current folder; the cache stands elsewhere, so that all that appears here is a command's doing."""
    assert tmp_path not in Path(os.environ["VARIEGATE_CACHE"]).parents
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def put(files: dict[str, bytes | None]) -> None:
    for name, content in files.items():
        if content is None:
            Path(name).mkdir()
        else:
            Path(name).write_bytes(content)


def quietly(command: str) -> int:
    arguments = shlex.split(command)
    return main([*arguments, "--quiet"] if arguments[0] in ("measure", "select", "embed", "tokenize") else arguments)


def test_there_are_many_kinds_and_each_has_a_name():
    assert len(CASES) > 300
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_cannot_work_is_refused_in_one_line(case, folder, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(case.files.get("-") or b"")))
    put({name: content for name, content in case.files.items() if name != "-"})
    before = contents(folder)
    status = quietly(case.command)
    out, err = capsys.readouterr()
    assert (status, out) == (2, ""), err
    # Which bad rows were left out is told even with --quiet.
    *reports, error = err.splitlines() or [""]
    assert error.startswith("variegate: "), err
    assert not any(report.startswith("variegate: ") for report in reports), err
    assert reports == [] or "--on-bad-row skip" in case.command, err
    assert "Traceback" not in err
    assert re.search(case.message, error), error
    assert contents(folder) == before


def test_a_group_of_which_no_metric_fits(folder, capsys):
    put({"v.npy": npy(NUMBERS)})
    assert quietly("measure v.npy --metrics lexical") == 2
    out, err = capsys.readouterr()
    *reports, error = err.splitlines()
    assert out == ""
    assert [report.split(":")[0] for report in reports] == ["left out", "left out"]
    assert error.startswith("variegate: None of the metrics can be computed on this data")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read and write everything")
@pytest.mark.parametrize("name", ["pool.jsonl", "pool.csv", "pool.parquet", "pool.npy"])
def test_a_file_that_must_not_be_read(name, folder, capsys):
    put({name: b"x"})
    Path(name).chmod(0)
    assert quietly(f"measure {name} {COSINE}") == 2
    assert re.fullmatch(rf"variegate: {re.escape(name)}: .*[Pp]ermission denied.*\n", capsys.readouterr().err)


def test_debug_shows_where(folder):
    put({"pool.jsonl": third({"instruction": "a"})})
    with pytest.raises(vg.DataError, match=r"pool\.jsonl, line 3: lacks the field 'response'"):
        main(["measure", "pool.jsonl", "--debug"])


# --- --on-bad-row skip

# Of each: how it stands in a pool of lines, and what is wrong with it.
BAD_ROWS = {
    b"{not json\n": "is not valid JSON",
    b'{"instruction": "\xff", "response": "b"}\n': "is not valid UTF-8",
    b'{"instruction": "a"}\n': "lacks the field 'response'",
    b'{"instruction": "a", "response": " "}\n': "has an empty response",
    b'["a", "b"]\n': "is not an object with named fields but a list",
}


def bad_rows_of(name: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in Path(name).read_text(encoding="utf-8").splitlines()]
    assert all(set(row) == {"file", "place", "row", "reason"} for row in rows)
    return rows


def test_skipping_goes_on_and_lists_what_was_left_out(folder, capsys):
    put({"good.jsonl": lines(*GOOD), "pool.jsonl": lines(GOOD[0], *BAD_ROWS, b"\n", *GOOD[1:])})
    values = []
    for name in ("good.jsonl", "pool.jsonl"):
        assert main(["measure", name, *COSINE.split(), "--on-bad-row", "skip", "--json", "-"]) == 0
        out, err = capsys.readouterr()
        (result,) = json.loads(out)
        values.append((result["value"], result["n"]))
        assert ("left out" in err) == (name == "pool.jsonl")
    assert "pool.jsonl: 5 bad rows left out, listed in variegate.bad-rows.jsonl" in err
    assert values[0] == values[1]
    found = bad_rows_of("variegate.bad-rows.jsonl")
    assert [(row["file"], row["place"], row["row"]) for row in found] == [
        ("pool.jsonl", f"line {at + 1}", at) for at in range(1, 6)
    ]
    for row, reason in zip(found, BAD_ROWS.values(), strict=True):
        assert row["reason"].startswith(reason)


def test_nothing_is_listed_where_all_rows_are_good(folder, capsys):
    put({"pool.jsonl": lines(*GOOD)})
    assert quietly(f"measure pool.jsonl {LENGTH} --on-bad-row skip") == 0
    assert capsys.readouterr().err == ""
    assert list(contents(folder)) == ["pool.jsonl"]


def test_how_many_were_left_out_is_told_even_when_quiet(folder, capsys):
    put({"pool.jsonl": BAD_ROW})
    assert quietly(f"measure pool.jsonl {LENGTH} --on-bad-row skip --bad-rows mine.jsonl") == 0
    assert capsys.readouterr().err == "pool.jsonl: 1 bad rows left out, listed in mine.jsonl\n"
    assert [row["place"] for row in bad_rows_of("mine.jsonl")] == ["line 13"]


def rows_and_numbers(kind: str) -> tuple[bytes, list[int], list[str]]:
    """A pool of some kind with two bad rows, the numbers of its good ones, and where the bad ones stand."""
    rows = [GOOD[0], {"instruction": "a", "response": ""}, *GOOD[1:5], {"instruction": "b", "response": " "}, *GOOD[5:]]
    good = [at for at in range(len(rows)) if at not in (1, 6)]
    if kind == "csv":
        # The first row takes two lines.
        text = "".join(f'"{row["instruction"]}","{row["response"]}"\n' for row in rows).replace("Name 0 rivers.", "Name\nrivers.")
        return f"instruction,response\n{text}".encode(), good, ["line 4", "line 9"]
    content = {"jsonl": lines(*rows), "jsonl.gz": gzip.compress(lines(*rows)), "json": listed(*rows), "parquet": parquet(rows)}
    place = "line" if kind.startswith("jsonl") else "row"
    return content[kind], good, [f"{place} 2", f"{place} 7"]


@pytest.mark.parametrize("strategy", ["random", "k_center", "novelselect"])
@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "json", "csv", "parquet"])
def test_a_selection_has_the_numbers_of_the_pool_with_its_bad_rows(kind, strategy, folder, capsys):
    content, good, places = rows_and_numbers(kind)
    put({f"pool.{kind}": content})
    command = f"select pool.{kind} --size 12 --strategy {strategy} --on-bad-row skip -o out.jsonl"
    assert quietly(f"{command} --set k=3" if strategy == "novelselect" else command) == 0
    assert f"pool.{kind}: 2 bad rows left out, listed in out.jsonl.bad-rows.jsonl" in capsys.readouterr().err
    assert [(row["place"], row["row"], row["reason"]) for row in bad_rows_of("out.jsonl.bad-rows.jsonl")] == [
        (places[0], 1, "has an empty response"),
        (places[1], 6, "has an empty response"),
    ]
    record = json.loads(Path("out.jsonl.selection.json").read_text(encoding="utf-8"))
    assert sorted(record["indices"]) == good
    assert (record["pool"]["rows"], record["pool"]["skipped"], record["n"]) == (14, 2, 12)
    pool = vg.load(f"pool.{kind}", on_bad_row="skip").sources[0].rows
    assert [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()] == pool.take(record["indices"])


def test_the_first_row_stays_what_was_asked_for(folder):
    put({"pool.jsonl": lines(*BAD_ROWS, *GOOD)})
    assert quietly("select pool.jsonl --size 2 --strategy k_center --set first=0 --on-bad-row skip -o out.jsonl") == 0
    record = json.loads(Path("out.jsonl.selection.json").read_text(encoding="utf-8"))
    assert Path("out.jsonl").read_bytes().splitlines()[0] == json.dumps(GOOD[0]).encode()
    assert record["indices"][0] == 5


def test_numbers_run_on_over_the_files_of_a_folder(folder):
    put({"f": None, "f/a.jsonl": lines(GOOD[0], {"instruction": "a"}, GOOD[1]), "f/b.csv": b"instruction,response\nc,d\ne,\n"})
    assert quietly("select f --size 3 --strategy random --on-bad-row skip -o out.jsonl") == 0
    assert [(row["file"], row["place"], row["row"]) for row in bad_rows_of("out.jsonl.bad-rows.jsonl")] == [
        ("f/a.jsonl", "line 2", 1),
        ("f/b.csv", "line 3", 4),
    ]
    assert sorted(json.loads(Path("out.jsonl.selection.json").read_text())["indices"]) == [0, 2, 3]


def test_vectors_made_elsewhere_stay_with_their_rows(folder):
    vectors = np.vstack([np.eye(13)[:1], np.full((1, 13), np.nan), np.eye(13)[1:]])
    put({"pool.jsonl": lines(GOOD[0], {"instruction": "a"}, *GOOD[1:]), "v.npy": npy(vectors[:13])})
    assert quietly(f"measure pool.jsonl {COSINE} --embedder v.npy --on-bad-row skip --json out.json") == 0
    (result,) = json.loads(Path("out.json").read_text())
    assert (result["n"], result["value"]) == (12, pytest.approx(1))


@pytest.mark.parametrize(
    ("command", "listing"),
    [
        (f"measure a.jsonl b.jsonl {LENGTH}", "variegate.bad-rows.jsonl"),
        (f"measure a.jsonl --reference b.jsonl {LENGTH}", "variegate.bad-rows.jsonl"),
        ("select a.jsonl --reference b.jsonl --size 3 --set k=3 -o out.jsonl", "out.jsonl.bad-rows.jsonl"),
    ],
)
def test_the_bad_rows_of_several_data_sets_are_all_listed(command, listing, folder):
    put({"a.jsonl": BAD_ROW, "b.jsonl": lines(*GOOD, b"{\n", {"instruction": "b", "response": ""})})
    assert quietly(f"{command} --on-bad-row skip") == 0
    assert [(row["file"], row["place"]) for row in bad_rows_of(listing)] == [
        ("a.jsonl", "line 13"),
        ("b.jsonl", "line 13"),
        ("b.jsonl", "line 14"),
    ]
