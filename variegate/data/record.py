"""The record: one training sample as turns, whatever schema it came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["SIDES", "BadRow", "Record", "Role", "RowError", "Side", "Turn", "kind_of_value"]

Role = Literal["system", "user", "assistant", "tool"]
Side = Literal["instruction", "response", "both"]
SIDES: tuple[Side, ...] = ("instruction", "response", "both")

# Which roles make up a side. System prompts are settings rather than turns: the same one heads thousands of rows of a
# pool, and counting it would make every such row look alike, so no side holds it. Tool results are what the model
# reads between two of its own turns: they belong to the sample, but to neither the user's nor the assistant's words.
_ROLES: dict[Side, frozenset[Role]] = {
    "instruction": frozenset({"user"}),
    "response": frozenset({"assistant"}),
    "both": frozenset({"user", "assistant", "tool"}),
}


class RowError(ValueError):
    """What is wrong with one row; the reader adds the file and the row's number."""


@dataclass(frozen=True)
class BadRow:
    """A row that could not be read, kept aside by `on_bad_row="skip"`."""

    file: str
    place: str
    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation.

    Attributes:
        role: whose turn it is.
        text: all that it says, what it thinks before and the functions that it calls among it.
        reasoning: the part of the text, at its start, that stands in a field of its own as what the model thinks.
    """

    role: Role
    text: str
    reasoning: str = ""

    @property
    def said(self) -> str:
        """The text without the reasoning that stands in a field of its own."""
        return self.text.removeprefix(self.reasoning).removeprefix("\n") if self.reasoning else self.text


@dataclass(frozen=True, slots=True)
class Record:
    """One training sample: its turns in order."""

    turns: tuple[Turn, ...]

    def side(self, side: Side) -> str:
        r"""Return the text of one side: its turns in order, joined by a newline.

        >>> record = Record((Turn("system", "Be brief."), Turn("user", "Hi"), Turn("assistant", "Hello")))
        >>> record.side("instruction"), record.side("response"), record.side("both")
        ('Hi', 'Hello', 'Hi\nHello')
        """
        roles = _ROLES[side]
        return "\n".join(turn.text for turn in self.turns if turn.role in roles and turn.text)


def kind_of_value(value: object) -> str:
    """Say what a value is, for messages about rows."""
    names = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")
