"""Fields that hold text which no side and no system prompt has: what is not read is said."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from variegate.data.convert import consumed_fields
from variegate.data.names import ANSWERS, PASSAGES, PROMPTS, REASONING, SYSTEMS, by_rank, plain
from variegate.data.record import RowError
from variegate.data.schema import Schema

__all__ = ["unread_fields"]

# Rows looked at, of those by which the schema was found.
ROWS = 50
# Fewer words than these are a label or a name, unless the field is called what conversations are called.
WORDS, CHARACTERS = 4, 24
# Fields about a row, however long their texts are.
ABOUT = {
    "id", "uuid", "source", "dataset", "url", "urls", "license", "license_name", "licence", "category", "categories", "tags",
    "tag", "topic", "topics", "domain", "language", "lang", "model", "models", "model_name", "generator", "date", "timestamp",
    "created", "created_at", "split", "subset", "author", "user_id", "file", "path", "hash", "type", "kind", "difficulty",
    "title", "name",
    "prompt_id", "conversation_id", "question_id", "instruction_id_list", "rejected", "rejected_response",
    "non_preferred_output",
}  # fmt: skip
# Names of parts of a conversation, but for those that are as often names of something else.
KNOWN = {name for names in (PROMPTS, PASSAGES, REASONING, ANSWERS, SYSTEMS) for name in names} - ABOUT
KNOWN -= {"a", "q", "user", "human", "gpt", "chatgpt", "bot", "task", "goal", "intent", "target", "targets"}
_CODE = re.compile(r"[\x21-\x7e]+")
_KEYS_OF_MESSAGES = {"tool_calls", "function_call"}


def unread_fields(schema: Schema, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the fields that hold text which the turns of their rows do not have.

    A field counts where its name is one of a conversation's (`context`, `answer`), or where its texts are longer than labels.
    Rejected answers of preference rows do not: they are known not to be read.

    Args:
        schema: by which the rows are read.
        rows: the first rows of the data set.
    """
    found: dict[str, None] = {}
    for row in rows[:ROWS]:
        try:
            record = schema.record(row)
        except (RowError, AttributeError, TypeError):
            continue
        read = "\n".join(turn.text for turn in record.turns)
        # A call's text is JSON, in which quotes and line breaks are escaped.
        words = _squeezed(read) + "\0" + _squeezed(_unescaped(read))
        asked, answered = (_squeezed(record.side(side)) for side in ("instruction", "response"))
        whole = {name for name in consumed_fields(row, schema.of(row)) if isinstance(row[name], str)}
        for name, value in row.items():
            if name in whole:
                continue
            for path, text in _leaves(value, str(name), 0):
                if path in found or not _tells(path, text) or _squeezed(text) in words:
                    continue
                # The whole row once more, as a template has it, is nothing that was left out.
                if not (asked and answered and asked in _squeezed(text) and answered in _squeezed(text)):
                    found[path] = None
    return list(dict.fromkeys(path.removesuffix("[]") for path in found))


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _unescaped(text: str) -> str:
    return text.replace("\\n", " ").replace("\\t", " ").replace('\\"', '"').replace("\\\\", "\\")


def _tells(path: str, text: str) -> bool:
    names = [plain(part) for part in path.replace("[]", "").split(".")]
    if any(name in ABOUT for name in names) or not text.strip():
        return False
    if len(names) == 1 and (names[0] in KNOWN or by_rank([names[0]], ANSWERS)):
        return not _CODE.fullmatch(text.strip()) or len(text.strip()) < CHARACTERS
    spaced = len(text.split()) >= WORDS and len(text) >= CHARACTERS
    return spaced or (len(text) >= CHARACTERS and not _CODE.fullmatch(text.strip()) and not text.isascii() and " " not in text)


def _leaves(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yield the texts in a value with where they stand, `messages[].name` for one in each message."""
    if depth > 12:
        return
    if isinstance(value, str):
        inner = _json(value)
        if inner is None:
            yield path, value
        else:
            # What is kept as JSON is one field, with whatever names inside.
            for _, text in _leaves(inner, "", depth + 1):
                yield path, text
    elif isinstance(value, Mapping):
        for key, one in value.items():
            if key not in _KEYS_OF_MESSAGES:
                yield from _leaves(one, f"{path}.{key}" if depth < 3 else path, depth + 1)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _leaves(one, path if path.endswith("[]") else f"{path}[]", depth + 1)


def _json(text: str) -> Any:
    if text[:1] in ("{", "[") and text.rstrip()[-1:] in ("}", "]"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return None
    return None
