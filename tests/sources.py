"""A small pool of pairs, put where a test wants it."""

from __future__ import annotations

import json
from pathlib import Path

PAIRS = [{"instruction": f"Frage {at}, bitte", "response": f'Antwort "{at}"\nZeile', "n": str(at)} for at in range(7)]


def put(name: str, rows=PAIRS) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return name
