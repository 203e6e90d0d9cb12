"""Names of what a study makes: a hash of all that it depends on."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["fingerprint", "identity", "known_by", "located_view", "short_name"]

DIGITS = 16
# Of a model's folder, the files that change what it computes; and of these, those that only say how it came about.
OF_A_MODEL = (".json", ".safetensors", ".bin", ".model", ".jinja", ".txt", ".py", ".pt")
RECORDS = ("base_model.json", "trainer_state.json", "training_args.bin")
# Names of embedders and tokenizers that lead to no file, whatever lies about.
OWN_NAMES = ("static", "lsa", "llama2", "words")
# What may stand before the path of an embedder.
BEFORE_A_PATH = ("hf:", "lsa:")
BLOCK = 1 << 20


def identity(settings: Mapping[str, Any]) -> str:
    """Return 16 hex digits that stand for settings, whatever the order of their keys.

    >>> identity({"a": 1, "b": 2.0}) == identity({"b": 2.0, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(_spelled(settings), sort_keys=True, allow_nan=False).encode()).hexdigest()[:DIGITS]


def fingerprint(place: str) -> str:
    """Return what a model is known by: the hash of its files, of one file, or its name where it is on the Hub.

    Files are read whole: a model that differs from another in its middle layers alone is another model.
    """
    path = Path(place)
    if path.is_file():
        return _hashed((_stamp(path, ""),))
    if not path.is_dir():
        return place
    files = [one for one in path.rglob("*") if one.suffix in OF_A_MODEL and one.name not in RECORDS]
    inside = sorted(one for one in files if not _is_hidden(one.relative_to(path)) and one.is_file())
    return _hashed(tuple(_stamp(one, one.relative_to(path).as_posix()) for one in inside))


def known_by(name: str) -> str:
    """Return what an embedder or tokenizer is known by: its name, or the hash of the files that it names, wherever they lie.

    >>> known_by("static"), known_by("lsa:64")
    ('static', 'lsa:64')
    """
    before, path = _split(name)
    return name if path is None or not Path(path).exists() else f"{before}{fingerprint(path)}"


def located_view(name: str, folder: Path) -> str:
    """Return the name of an embedder or tokenizer with its path, if it is one, made relative to where we are."""
    before, path = _split(name)
    if path is None or Path(path).is_absolute() or not (folder / path).exists():
        return name
    return f"{before}{folder / path}"


def short_name(name: str) -> str:
    """Return the name of an embedder for people: of a path, its last part.

    >>> short_name("hf:meta-llama/Llama-3.2-1B"), short_name("static")
    ('hf:meta-llama/Llama-3.2-1B', 'static')
    """
    before, path = _split(name)
    return name if path is None or not Path(path).exists() else f"{before}{Path(path).resolve().name}"


def _split(name: str) -> tuple[str, str | None]:
    """Return what stands before a path, and the path; None where the name can be none."""
    before = next((one for one in BEFORE_A_PATH if name.startswith(one)), "")
    path = name.removeprefix(before)
    is_path = path and name not in OWN_NAMES and not (before == "lsa:" and path.partition("@")[0].isdecimal())
    return before, path if is_path and (before or ":" not in name) else None


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _stamp(path: Path, name: str) -> tuple[str, str, int, int]:
    stat = path.stat()
    return str(path.resolve()), name, stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=64)
def _hashed(files: tuple[tuple[str, str, int, int], ...]) -> str:
    """Return the hash of files; the time of their last change is given so that one that is changed is read again."""
    hasher = hashlib.sha256()
    for path, name, size, _ in files:
        hasher.update(f"{name}\0{size}\0".encode())
        with Path(path).open("rb") as stream:
            while block := stream.read(BLOCK):
                hasher.update(block)
    return hasher.hexdigest()


def _spelled(value: Any) -> Any:
    if isinstance(value, float) and math.isinf(value):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _spelled(one) for name, one in value.items()}
    return [_spelled(one) for one in value] if isinstance(value, list | tuple) else value
