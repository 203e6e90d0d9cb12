"""One of the processes that `accelerate launch` starts: `python -m variegate.study.training.worker JOB`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from variegate.errors import VariegateError
from variegate.loading import load
from variegate.storage import whole_file
from variegate.study.training.launch import settings_from
from variegate.study.training.sft import train_here


def main(job: str) -> None:
    """Do a job's share of the work; the first process writes what was done, or what is wrong with the job."""
    from accelerate import PartialState

    given = json.loads(Path(job).read_text(encoding="utf-8"))
    settings = settings_from(given["settings"])
    first = PartialState(cpu=settings.device == "cpu").is_main_process
    try:
        done = train_here(load(given["rows"]), Path(given["target"]), settings, given["seed"])
    except VariegateError as error:
        if first:
            _write(given["result"], {"error": str(error)})
        sys.exit(f"error: {error}")
    if done is not None:
        _write(given["result"], done)


def _write(path: str, result: dict[str, Any]) -> None:
    with whole_file(Path(path)) as temporary:
        temporary.write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
