"""Files that are either whole or absent: write to a temporary name beside the target, then rename."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from variegate.errors import DataError

__all__ = ["check_target", "whole_file", "whole_files"]


def check_target(target: Path) -> None:
    """Refuse a file that cannot be written, before any work is done for it.

    Raises:
        DataError: its folder does not exist, or it is itself a folder.
    """
    try:
        target.exists()
    except (OSError, ValueError) as error:
        raise DataError(
            f"{str(target)[:80]}: cannot be the name of a file ({getattr(error, 'strerror', None) or error})."
        ) from None
    if not target.parent.is_dir():
        raise DataError(f"{target.parent}: no such folder. Create it first, or write somewhere else.")
    if target.is_dir():
        raise DataError(f"{target}: is a folder, so no file of that name can be written.")


@contextmanager
def whole_files(*targets: Path) -> Iterator[tuple[Path, ...]]:
    """Yield one temporary path per target; on success all are renamed into place, on failure none is.

    The temporary name keeps the target's ending, so writers that go by the ending work on it.
    """
    temporary: list[Path] = []
    try:
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
