"""What a file holds counts: packed or columnar under any ending, parts without rows, columns in folder names, odd Arrow types."""

from __future__ import annotations

import gzip
import json
import random
import resource
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

import variegate as vg
from tests.bad_input.making import arrow, lines, parquet, zst
from tests.conftest import ROOT
from variegate.data import unpacking
from variegate.data.sources import partition_of

ROWS = [{"instruction": f"Name {at} rivers.", "response": f"Here are {at} of them, é."} for at in range(12)]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def both(pool: vg.Corpus) -> list[str]:
    return pool.texts("both").to_pylist()


EXPECTED = [f"{row['instruction']}\n{row['response']}" for row in ROWS]


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "parquet", "arrow", "jsonl.gz", "jsonl.zst"])
@pytest.mark.parametrize("kind", ["gzip", "zstd", "parquet", "arrow"])
def test_content_counts_for_more_than_the_ending(kind, ending):
    text = b"instruction,response\n" + b"".join(f'{row["instruction"]},"{row["response"]}"\n'.encode() for row in ROWS)
    plain = text if ending == "csv" else lines(*ROWS)
    content = {"gzip": gzip.compress(plain), "zstd": zst(plain), "parquet": parquet(ROWS), "arrow": arrow(ROWS)}[kind]
    Path(f"pool.{ending}").write_bytes(content)
    if kind in ("gzip", "zstd") and ending in ("parquet", "arrow"):
        with pytest.raises(vg.DataError, match=rf"pool\.{ending}: is no readable {ending} file"):
            vg.load(f"pool.{ending}")
    else:
        assert both(vg.load(f"pool.{ending}")) == EXPECTED


@pytest.mark.parametrize(
    ("content", "what"), [(b"PK\x03\x04....", "zip"), (b"BZh9....", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"\x93NUMPY\x01", "npy")]
)
def test_what_is_not_read_is_called_by_its_name(content, what):
    Path("pool.jsonl").write_bytes(content)
    with pytest.raises(vg.DataError, match=rf"pool\.jsonl: is {what} by its content"):
        vg.load("pool.jsonl")


def test_parts_without_rows_are_left_out_with_a_note():
    Path("parts").mkdir()
    Path("parts/a.parquet").write_bytes(parquet(ROWS))
    for name, content in (
        ("b.parquet", parquet(pa.Table.from_pylist(ROWS)[:0])),
        ("c.jsonl", b""),
        ("d.csv", b"instruction,response\n"),
        ("e.json", b"[]"),
    ):
        Path("parts", name).write_bytes(content)
    pool = vg.load("parts")
    assert both(pool) == EXPECTED
    (note,) = pool.sources[0].notes
    assert note.startswith("left out, without rows: parts/b.parquet") and note.endswith("and 1 more")
    for name in ("b.parquet", "c.jsonl", "d.csv", "e.json"):
        with pytest.raises(vg.DataError, match=name):
            vg.load(f"parts/{name}")


def test_only_names_of_our_own_files_are_passed_over_in_a_folder():
    Path("f/_delta_log").mkdir(parents=True)
    for name in ("estate.json", "mydataset_info.json", "restate.json"):
        Path("f", name).write_text(json.dumps(ROWS[:2]), encoding="utf-8")
    for name in ("state.json", "dataset_info.json", "x.selection.json", "y.bad-rows.jsonl", "_delta_log/0.json", "_tmp.jsonl"):
        Path("f", name).write_text('{"commitInfo": {}}', encoding="utf-8")
    assert [Path(source.name).name for source in vg.load("f").sources] == ["estate.json", "mydataset_info.json", "restate.json"]


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "json", "csv"])
def test_columns_in_the_names_of_folders(ending):
    for at, folder in enumerate(("lang=de/year=2023", "lang=en%20us/year=2024")):
        Path("pool", folder).mkdir(parents=True)
        part = vg.load(ROWS[6 * at : 6 * at + 6])
        part.write(Path("pool", folder, f"0.{ending}"))
    pool = vg.load("pool")
    assert pool.column("lang") == ["de"] * 6 + ["en us"] * 6
    assert pool.column("year") == [2023] * 6 + [2024] * 6
    assert any("lang=de, year=2023 is from the folder's name" in note for note in pool.sources[0].notes)
    for out in ("out.parquet", "out.jsonl"):
        pool.take([1, 7]).write(out)
        assert vg.load(out).rows() == pool.take([1, 7]).rows()
        assert vg.load(out).column("lang") == ["de", "en us"]


def test_a_column_of_the_file_is_not_replaced_by_the_folders_name():
    Path("pool/lang=xx").mkdir(parents=True)
    Path("pool/lang=xx/0.jsonl").write_bytes(lines(*({**row, "lang": "de"} for row in ROWS)))
    assert vg.load("pool").column("lang") == ["de"] * 12
    assert partition_of(Path("a=__HIVE_DEFAULT_PARTITION__/b/c=1/x.csv")) == {"a": None, "c": "1"}


COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}


@pytest.mark.parametrize("ending", ["json", "jsonl"])
@pytest.mark.parametrize("orient", ["columns", "lists", "split"])
def test_one_object_of_columns_is_read_as_rows(orient, ending):
    document = {
        "columns": {name: {str(at): value for at, value in enumerate(values)} for name, values in COLUMNS.items()},
        "lists": COLUMNS,
        "split": {"columns": list(COLUMNS), "index": list(range(12)), "data": [list(row.values()) for row in ROWS]},
    }[orient]
    Path(f"pool.{ending}").write_text(json.dumps(document), encoding="utf-8")
    pool = vg.load(f"pool.{ending}")
    assert both(pool) == EXPECTED
    if ending == "json":
        assert "one object of columns" in pool.sources[0].notes[0]


