"""A schema fitted to a data set: the names that its passages and reasoning have, answers that are numbers, prompts alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from variegate.data.names import PASSAGES, REASONING, SYSTEMS, by_rank, is_there
from variegate.data.pairs import Answers, as_number, pair_turns
from variegate.data.record import RowError
from variegate.data.schema import Schema

__all__ = ["field_names", "fitted", "how_many_read", "thinks", "why_not"]

Rows = Sequence[Mapping[str, Any]]


def fitted(schema: Schema, rows: Rows) -> tuple[Schema, list[str]]:
    """Return a schema as it suits some rows, and what a user should know of how these are read.

    Args:
        schema: as detected, or as asked for.
        rows: the first rows of the data set.
    """
    if schema.members:
        found = [fitted(member, [row for row in rows if schema.of(row) is member]) for member in schema.members]
        members = tuple(one for one, _ in found)
        told = list(dict.fromkeys(note for _, some in found for note in some))
        return replace(schema, members=members, has_response=all(one.has_response for one in members)), told
    notes: list[str] = []
    if schema.name in ("alpaca", "instruction-response", "prompt-completion"):
        schema, notes = _with_names(schema, rows)
    if "response" in schema.parts and "instruction" in schema.parts:
        schema, more = _with_answers(schema, rows)
        notes += more
    if schema.has_response and not how_many_read(schema, rows):
        prompts = replace(schema, has_response=False)
        if "messages" in schema.parts and how_many_read(prompts, rows):
            schema = prompts
    if not schema.has_response:
        notes.append("the rows are prompts without responses, so there is an instruction side alone")
    return schema, notes + _labels(schema, rows)


def how_many_read(schema: Schema, rows: Rows) -> int:
    """Return how many of some rows a schema can read."""
    return sum(why_not(schema, row) is None for row in rows)


def why_not(schema: Schema, row: Mapping[str, Any]) -> str | None:
    """Return why a schema cannot read a row; None where it can."""
    try:
        schema.record(row)
    except RowError as error:
        return str(error)
    return None


def field_names(rows: Rows) -> list[str]:
    """Return the fields that hold something in at least one row, in the order in which they come."""
    return [str(name) for name in dict.fromkeys(name for row in rows for name in row if is_there(row[name]))]


def _texts(rows: Rows, name: str) -> bool:
    """Whether a field holds texts, or lists of texts, wherever it holds anything."""
    values = [row[name] for row in rows if is_there(row.get(name))]
    return bool(values) and all(
        isinstance(value, str) or (isinstance(value, list) and all(isinstance(one, str) for one in value)) for value in values
    )


def thinks(rows: Rows, name: str) -> bool:
    """Whether a field holds sentences, and not a word such as "on"."""
    return _texts(rows, name) and any(" " in str(row.get(name)).strip() for row in rows)


def _with_names(schema: Schema, rows: Rows) -> tuple[Schema, list[str]]:
    names = field_names(rows)
    parts = dict(schema.parts)
    notes = []
    kinds = (("context", PASSAGES, "passages"), ("reasoning", REASONING, "reasoning"), ("system", SYSTEMS, "system prompts"))
    for part, known, what in kinds:
        own = [name for name in by_rank(names, known) if name not in schema.parts.values() and _texts(rows, name)]
        if part == "reasoning":
            own = [name for name in own if thinks(rows, name)]
        if not own or (part == "system" and "system" in names):
            continue
        parts[part] = own[0]
        where = {"context": "the instruction", "reasoning": "the response"}.get(part)
        notes.append(f"the field '{own[0]}' holds {what}{f', read with {where}' if where else ''}")
    if parts == dict(schema.parts):
        return schema, []
    return replace(schema, parts=parts, turns=partial(pair_turns, parts=parts)), notes


def _with_answers(schema: Schema, rows: Rows) -> tuple[Schema, list[str]]:
    name = schema.parts["response"]
    values = [row[name] for row in rows if is_there(row.get(name))]
    numbers = sum(as_number(value) is not None for value in values)
    lists = sum(isinstance(value, list) and len(value) == 1 and isinstance(value[0], str) for value in values)
    answers = Answers(0 < len(values) <= 2 * numbers, 0 < len(values) <= 2 * lists)
    if answers == Answers():
        return schema, []
    what = "numbers, which are read as they are written" if answers.numbers else "lists of one text, which is read"
    turns = partial(pair_turns, parts=schema.parts, answers=answers)
    return replace(schema, turns=turns), [f"the field '{name}' holds {what}"]


def _labels(schema: Schema, rows: Rows) -> list[str]:
    notes = []
    for name in ("label", "kto_tag"):
        if (schema.detected or schema.name == "columns") and any(isinstance(row.get(name), bool) for row in rows):
            notes.append(f"the boolean field '{name}' looks like KTO feedback: rows labelled false are loaded like the others")
    if schema.name == "stepwise" and any(False in row["labels"] for row in rows if isinstance(row.get("labels"), list)):
        notes.append("steps whose label is false are read like the others")
    return notes
