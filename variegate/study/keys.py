"""A study's YAML file, read key by key: every error names the key, the line, what was given and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from variegate.errors import DataError, ParameterError, unknown_name

__all__ = ["PLAIN", "Keys", "as_number", "is_plain_mapping", "located", "read_yaml"]

T = TypeVar("T")
PLAIN = "a mapping of names to numbers, texts, lists and mappings"


class Keys:
    """The keys of one mapping, each taken once; :meth:`done` refuses those that nobody took.

    Args:
        values: the mapping.
        where: the path of keys that leads to it, such as `subsets[2]`; empty for the file itself.
        file: the file's name.
        lines: path of keys -> line in the file.
    """

    def __init__(self, values: object, where: str, file: str, lines: Mapping[str, int]) -> None:
        self.where, self.file, self.lines = where, file, lines
        if not isinstance(values, Mapping):
            raise self.wrong("", "a mapping of keys to values", values)
        for key in values:
            if not isinstance(key, str):
                raise self.wrong("", "a mapping whose keys are texts, in quotes where YAML takes one for something else", key)
        self.values = dict(values)
        self.known: list[str] = []

    def path(self, key: str) -> str:
        """Return a key with all that leads to it."""
        return f"{self.where}.{key}" if self.where and key else self.where or key

    def item(self, key: str, at: int) -> str:
        """Return the key of a list's item; that of the list itself where one value stands for it."""
        return f"{key}[{at}]" if f"{self.path(key)}[{at}]" in self.lines else key

    def place(self, key: str = "") -> str:
        """Return file and line of a key; of what holds it where it has no line of its own."""
        path = self.path(key)
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        line = self.lines.get(path)
        return f"{self.file}, line {line}" if line and path else self.file

    def wrong(self, key: str, allowed: str, got: object) -> ParameterError:
        """Build the error for a value that is not allowed."""
        return ParameterError(f"{self.place(key)}: '{self.path(key) or 'the file'}' must be {allowed}. Got {got!r} instead.")

    def missing(self, key: str, allowed: str) -> ParameterError:
        """Build the error for a key that is not there."""
        return ParameterError(f"{self.place()}: '{self.path(key)}' is missing. It must be {allowed}.")

    def unknown(self, key: str, name: str, known: Sequence[str]) -> ParameterError:
        """Build the error for a value that is no name of a table, with those that are near."""
        return unknown_name(f"value of '{self.path(key)}' in {self.place(key)}:", name, known)

    def take(self, key: str, default: T, allowed: str, good: Callable[[Any], bool]) -> T:
        """Take a value; a key that is not there has its default.

        Raises:
            ParameterError: the value is not good.
        """
        self.known.append(key)
        if key not in self.values:
            return default
        value = self.values.pop(key)
        if not good(value):
            raise self.wrong(key, allowed, value)
        return cast(T, value)

    def required(self, key: str, found: T | None, allowed: str) -> T:
        """Return what was found; an error where it was not given."""
        if found is None:
            raise self.missing(key, allowed)
        return found

    def text(self, key: str, default: T) -> str | T:
        """Take a text."""
        return self.take(key, default, "a text", lambda value: isinstance(value, str) and bool(value.strip()))

    def flag(self, key: str, default: bool) -> bool:
        """Take true or false."""
        return self.take(key, default, "true or false", lambda value: isinstance(value, bool))

    def whole(self, key: str, default: T, lowest: int = 0) -> int | T:
        """Take a whole number."""
        return self.take(key, default, f"a whole number of at least {lowest}", lambda value: _whole(value, lowest))

    def number(self, key: str, default: T, low: float = -math.inf, high: float = math.inf) -> float | T:
        """Take a number in a range."""
        allowed = f"a number in [{low:g}, {high:g}]" if low > -math.inf or high < math.inf else "a number"
        found = self.take(key, default, allowed, lambda value: _number(as_number(value)) and low <= as_number(value) <= high)
        found = as_number(found)
        return float(found) if isinstance(found, int) and not isinstance(found, bool) else found

    def one_of(self, key: str, default: T, names: Sequence[str]) -> str | T:
        """Take one of some words."""
        return self.take(key, default, f"one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names)

    def some(
        self, key: str, default: list[Any], allowed: str, good: Callable[[Any], bool], empty: bool = False
    ) -> list[Any]:  # fmt: skip
        """Take one value or a list of them, as a list; one that is empty only where that means something."""
        value = self.take(key, default, f"{allowed}, or a list of these", lambda value: empty or value != [])
        several = value if isinstance(value, list) else [value]
        for at, one in enumerate(several):
            if not good(one):
                raise self.wrong(self.item(key, at), allowed, one)
        return several

    def wholes(self, key: str, default: list[Any], lowest: int = 0) -> list[int]:
        """Take whole numbers."""
        return self.some(key, default, f"a whole number of at least {lowest}", lambda value: _whole(value, lowest))

    def words(self, key: str, default: list[Any], names: Sequence[str] | None = None, empty: bool = False) -> list[str]:
        """Take texts, from a list of names where there is one."""
        found = self.some(key, default, "a text", lambda value: isinstance(value, str) and bool(value.strip()), empty)
        for at, one in enumerate(found):
            if names is not None and one not in names:
                raise self.unknown(self.item(key, at), one, names)
        return found

    def plain(self, key: str) -> dict[str, Any]:
        """Take a mapping of names to what JSON holds, infinities included; empty where it is not there."""
        nothing: dict[str, Any] = {}
        return dict(self.take(key, nothing, PLAIN, is_plain_mapping))

    def inner(self, key: str) -> Keys | None:
        """Take a mapping, whose keys are to be taken in turn; None where it is not there or empty."""
        value = self.take(key, None, "a mapping of keys to values", lambda one: one is None or isinstance(one, Mapping))
        return None if not value else Keys(value, self.path(key), self.file, self.lines)

    def list_of(self, key: str) -> list[Keys]:
        """Take a list of mappings."""
        value: list[object] = self.take(key, [], "a list", lambda one: isinstance(one, list))
        return [Keys(one, f"{self.path(key)}[{at}]", self.file, self.lines) for at, one in enumerate(value)]

    def done(self) -> None:
        """Refuse keys that are not known.

        Raises:
            ParameterError: there is one; the message names those that are near.
        """
        for key in self.values:
            known = [self.path(one) for one in self.known]
            raise unknown_name(f"key in {self.place(str(key))}:", self.path(str(key)), known)


def read_yaml(path: Path) -> Keys:
    """Read a YAML file of keys and values: plain data alone, no key twice.

    Raises:
        DataError: it cannot be read.
        ParameterError: it holds no mapping.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[str, int] = {}
        if root is not None:
            _note_lines(root, "", lines, str(path))
        values = yaml.safe_load(text)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not valid UTF-8.") from None
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or (str(error).splitlines() or ["nested too deeply"])[0]
        raise DataError(f"{path}{place}: is not valid YAML ({problem}).") from None
    return Keys(values, "", str(path), lines)


def located(name: str, folder: Path) -> str:
    """Return a file's name relative to where we are, given relative to a folder; other names, such as the Hub's, stay."""
    beside = folder / name
    return str(beside) if not Path(name).is_absolute() and beside.exists() else name


def _note_lines(node: Any, where: str, lines: dict[str, int], file: str) -> None:
    import yaml

    lines.setdefault(where, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ParameterError(
                    f"{file}, line {key.start_mark.line + 1}: a key must be a text, and this one is a list or mapping."
                )
            path = f"{where}.{key.value}" if where else str(key.value)
            if key.value in seen:
                raise ParameterError(f"{file}, line {key.start_mark.line + 1}: has the key '{path}' twice. Take one out.")
            seen.add(key.value)
            lines[path] = key.start_mark.line + 1
            _note_lines(value, path, lines, file)
    elif isinstance(node, yaml.SequenceNode):
        for at, value in enumerate(node.value):
            _note_lines(value, f"{where}[{at}]", lines, file)


def as_number(value: Any) -> Any:
    """Return the number that a text spells: YAML takes 2e-5, which lacks a point, for a text. Other values stay."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def is_plain_mapping(value: object) -> bool:
    """Whether a value is a mapping of texts to what JSON holds."""
    return isinstance(value, Mapping) and _is_plain(value)


def _is_plain(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and _is_plain(one) for name, one in value.items())
    if isinstance(value, list | tuple):
        return all(_is_plain(one) for one in value)
    # No number is NaN, which equals nothing.
    return value is None or (isinstance(value, str | int | float) and value == value)


def _whole(value: object, lowest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= lowest


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
