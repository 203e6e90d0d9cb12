"""Prompts that trained models are asked: how their files are read, and which of them are used."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from variegate.data.files import kind_of, read_rows
from variegate.data.schema import RowError
from variegate.errors import DataError, bad_parameter, unknown_name

__all__ = ["Prompt", "choose_prompts", "read_prompts", "reference_names"]

Message = Mapping[str, str]
Row = Mapping[str, Any]

ROLES = ("system", "user", "assistant")
# The reference's name where a file does not say whose answers they are.
REFERENCE = "reference"


@dataclass(frozen=True)
class Prompt:
    """One prompt: what a user says, turn by turn.

    Attributes:
        id: different for each prompt of a study.
        set: the prompt set that it belongs to.
        category: within its set, or None.
        turns: what the user says; each turn is said when the turn before it has been answered.
        before: messages that stand before the first turn: a system message, an exchange that has
            already taken place.
        references: answers of others by name, one a turn.
        extra: what else its row says.
    """

    id: str
    set: str
    category: str | None
    turns: tuple[str, ...]
    before: tuple[Message, ...] = ()
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


def read_prompts(*paths: str | Path) -> list[Prompt]:
    """Read prompts from files of rows, JSON Lines above all.

    A row has one of these shapes; `id` (also `question_id`, `uid`, `key`), `set`, `category` and
    `extra` are taken where they are there:

    - `prompt`, and where there are several `turns` (the first is the prompt), `references`: name to
      answer, or to one a turn;
    - `turns`, as MT-Bench has them: strings, or objects with `content`; `reference`: one answer a
      turn;
    - `messages` of role and content; all before the last user message has taken place, an answer
      after it is the reference;
    - `instruction`, `input`, `output`, as AlpacaEval has them: `output` is the reference, named by
      `generator`; `dataset` is the category.

    Args:
        paths: files; the prompts come in their order. A file's name stands in for a set that its
            rows do not name.

    Returns:
        Prompts with ids that are all different.

    Raises:
        DataError: a file or row cannot be read; the message names file, line and field.
    """
    prompts: list[Prompt] = []
    places: dict[str, str] = {}
    for path in map(Path, paths):
        kind, compression = kind_of(path.name)
        if kind == "npy":
            raise DataError(f"{path}: holds vectors, and prompts are texts. Pass a .jsonl file.")
        rows = read_rows(str(path), path, kind, compression)
        for position, row in enumerate(rows.parsed()):
            place = f"{path}, {rows.where(position)}"
            try:
                prompt = _prompt(row, path.name.split(".")[0], position)
            except RowError as error:
                raise DataError(f"{place}: {error}.") from None
            if prompt.id in places:
                raise DataError(f"{place}: the id {prompt.id!r} stands in {places[prompt.id]} too. Give each prompt its own.")
            places[prompt.id] = place
            prompts.append(prompt)
    if not prompts:
        raise bad_parameter("prompts", "read_prompts", "at least one file", list(paths))
    return prompts


def choose_prompts(
    prompts: Sequence[Prompt],
    *,
    sets: Iterable[str] | None = None,
    categories: Iterable[str] | None = None,
    reference: str | None = None,
    number: int | None = None,
    seed: int = 0,
) -> list[Prompt]:
    """Return some of the prompts, in their order.

    Args:
        prompts: to choose from.
        sets: only of these sets.
        categories: only of these categories.
        reference: only those that have this reference answer.
        number: so many of what is left, drawn by seed. Whether a prompt is drawn depends on the
            seed, its id and the other ids alone; a larger number with the same seed holds all
            prompts of a smaller one.
        seed: of the draw.

    Raises:
        ParameterError: a set, category or reference that no prompt has, or more prompts than there
            are.
    """
    chosen = list(prompts)
    for kind, names, has in (
        ("prompt set", sets, lambda prompt: [prompt.set]),
        ("category", categories, lambda prompt: [prompt.category] if prompt.category is not None else []),
        ("reference", None if reference is None else [reference], lambda prompt: list(prompt.references)),
    ):
        if names is not None:
            chosen = _having(chosen, kind, list(names), has)
    if number is None:
        return chosen
    if not 1 <= number <= len(chosen):
        raise bad_parameter("number", "choose_prompts", f"a number of prompts in [1, {len(chosen)}]", number)
    drawn = set(sorted((prompt.id for prompt in chosen), key=lambda name: _draw(seed, name))[:number])
    return [prompt for prompt in chosen if prompt.id in drawn]


def reference_names(prompts: Iterable[Prompt]) -> dict[str, int]:
    """Return the names of all references, and how many prompts have each; most frequent first."""
    return dict(Counter(name for prompt in prompts for name in prompt.references).most_common())


def _having(prompts: list[Prompt], kind: str, names: list[str], has: Callable[[Prompt], list[str]]) -> list[Prompt]:
    known = list(dict.fromkeys(name for prompt in prompts for name in has(prompt)))
    for name in names:
        if name not in known:
            raise (
                unknown_name(kind, name, known)
                if known
                else bad_parameter(kind, "choose_prompts", "left out, since no prompt here has one", name)
            )
    return [prompt for prompt in prompts if set(has(prompt)) & set(names)]


def _draw(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()


def _prompt(row: object, stem: str, position: int) -> Prompt:
    """Return the prompt of a row.

    Raises:
        RowError: it has none; the message names the field.
    """
    if isinstance(row, RowError):
        raise row
    if not isinstance(row, Mapping):
        raise RowError(f"is a {type(row).__name__}, not an object with fields")
    shape = next((shape for shape in SHAPES if row.get(shape) is not None), None)
    if shape is None:
        raise RowError(f"has none of the fields that hold a prompt: {', '.join(SHAPES)}")
    turns, before, references = SHAPES[shape](row)
    category = row.get("category")
    if category is None and shape == "instruction":
        category = row.get("dataset")
    if category is not None and not isinstance(category, str):
        raise RowError(f"'category' must be a string (got {category!r})")
    name = row.get("set") or stem
    if not isinstance(name, str):
        raise RowError(f"'set' must be a string (got {name!r})")
    extra = row.get("extra") or {}
    if not isinstance(extra, Mapping):
        raise RowError(f"'extra' must be an object (got {extra!r})")
    return Prompt(_id(row, name, position), name, category, turns, before, references, extra)


def _id(row: Row, name: str, position: int) -> str:
    for key in ("id", "question_id", "uid", "key"):
        given = row.get(key)
        if isinstance(given, bool) or not isinstance(given, str | int | None):
            raise RowError(f"'{key}' must be a string or a whole number (got {given!r})")
        if given is not None:
            # Numbers are those of a set, names mostly say it already.
            return given if key == "id" and isinstance(given, str) else f"{name}/{given}"
    return f"{name}/{position}"


Read = tuple[tuple[str, ...], tuple[Message, ...], Mapping[str, tuple[str, ...]]]


def _of_prompt(row: Row) -> Read:
    prompt = _text(row["prompt"], "prompt")
    turns = (prompt,) if row.get("turns") is None else _turns(row)
    if turns[0] != prompt:
        raise RowError("'turns' must begin with what 'prompt' says")
    return turns, (), _references(row, len(turns))


def _of_turns(row: Row) -> Read:
    turns = _turns(row)
    return turns, (), _references(row, len(turns))


def _of_messages(row: Row) -> Read:
    messages = row["messages"]
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise RowError(f"'messages' must be a list of messages (got {messages!r})")
    clean: list[Message] = []
    for at, message in enumerate(messages):
        role = message.get("role") if isinstance(message, Mapping) else None
        if role not in ROLES:
            raise RowError(f"'messages[{at}]' must have a 'role' of {', '.join(ROLES)} (got {message!r})")
        clean.append({"role": role, "content": _text(message.get("content"), f"messages[{at}].content")})
    answer = (clean.pop()["content"],) if clean[-1]["role"] == "assistant" else None
    if not clean or clean[-1]["role"] != "user":
        raise RowError("'messages' must end with a message of the user, or with one and its answer")
    references = _references(row, 1)
    return (clean[-1]["content"],), tuple(clean[:-1]), {REFERENCE: answer, **references} if answer else references


def _of_instruction(row: Row) -> Read:
    instruction, more = _text(row["instruction"], "instruction"), row.get("input")
    if more is not None and not isinstance(more, str):
        raise RowError(f"'input' must be a string (got {more!r})")
    name, output = row.get("generator") or REFERENCE, row.get("output")
    if not isinstance(name, str):
        raise RowError(f"'generator' must be a string (got {name!r})")
    references = _references(row, 1)
    if output is not None:
        references = {name: _answers(output, "output", 1), **references}
    return (f"{instruction}\n{more}" if more else instruction,), (), references


# The field that tells the shape, in the order in which they are tried.
SHAPES: Mapping[str, Callable[[Row], Read]] = {
    "prompt": _of_prompt,
    "turns": _of_turns,
    "messages": _of_messages,
    "instruction": _of_instruction,
}


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise RowError(f"'{name}' must be a text that is not empty (got {value!r})")
    return value


def _turns(row: Row) -> tuple[str, ...]:
    turns = row["turns"]
    if not isinstance(turns, Sequence) or isinstance(turns, str) or not turns:
        raise RowError(f"'turns' must be a list of texts (got {turns!r})")
    return tuple(
        _text(turn.get("content") if isinstance(turn, Mapping) else turn, f"turns[{at}]") for at, turn in enumerate(turns)
    )


def _references(row: Row, turns: int) -> dict[str, tuple[str, ...]]:
    found = row.get("references")
    if found is not None and not isinstance(found, Mapping):
        raise RowError(f"'references' must be an object of names and answers (got {found!r})")
    # Tables give every row every name, with null where it has no such answer.
    named = {str(name): answers for name, answers in (found or {}).items() if answers is not None}
    if row.get(REFERENCE) is not None:
        named.setdefault(REFERENCE, row[REFERENCE])
    return {name: _answers(answers, f"references.{name}", turns) for name, answers in named.items()}


def _answers(value: object, name: str, turns: int) -> tuple[str, ...]:
    answers = [value] if isinstance(value, str) else value
    if not isinstance(answers, Sequence) or not all(isinstance(answer, str) for answer in answers):
        raise RowError(f"'{name}' must be a text, or a list of one text a turn (got {value!r})")
    if len(answers) != turns:
        raise RowError(f"'{name}' must have one answer a turn: {turns}, not {len(answers)}")
    return tuple(answers)
