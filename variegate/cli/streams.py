"""What stdout and stderr can take: other encodings than UTF-8, and streams that are closed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

__all__ = ["echo", "fits_stdout", "forgiving", "is_terminal", "json_that_fits", "let_go"]


@contextmanager
def forgiving() -> Iterator[None]:
    r"""Have stdout and stderr show what their encoding lacks by its number, such as \u590f, instead of failing.

    A stream that was closed before the program began is the null device for as long as the block lasts.
    """
    streams = {name: getattr(sys, name) for name in ("stdout", "stderr")}
    errors = {name: getattr(stream, "errors", None) for name, stream in streams.items()}
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        for name, stream in streams.items():
            if stream is None:
                setattr(sys, name, nowhere)
            elif errors[name] in ("strict", "surrogateescape") and hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        try:
            yield
        finally:
            for name, stream in streams.items():
                if stream is None:
                    setattr(sys, name, None)
                elif errors[name] in ("strict", "surrogateescape") and hasattr(stream, "reconfigure"):
                    # What cannot be written any more is said where it was to be written.
                    with suppress(OSError, ValueError):
                        stream.reconfigure(errors=errors[name])


def echo(message: str = "", err: bool = False, nl: bool = True) -> None:
    """Print a text on stdout or stderr, as click does, but in the encoding that the stream was given: click corrects ASCII."""
    click.echo(message, file=sys.stderr if err else sys.stdout, nl=nl)


def json_that_fits(value: Any) -> str:
    """Return a value as JSON for stdout: its characters as they are if stdout takes them, else by JSON's own escapes."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    # A stand-in for a character would be another text, and some would be no JSON.
    return text if fits_stdout(text) == text else json.dumps(value, indent=1)


def fits_stdout(text: str) -> str:
    """Return a text as stdout will show it, so that its width can be counted before it is written."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    with suppress(LookupError):
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text


def is_terminal(stream: Any) -> bool:
    """Whether a stream leads to a terminal; one that is closed does not."""
    try:
        return stream is not None and bool(stream.isatty())
    except ValueError:
        return False


def let_go() -> None:
    """Point stdout at the null device: what is still buffered must not raise once more at the end of the program."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