# --- Arrow


def of_types() -> dict[str, pa.Table]:
    plain = pa.table(COLUMNS)
    turns = [[{"role": "user", "content": row["instruction"]}, {"role": "assistant", "content": row["response"]}] for row in ROWS]
    struct = pa.struct([("role", pa.string()), ("content", pa.string())])
    found = {
        "large strings": pa.table({name: pa.array(values, pa.large_string()) for name, values in COLUMNS.items()}),
        "bytes": pa.table(
            {name: pa.array([value.encode() for value in values], pa.binary()) for name, values in COLUMNS.items()}
        ),
        "dictionaries": pa.table({name: pa.array(values).dictionary_encode() for name, values in COLUMNS.items()}),
        "run lengths": pa.table(
            {
                name: pa.RunEndEncodedArray.from_arrays(pa.array(range(1, 13), pa.int32()), pa.array(values))
                for name, values in COLUMNS.items()
            }
        ),
        "maps": pa.table(
            {
                "messages": pa.array(
                    [[list(turn.items()) for turn in one] for one in turns], pa.list_(pa.map_(pa.string(), pa.string()))
                )
            }
        ),
        "struct of lists": pa.table(
            {"messages": pa.array([{key: [turn[key] for turn in one] for key in one[0]} for one in turns])}
        ),
        "JSON text": pa.table({"messages": [json.dumps(one) for one in turns]}),
        "large lists": pa.table({"messages": pa.array(turns, pa.large_list(struct))}),
        "fixed lists": pa.table({"messages": pa.array(turns, pa.list_(struct, 2))}),
        "decimals, durations and unions beside": plain.append_column("d", pa.array([Decimal("1.50")] * 12))
        .append_column("t", pa.array([5] * 12, pa.duration("s")))
        .append_column("h", pa.array([1.5] * 12, pa.float16())),
    }
    if hasattr(pa, "string_view"):
        views = {name: pa.array(values, pa.string_view()) for name, values in COLUMNS.items()}
        found["string views"] = pa.table(views)
        found["string views in lists"] = pa.table(
            {"messages": pa.array(turns, pa.list_(pa.struct([("role", pa.string_view()), ("content", pa.string_view())])))}
        )
        found["binary views beside"] = plain.append_column("b", pa.array([b"\xff"] * 12, pa.binary_view()))
    return found  # fmt: skip


@pytest.mark.parametrize("kind", of_types())
@pytest.mark.parametrize("place", ["memory", "arrow"])
def test_every_arrow_type_can_be_read_and_written(kind, place):
    table = of_types()[kind]
    if place == "arrow":
        Path("pool.arrow").write_bytes(arrow(table))
    pool = vg.load("pool.arrow" if place == "arrow" else table)
    assert both(pool) == EXPECTED
    part = pool.take([7, 2])
    part.write("out.arrow")
    assert both(vg.load("out.arrow")) == [EXPECTED[7], EXPECTED[2]]
    if "beside" not in kind:
        part.write("out.jsonl")
        part.write("out.parquet")
        assert both(vg.load("out.jsonl")) == both(vg.load("out.parquet")) == [EXPECTED[7], EXPECTED[2]]


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_end_no_program(seed):
    """Each is read or refused; used without a check, such tables ended the interpreter in one of twenty cases."""
    rng = random.Random(seed)
    content = bytearray((arrow if seed % 2 else parquet)(ROWS * 20))
    for _ in range(rng.choice([1, 2, 8])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    name = "pool.arrow" if seed % 2 else "pool.parquet"
    Path(name).write_bytes(content)
    try:
        pool = vg.load(name, on_bad_row="skip")
    except vg.DataError as error:
        assert str(error).startswith(name)
        return
    assert len(pool.rows()) == len(both(pool))


# --- what unpacks to more than there is room for


def test_a_line_that_is_longer_than_a_row_can_be_is_refused(monkeypatch):
    monkeypatch.setattr(unpacking, "LONGEST_ROW", 3 << 20)
    Path("pool.jsonl.gz").write_bytes(gzip.compress(lines(*ROWS) + bytes(8 << 20)))
    with pytest.raises(vg.DataError, match=r"pool\.jsonl\.gz, line 13: is longer than 3 MiB"):
        vg.load("pool.jsonl.gz")


def test_lines_are_those_of_the_text_wherever_blocks_end(monkeypatch):
    text = b"\xef\xbb\xbfa\r\n\n  \nbb\nccc" + b"x" * 40 + b"\n\nd"
    expected = [(1, b"a"), (4, b"bb"), (5, b"ccc" + b"x" * 40), (7, b"d")]
    for size in (4, 5, 7, 16, 1 << 20):
        monkeypatch.setattr(unpacking, "BLOCK", size)
        assert list(unpacking.lines_of("x", text, None)) == expected
        assert list(unpacking.lines_of("x", gzip.compress(text), "gzip")) == expected


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is bounded as Linux does it")
@pytest.mark.parametrize("ending", ["jsonl.gz", "json.gz", "csv.gz"])
def test_a_gigabyte_of_zeros_takes_little_memory(ending):
    with gzip.open(f"bomb.{ending}", "wb", compresslevel=1) as stream:
        for _ in range(1024):
            stream.write(bytes(1 << 20))
    program = f"import variegate as vg\ntry: vg.load('bomb.{ending}')\nexcept vg.DataError as error: print(error)"

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=bounded,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )
    assert done.stdout.startswith(f"bomb.{ending}"), done.stderr[-300:]
    assert any(word in done.stdout for word in ("is longer than 256 MiB", "not valid JSON", "NUL"))
