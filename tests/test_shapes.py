"""Every shape of row, in every kind of file that can hold it: the sides that are read of it."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import variegate as vg

pytestmark = pytest.mark.usefixtures("here")


# --- shapes of rows: (row, schema, instruction, response, both)

SHAPES = {
    "alpaca": ({"instruction": "Add", "input": "1 2", "output": "3"}, "alpaca", "Add\n1 2", "3", "Add\n1 2\n3"),
    "alpaca, empty input": ({"instruction": "Add", "input": "", "output": "3"}, "alpaca", "Add", "3", "Add\n3"),
    "alpaca, history and system": (
        {"system": "S", "instruction": "c", "output": "d", "history": [["a", "b"]]}, "alpaca", "a\nc", "b\nd", "a\nb\nc\nd",
    ),
    "gpteacher": ({"instruction": "Play", "input": "x", "response": "y"}, "instruction-response", "Play\nx", "y", "Play\nx\ny"),
    "output and response alike": ({"instruction": "a", "output": "b", "response": "b"}, "alpaca", "a", "b", "a\nb"),
    "sharegpt": (
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}, {"from": "human", "value": "c"}, {"from": "gpt", "value": "d"}]},
        "sharegpt", "a\nc", "b\nd", "a\nb\nc\nd",
    ),
    "sharegpt, tools": (
        {
            "conversations": [
                {"from": "human", "value": "a"}, {"from": "function_call", "value": "f()"},
                {"from": "observation", "value": "7"}, {"from": "gpt", "value": "b"},
            ],
            "tools": "[]", "system": "S",
        },
        "sharegpt", "a", "f()\nb", "a\nf()\n7\nb",
    ),
    "conversations with roles": (
        {"conversations": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, "sharegpt", "a", "b", "a\nb",
    ),
    "messages": (
        {"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
        "messages", "a", "b", "a\nb",
    ),
    "messages, parts and weights": (
        {"messages": [
            {"role": "user", "content": [{"type": "text", "value": "a"}, {"type": "image_url", "image_url": {}}], "loss_weight": 0.0},
            {"role": "assistant", "content": [{"type": "reasoning", "value": "hm"}, {"type": "text", "text": "b"}], "loss_weight": 1.0},
        ]},
        "messages", "a", "hm\nb", "a\nhm\nb",
    ),
    "messages, tool calls": (
        {"messages": [
            {"role": "user", "content": "a"}, {"role": "assistant", "content": None, "tool_calls": [{"name": "f"}]},
            {"role": "tool", "content": "7"}, {"role": "assistant", "content": "b"},
        ]},
        "messages", "a", '[{"name": "f"}]\nb', 'a\n[{"name": "f"}]\n7\nb',
    ),
    "kto": ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "label": False}, "messages", "a", "b", "a\nb"),
    "prompt-completion": ({"prompt": "a", "completion": "b"}, "prompt-completion", "a", "b", "a\nb"),
    "prompt-completion, messages": (
        {"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}]},
        "prompt-completion", "a", "b", "a\nb",
    ),
    "text": ({"text": "whole"}, "text", None, "whole", "whole"),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet"])
def test_shapes_that_load(shape, ending):
    if ending == "parquet" and shape in ("messages, tool calls", "messages, parts and weights"):
        pytest.skip("Arrow fills the fields that some messages lack with nulls, which makes another shape")
    row, schema, instruction, response, both = SHAPES[shape]
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist([row, row]), "a.parquet")
    else:
        Path(f"a.{ending}").write_text(
            json.dumps([row, row]) if ending == "json" else f"{json.dumps(row)}\n" * 2, encoding="utf-8"
        )
    pool = vg.load(f"a.{ending}")
    assert pool.sources[0].schema.name == schema
    assert ("instruction" in pool.sides) == (instruction is not None)
    if instruction is not None:
        assert pool.texts("instruction").to_pylist() == [instruction] * 2
    assert pool.texts("response").to_pylist() == [response] * 2
    assert pool.texts("both").to_pylist() == [both] * 2
    assert ("KTO" in str(pool.sources[0].notes)) == (shape == "kto")


def test_nulls_that_arrow_fills_in_are_no_calls_and_no_text():
    rows = [
        {
            "messages": [
                {"role": "user", "content": "a", "tool_calls": None},
                {"role": "assistant", "content": "b", "tool_calls": None},
            ]
        }
    ]
    pq.write_table(pa.Table.from_pylist(rows), "a.parquet")
    assert vg.load("a.parquet").texts("both").to_pylist() == ["a\nb"]
