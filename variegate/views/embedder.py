"""What an embedder is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["DEFAULT_EMBEDDER", "STATIC", "Embedder", "model_revision"]

STATIC = "static"
# docs/embedders.md has the measurements that it goes by.
DEFAULT_EMBEDDER = "lsa"

Vectors = NDArray[np.float32]
Setting = str | int | float | bool | None


@dataclass(frozen=True)
class Embedder:
    """Something that turns texts into vectors.

    Attributes:
        settings: everything that changes a vector; part of the cache's key.
        shard_rows: rows computed and saved together.
        embed: from a list of m texts to (m, d) float32.
    """

    settings: Mapping[str, Setting]
    shard_rows: int
    embed: Callable[[list[str]], Vectors]


def model_revision(name: str) -> str:
    """Return what identifies a model's content: a Hub commit, or the names, sizes and times of a folder's files.

    The files themselves are not read: a hash of sixteen gigabytes would take longer than many an embedding.
    """
    path = Path(name)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        stamp = "\n".join(f"{file.relative_to(path)} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files)
        return hashlib.sha256(stamp.encode()).hexdigest()[:16]
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(name, allow_patterns=["*.json"])).name
