"""Input and usage that cannot work: one line that names the place, exit code 2, and every file as it was before."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import variegate as vg
from tests.bad_input.files import CSV, DAMAGED, JSON, PLACES
from tests.bad_input.making import COSINE, GOOD, LENGTH, NUMBERS, lines, listed, npy, parquet, third
from tests.bad_input.rows import ROWS, VECTORS
from tests.bad_input.usage import BAD_ROW, COMMANDS
from variegate.cli import main
from variegate.metrics import GROUPS

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
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(case.files.get("-") or b""), encoding="utf-8"))
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
    assert out == ""
    assert err.startswith("variegate: None of the metrics can be computed on this data: ") and err.count("\n") == 1
    assert all(name in err for name in GROUPS["lexical"]) and err.count("holds vectors only") == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read and write everything")
@pytest.mark.parametrize("name", ["pool.jsonl", "pool.csv", "pool.parquet", "pool.npy"])
def test_a_file_that_must_not_be_read(name, folder, capsys):
    put({name: b"x"})
    Path(name).chmod(0)
    assert quietly(f"measure {name} {COSINE}") == 2
    assert re.fullmatch(rf"variegate: {re.escape(name)}: .*[Pp]ermission ?([Dd]enied|Error).*\n", capsys.readouterr().err)


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
    assert [json.loads(line) for line in Path("out.jsonl").read_text(encoding="utf-8").splitlines()] == pool.take(
        record["indices"]
    )


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
    assert sorted(json.loads(Path("out.jsonl.selection.json").read_text(encoding="utf-8"))["indices"]) == [0, 2, 3]


def test_vectors_made_elsewhere_stay_with_their_rows(folder):
    vectors = np.vstack([np.eye(13)[:1], np.full((1, 13), np.nan), np.eye(13)[1:]])
    put({"pool.jsonl": lines(GOOD[0], {"instruction": "a"}, *GOOD[1:]), "v.npy": npy(vectors[:13])})
    assert quietly(f"measure pool.jsonl {COSINE} --embedder v.npy --on-bad-row skip --json out.json") == 0
    (result,) = json.loads(Path("out.json").read_text(encoding="utf-8"))
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
