"""The on-disk cache: arrays built shard by shard, one manifest written last.

A folder per key holds the shards that are done, each one whole file. When all are there they are joined into one
`.npy` per array, which can be memory-mapped, the manifest is written, and the shards go. A killed run therefore goes on
from its last whole shard. Two processes that build the same key at once write the same content under temporary names
and rename it, so neither can harm the other; each takes over what the other has finished.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.choices import Choice
from variegate.errors import DataError
from variegate.progress import track
from variegate.storage import whole_file

__all__ = ["CACHE_VARIABLE", "cache_root", "cached_arrays", "use_cache"]

Arrays = dict[str, NDArray[Any]]
Settings = Mapping[str, str | int | float | bool | None]

CACHE_VARIABLE = "VARIEGATE_CACHE"
# Raised whenever the layout or the meaning of the cached arrays changes, so that old folders are not read.
FORMAT = 1

_chosen: Choice[str | None] = Choice(None)


def use_cache(where: str | None) -> None:
    """Set the cache folder for this process: a path, "off" to keep nothing on disk, None for the default."""
    _chosen.value = where


def cache_root() -> Path | None:
    """Return the cache folder: set by :func:`use_cache`, else $VARIEGATE_CACHE, else the user's cache folder."""
    chosen = _chosen.value or os.environ.get(CACHE_VARIABLE)
    if chosen == "off":
        return None
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("variegate")


def cached_arrays(
    kind: str,
    settings: Settings,
    rows: int,
    shard_rows: int,
    compute: Callable[[int, int], Arrays],
    label: str,
) -> Arrays:
    """Return arrays that `compute` builds, from the cache where they are there already.

    Args:
        kind: folder name for people, such as "vectors".
        settings: everything that the arrays depend on, the content's hash included; the key.
        rows: number of rows in all.
        shard_rows: rows a shard. Fixed per embedder, since with some models the batch changes a vector's last bits.
        compute: from (start, stop) to the arrays of these rows, to be joined along their first axis.
        label: what the progress line says.

    Returns:
        Read-only memory maps (plain arrays where the cache is off).
    """
    bounds = [(start, min(start + shard_rows, rows)) for start in range(0, rows, shard_rows)]
    root = cache_root()
    if root is None:
        parts = []
        with track(label, rows) as advance:
            for start, stop in bounds:
                parts.append(compute(start, stop))
                advance(stop - start)
        try:
            return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        except ValueError:
            raise DataError(f"{label}: the parts differ in shape. Did the model change half-way? Try again.") from None
    # Shards of another size would not fit together.
    folder = root / kind / _key({**settings, "shard_rows": shard_rows})
    if (done := _open_whole(folder)) is not None:
        return done
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "settings.json").write_text(json.dumps(dict(settings), indent=1, sort_keys=True), encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"{folder}: the cache cannot be written here ({error.strerror}). Set another folder with --cache, or --cache off."
        ) from None
    with track(label, rows) as advance:
        for at, (start, stop) in enumerate(bounds):
            # Another process may have finished everything in the meantime, and removed the shards.
            if (done := _open_whole(folder)) is not None:
                # The shard that this one has just written came after the other's sweep.
                _sweep(folder)
                return done
            shard = folder / f"{at:06d}.npz"
            if _read_shard(shard) is None:
                arrays = compute(start, stop)
                with whole_file(shard) as temporary, temporary.open("wb") as stream:
                    np.savez(stream, **arrays)  # type: ignore[arg-type]
            advance(stop - start)
    if (done := _open_whole(folder)) is not None:
        # Joined by another process while this one was at its last shard, which nobody needs any more.
        _sweep(folder)
        return done
    try:
        return _join(folder, len(bounds))
    except _Overtaken as overtaken:
        return overtaken.arrays


def _sweep(folder: Path) -> None:
    """Remove the shards; temporary files, which begin with a dot, may be another process's work."""
    for path in folder.glob("[0-9]*.npz"):
        path.unlink(missing_ok=True)


def _key(settings: Settings) -> str:
    text = json.dumps({"format": FORMAT, **settings}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _read_shard(path: Path) -> Arrays | None:
    """Read a shard; one that is missing or damaged counts as not there, and is computed again."""
    try:
        # Opened here, because np.load leaves a damaged archive open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception:
        # Bytes gone wrong make zip and numpy raise nearly anything.
        return None


def _open_whole(folder: Path) -> Arrays | None:
    """Open the joined arrays, if the manifest says that they are all there and they are."""
    arrays = {}
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        for name, expected in manifest.items():
            array = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            if list(array.shape) != expected["shape"] or str(array.dtype) != expected["dtype"]:
                return None
            arrays[name] = array
    except Exception:
        # As with shards: what is damaged counts as not there, whatever it raises.
        return None
    return arrays or None


def _join(folder: Path, shards: int) -> Arrays:
    shapes: dict[str, list[int]] = {}
    types: dict[str, np.dtype[Any]] = {}
    for at in range(shards):
        for name, array in _shard_of(folder, at).items():
            shape = shapes.setdefault(name, [0, *array.shape[1:]])
            if shape[1:] != list(array.shape[1:]) or types.setdefault(name, array.dtype) != array.dtype:
                raise DataError(
                    f"{folder}: shard {at} has {name} of type {array.dtype} and shape {array.shape}, unlike those before it. "
                    "Did the model change half-way? Remove the folder and run the command again."
                )
            shape[0] += len(array)
    for name, shape in shapes.items():
        with whole_file(folder / f"{name}.npy") as temporary, temporary.open("wb") as stream:
            header = {"descr": np.lib.format.dtype_to_descr(types[name]), "fortran_order": False, "shape": tuple(shape)}
            np.lib.format.write_array_header_1_0(stream, header)
            for at in range(shards):
                part = _shard_of(folder, at)
                stream.write(np.ascontiguousarray(part[name]).data)
    manifest = {name: {"shape": shape, "dtype": str(types[name])} for name, shape in shapes.items()}
    with whole_file(folder / "manifest.json") as temporary:
        temporary.write_text(json.dumps(manifest), encoding="utf-8")
    _sweep(folder)
    arrays = _open_whole(folder)
    if arrays is None:
        raise DataError(
            f"{folder}: the cache was written but cannot be read back. Is the disk full? Remove the folder and try again."
        )
    return arrays


class _Overtaken(Exception):
    """Another process has joined the shards and removed them: here are its arrays.

    An exception, so that what this process has begun to write is thrown away rather than put in their place.
    """

    def __init__(self, arrays: Arrays) -> None:
        super().__init__()
        self.arrays = arrays


def _shard_of(folder: Path, at: int) -> Arrays:
    part = _read_shard(folder / f"{at:06d}.npz")
    if part is not None:
        return part
    arrays = _open_whole(folder)
    if arrays is None:
        raise DataError(f"{folder}: shard {at} is gone. Was the cache emptied meanwhile? Run the command again.")
    raise _Overtaken(arrays)
