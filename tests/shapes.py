"""Rows in shapes that people have, and files that hold them."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import variegate as vg


def jsonl(*rows: Any) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def listing(*rows: Any) -> bytes:
    return json.dumps(rows, indent=2, ensure_ascii=False).encode()


def table(*rows: list[str], delimiter: str = ",", end: str = "\n") -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter, lineterminator=end).writerows(rows)
    return stream.getvalue().encode()


def turn(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def said(who: str, value: str) -> dict[str, str]:
    return {"from": who, "value": value}


PLAY = {"instruction": "Play a pirate.", "input": "", "response": "Ahoy!"}
CHAT = {"messages": [turn("user", "What is the tallest tree?"), turn("assistant", "The coast redwood.")]}


def sides_of_first(corpus: vg.Corpus) -> dict[str, str]:
    return {side: corpus.texts(side)[0].as_py() for side in corpus.sides}
