"""Tables on terminals of any width, and in the formats that other programs read."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys

import pytest

from tests.conftest import SAMPLE
from variegate.cli import main

WIDTHS = (40, 60, 80, 120, 200)


def on_a_terminal(arguments, width):
    """Return what a command prints on a terminal of some width, a real one."""
    pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "variegate", *arguments],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env={**environment, "TERM": "xterm"},
    )
    os.close(theirs)
    read = b""
    try:
        while block := os.read(ours, 1 << 16):
            read += block
    except OSError:
        # How Linux says that the other end has been closed.
        pass
    os.close(ours)
    assert process.wait() == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", read.decode()).replace("\r\n", "\n")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets with a long name")
    lines = SAMPLE.read_text(encoding="utf-8").splitlines(keepends=True)
    files = [folder / name for name in ("everything.jsonl", "the first.jsonl", "the last.jsonl")]
    for file, part in zip(files, (lines, lines[:120], lines[-120:]), strict=True):
        file.write_text("".join(part), encoding="utf-8")
    return [str(file) for file in files]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("count", [1, 3])
def test_nothing_is_cut_on_a_terminal_of_any_width(width, count, sets):
    names = ["knn_distance", "compression_ratio", "token_entropy"]
    arguments = [
        "measure",
        *sets[:count],
        "--side",
        "response",
        "--metrics",
        ",".join(names),
        "--size-matched",
        "100",
        "--seeds",
        "3",
        "-q",
    ]
    shown = on_a_terminal(arguments, width)
    assert max(map(len, shown.splitlines())) <= width
    wide = subprocess.run([sys.executable, "-m", "variegate", *arguments], capture_output=True, text=True, check=True).stdout
    numbers = re.findall(r"\d[\d.]* ± [\d.e-]+", wide)
    assert len(numbers) == len(names) * count
    for one in (*numbers, *names):
        assert one in shown
    # A name that is folded is still there as a whole.
    unfolded = re.sub(r"[\s│]+", "", shown)
    for one in sets[:count]:
        assert one.rpartition("/")[2].replace(" ", "")[:8] in unfolded


def test_values_as_csv_have_all_their_digits(sets, capsys):
    arguments = [
        "measure",
        *sets[:2],
        "--side",
        "response",
        "--metrics",
        "knn_distance,hdd",
        "--seeds",
        "3",
        "--size-matched",
        "50",
        "-q",
    ]
    assert main([*arguments, "--format", "csv", "--no-compare"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert main([*arguments, "--format", "json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert [(row["dataset"], row["metric"], float(row["value"]), float(row["low"]), int(row["n"])) for row in rows] == [
        (one["dataset"], one["metric"], one["value"], one["interval"][0], one["n"]) for one in results
    ]
    assert len(results) == 4 and all(one["comparisons"] for one in results)


@pytest.mark.parametrize("kind", ["markdown", "latex"])
def test_tables_for_documents(kind, sets, capsys):
    assert main(["measure", *sets[:2], "--side", "response", "--metrics", "knn_distance,hdd", "-q", "--format", kind]) == 0
    out = capsys.readouterr().out
    if kind == "markdown":
        lines = [line for line in out.splitlines() if line.startswith("|")]
        assert {line.count("|") for line in lines[:5]} == {5} and lines[0].startswith("| metric | side |")
    else:
        assert out.count(r"\begin{tabular}") == out.count(r"\end{tabular}") == 2 and r"knn\_distance & response &" in out
    assert "Which is more diverse?" in out


@pytest.mark.parametrize("kind", ["csv", "markdown", "latex", "json"])
@pytest.mark.parametrize(
    "arguments", [["list", "strategies"], ["diagnose", str(SAMPLE), "-q"], ["tag", str(SAMPLE), "--tags", "keyphrases", "-q"]]
)
def test_every_verb_with_a_table_has_formats(arguments, kind, capsys):
    assert main([*arguments, "--format", kind]) == 0
    out = capsys.readouterr().out
    if kind == "json":
        assert json.loads(out)
    elif kind == "csv":
        blocks = [list(csv.reader(io.StringIO(block))) for block in re.split(r"\n\n+", out.strip()) if "," in block]
        assert any(len(block) > 1 and len({len(row) for row in block}) == 1 for block in blocks)
    else:
        assert ("| ---" if kind == "markdown" else r"\toprule") in out
    # A format is that of one command.
    assert main(["list", "schemas"]) == 0
    assert "───" in capsys.readouterr().out


def test_what_is_left_out_is_told_in_a_line_a_reason(tmp_path, capsys):
    file = tmp_path / "few.jsonl"
    file.write_text('{"text": "one"}\n{"text": "two"}\n', encoding="utf-8")
    assert main(["measure", str(file), "--side", "response"]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("left out: ")]
    reasons = [line.partition(": ")[2].partition(": ")[2] for line in lines]
    assert len(reasons) == len(set(reasons)) and any(", " in line.split(": ")[1] for line in lines)
    assert main(["measure", str(file), "--side", "response", "-q"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("text", "value"), [(".5", 0.5), ("5.", 5.0), ("+.25", 0.25), ("1e-3", 1e-3), ("inf", float("inf"))])
def test_numbers_of_any_spelling(text, value):
    from variegate.cli.options import values

    assert values([f"a={text}"]) == {"a": value}


@pytest.mark.parametrize("text", ["nan", "1_000", "0x10", "five", "-", "."])
def test_what_is_no_number_stays_a_text(text):
    from variegate.cli.options import values

    assert values([f"a={text}"]) == {"a": text}
