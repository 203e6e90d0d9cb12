"""Files that are missing, of no known kind, empty, cut off, damaged, in another encoding; broken JSON and CSV."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa

from tests.bad_input.making import (
    COSINE,
    GOOD,
    LENGTH,
    NUMBERS,
    Case,
    arrow,
    file,
    lines,
    listed,
    npy,
    npz,
    parquet,
    strings_of_bytes,
    table,
    third,
    zst,
)

PLACES = [
    *(
        file(f"missing.{ending}", None, ": no such file")
        for ending in ("jsonl", "json", "csv", "tsv", "parquet", "arrow", "jsonl.gz")
    ),
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
    file(
        "pool.npy", None, r": (is a folder|is no readable \.npy file .*[Dd]irectory)", COSINE,
    )._replace(files={"pool.npy": None}),
    Case(
        "a folder without data", {"folder": None, "folder/notes.md": b"x"}, f"measure folder {LENGTH}",
        "folder: no data file in this folder",
    ),
    Case(
        "a folder under the name of a file", {"pool.jsonl": None}, f"measure pool.jsonl {LENGTH}",
        r"pool\.jsonl: no data file in this folder",
    ),
    Case(
        "a folder of hidden files, vectors and records",
        {
            "f": None, "f/.pool.jsonl": lines(*GOOD), "f/v.npy": npy(NUMBERS), "f/dataset_info.json": b"{}",
            "f/s.selection.json": b"{}",
        },
        f"measure f {LENGTH}", "f: no data file in this folder",
    ),
    Case(
        "a folder with one bad row", {"f": None, "f/a.jsonl": lines(*GOOD), "f/b.jsonl": third({"instruction": "a"})},
        f"measure f {LENGTH}", r"f/b\.jsonl, line 3: lacks the field 'response'",
    ),
    Case(
        "a folder with nothing but empty files", {"f": None, "f/deep": None, "f/deep/b.csv": b""},
        f"measure f {LENGTH}", r"f/deep/b\.csv: the file is empty",
    ),
    Case("nothing on stdin", {"-": b""}, f"measure - {LENGTH}", "stdin: the file is empty"),
    Case(
        "a bad row on stdin", {"-": third({"instruction": "a", "response": 4})}, f"measure - {LENGTH}",
        "stdin, line 3: field 'response' must be a string",
    ),
    Case(
        "a second file with a bad row", {"a.jsonl": lines(*GOOD), "b.csv": b"instruction,response\na,\n"},
        f"measure a.jsonl b.csv {LENGTH}", r"b\.csv, line 2: has an empty response",
    ),
    Case(
        "a reference that is missing", {"a.jsonl": lines(*GOOD)}, "measure a.jsonl --reference gone.jsonl --metrics novelsum",
        r"gone\.jsonl: no such file",
    ),
    Case("a name longer than a name can be", {}, f"measure {'a' * 300}.jsonl {LENGTH}", "a{80}"),
]  # fmt: skip

DAMAGED = [
    # empty
    *(
        file(f"empty.{ending}", b"", ": the file is empty")
        for ending in ("jsonl", "json", "csv", "tsv", "parquet", "arrow", "feather", "jsonl.gz", "csv.zst")
    ),
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
    file("vectors.json", npy(NUMBERS), ": is npy by its content, which is not read"),
    file("lines.csv", lines(*GOOD), ": .*(the first line does not look like field names|JSON)"),
    file("lines.parquet", lines(*GOOD), ": is no readable parquet file"),
    file("lines.arrow", lines(*GOOD), ": is no readable arrow file"),
    file("plain.jsonl.gz", lines(*GOOD), ": .*no whole gzip file"),
    file("plain.jsonl.zst", lines(*GOOD), ": .*no whole zstd file"),
    # numpy's own message proposes to unpickle the file, which nobody should
    file("lines.npy", lines(*GOOD), r": is no readable \.npy file(?!.*unsafely)", COSINE),
    # encodings
    file("utf16.jsonl", lines(*GOOD).decode().encode("utf-16"), ": is UTF-16 text. Convert it first: iconv -f utf-16"),
    file("utf16.json", listed(*GOOD).decode().encode("utf-16"), ": is UTF-16 text"),
    file("utf16.tsv", "instruction\tresponse\na\tb\n".encode("utf-16"), ": is UTF-16 text"),
    file("utf16.jsonl.gz", gzip.compress(lines(*GOOD).decode().encode("utf-16")), ": is UTF-16 text"),
    file("utf16le.jsonl", lines(*GOOD).decode().encode("utf-16-le"), ": .*UTF-16|, line 1: is not valid JSON"),
    file("utf32.jsonl", lines(*GOOD).decode().encode("utf-32"), ": .*UTF-32"),
    file(
        "latin1.jsonl", third('{"instruction": "Thé?", "response": "Café"}\n'.encode("latin-1")),
        r", line 3: is not valid UTF-8 \(byte 0xe9",
    ),
    file(
        "latin1.json", '[{"instruction": "a",\n"response": "Café"}]'.encode("latin-1"),
        r", line 2: is not valid UTF-8 \(byte 0xe9",
    ),
    file(
        "latin1.csv", "instruction,response\na,b\nThé?,Café\n".encode("latin-1"),
        ", line 3: is not valid UTF-8 .* iconv -f latin1",
    ),
    file("latin1name.csv", "instruction,réponse\na,b\n".encode("latin-1"), ", line 1: is not valid UTF-8"),
    file("bytes.jsonl", third(b'{"instruction": "a", "response": "\xc3("}\n'), ", line 3: is not valid UTF-8"),
    file(
        "bytes.parquet", parquet(pa.table({"instruction": ["a", "b"], "response": strings_of_bytes(b"ok", b"\xff")})),
        ", row 2: is not valid UTF-8",
    ),
    file(
        "bytes.arrow", arrow(pa.table({"instruction": ["a", "b"], "response": strings_of_bytes(b"ok", b"\xff")})),
        ", row 2: is not valid UTF-8",
    ),
    file(
        "half.jsonl", third(b'{"instruction": "a", "response": "\\ud83d"}\n'),
        ", line 3: holds half of a surrogate pair in the assistant's text",
    ),
    file(
        "half.json", b'[{"instruction": "\\udc00", "response": "b"}]',
        ", row 1: holds half of a surrogate pair in the user's text",
    ),
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
    *(
        file(f"{name}.json", content, ": holds a single JSON value, not a list")
        for name, content in (("number", b"42"), ("string", b'"a"'), ("null", b"null"), ("nan", b"NaN"))
    ),
    file("object.json", b"{}", ": is one JSON object .*not a list of rows"),
    file("object.jsonl", b"{}\n", ": no schema has the fields none"),
    file(
        "under.json", json.dumps({"version": 2, "data": GOOD}).encode(),
        r": is one JSON object \(keys: version, data\).*jq -c '\.\[\"data\"\]\[\]'",
    ),
    file(
        "splits.json", json.dumps({"train": GOOD, "test": GOOD[:2]}).encode(),
        r": is one JSON object .*jq -c '\.\[\"train\"\]\[\]'",
    ),
    file("keyed.json", json.dumps({"q1": GOOD[0], "q2": GOOD[1]}).encode(), r": is one JSON object .*jq -c '\.\[\]'"),
    file(
        "columns.json", json.dumps({"question": ["a", "b"], "answer": ["c", "d"]}).encode(),
        ": no schema .*--columns instruction=question,response=answer",
    ),
    file("pretty.jsonl", json.dumps({"name": "x", "rows": [1, 2]}, indent=1).encode(), ": is one JSON object"),
    file("deep.json", b"[" * 100_000 + b"]" * 100_000, ": is nested too deeply"),
    file("deep.jsonl", third(b'{"instruction": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"), ", line 3: is nested too deeply"),
    file("digits.json", b'[{"instruction": "a", "response": "b", "n": ' + b"9" * 5000 + b"}]", ": is not valid JSON .*digits"),
    file(
        "digits.jsonl", third(b'{"instruction": "a", "response": "b", "n": ' + b"9" * 5000 + b"}\n"),
        ", line 3: is not valid JSON: .*digits",
    ),
    file("lists.jsonl", lines(["a", "b"], ["c", "d"]), ": row 1 is no object with named fields"),
    file("numbers.json", b"[1, 2.5, 3]", ": row 1 is no object with named fields"),
    file("nulls.jsonl", b"null\nnull\n", ": row 1 is no object with named fields"),
    file("strings.jsonl", b'"a"\n"b"\n', ": row 1 is no object with named fields"),
    file("listrow.json", listed(*GOOD[:2], ["a", "b"]), ", row 3: is not an object with named fields but a list"),
    file("numberrow.jsonl", third(7), ", line 3: is not an object with named fields but a number"),
    file(
        "nanrow.json", b'[{"instruction": "a", "response": "b"}, NaN]',
        ", row 2: is not an object with named fields but a number",
    ),
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
    file(
        "noheader.csv", b"Who wrote Hamlet?,Shakespeare\nWho wrote Faust?,Goethe\n",
        ": the first line does not look like field names .*Put a line of names on top",
    ),
    file(
        "noheader.tsv", b"Is the moon made of cheese?\tno\tIt is rock.\n" * 2, ": the first line does not look like field names",
    ),
    file("semicolon.csv", b"instruction;response\na;b\n", ": no schema has the fields instruction;response"),
    file("capitals.csv", b"Instruction,Response\na,b\n", ": no schema has the fields Instruction, Response"),
    file("space.csv", b"instruction, response\na,b\n", "(?!: prompts without responses).* response"),
    file("lateheader.csv", b"\ninstruction,response\na,b\n", ", line [12]: "),
    file("emptyfield.csv", b"instruction,response\na,b\nc,\n", ", line 3: has an empty response"),
    file("onecolumn.csv", b"response\na\n", ": no schema has the fields response"),
    file(
        "nested.csv", b'messages\n"[{""role"": ""user"", ""content"""\n',
        ", line 2: field 'messages' must be a list of turns but is a string",
    ),
]  # fmt: skip
