"""What the tests of conversion and of training folders share."""

from __future__ import annotations

import json
from pathlib import Path

from variegate.cli import main

PAIR = [("user", "Why?"), ("assistant", "So.")]
SYSTEM = [("system", "Be brief."), *PAIR]
LONG = [*SYSTEM, ("user", "And?"), ("assistant", "No.")]
TOOLS = [("user", "Rain?"), ("assistant", "I look."), ("tool", "wet"), ("assistant", "Yes.")]


def messages(turns, **more):
    return {"messages": [{"role": role, "content": text} for role, text in turns], **more}


def pick(*arguments):
    return main(["select", *map(str, arguments), "--strategy", "random"])


def listed(folder="."):
    return sorted(path.name for path in Path(folder).iterdir())


def put(name, *rows):
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return Path(name)
