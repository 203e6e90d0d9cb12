"""Does a study, and kills it on the way: `python -m tests.killed PLAN.json`; prints a line for each attempt.

The plan is a JSON object: `study` (its file), `pretend` (train and evaluate nothing), and `folders`: each with a list of how its
attempts end. {"event": N} kills one before the N-th thing that it changes on the disk, {"stage": NAME, "seconds": S} so many seconds
after a stage began. A last attempt in each folder is left alone.

Heavy packages are imported once, and each attempt is a fork; it kills itself by SIGKILL, which nothing can catch.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

STAGES = ("subsets", "measures", "train", "evaluate", "correlate", "page")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def stage_of(path: str, name: str, event: str) -> str | None:
    """Return the stage that a change on the disk belongs to, or that begins with it."""
    if "/measures/" in path:
        return "measures"
    if path.startswith("subsets/"):
        return "subsets"
    if path.startswith("runs/"):
        return "evaluate" if "/evaluations" in path or name.endswith("training.json") or ".gone." in path else "train"
    if path.startswith("tables/") or name.endswith("runs.parquet"):
        # The page is drawn when the last table is there.
        return "page" if name.endswith("findings.json") and event == "os.rename" else "correlate"
    return "page" if name.endswith("page.html") else None


class Watch:
    """Counts what an attempt changes on the disk below a folder, and kills it there.

    Attributes:
        shared: bytes that the parent sees: the stage, and the number of changes.
    """

    def __init__(self, folder: Path, shared: mmap.mmap) -> None:
        self.root, self.shared, self.count = str(folder.resolve()) + os.sep, shared, 0
        self.kill: dict[str, Any] = {}

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Be told of an event, before it comes to pass."""
        if event == "open":
            if not (isinstance(arguments[2], int) and arguments[2] & WRITES):
                return
        elif event not in ("os.rename", "os.remove", "os.mkdir", "os.rmdir"):
            return
        if not isinstance(arguments[0], str | os.PathLike):
            return
        path = os.fspath(arguments[0])
        if not isinstance(path, str) or not path.startswith(self.root):
            return
        self.count += 1
        self.shared[1:5] = self.count.to_bytes(4, "little")
        stage = stage_of(path.removeprefix(self.root), Path(path).name, event)
        if stage is not None:
            self.shared[0] = STAGES.index(stage) + 1
        if self.kill.get("event") == self.count:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kill.get("stage") == stage is not None:
            seconds, self.kill = self.kill["seconds"], {}
            # Another thread, so that whatever is being done goes on until then.
            threading.Thread(target=lambda: (time.sleep(seconds), os.kill(os.getpid(), signal.SIGKILL)), daemon=True).start()


def attempt(file: str, folder: str, kill: dict[str, Any]) -> dict[str, Any]:
    """Do the study in a process of its own, which may be killed."""
    shared = mmap.mmap(-1, 8)
    begun = time.monotonic()
    process = os.fork()
    if not process:
        status = 70
        try:
            watch = Watch(Path(folder), shared)
            watch.kill = dict(kill)
            sys.addaudithook(watch)
            from variegate.cli import main

            status = main(["study", file, "-o", folder])
        finally:
            sys.stdout.flush()
            os._exit(status)
    _, ended = os.waitpid(process, 0)
    return {
        "killed": os.WIFSIGNALED(ended), "status": None if os.WIFSIGNALED(ended) else os.WEXITSTATUS(ended),
        "stage": STAGES[shared[0] - 1] if shared[0] else "subsets", "changes": int.from_bytes(shared[1:5], "little"),
        "seconds": round(time.monotonic() - begun, 2),
    }  # fmt: skip


def prepare(pretending: bool) -> None:
    """Import what every attempt takes; with pretence, have nothing trained."""
    import pyarrow.parquet  # noqa: F401

    import variegate.study.conduct
    import variegate.study.page  # noqa: F401

    if pretending:
        import pytest

        from tests import pretend

        pretend.only_pretend(pytest.MonkeyPatch())
        return
    import datasets  # noqa: F401
    import torch
    import transformers  # noqa: F401

    from variegate.study.training.trainer import trainer_class

    # A fork keeps none of the threads that its parent may have started for work.
    torch.set_num_threads(1)
    trainer_class()


def main(plan: dict[str, Any]) -> None:
    """Kill a study as planned, and let it end."""
    prepare(plan["pretend"])
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # What the study itself prints is of no matter here.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if not plan.get("loud"):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    for folder, kills in plan["folders"].items():
        for kill in [*kills, {}]:
            print(json.dumps({"folder": folder, **attempt(plan["study"], folder, kill), "kill": kill}), file=out, flush=True)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
