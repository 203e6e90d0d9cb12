"""Folders that are ready for training: the rows, the card, the record, all of it or nothing."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import variegate as vg
from tests.conftest import SAMPLE, needs
from tests.training import PAIR, listed, messages, pick, put
from variegate.cli import main
from variegate.export import card as cards
from variegate.export import folder as folders

# --- folders


def front_matter(text):
    head, body = text.removeprefix("---\n").split("\n---\n", 1)
    return yaml.safe_load(head), body


def test_a_folder_holds_all_that_training_needs(here):
    assert pick(SAMPLE, "--size", 30, "--seed", 3, "-o", "chosen/", "--quiet") == 0
    found = sorted(str(path.relative_to("chosen")) for path in Path("chosen").rglob("*"))
    assert found == ["README.md", "data", "data/train.parquet", "dataset_info.json", "selection.json"]
    assert listed() == ["chosen"]
    record = json.loads(Path("chosen/selection.json").read_text(encoding="utf-8"))
    assert pick(SAMPLE, "--size", 30, "--seed", 3, "-o", "chosen.jsonl", "--quiet") == 0
    alone = json.loads(Path("chosen.jsonl.selection.json").read_text(encoding="utf-8"))
    assert alone["pool"]["files"] == [str(SAMPLE)]
    alone["pool"]["files"] = ["sample.jsonl"]
    assert record == alone
    head, body = front_matter(Path("chosen/README.md").read_text(encoding="utf-8"))
    assert head["license"] == "other"
    assert "TO BE FILLED IN" in body
    assert head["size_categories"] == ["n<1K"]
    assert head["task_categories"] == ["text-generation"]
    assert head["configs"] == [{"config_name": "default", "data_files": [{"split": "train", "path": "data/train.parquet"}]}]
    assert f"| sample.jsonl | 400 | {record['pool']['sha256']} |" in body
    info = json.loads(Path("chosen/dataset_info.json").read_text(encoding="utf-8"))
    assert info["chosen"]["file_name"] == "data/train.parquet"
    assert str(SAMPLE.parent) not in "".join(path.read_text(encoding="utf-8") for path in Path("chosen").glob("*.*"))
    mode = Path("chosen").stat().st_mode & 0o777
    Path("plain").mkdir()
    assert mode == Path("plain").stat().st_mode & 0o777


@needs("datasets")
@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_datasets_loads_the_rows_as_they_were(ending, here):
    import datasets

    rows = [
        {**messages(PAIR), "at": f"2020-01-0{at} 00:00:00" if ending == "parquet" else f"d{at}", "n": at, "f": at / 3}
        for at in range(1, 9)
    ]
    put("pool.jsonl", *rows)
    assert pick("pool.jsonl", "--size", 8, "--format", ending, "-o", "chosen/", "--quiet") == 0
    loaded = datasets.load_dataset("chosen", cache_dir="cache")
    assert list(loaded) == ["train"]
    indices = json.loads(Path("chosen/selection.json").read_text(encoding="utf-8"))["indices"]
    assert loaded["train"].to_list() == [rows[index] for index in indices]


@needs("datasets")
def test_why_parquet_is_the_default(here):
    import datasets

    put("pool.jsonl", {**messages(PAIR), "at": "2020-01-01 00:00:00"})
    texts = {}
    for ending in ("parquet", "jsonl"):
        assert pick("pool.jsonl", "--size", 1, "--format", ending, "-o", f"as_{ending}/", "--quiet") == 0
        texts[ending] = datasets.load_dataset(f"as_{ending}", cache_dir="cache", split="train")[0]["at"]
    assert texts["parquet"] == "2020-01-01 00:00:00"
    assert not isinstance(texts["jsonl"], str)


def test_rows_of_mixed_types_go_into_jsonl(here, capsys):
    put("pool.jsonl", messages(PAIR, n=1), messages(PAIR, n="two"))
    assert pick("pool.jsonl", "--size", 2, "-o", "chosen/") == 2
    assert re.search(r"variegate: chosen: the rows do not fit .* Pass --format jsonl\.", capsys.readouterr().err)
    assert listed() == ["pool.jsonl"]
    assert pick("pool.jsonl", "--size", 2, "--format", "jsonl", "--card-metrics", "none", "-o", "chosen/") == 0


def test_variegate_reads_its_own_folder(here):
    assert pick(SAMPLE, "--size", 30, "-o", "chosen/", "--quiet", "--card-metrics", "none") == 0
    corpus = vg.load("chosen")
    assert [source.name for source in corpus.sources] == [str(Path("chosen/data/train.parquet"))]
    assert len(corpus) == 30


def test_the_command_of_the_card_chooses_the_same_rows(here):
    put("my pool.jsonl", *({"q": f"Name {at} rivers.", "a": f"Here are {at}."} for at in range(20)))
    strategy = ("--strategy", "k_center", "--set", "metric=cosine", "--set", "first=3")
    given = ("--size", "5", *strategy, "--columns", "instruction=q,response=a", "--as", "messages", "--quiet")
    assert main(["select", f"{here}/my pool.jsonl", *given, "-o", f"{here}/one/"]) == 0
    _, body = front_matter(Path("one/README.md").read_text(encoding="utf-8"))
    command = re.search(r"```sh\n(variegate .*)\n```", body)[1]
    assert str(here) not in body
    Path("one").rename("first")
    assert main([*shlex.split(command)[1:], "--quiet"]) == 0
    records = [json.loads(Path(name, "selection.json").read_text(encoding="utf-8")) for name in ("one", "first")]
    assert records[0] == records[1]


NAMES = [
    "a: b",
    "- x",
    "#",
    "'\"",
    "né 日本 😀",
    "a|b<b>*_`[x](y)",
    "```",
    "{{}}",
    "%",
    "~",
    "a,b",
    "x\ny",
    "\x7f\x85\u2028",
    "&amp;",
    "null",
    "a\\b",
]


@pytest.mark.parametrize("name", NAMES)
def test_the_card_holds_whatever_name_there_is(name, here):
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        pytest.skip(f"names of files are in {sys.getfilesystemencoding()} here")
    put(f"pool {name}.jsonl", messages(PAIR, **{name: 1}))
    assert pick(f"pool {name}.jsonl", "--size", 1, "-o", f"{name}!/", "--quiet", "--card-metrics", "none") == 0
    text = Path(f"{name}!", "README.md").read_bytes().decode()
    head, body = front_matter(text)
    assert head["pretty_name"] == f"{name}!"
    assert list(head) == ["pretty_name", "license", "license_name", "task_categories", "size_categories", "tags", "configs"]
    table = [line for line in body.splitlines() if line.startswith("| pool")]
    assert len(table) == 1
    assert len(re.findall(r"(?<!\\)\|", table[0])) == 4
    outside, blocks = re.subn(r"^(`{3,})\w+\n.*?\n\1$", "", body, flags=re.DOTALL | re.MULTILINE)
    assert blocks == 3
    assert "```" not in outside
    assert not re.search(r"(?<!\\)<", outside)


def test_yaml_that_is_no_text():
    assert yaml.safe_load(cards.yaml_scalar("a\ud800b\x00\U000e0001")) == "a\ufffdb\x00\U000e0001"


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("/home/ann/pool.jsonl", "pool.jsonl"), ("../x/pool.jsonl", "pool.jsonl"), ("~/pool/", "pool"), ("C:\\data\\pool.csv", "pool.csv"),
        ("hf:/models/secret", "hf:secret"), ("hf:org/model", "hf:org/model"), ("static", "static"), ("kmeans:100", "kmeans:100"),
        ("s3://bucket/pool.csv", "s3://bucket/pool.csv"), ("https://ann:key@host/p.csv?token=1#x", "https://host/p.csv"),
        ("openai:m@https://key@host/v1", "openai:m@https://host/v1"),
    ],
)  # fmt: skip
def test_no_place_of_this_machine_is_published(name, public):
    assert cards.public_name(name) == public
    assert cards.published({"a": [name], "b": f"by {name} alone"}, [name]) == {"a": [public], "b": f"by {public} alone"}


def test_code_cannot_close_its_own_block():
    assert cards.in_code("a\n```\n# b", "sh") == "````sh\na\n```\n# b\n````\n"


def test_a_url_in_a_sentence_loses_its_secrets_alone():
    assert cards.published("is https://key@host/v1?t=1 up? Yes", []) == "is https://host/v1 up? Yes"


def test_the_card_measures_the_subset_beside_random_rows():
    pool = vg.load(SAMPLE)
    chosen = vg.select(pool, 60).indices
    found = folders.figures(pool, chosen, ["vendi_score", "compression_ratio"])
    (vendi, ratio) = found.metrics
    (expected,) = vg.measure(pool.take(chosen), "vendi_score", reference=pool)
    assert vendi.subset == pytest.approx(expected.value)
    drawn = vg.measure(pool, ["vendi_score", "compression_ratio"], size_matched=60, seeds=20)
    assert [vendi.random, ratio.random] == pytest.approx([one.value for one in drawn], rel=0.1)
    assert vendi.subset > vendi.random
    assert (vendi.higher_is_more_diverse, ratio.higher_is_more_diverse) == (True, False)
    assert "on 60 random rows of the pool" in found.measured


def test_a_large_subset_is_measured_by_a_sample(monkeypatch):
    monkeypatch.setattr(folders, "CARD_ROWS", 25)
    found = folders.figures(vg.load(SAMPLE), range(60), ["sequence_length"])
    assert "Measured on a sample of 25 rows of this subset" in found.measured


def test_a_metric_that_fails_is_named_and_has_no_number(here):
    assert pick(SAMPLE, "--size", 20, "-o", "chosen/", "--quiet", "--card-metrics", "facility_location,sequence_length") == 0
    body = Path("chosen/README.md").read_text(encoding="utf-8")
    assert "- not computed: facility\\_location: " in body
    assert "| facility" not in body
    assert "| sequence\\_length |" in body
    assert str(SAMPLE.parent) not in body


def test_a_metric_that_fails_on_one_draw_has_no_number_either(monkeypatch):
    calls = []

    def measure(part, names, **options):
        calls.append(part)
        if len(calls) == 3:
            options["on_failure"]("sequence_length, both side of x", vg.DataError("too short"))
            return vg.measure(part, "token_entropy")
        return vg.measure(part, names)

    monkeypatch.setattr(folders, "measure", measure)
    found = folders.figures(vg.load(SAMPLE), range(20), ["sequence_length", "token_entropy"])
    assert [one.name for one in found.metrics] == ["token_entropy"]
    assert found.failures == ["sequence_length: too short"]
    assert len(calls) == 1 + folders.CARD_DRAWS


def test_the_card_says_how_many_rows_were_left_out(here):
    put("pool.jsonl", messages(PAIR), messages(PAIR), {"messages": []})
    assert pick("pool.jsonl", "--size", 1, "-o", "chosen/", "--card-metrics", "none", "--on-bad-row", "skip") == 0
    body = Path("chosen/README.md").read_text(encoding="utf-8")
    assert "1 of 3 rows, chosen with" in body
    assert "1 rows could not be read and were left out." in body


def test_nothing_is_measured_where_nothing_is_asked(here):
    assert pick(SAMPLE, "--size", 20, "-o", "chosen/", "--quiet", "--card-metrics", "none") == 0
    assert "Nothing was measured." in Path("chosen/README.md").read_text(encoding="utf-8")


# --- whole or not at all


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_nothing(failure, here, monkeypatch):
    def fail(*_):
        raise failure

    monkeypatch.setattr(folders, "card_text", fail)
    corpus = vg.load(SAMPLE).take(range(5))
    record = vg.select(corpus, 5, "random").as_dict()
    with pytest.raises(failure, match=r"^$"):
        folders.write_folder(corpus, corpus, record, here / "chosen", measured=folders.Figures([], ""))
    assert listed() == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
def test_a_kill_leaves_no_folder_of_that_name(here):
    code = (
        "import os, signal, sys\nfrom variegate.export import folder\nfrom variegate.cli import main\n"
        "folder.card_text = lambda card: os.kill(os.getpid(), signal.SIGKILL)\nmain(sys.argv[1:])"
    )
    command = ["select", str(SAMPLE), "--size", "5", "--strategy", "random", "--card-metrics", "none", "-o", "chosen/"]
    done = subprocess.run([sys.executable, "-c", code, *command], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    assert [name for name in listed() if not name.startswith(".")] == []
    assert main([*command, "--quiet"]) == 0
    assert len(vg.load(".")) == 5


def test_what_is_there_is_not_overwritten(here, capsys):
    assert pick(SAMPLE, "--size", 5, "--card-metrics", "none", "-o", "chosen/", "--quiet") == 0
    before = Path("chosen/README.md").read_bytes()
    assert pick(SAMPLE, "--size", 6, "--card-metrics", "none", "-o", "chosen/", "--quiet") == 2
    assert "chosen: holds files already, and nothing is overwritten. Name a new folder" in capsys.readouterr().err
    assert Path("chosen/README.md").read_bytes() == before
    Path("empty").mkdir()
    assert pick(SAMPLE, "--size", 6, "--card-metrics", "none", "-o", "empty/", "--quiet") == 0
    assert len(vg.load("empty")) == 6
