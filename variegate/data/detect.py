"""Which schema a data set has, or, where none fits, why not and what to pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from variegate.data.fitting import field_names, fitted, how_many_read, why_not
from variegate.data.hints import ROLE_KEYS, chat_columns, columns_option, pair_columns, why_none_fits
from variegate.data.markers import marker_in
from variegate.data.messages import ROLES
from variegate.data.names import ANSWERS, PROMPTS, by_rank, is_there, plain
from variegate.data.schema import SCHEMAS, Schema, mixed_schema
from variegate.data.unread import unread_fields
from variegate.errors import DataError

__all__ = ["detect_schema", "fit"]

# Rows looked at before a schema is settled on: enough to outvote a few bad ones.
SAMPLE_ROWS = 200

# Rows that match nothing else may lack what they need: they are no rows of another kind.
LESS_TELLING = ("text", "prompt-only")

Rows = Sequence[Mapping[str, Any]]


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
    detected = [schema for schema in SCHEMAS.values() if schema.detected]
    counts = {schema.name: sum(map(schema.matches, objects)) for schema in detected}
    if not any(counts.values()):
        # Fields that are null or empty in every row: the reader says so, row by row.
        counts = {schema.name: sum(map(schema.names_fit, objects)) for schema in detected}
    # The more telling names come first in the table: a few rows that lack an answer do not make a set of texts or of prompts.
    best = next(name for name, count in counts.items() if 2 * count >= max(counts.values()))
    if not counts[best]:
        raise DataError(f"{where}: {why_none_fits(objects)}")
    _refuse_two_answers(where, best, objects)
    if best == "text":
        _refuse_single_messages(where, objects)
        _refuse_prompt_beside_text(where, objects)
        _refuse_chat_markers(where, objects)
    if best == "prompt-only":
        _refuse_answers_beside_prompts(where, objects)
    left = [row for row in objects if not SCHEMAS[best].matches(row)]
    others = [schema for schema in detected if schema.name not in (best, *LESS_TELLING)]
    more = [schema for schema in others if any(map(schema.matches, left))]
    return mixed_schema([SCHEMAS[best], *more]) if more else SCHEMAS[best]


def _notes(schema: Schema, rows: Sequence[object]) -> list[str]:
    """Return what a user should know about rows that do load: fields that are not read, chat markers in a prompt."""
    objects = [row for row in rows if isinstance(row, Mapping)]
    notes = []
    unread = unread_fields(schema, objects)
    if unread:
        notes.append(f"not read: {', '.join(unread)}")
    prompt = schema.parts.get("instruction", "")
    texts = [row[prompt] for row in objects if isinstance(row.get(prompt), str)]
    marks = [mark for mark in map(marker_in, texts) if mark is not None]
    if marks and 2 * len(marks) > len(texts):
        notes.append(
            f"the field '{prompt}' holds whole conversations with chat markers ({' '.join(marks[0].split())!r}), and all of it "
            "counts as instruction"
        )
    return notes


def _refuse_unreadable(where: str, place: str, schema: Schema, rows: Rows) -> None:
    """Refuse rows of a detected schema of which not one can be read, with what would read them."""
    if how_many_read(schema, rows):
        return
    reason = next(reason for row in rows if (reason := why_not(schema, row)))
    columns = chat_columns(rows) if "messages" in schema.parts else None
    columns = columns or pair_columns(rows)
    same = f", as in all {len(rows)} rows looked at" if len(rows) > 1 else ""
    way = f"Pass {columns_option(columns)} to read them" if columns else "Correct the rows, or name other fields with --columns"
    raise DataError(f"{where}, {place}: {reason}{same} (schema {schema.name}, detected). {way}.")


def _refuse_two_answers(where: str, best: str, rows: Rows) -> None:
    if best != "alpaca":
        return
    for row in rows:
        if (
            isinstance(row.get("response"), str)
            and is_there(row["response"])
            and row.get("output") not in (None, "", row["response"])
        ):
            raise DataError(
                f"{where}: rows hold both 'output' and 'response', with different texts. Pass --schema alpaca to read "
                "'output' or --schema instruction-response to read 'response'."
            )


def _refuse_single_messages(where: str, rows: Rows) -> None:
    """Refuse rows that are one message each, as OASST's are: those of the user would count as responses."""
    for name in ROLE_KEYS:
        roles = {ROLES.get(str(row.get(name)).lower()) for row in rows}
        if {"user", "assistant"} <= roles:
            tree = next(
                (key for key in ("message_tree_id", "conversation_id", "dialogue_id", "parent_id") if key in rows[0]), None
            )
            by = f", by '{tree}'" if tree else ""
            raise DataError(
                f"{where}: each row is one message, whose role stands in '{name}'. Put those of a conversation into one row{by}: "
                "messages: [{role, content}]. To count all of them as response, pass --schema text."
            )


def _refuse_prompt_beside_text(where: str, rows: Rows) -> None:
    names = [name for name in field_names(rows) if name != "text"]
    for prompt in by_rank(names, PROMPTS):
        texts = [row[prompt] for row in rows if isinstance(row.get(prompt), str)]
        if plain(prompt) in ("source", "task", "user", "goal") or 2 * sum(" " in text.strip() for text in texts) < len(rows):
            continue
        if all(text.strip() in str(row.get("text")) for row in rows if (text := row.get(prompt)) and isinstance(text, str)):
            # The text has the prompt in it already.
            continue
        columns = {"instruction": prompt, "response": "text"}
        raise DataError(
            f"{where}: rows hold both '{prompt}' and 'text'. If '{prompt}' is the instruction and 'text' the response, pass "
            f"{columns_option(columns)}; pass --schema text to read 'text' alone."
        )


def _refuse_answers_beside_prompts(where: str, rows: Rows) -> None:
    answers = by_rank([name for name in field_names(rows) if name != "prompt"], ANSWERS)
    if not answers:
        return
    columns = pair_columns(rows)
    if columns is None:
        message = why_none_fits(rows)
        if message.startswith("prompts without"):
            return
        raise DataError(f"{where}: {message}")
    raise DataError(f"{where}: {why_none_fits(rows)} To read the prompts alone, pass --schema prompt-only.")


def _refuse_chat_markers(where: str, rows: Rows) -> None:
    texts = [row["text"] for row in rows if isinstance(row.get("text"), str)]
    marked = [mark for mark in map(marker_in, texts) if mark is not None]
    if 2 * len(marked) > len(texts):
        raise DataError(
            f"{where}: the field 'text' holds whole conversations with chat markers ({marked[0]!r}), so "
            "the sides cannot be told apart. Split them into messages: [{role, content}], or pass --schema text to count "
            "all of it as response."
        )


def fit(where: str, place: str, schema: Schema, given: bool, rows: Sequence[object]) -> tuple[Schema, list[str]]:
    """Return a schema fitted to a data set, and the notes about it.

    Args:
        where: the file, for errors.
        place: where its first row stands.
        schema: as detected, or as asked for.
        given: whether it was asked for.
        rows: the first rows.

    Raises:
        DataError: a schema that was detected reads none of them.
    """
    objects = [row for row in rows if isinstance(row, Mapping)]
    found, notes = fitted(schema, objects)
    if not given:
        _refuse_unreadable(where, place, found, objects)
    return found, notes + _notes(found, objects)
