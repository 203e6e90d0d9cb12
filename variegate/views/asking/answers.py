"""Answers that were paid for: kept one by one in SQLite, so that a killed run has lost none and a rerun asks none twice.

Each answer is a transaction of its own. Only one process at a time asks one model at one place (:meth:`Answers.claim`); a
second one waits, then finds the first one's answers. The lock is SQLite's, so it goes with the process that holds it.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from variegate.errors import DataError
from variegate.views.cache import cache_root

__all__ = ["Answers", "answer_key", "open_answers"]

# Raised whenever the layout changes, so that old files are not read.
FORMAT = 1
# SQLite's oldest limit of variables in one statement is 999.
KEYS_AT_ONCE = 900
POLL_SECONDS = 0.2


def answer_key(settings: Mapping[str, str | int | float | None], text: str) -> str:
    """Return the key of an answer: a hash of everything that it depends on."""
    whole = json.dumps({"format": FORMAT, **settings, "text": text}, sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()


class Answers:
    """Answers of one model at one place, by key.

    Args:
        folder: where the file lies; None keeps the answers in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._guard = threading.Lock()
        with self._named():
            self._base = sqlite3.connect(
                ":memory:" if folder is None else folder / "answers.sqlite",
                timeout=60, isolation_level=None, check_same_thread=False,
            )  # fmt: skip
            # Whatever becomes of this object: an open file is noticed by Python, and on Windows by whoever removes it.
            weakref.finalize(self, self._base.close)
            # A write-ahead log needs no sync for each answer. Where a file system has none, SQLite goes on without.
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = NORMAL")
            self._base.execute(
                "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL, how TEXT NOT NULL) WITHOUT ROWID"
            )

    def known(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return the answers that there are to some keys, as they were given to :meth:`keep`."""
        found: dict[str, Any] = {}
        with self._named(), self._guard:
            for start in range(0, len(keys), KEYS_AT_ONCE):
                part = keys[start : start + KEYS_AT_ONCE]
                marks = ",".join("?" * len(part))
                rows = self._base.execute(f"SELECT key, answer FROM answers WHERE key IN ({marks})", part)
                found.update((key, json.loads(answer)) for key, answer in rows)
        return found

    def keep(self, key: str, answer: object, how: str) -> None:
        """Keep an answer; when this returns, a kill no longer loses it.

        Args:
            key: of :func:`answer_key`.
            answer: anything that JSON can hold.
            how: in what form the model was asked, for people.
        """
        with self._named(), self._guard:
            self._base.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, json.dumps(answer), how))

    @contextmanager
    def claim(self, waiting: Callable[[], bool]) -> Iterator[bool]:
        """Hold the right to ask, which one process at a time has.

        Args:
            waiting: called again and again while another process has it; false gives up.

        Yields:
            Whether it is held.
        """
        if self.folder is None:
            yield True
            return
        with self._named():
            lock = sqlite3.connect(self.folder / "asking.sqlite", timeout=0, isolation_level=None)
            try:
                while not (held := _begun(lock)) and waiting():
                    time.sleep(POLL_SECONDS)
            except BaseException:
                lock.close()
                raise
        try:
            yield held
        finally:
            lock.close()

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise DataError(
                f"{self.folder}: the answers kept here cannot be read or written ({error}). Is the disk full, or the file "
                "damaged? Free some room or move the folder away, or pass another folder with --cache."
            ) from None


def _begun(lock: sqlite3.Connection) -> bool:
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        return False
    return True


@contextmanager
def open_answers(kind: str, place: Mapping[str, str | None], root: Path | None = None) -> Iterator[Answers]:
    """Open the answers of one model at one place.

    Args:
        kind: folder name for people.
        place: model and URL; the name of the folder is a hash of these.
        root: folder above it; the cache if None.
    """
    text = json.dumps({"format": FORMAT, **place}, sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()[:32]
    root = root or cache_root()
    if root is None:
        yield _in_memory(f"{kind}/{name}")
        return
    folder = root / kind / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "settings.json").write_text(json.dumps(dict(place), indent=1, sort_keys=True), encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"{folder}: the cache cannot be written here ({error.strerror}). Set another folder with --cache, or --cache off."
        ) from None
    answers = Answers(folder)
    try:
        yield answers
    finally:
        answers.close()


@lru_cache(maxsize=16)
def _in_memory(name: str) -> Answers:
    # For the whole process: a pool and a part of it share texts, with the cache off too.
    return Answers(None)
