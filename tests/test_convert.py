"""Rows in another schema: nothing is lost, or it is an error."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import variegate as vg
from tests.training import LONG, PAIR, SYSTEM, TOOLS, listed, messages, pick, put
from variegate.data.convert import TARGETS

pytestmark = pytest.mark.usefixtures("here")


def turns_of(corpus):
    return [[(turn.role, turn.text) for turn in schema.record(row).turns] for row, schema, _ in corpus.samples()]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("first", TARGETS)
def test_there_and_back_nothing_is_lost(first, target):
    narrow = "prompt-completion" in (first, target)
    pool = [messages(SYSTEM if narrow else LONG, id=1), messages(PAIR, id=2)]
    there = vg.load(pool).converted(first)
    again = vg.load(there.converted(target).rows())
    assert again.sources[0].schema.name == target
    assert turns_of(again) == turns_of(vg.load(pool))
    assert turns_of(again.converted(first)) == turns_of(there)
    assert again.converted(first).rows() == there.rows()
    assert [row["id"] for row in again.rows()] == [1, 2]


@pytest.mark.parametrize(
    ("row", "turns"),
    [
        ({"instruction": "Add.", "input": "1 2", "output": "3"}, [("user", "Add.\n1 2"), ("assistant", "3")]),
        ({"instruction": "Why?", "response": "So.", "system": "Be brief."}, SYSTEM),
        ({"prompt": "Why?", "completion": "So."}, PAIR),
        ({"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}], "system": "Be brief."}, SYSTEM),
        (messages([("human", "Why?"), ("model", "So.")]), PAIR),
        ({"messages": [{"role": "user", "content": [{"type": "text", "value": "Why?"}]}, messages(PAIR)["messages"][1]]}, PAIR),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "Why"}, "?"]}, messages(PAIR)["messages"][1]]},
            [("user", "Why\n?"), PAIR[1]],
        ),
    ],
)
def test_what_each_schema_becomes(row, turns):
    (out,) = vg.load([row]).converted("messages").rows()
    assert out == messages(turns)


def test_tool_turns_and_what_a_message_has_beside_its_text_stay():
    row = {
        "conversations": [
            {"from": {"user": "human", "assistant": "gpt", "tool": "observation"}[role], "value": text, "weight": None}
            for role, text in TOOLS
        ]
    }
    row["conversations"][1]["weight"] = 0
    corpus = vg.load([row])
    (out,) = corpus.converted("messages").rows()
    assert [(one["role"], one["content"]) for one in out["messages"]] == TOOLS
    assert [one.get("weight", "none") for one in out["messages"]] == ["none", 0, "none", "none"]
    assert turns_of(vg.load([messages(TOOLS)]).converted("sharegpt")) == [TOOLS]


def test_the_mapping_of_columns_is_converted_too():
    pair = vg.load([{"q": "Why?", "a": "So.", "n": 1}], columns={"instruction": "q", "response": "a"})
    assert pair.converted("messages").rows() == [messages(PAIR, n=1)]
    chat = vg.load(
        [{"talk": [{"who": "USER", "says": "Why?"}, {"who": "SYSTEM", "says": "So."}]}],
        columns={"messages": "talk", "role": "who", "content": "says", "user": "USER", "assistant": "SYSTEM"},
    )
    assert chat.converted("messages").rows() == [messages(PAIR)]


def test_a_preference_row_becomes_its_chosen_answer_and_keeps_the_other():
    row = {"prompt": "Why?", "chosen": "So.", "rejected": "No."}
    assert vg.load([row], schema="preference").converted("messages").rows() == [messages(PAIR, rejected="No.")]


LOSSES = [
    ("prompt-completion", messages(LONG), r"system, user, assistant, user, assistant, and there is room .* --as messages"),
    ("prompt-completion", messages(TOOLS), "its turns are user, assistant, tool, assistant"),
    ("alpaca", messages(TOOLS), "its turns are user, assistant, tool, assistant, and there is room for a system prompt and pairs"),
    ("alpaca", messages([*PAIR, ("user", "Hm")]), "its turns are user, assistant, user"),
    ("alpaca", messages([("system", ""), *PAIR]), "read back, it would be other turns"),
    ("messages", {"text": "Rivers flow."}, r"it has no user turn, .* no conversion\. Leave --as out"),
    ("alpaca", {"text": "Rivers flow."}, r"it has no user turn, .* no conversion\. Leave --as out"),
    (
        "messages",
        {"conversations": [{"from": "human", "value": [{"type": "text", "text": "a", "cache": 1}]}, {"from": "gpt", "value": "b"}]},
        r"'conversations\[0\]\.value' holds a part with a field 'cache'",
    ),
    ("sharegpt", {"messages": [{**one, "weight": 0} for one in messages(PAIR)["messages"]]}, "a turn has a field 'weight'"),
    (
        "messages",
        {"conversations": [{"from": "human", "value": "Rain?"}, {"from": "function_call", "value": "{}"}]},
        r"'conversations\[1\]' calls a function",
    ),
    (
        "alpaca",
        {"messages": [{"role": "user", "content": "Rain?"}, {"role": "assistant", "content": None, "tool_calls": [{"id": 1}]}]},
        r"'messages\[1\]' calls a function",
    ),
    (
        "messages",
        {"conversations": [{"role": "user", "content": [{"type": "image", "url": "x"}, "Why?"]}, {"role": "gpt", "content": "So."}]},
        r"'conversations\[0\]\.content' holds a part that is no text \('image'\)",
    ),
    ("messages", {"instruction": "a", "output": "b", "messages": 3}, "its field 'messages' is another one than that of messages"),
    ("alpaca", messages(PAIR, input="x"), "its field 'input' is another one than that of alpaca"),
    ("messages", {"prompt": [{"role": "user", "content": "Why?", "name": "Ann"}], "completion": "So."}, "a turn has a field 'name'"),
    (
        "messages",
        {"prompt": "Why?", "completion": [{"role": "assistant", "content": "So."}, {"role": "assistant", "content": "Yes."}]},
        "its completion has several turns",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("target", "row", "message"), LOSSES)
def test_what_would_be_lost_is_an_error(target, row, message, capsys):
    schema = ("--schema", "alpaca") if "output" in row else ()
    put("pool.jsonl", row)
    assert pick("pool.jsonl", "--size", 1, "--as", target, "-o", "out.jsonl", *schema) == 2
    assert re.search(f"variegate: pool.jsonl, line 1: .*({message})", capsys.readouterr().err)
    assert listed() == ["pool.jsonl"]


def test_prompts_alone_cannot_be_converted():
    with pytest.raises(
        vg.DataError, match="row 1: cannot be written as messages without loss: it is a prompt without a response"
    ):
        vg.load([{"q": "Why?"}], columns={"instruction": "q"}).converted("messages")


def test_vectors_have_no_rows_to_convert():
    with pytest.raises(vg.DataError, match="holds vectors only, so there are no rows to write"):
        vg.load(np.eye(3)).converted("messages")


def test_a_converted_corpus_is_a_data_set_like_any_other():
    pool = vg.load([{"instruction": f"a{at}", "output": f"b{at}"} for at in range(9)])
    part = pool.take([7, 2, 5]).converted("messages")
    assert part.rows() == [messages([("user", f"a{at}"), ("assistant", f"b{at}")]) for at in (7, 2, 5)]
    assert part.numbers.tolist() == [0, 1, 2]
    assert part.texts("both").to_pylist() == [f"a{at}\nb{at}" for at in (7, 2, 5)]
    assert part.take([2]).rows() == [messages([("user", "a5"), ("assistant", "b5")])]
    assert vg.select(part, 1, "random").pool["rows"] == 3


def test_rows_that_are_in_the_schema_stay_the_same_to_the_byte():
    Path("pool.jsonl").write_text(
        '{"messages":[{"role" : "user","content":"a","w":1},{"role":"assistant","content":"b"}]}\n', encoding="utf-8"
    )
    assert pick("pool.jsonl", "--size", 1, "--as", "messages", "-o", "out.jsonl", "--quiet") == 0
    assert Path("out.jsonl").read_bytes() == Path("pool.jsonl").read_bytes()


def test_a_table_keeps_the_types_of_its_other_columns():
    table = pa.table(
        {"instruction": ["a", "b"], "response": ["c", "d"], "n": pa.array([1, None], pa.int16()), "s": pa.array(["x", "y"]).dictionary_encode()},
        metadata={"mine": "kept"},
    )  # fmt: skip
    pq.write_table(table, "pool.parquet")
    assert pick("pool.parquet", "--size", 2, "--as", "messages", "-o", "out.parquet", "--quiet") == 0
    out = pq.read_table("out.parquet")
    assert out.column_names == ["messages", "n", "s"]
    assert [out.schema.field(name).type for name in ("n", "s")] == [table.schema.field(name).type for name in ("n", "s")]
    assert out.schema.metadata[b"mine"] == b"kept"
    assert sorted(row["messages"][0]["content"] for row in out.to_pylist()) == ["a", "b"]
