"""What LLaMA-Factory and TRL make of rows: the entry, the note, or what is in the way."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import variegate as vg
from tests.training import PAIR, TOOLS, listed, messages, pick, put
from variegate.data.trainers import llama_factory_entry, trl_problem

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
