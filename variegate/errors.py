"""One tree of errors. Every message says what is wrong, where, and the way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["DataError", "MissingExtraError", "ParameterError", "VariegateError"]


class VariegateError(Exception):
    """Base of all errors that variegate raises on purpose; `exit_code` is what the command returns."""

    exit_code = 1


class ParameterError(VariegateError, ValueError):
    """An argument, option or name that cannot be used."""

    exit_code = 2


class DataError(VariegateError, ValueError):
    """Input data that cannot be used; the message names the file and, where there is one, the row and the field."""

    exit_code = 2


class MissingExtraError(VariegateError, ImportError):
    """An optional dependency is not installed; the message holds the command that installs it."""


def bad_parameter(name: str, owner: str, allowed: str, got: object, fix: str = "") -> ParameterError:
    """Build the error for a parameter outside what is allowed.

    >>> print(bad_parameter("k", "knn_distance", "an int in [1, 99]", 400))
    The 'k' parameter of knn_distance must be an int in [1, 99]. Got 400 instead.
    """
    text = f"The '{name}' parameter of {owner} must be {allowed}. Got {got!r} instead."
    return ParameterError(f"{text} {fix}" if fix else text)


def check_options(owner: str, defaults: Mapping[str, object], given: Mapping[str, object]) -> None:
    """Refuse options that a function does not have, or whose type is not that of their default.

    A default of None allows every type: its function checks for itself.
    """
    for name, value in given.items():
        if name not in defaults:
            if defaults:
                raise unknown_name(f"parameter of {owner}", name, list(defaults))
            raise bad_parameter(name, owner, "left out, since it has no parameters", value)
        default = defaults[name]
        kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
        kind = type(default)
        allowed = (int, float) if kind is float else kind
        if kind in kinds and (not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool)):
            raise bad_parameter(name, owner, kinds[kind], value)
        if isinstance(value, float) and value != value:
            raise bad_parameter(name, owner, "a number", value)


def unknown_name(kind: str, name: str, known: Sequence[str]) -> ParameterError:
    """Build the error for a name that is not in a table, with the nearest known names."""
    import difflib

    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(close)}?" if close else f"Known: {', '.join(known)}."
    return ParameterError(f"Unknown {kind} {name!r}. {hint}")


def missing_extra(package: str, extra: str, purpose: str) -> MissingExtraError:
    """Build the error for an optional dependency that is not installed."""
    return MissingExtraError(
        f"{purpose} needs the package '{package}', which is not installed. "
        f"You can fix this by running: pip install 'variegate[{extra}]'"
    )


def name_rows(rows: Sequence[int], shown: int = 5) -> str:
    """Say which rows are meant, the first few by number.

    >>> name_rows([3]), name_rows([1, 2, 3, 4, 5, 6, 7])
    ('row 3', 'rows 1, 2, 3, 4, 5 and 2 more')
    """
    head = ", ".join(str(row) for row in rows[:shown])
    more = f" and {len(rows) - shown} more" if len(rows) > shown else ""
    return f"row{'s' if len(rows) != 1 else ''} {head}{more}"
