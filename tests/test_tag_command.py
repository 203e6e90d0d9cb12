"""`variegate tag`, and a tagger wherever tags are asked for, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import variegate as vg
from tests.chat_server import tags_for
from variegate.cli import main

TEXTS = [f"text {'word ' * (at % 4)}number {at}" for at in range(30)]


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    path = tmp_path / "pool.jsonl"
    path.write_text(
        "".join(json.dumps({"instruction": text, "response": "r", "kind": "k"}) + "\n" for text in TEXTS), encoding="utf-8"
    )
    return path


def run(capsys, *arguments):
    status = main([str(one) for one in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_dry_run_counts_and_asks_nothing(server, pool, capsys):
    asking = ("tag", pool, "--side", "instruction", "--dry-run", "--tags")
    status, out, _ = run(capsys, *asking, server.name)
    assert status == 0
    assert out.startswith("30 rows, 30 different texts, 0 answered already: 30 requests to make, about ")
    assert run(capsys, *asking, f"normalized:{server.name}")[1] == out
    assert "keyphrases asks no model" in run(capsys, *asking, "keyphrases")[1]
    assert server.requests == []


def test_a_few_first_then_all(server, pool, capsys):
    asking = ("tag", pool, "--side", "instruction", "--tags", server.name)
    status, out, err = run(capsys, *asking, "--limit-requests", 4)
    assert (status, sum(server.asked.values())) == (0, 4)
    assert "0 answered already: 4 requests to make" in err
    assert "4 of 30 rows have tags" in out
    status, out, err = run(capsys, *asking, "--top", 2)
    assert (status, server.asked) == (0, dict.fromkeys(TEXTS, 1))
    assert "4 answered already: 26 requests to make" in err
    assert "30 of 30 rows have tags, 6 different ones, 2 a row" in out
    assert out.count(" %") == 2


@pytest.mark.parametrize("ending", [".jsonl", ".parquet", ".csv", ".json.gz"])
def test_tags_in_a_column(ending, server, pool, tmp_path, capsys):
    out = tmp_path / f"out{ending}"
    status, _, err = run(capsys, "tag", pool, "--side", "instruction", "--tags", server.name, "-o", out, "--column", "subjects")
    assert (status, f"30 rows written to {out}, their tags in the column 'subjects'" in err) == (0, True)
    written = vg.load(out)
    found = written.tags("instruction", "subjects", written)
    assert [[found.names[tag] for tag in found[row].tolist()] for row in range(30)] == [tags_for(text) for text in TEXTS]
    assert written.column("kind") == ["k"] * 30
    assert server.asked == dict.fromkeys(TEXTS, 1)


def test_normalised_tags_in_a_column(server, pool, tmp_path, capsys):
    out = tmp_path / "out.jsonl"
    tags = f"normalized@15:{server.name}"
    status, table, err = run(capsys, "tag", pool, "--side", "instruction", "--tags", tags, "-o", out)
    assert status == 0
    assert "6 tags came to 1 names of at least 15 rows; 10 of 30 rows lost all of theirs" in err
    rows = [json.loads(line)["tags"] for line in out.read_text(encoding="utf-8").splitlines()]
    assert rows == [["subject 4"] if "subject 4" in tags_for(text) else [] for text in TEXTS]
    assert "20 of 30 rows have tags, 1 different ones" in table


def test_rows_without_an_answer_are_null_where_that_is_asked_for(server, pool, tmp_path, capsys):
    server.stubborn = {TEXTS[2]: "a refusal"}
    out = tmp_path / "out.jsonl"
    asking = ("tag", pool, "--side", "instruction", "--tags", server.name, "-o", out)
    status, _, err = run(capsys, *asking)
    assert (status, out.exists()) == (1, False)
    assert "pool.jsonl, line 3: the model refused to answer" in err
    status, table, err = run(capsys, *asking, "--on-failed", "null")
    assert status == 0
    assert "line 3: the model refused" in err
    assert "29 of 30 rows have tags" in table
    rows = [json.loads(line)["tags"] for line in out.read_text(encoding="utf-8").splitlines()]
    assert rows == [None if text == TEXTS[2] else tags_for(text) for text in TEXTS]
    assert main(["measure", str(out), "--tags", "tags", "--metrics", "tag_count", "--quiet"]) == 0


def test_select_and_measure_ask_the_model(server, pool, tmp_path, capsys):
    out = tmp_path / "subset.jsonl"
    tags = f"normalized@2:{server.name}"
    select = (
        "select",
        pool,
        "--size",
        8,
        "--side",
        "instruction",
        "--strategy",
        "meso",
        "--tags",
        tags,
        "--level",
        100,
        "-o",
        out,
    )
    status, _, err = run(capsys, *select)
    assert status == 0
    assert "30 requests to make" in err
    record = json.loads(Path(f"{out}.selection.json").read_text(encoding="utf-8"))
    assert record["params"]["tags"] == tags
    assert record["params"]["k_realised"] == record["params"]["k_max"]
    measuring = ("measure", out, pool, "--reference", pool, "--side", "instruction", "--metrics", "tag_count", "--tags", tags)
    status, found, _ = run(capsys, *measuring, "--json", "-", "--quiet")
    subset, whole = (one["value"] for one in json.loads(found))
    assert subset == whole == record["params"]["k_max"]
    assert server.asked == dict.fromkeys(TEXTS, 1)


def test_quiet_says_nothing_but_the_table(server, pool, capsys):
    status, out, err = run(capsys, "tag", pool, "--side", "instruction", "--tags", server.name, "--quiet")
    assert (status, err) == (0, "")
    assert "30 of 30 rows" in out


REFUSED = {
    "no cache, no column": (("--cache", "off"), "there is no cache to fill"),
    "a dry run with a column": (("--dry-run", "-o", "out.jsonl"), "leave out --dry-run and --limit-requests"),
    "a part with a column": (("--limit-requests", 3, "-o", "out.jsonl"), "leave out --dry-run and --limit-requests"),
    "null without a column": (("--on-failed", "null"), "so it needs -o OUT"),
    "an unknown ending": (("-o", "out.docx"), "out.docx"),
    "the pool itself": (("-o", "pool.jsonl"), "is the data that was read"),
    "a column that is there": (("-o", "out.jsonl", "--column", "kind"), "have a field 'kind' already"),
    "no such side": (("--side", "left"), "'left' is not one of"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_asked(what, server, pool, capsys, monkeypatch):
    options, message = REFUSED[what]
    monkeypatch.chdir(pool.parent)
    status, _, err = run(capsys, "tag", "pool.jsonl", "--tags", server.name, *options)
    assert (status, message in err) == (2, True), err
    assert server.requests == []


@pytest.mark.parametrize("option", [("--limit-requests", 3), ("--on-failed", "null", "-o", "out.jsonl")], ids=str)
@pytest.mark.parametrize("tags", ["keyphrases", "kind", "normalized:llm:m@http://127.0.0.1:1/v1"])
def test_options_of_a_model_are_for_a_model(option, tags, pool, capsys, monkeypatch):
    monkeypatch.chdir(pool.parent)
    status, _, err = run(capsys, "tag", "pool.jsonl", "--tags", tags, *option)
    assert (status, "are for --tags llm:MODEL" in err) == (2, True)


def test_keyphrases_and_columns(pool, capsys):
    for tags in ("keyphrases", "kind", "normalized@2:kind"):
        assert run(capsys, "tag", pool, "--side", "instruction", "--tags", tags)[0] == 0
    status, _, err = run(capsys, "tag", pool, "--side", "instruction", "--tags", "normalized@99:kind")
    assert (status, "with normalized@15:kind" in err) == (2, True)
