"""Which schema a data set has, or, where none fits, why not and what to pass."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from variegate.data.schema import SCHEMAS, Schema
from variegate.errors import DataError

__all__ = ["detect_schema", "detection_notes"]

# Rows looked at before a schema is settled on: enough to outvote a few bad ones.
SAMPLE_ROWS = 200

PROMPT_NAMES = ("instruction", "prompt", "question", "query", "input", "user", "problem", "source")
RESPONSE_NAMES = ("response", "output", "completion", "answer", "std_answer", "target", "reply", "assistant", "solution")

TURN_NAMES = ("turns", "prompts", "instructions", "questions")
ROLE_KEYS = ("role", "from", "speaker", "author", "sender", "agent")
CONTENT_KEYS = ("content", "value", "text", "utterance", "message")

# Markers of chat templates that hold both sides in one string.
CHAT_MARKERS = re.compile(
    r"<\|(?:user|im_start|start_header_id|ai|assistant|prompter|Human)\|>|###\s*(?:Human|Instruction|User)\s*:"
    r"|\[INST\]|<start_of_turn>|(?:^|\n)\s*(?:Human|USER|User)\s*:.*\n\s*(?:Assistant|ASSISTANT)\s*:",
    re.DOTALL,
)


def detect_schema(where: str, rows: Sequence[object]) -> Schema:
    """Find the schema that most of the rows have.

    Args:
        where: the file, for the error.
        rows: the first rows of the data set.

    Raises:
        DataError: no schema fits, or more than one does; the text says what was found and what to pass.
    """
    objects = [row for row in rows if isinstance(row, Mapping)]
    if not objects:
        raise DataError(
            f"{where}: row 1 is no object with named fields. Each row must be one, for example "
            '{"instruction": "...", "response": "..."}.'
        )
    counts = {name: sum(schema.matches(row) for row in objects) for name, schema in SCHEMAS.items() if schema.detected}
    best = max(counts, key=lambda name: counts[name])
    if not counts[best]:
        raise DataError(f"{where}: {_why_none_fits(objects[0])}")
    _refuse_two_answers(where, best, objects)
    if best == "text":
        _refuse_chat_markers(where, objects)
    return SCHEMAS[best]


def detection_notes(schema: Schema, rows: Sequence[object]) -> list[str]:
    """Return what a user should know about rows that do load: KTO labels, for one."""
    labelled = [row for row in rows if isinstance(row, Mapping) and isinstance(row.get("label"), bool)]
    if schema.detected and labelled:
        return ["the boolean field 'label' looks like KTO feedback: rows labelled false are loaded like the others"]
    return []


def _refuse_two_answers(where: str, best: str, rows: list[Mapping[str, Any]]) -> None:
    if best != "alpaca":
        return
    for row in rows:
        if isinstance(row.get("response"), str) and row.get("output") != row["response"]:
            raise DataError(
                f"{where}: rows hold both 'output' and 'response', with different texts. Pass --schema alpaca to read "
                "'output' or --schema instruction-response to read 'response'."
            )


def _refuse_chat_markers(where: str, rows: list[Mapping[str, Any]]) -> None:
    texts = [row["text"] for row in rows if isinstance(row.get("text"), str)]
    marked = [match for match in map(CHAT_MARKERS.search, texts) if match]
    if 2 * len(marked) > len(texts):
        raise DataError(
            f"{where}: the field 'text' holds whole conversations with chat markers ({marked[0].group().strip()[:30]!r}), so "
            "the sides cannot be told apart. Split them into messages: [{role, content}], or pass --schema text to count "
            "all of it as response."
        )


def _why_none_fits(row: Mapping[str, Any]) -> str:
    fields = ", ".join(map(str, row)) or "none"
    prompt = next((name for name in PROMPT_NAMES if isinstance(row.get(name), str)), None)
    answer = next((name for name in RESPONSE_NAMES if isinstance(row.get(name), str) and name != prompt), None)
    # Only a plain word with spaces around it: a line of data taken for a header has spaces anywhere.
    spaced = next((name for name in map(str, row) if name != name.strip() and name.strip().isidentifier()), None)
    if spaced is not None:
        return (
            f"the field name {spaced!r} has spaces around it. Take them out: a response, for one, is looked for under 'response'."
        )
    if {"chosen", "rejected"} <= row.keys():
        return (
            f"preference pairs (fields: {fields}), not instruction data. Pass --schema preference to read each prompt "
            "with its chosen answer."
        )
    nested = next((name for name, value in row.items() if _is_list_of(value, Mapping) and len(value[0]) > 1), None)
    listed = next((name for name, value in row.items() if _is_list_of(value, list) and len(value[0]) == 2), None)
    turns = next((name for name, value in row.items() if _is_list_of(value, str) and str(name).lower() in TURN_NAMES), None)
    odd = next((name for name in RESPONSE_NAMES if name in row and name != prompt and not isinstance(row[name], str)), None)
    if prompt and answer:
        return (
            f"no schema has the fields {fields}. If '{prompt}' is the instruction and '{answer}' the response, pass "
            f"--columns instruction={prompt},response={answer}."
        )
    if nested and not answer:
        return f"no schema has the fields {fields}. {_how_to_read_turns(nested, row[nested])}"
    if listed and not (prompt or answer):
        return (
            f"no schema has the fields {fields}. '{listed}' is a list of lists: if those are the turns, write each as an object, "
            '{"role": "user", "content": "..."}, under the name messages.'
        )
    if prompt and odd:
        return (
            f"no schema has the fields {fields}, and '{odd}' cannot be the response as it is: a response must be a string. "
            "Write one row per answer, with the fields instruction and response."
        )
    if prompt or turns:
        return (
            f"prompts without responses (fields: {fields}). To measure the prompts alone pass "
            f"--columns instruction={prompt or turns} --side instruction."
        )
    if len(row) > 1 and any(len(str(name)) > 30 or " " in str(name) for name in row):
        return (
            f"the first line does not look like field names ({str(next(iter(row)))[:40]!r}...). Put a line of names on top, "
            "for example: instruction, response."
        )
    return (
        f"no schema has the fields {fields}. Name the ones to read with --columns instruction=FIELD,response=FIELD (or "
        "messages=FIELD), or rename them. `variegate list schemas` shows what is known."
    )


def _how_to_read_turns(name: str, turns: list[Mapping[str, Any]]) -> str:
    """Say how a list of objects can be read as a chat, with the data's own names where they can be told."""
    keys = [str(key) for key in turns[0]]
    role = next((key for key in keys if key.lower() in ROLE_KEYS), None)
    content = next((key for key in keys if key.lower() in CONTENT_KEYS), None)
    speakers = list(dict.fromkeys(turn.get(role) for turn in turns)) if role else []
    if role and content and len(speakers) >= 2:
        return (
            f"If '{name}' holds the turns and '{speakers[0]}' is the user, pass "
            f"--columns messages={name},role={role},content={content},user={speakers[0]},assistant={speakers[1]}."
        )
    return (
        f"'{name}' is a list of objects with the keys {', '.join(keys)}: if those are the turns, pass --columns "
        f"messages={name},role=KEY,content=KEY,user=VALUE,assistant=VALUE; otherwise write one row per pair with the fields "
        "instruction and response."
    )


def _is_list_of(value: object, kind: type) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], kind)
