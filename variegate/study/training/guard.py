"""Runs a command that ends when the process that asked for it has ended, however that came: `python guard.py PIPE COMMAND...`.

A study that is killed can end nothing any more; what it had started would train on, beside the one that takes its place.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from types import FrameType

# Time to end well.
SECONDS = 10.0


def _stay(number: int, frame: FrameType | None) -> None:
    """Outlive a signal that was sent to all of the session, to say how the command took it."""


def _watch(pipe: int) -> None:
    # Nothing is ever written to it: reading ends when nobody holds the other end any more.
    os.read(pipe, 1)
    os.killpg(os.getpgrp(), signal.SIGTERM)
    time.sleep(SECONDS)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main(pipe: int, words: list[str]) -> int:
    """Run a command; return its exit code, and end by the signal that it ended by."""
    signal.signal(signal.SIGTERM, _stay)
    started = subprocess.Popen(words)
    threading.Thread(target=_watch, args=(pipe,), daemon=True).start()
    code = started.wait()
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
