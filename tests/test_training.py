"""What `select` writes for trainers: dataset_info.json, notes, folders with a card."""

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
from tests.training import PAIR, TOOLS, listed, messages, pick, put
from variegate.cli import main
from variegate.data.trainers import llama_factory_entry, trl_problem
from variegate.export import card as cards
from variegate.export import folder as folders


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- LLaMA-Factory

TAGS = {
    "role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant", "observation_tag": "observation",
    "function_tag": "function_call", "system_tag": "system",
}  # fmt: skip
SHARED_TAGS = {**TAGS, "role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt"}
TALK = [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]
ENTRIES = [
    (messages(PAIR), {}, {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": TAGS}),
    (messages(TOOLS), {}, {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": {**TAGS, "observation_tag": "tool"}}),
    ({"conversations": TALK}, {}, {"formatting": "sharegpt", "columns": {"messages": "conversations"}, "tags": SHARED_TAGS}),
    (
        {"conversations": TALK, "system": "S", "tools": "[]"}, {},
        {"formatting": "sharegpt", "columns": {"messages": "conversations", "system": "system", "tools": "tools"}, "tags": SHARED_TAGS},
    ),
    (
        {"conversations": [{"from": "Human", "value": "?"}, {"from": "function_call", "value": "{}"}]}, {},
        {"formatting": "sharegpt", "columns": {"messages": "conversations"}, "tags": {**SHARED_TAGS, "user_tag": "Human", "assistant_tag": "assistant"}},
    ),
    (
        {"talk": [{"who": "USER", "says": "Why?"}, {"who": "system", "says": "So."}]},
        {"columns": {"messages": "talk", "role": "who", "content": "says", "user": "USER", "assistant": "system"}},
        {
            "formatting": "sharegpt", "columns": {"messages": "talk"},
            "tags": {**TAGS, "role_tag": "who", "content_tag": "says", "user_tag": "USER", "assistant_tag": "system", "system_tag": None},
        },
    ),
    ({"instruction": "a", "output": "b"}, {}, {"columns": {"prompt": "instruction", "response": "output"}}),
    (
        {"instruction": "a", "input": "", "output": "b", "system": "", "history": []}, {},
        {"columns": {"prompt": "instruction", "query": "input", "response": "output", "system": "system", "history": "history"}},
    ),
    ({"instruction": "a", "response": "b"}, {}, {"columns": {"prompt": "instruction", "response": "response"}}),
    ({"prompt": "a", "completion": "b"}, {}, {"columns": {"prompt": "prompt", "response": "completion"}}),
    ({"text": "a"}, {}, {"columns": {"prompt": "text"}}),
    ({"q": "a", "r": "b", "more": "c"}, {"columns": {"instruction": "q", "response": "r", "input": "more"}},
     {"columns": {"prompt": "q", "response": "r", "query": "more"}}),
    ({"r": "b"}, {"columns": {"response": "r"}}, {"columns": {"prompt": "r"}}),
]  # fmt: skip


@pytest.mark.parametrize(("row", "options", "expected"), ENTRIES)
def test_the_entry_of_each_schema(row, options, expected):
    entry = llama_factory_entry(vg.load([row], **options).samples(), "d.jsonl")
    assert entry.values == {"file_name": "d.jsonl", **expected}
    assert entry.notes == []


def test_no_tag_that_rows_need_is_left_out():
    # LLaMA-Factory 0.9.5: once tags are given, each one that is not is None; a role of no tag is a KeyError.
    entries = [expected for _, _, expected in ENTRIES if "tags" in expected]
    assert all(expected["tags"].keys() == TAGS.keys() for expected in entries)
    assert all(None not in (one["tags"]["user_tag"], one["tags"]["assistant_tag"]) for one in entries)


def test_rows_that_do_not_alternate_are_counted():
    pool = vg.load([messages(PAIR), messages(PAIR[1:]), messages([*PAIR, ("user", "Hm")])])
    (note,) = llama_factory_entry(pool.samples(), "d").notes
    assert "leave out 2 of 3 rows" in note
    assert "row 2)" in note


UNREADABLE = [
    ({"messages": [{"role": "user", "content": ["Why?"]}, {"role": "assistant", "content": "So."}]}, r"'messages\[0\]' holds its text in parts"),
    ({"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "", "tool_calls": [1]}]}, "holds tool_calls"),
    (messages([*PAIR, ("human", "a"), ("assistant", "b")]), "calls the user 'human', others 'user'"),
    ({"conversations": [{"from": "human", "value": "a"}, {"role": "gpt", "content": "b"}]}, "has the keys .*role.*content.*others have"),
    ({"conversations": [{"from": "system", "value": "x"}, *TALK], "system": "S"}, "a system prompt in 'system' and one in 'conversations'"),
    ({"prompt": messages(PAIR[:1])["messages"], "completion": "b"}, "'prompt' is a list of messages"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "message"), UNREADABLE)
def test_what_llama_factory_cannot_read_is_an_error_and_a_note_of_a_folder(row, message, here, capsys):
    put("pool.jsonl", row)
    assert pick("pool.jsonl", "--size", 1, "-o", "out.jsonl", "--dataset-info", "info.json") == 2
    assert re.search(f"variegate: pool.jsonl, line 1: .*{message}", capsys.readouterr().err)
    assert listed() == ["pool.jsonl"]
    assert pick("pool.jsonl", "--size", 1, "-o", "out/", "--format", "jsonl", "--card-metrics", "none") == 0
    assert re.search(f"note: no dataset_info.json for LLaMA-Factory: .*{message}", capsys.readouterr().err)
    assert listed("out") == ["README.md", "data", "selection.json"]


@pytest.mark.parametrize(
    ("row", "options", "message"),
    [
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, {"schema": "preference"}, "preference pairs are no data for .* --as messages"),
        ({"q": "a"}, {"columns": {"instruction": "q"}}, "the rows are prompts without responses"),
    ],
)  # fmt: skip
def test_what_has_no_answers_to_train_on_has_no_entry(row, options, message):
    with pytest.raises(vg.DataError, match=f"row 1: {message}"):
        llama_factory_entry(vg.load([row], **options).samples(), "d")


def test_several_schemas_have_no_entry(here):
    put("a.jsonl", messages(PAIR))
    pool = vg.load(["a.jsonl", [{"instruction": "a", "output": "b"}]])
    with pytest.raises(vg.DataError, match=r"several schemas \(messages, alpaca\)\. Pass --as messages"):
        llama_factory_entry(pool.samples(), "d")
    assert llama_factory_entry(pool.converted("messages").samples(), "d").values["columns"] == {"messages": "messages"}


def test_an_entry_is_added_or_replaced_and_the_others_stay(here):
    put("pool.jsonl", messages(PAIR))
    Path("data").mkdir()
    others = {"z": {"file_name": "ü.json", "x": [1.5, None]}, "out": {"file_name": "old"}, "a": {"hf_hub_url": "b/c"}}
    Path("data/info.json").write_text(json.dumps(others, ensure_ascii=False), encoding="utf-8")
    assert pick("pool.jsonl", "--size", 1, "-o", "out.jsonl", "--dataset-info", "data/info.json", "--quiet") == 0
    found = json.loads(Path("data/info.json").read_text(encoding="ascii"))
    assert list(found) == ["z", "out", "a"]
    assert {**found, "out": None} == {**others, "out": None}
    assert found["out"]["file_name"] == "../out.jsonl"
    assert Path("data", found["out"]["file_name"]).resolve() == Path("out.jsonl").resolve()
    assert pick("pool.jsonl", "--size", 1, "-o", "data/more.json", "--dataset-info", "data/info.json", "--quiet") == 0
    assert list(json.loads(Path("data/info.json").read_text(encoding="utf-8"))) == ["z", "out", "a", "more"]


# --- TRL

TRL = [
    (messages(PAIR, n=1), {}, None),
    ({"text": "a"}, {}, None),
    ({"prompt": "a", "completion": "b"}, {}, None),
    ({"prompt": messages(PAIR[:1])["messages"], "completion": messages(PAIR[1:])["messages"]}, {}, None),
    ({"conversations": [{"from": "user", "value": "a"}, {"from": "assistant", "value": "b"}]}, {}, None),
    ({"conversations": TALK}, {}, "leaves the role 'human' as it is"),
    ({"conversations": messages(PAIR)["messages"]}, {}, "does not read messages with the keys 'role' and 'content' in 'conversations'"),
    ({"conversations": TALK, "system": "S"}, {}, "passes over the column 'system'"),
    ({"messages": TALK}, {}, "does not read messages with the keys 'from' and 'value' in 'messages'"),
    ({"messages": [{"role": "user", "content": ["a"]}, *messages(PAIR)["messages"][1:]]}, {}, "hands message parts to the chat template"),
    ({"prompt": messages(PAIR[:1])["messages"], "completion": "b"}, {}, "takes prompt and completion as strings or as messages, but not both in one set"),
    ({"instruction": "a", "output": "b"}, {}, "does not read the schema alpaca"),
    ({"q": "a"}, {"columns": {"response": "q"}}, "does not read the schema columns"),
    (messages(PAIR, prompt="Why?"), {}, r"takes the column 'prompt' for .*select_columns\(\['messages'\]\)"),
    (messages(PAIR, image="x"), {}, "takes the column 'image' for"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "options", "message"), TRL)
def test_what_trl_makes_of_each_schema(row, options, message):
    problem = trl_problem(vg.load([row], **options).samples())
    assert (problem is None) if message is None else re.match(f"TRL's SFTTrainer {message}", problem or "")


@pytest.mark.parametrize(
    ("row", "options", "named"),
    [
        ({"instruction": "a", "output": "b"}, {}, True),
        (messages([("human", "a"), ("model", "b")]), {}, True),
        ({"q": "a"}, {"columns": {"response": "q"}}, False),
        ({"conversations": [{"from": "human", "value": "a"}, {"from": "function_call", "value": "b"}]}, {}, False),
    ],
)
def test_a_way_out_is_named_only_where_it_is_one(row, options, named):
    corpus = vg.load([row], **options)
    assert ("Pass --as messages" in (trl_problem(corpus.samples()) or "")) == named
    if named:
        assert trl_problem(corpus.converted("messages").samples()) is None
    else:
        with pytest.raises(vg.DataError, match="cannot be written as messages"):
            corpus.converted("messages")


@pytest.mark.parametrize("target", ["messages", "prompt-completion"])
def test_after_as_trl_reads_the_rows(target):
    assert trl_problem(vg.load([{"instruction": "a", "output": "b"}]).converted(target).samples()) is None


def test_the_note_stands_at_the_end_and_only_where_it_is_due(here, capsys):
    put("pool.jsonl", {"instruction": "a", "output": "b"})
    pick("pool.jsonl", "--size", 1, "-o", "out.jsonl")
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == (
        "note: TRL's SFTTrainer does not read the schema alpaca. Pass --as messages to write them in a schema that it reads."
    )
    pick("pool.jsonl", "--size", 1, "-o", "out.jsonl", "--as", "messages")
    assert "TRL" not in capsys.readouterr().err


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
    (expected,) = vg.measure(pool.take(chosen), "vendi_score")
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
