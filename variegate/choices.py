"""Choices that hold for a whole process, such as the device: made in one place, put back by whoever made them for a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, TypeVar

__all__ = ["Choice", "chosen", "from_defaults", "put_back"]

T = TypeVar("T")


class Choice(Generic[T]):
    """One choice: of the process, because what a context variable holds is lost in every new thread.

    Attributes:
        default: what holds until somebody chooses.
        value: what holds.
    """

    known: ClassVar[list[Choice[Any]]] = []

    def __init__(self, default: T) -> None:
        self.default = self.value = default
        Choice.known.append(self)


def chosen() -> dict[Choice[Any], Any]:
    """Return what every choice is at the moment, for :func:`put_back`."""
    return {choice: choice.value for choice in Choice.known}


def put_back(before: Mapping[Choice[Any], Any]) -> None:
    """Make every choice what it was."""
    for choice in Choice.known:
        # A choice whose module was imported since had its default.
        choice.value = before.get(choice, choice.default)


@contextmanager
def from_defaults() -> Iterator[None]:
    """Begin a block with the default of every choice, and put all back at its end."""
    before = chosen()
    put_back({})
    try:
        yield
    finally:
        put_back(before)
