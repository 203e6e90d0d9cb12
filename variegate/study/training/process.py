"""A command whose output goes to a log, and which ends with the one that started it."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from variegate.errors import DataError
from variegate.progress import announce
from variegate.study.training import guard

__all__ = ["run_logged"]

SHOWN = 20
LONGEST = 400


def run_logged(words: Sequence[str], log: Path, cwd: Path | None = None, more: Mapping[str, str] | None = None) -> None:
    """Run a command to its end; what it prints goes to a file as it comes. It ends when we do, by SIGKILL too.

    Args:
        words: of the command.
        log: the file, written anew.
        cwd: where it runs.
        more: variables of its environment, besides ours.

    Raises:
        DataError: there is no such command, or it failed; the message holds the end of the log.
    """
    announce(f"running {shlex.join(words)}; its output goes to {log}")
    environment = {**os.environ, **(more or {})}
    place = Path(cwd or ".") / words[0]
    if shutil.which(str(place) if os.sep in words[0] else words[0], path=environment.get("PATH")) is None:
        raise DataError(f"{words[0]}: cannot be run, since there is no such program. Is it installed, and on the PATH?")
    reading, writing = os.pipe()
    with log.open("wb") as stream, os.fdopen(reading, "rb"), os.fdopen(writing, "wb"):
        # A session of its own, so that what it starts can be ended with it.
        started = subprocess.Popen(
            [sys.executable, "-I", str(Path(guard.__file__)), str(reading), *words], stdin=subprocess.DEVNULL, stdout=stream,
            stderr=subprocess.STDOUT, cwd=cwd, env=environment, start_new_session=True, pass_fds=(reading,),
        )  # fmt: skip
        try:
            code = started.wait()
        except BaseException:
            _end(started)
            raise
    if code:
        how = f"was ended by signal {-code}" if code < 0 else f"failed with exit code {code}"
        raise DataError(f"{shlex.join(words)}: {how}. The end of {log}:\n{last_lines(log)}")


def _end(started: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(started.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(timeout=10)
            return


def last_lines(log: Path) -> str:
    """Return the last lines of a log."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - SHOWN * LONGEST))
        lines = stream.read().decode("utf-8", "replace").replace("\r", "\n").splitlines()
    kept = [line[:LONGEST] for line in lines if line.strip()][-SHOWN:]
    return "\n".join(f"  {line}" for line in kept) or "  (it printed nothing)"
