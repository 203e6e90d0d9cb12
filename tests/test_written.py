"""What is written can be read back, and nothing that another process wrote is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import variegate as vg
from tests.conftest import SAMPLE
from tests.test_cli import run

WRITER = """
import sys, time
import variegate.data.trainers as trainers
read = trainers.read_info
def slowly(path):
    # Long enough for every other process to have read the same file.
    known = read(path)
    time.sleep(0.4)
    return known
trainers.read_info = slowly
from variegate.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_processes_that_write_one_dataset_info_at_once_lose_no_entry(tmp_path):
    names = [f"subset{at}" for at in range(4)]
    started = [
        subprocess.Popen(
            [
                *(sys.executable, "-c", WRITER, "select", str(SAMPLE), "--strategy", "random", "--size", "3", "--cache", "off"),
                *("-o", str(tmp_path / f"{name}.jsonl"), "--dataset-info", str(tmp_path / "dataset_info.json"), "--quiet"),
            ]
        )
        for name in names
    ]
    assert [process.wait(300) for process in started] == [0] * len(names)
    assert sorted(json.loads((tmp_path / "dataset_info.json").read_text(encoding="utf-8"))) == names


CHAT = [{"role": "user", "content": "Name a game."}, {"role": "assistant", "content": "Chess."}]


@pytest.mark.parametrize("ending", ["parquet", "arrow", "jsonl", "json"])
@pytest.mark.parametrize("prompt", ["What now?", CHAT[:1]], ids=["string", "messages"])
def test_preference_rows_with_and_without_a_prompt_are_read_back(prompt, ending, tmp_path):
    """In a table the column of some rows' prompts is null in the others."""
    if isinstance(prompt, str):
        rows = [
            {"prompt": prompt, "chosen": "Rest.", "rejected": "Run."},
            {"question": prompt, "chosen": "Go.", "rejected": "No."},
        ]
    else:
        rows = [{"prompt": prompt, "chosen": CHAT[1:], "rejected": CHAT[1:]}, {"chosen": CHAT, "rejected": CHAT}]
    corpus = vg.load(rows, schema="preference")
    corpus.write(tmp_path / f"rows.{ending}")
    again = vg.load(tmp_path / f"rows.{ending}", schema="preference")
    for side in corpus.sides:
        assert again.texts(side).to_pylist() == corpus.texts(side).to_pylist()


def test_a_preferred_answer_that_follows_nothing_is_refused():
    with pytest.raises(vg.DataError, match=r"row 1: has no prompt: .* 'chosen' begins with the answer\. Pass --columns"):
        vg.load([{"chosen": "Rest.", "rejected": "Run."}], schema="preference")


# One of each kind of character that could end a text, a field or a line.
ODD = [
    "\r",
    "\n",
    "\r\n",
    "\x1a",
    "\ufeff",
    "\u2028",
    "\x85",
    "\x0b",
    "\x1c",
    '"',
    '""',
    ",",
    "\t",
    ";",
    "'",
    " ",
    "\x7f",
    "\x01",
]


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz", "jsonl", "json", "parquet"])
def test_odd_characters_are_read_back(ending, tmp_path):
    texts = [place.format(one) for one in ODD for place in ("{}a", "a{}", "a{}b", "{0}a{0}")]
    corpus = vg.load([{"instruction": text, "response": text} for text in texts])
    corpus.write(tmp_path / f"rows.{ending}")
    assert vg.load(tmp_path / f"rows.{ending}").texts("response").to_pylist() == texts


@pytest.mark.parametrize("ending", ["csv", "tsv"])
@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"response": "a\0b"}, "a NUL character in the field 'response' does not fit into CSV. Write .jsonl instead."),
        ({"response": "a", "b\0": 1}, r"a NUL character in the name 'b\\x00' does not fit into CSV. Write .jsonl instead."),
    ],
)
def test_no_csv_is_written_that_cannot_be_read_back(row, message, ending, tmp_path):
    corpus = vg.load([{"instruction": "Say it.", **row}])
    with pytest.raises(vg.DataError, match=rf"rows\.{ending}: {message}"):
        corpus.write(tmp_path / f"rows.{ending}")
    assert list(tmp_path.iterdir()) == []
    corpus.write(tmp_path / "rows.jsonl")
    assert vg.load(tmp_path / "rows.jsonl").rows() == corpus.rows()


def test_scores_of_vectors_have_no_rows_to_go_with(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("v.npy", np.random.default_rng(0).normal(size=(30, 4)))
    command = ("measure", "v.npy", "--set", "topic_hill.q=inf", "--per-sample", "ps.parquet")
    assert run(*command, "--with-rows") == 2
    assert "v.npy: holds vectors only, so it has no columns to go with scores. Leave out --with-rows." in capsys.readouterr().err
    assert [path.name for path in Path.cwd().iterdir()] == ["v.npy"]
    assert run(*command) == 0
    with pytest.raises(vg.DataError, match="holds vectors only, so there are no rows"):
        vg.load("v.npy").rows()


def test_infinity_is_written_as_json_that_every_program_reads(capsys):
    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    metrics = ("--metrics", "vendi_score", "--set", "vendi_score.q=inf")
    assert run("measure", SAMPLE, *metrics, "--json", "-", "--quiet") == 0
    (one,) = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert one["params"]["q"] == "inf"
