"""Files and folders that are either whole or absent: write to a temporary name beside the target, then rename."""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from variegate.choices import Choice
from variegate.errors import DataError
from variegate.progress import announce

__all__ = [
    "alone_in",
    "as_json",
    "check_folder",
    "check_target",
    "is_one_of",
    "protect",
    "refuse_inputs",
    "whole_file",
    "whole_files",
    "whole_folder",
]

# Files that a command reads, so that nothing can write over them.
_protected: Choice[frozenset[Path]] = Choice(frozenset())


def as_json(value: Any, indent: int | None = None) -> str:
    """Return JSON of a result, with a line break at its end; JSON has no infinity, which is written as it is typed: "inf".

    >>> as_json({"a": (1, float("inf"))})
    '{"a": [1, "inf"]}\\n'
    """
    return json.dumps(_spelled(value), indent=indent, allow_nan=False) + "\n"


def _spelled(value: Any) -> Any:
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if isinstance(value, Mapping):
        return {str(key): _spelled(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(one) for one in value]
    # A number of numpy's.
    return _spelled(value.item()) if hasattr(value, "item") and not isinstance(value, int | float) else value


def protect(files: Iterable[Path]) -> None:
    """Have every write refuse to replace these files, which are being read."""
    _protected.value = frozenset(file for file in files if file.is_file())


def place_of(path: Path) -> Path:
    """Return where a path leads; the path itself where it cannot be the name of a file, which is said where it is written."""
    try:
        return path.resolve()
    except (OSError, ValueError):
        return path


def is_one_of(target: Path, files: Iterable[Path]) -> bool:
    """Whether a path is one of some files, by whatever name or link."""
    place = place_of(target)
    with suppress(OSError, ValueError):
        if place.exists():
            return any(file.is_file() and place.samefile(file) for file in files)
    return False


def refuse_inputs(targets: Iterable[Path], inputs: Iterable[str | Path] = ()) -> None:
    """Refuse to write over data that is being read.

    Args:
        targets: what will be written.
        inputs: files that are read, besides those that are protected.

    Raises:
        DataError: a target is such a file.
    """
    read = [*_protected.value, *(Path(name).resolve() for name in inputs)]
    for target in targets:
        if is_one_of(target, read):
            raise DataError(f"{target}: is the data that is read; writing here would destroy it. Choose another name.")


def _is_there(target: Path, kind: str) -> bool:
    """Whether a path is there. By `stat`, since some versions of `Path.exists` say no to a name that cannot be."""
    try:
        target.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{str(target)[:80]}: cannot be the name of a {kind} ({reason}).") from None
    return True


def check_target(target: Path) -> None:
    """Refuse a file that cannot be written, before any work is done for it.

    Raises:
        DataError: its folder does not exist, or it is itself a folder.
    """
    _is_there(target, "file")
    if not target.parent.is_dir():
        raise DataError(f"{target.parent}: no such folder. Create it first, or write somewhere else.")
    if target.is_dir():
        raise DataError(f"{target}: is a folder, so no file of that name can be written.")


def check_folder(target: Path) -> None:
    """Refuse a folder that cannot be written, before any work is done for it.

    Raises:
        DataError: the folder above it does not exist, or there is something of that name that is no empty folder.
    """
    try:
        held = _is_there(target, "folder") and (not target.is_dir() or any(target.iterdir()))
    except OSError as error:
        raise DataError(f"{target}: cannot be looked into ({error.strerror}).") from None
    if held:
        what = "holds files already" if target.is_dir() else "is a file"
        raise DataError(f"{target}: {what}, and nothing is overwritten. Name a new folder, or remove this one first.")
    if not target.resolve().parent.is_dir():
        raise DataError(f"{target.parent}: no such folder. Create it first, or write somewhere else.")


@contextmanager
def alone_in(folder: Path, told: bool = True) -> Iterator[None]:
    """Wait until no other process is in such a block for the folder, and keep others out of it; a kill frees it too.

    Where folders cannot be locked, it goes on without, and says so if `told`.
    """
    # On the folder itself, which leaves no file behind.
    handle = None
    try:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            announce(f"note: another process works in {folder}; this one goes on when that has ended")
            fcntl.flock(handle, fcntl.LOCK_EX)
    except (ImportError, OSError) as error:
        if told:
            announce(
                f"note: {folder} cannot be locked here ({error}): two commands that change the same file in it at once could "
                "lose a change. Run them one after the other."
            )
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `target` on success and vanishes on failure; what is there already stays."""
    check_folder(target)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{os.getpid()}.", suffix=f".{target.name}", dir=target.resolve().parent))
    except OSError as error:
        raise DataError(f"{target.parent}: cannot write here ({error.strerror}).") from None
    try:
        folder.chmod(0o777 & ~_umask())
        yield folder
        for path in folder.rglob("*"):
            if path.is_file():
                with path.open("rb") as written:
                    os.fsync(written.fileno())
        check_folder(target)
        # An empty folder gives way; some systems rename over no folder at all.
        if target.exists():
            target.rmdir()
        folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def whole_files(*targets: Path) -> Iterator[tuple[Path, ...]]:
    """Yield one temporary path per target; on success all are renamed into place, on failure none is.

    The temporary name keeps the target's ending, so writers that go by the ending work on it.
    """
    temporary: list[Path] = []
    try:
        refuse_inputs(targets)
        for target in targets:
            check_target(target)
            try:
                handle, name = tempfile.mkstemp(prefix=f".{os.getpid()}.", suffix=f".{target.name}", dir=target.parent)
            except OSError as error:
                raise DataError(f"{target.parent}: cannot write here ({error.strerror}).") from None
            os.close(handle)
            Path(name).chmod(0o666 & ~_umask())
            temporary.append(Path(name))
        yield tuple(temporary)
        for path in temporary:
            with path.open("rb") as written:
                os.fsync(written.fileno())
        for path, target in zip(temporary, targets, strict=True):
            path.replace(target)
    finally:
        for path in temporary:
            with suppress(FileNotFoundError):
                path.unlink()


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes `target` on success and vanishes on failure."""
    with whole_files(target) as (path,):
        yield path


def _umask() -> int:
    # The umask can only be read by setting it; mkstemp makes files private, which is wrong for results people share.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
