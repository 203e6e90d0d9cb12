"""The record: one training sample as turns, whatever schema it came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["SIDES", "Record", "Role", "Side", "Turn"]

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


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: Role
    text: str


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
