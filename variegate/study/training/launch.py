"""A fine-tune on several devices: the same work in processes that `accelerate launch` starts."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from variegate.errors import DataError, ParameterError
from variegate.study.training.process import run_logged
from variegate.study.training.settings import Budget, Lora, Training

__all__ = ["launch_command", "processes_of", "train_by_launch"]

LOG = "train.log"


def processes_of(settings: Training) -> int | None:
    """Return how many processes are launched; None where this one does the work.

    One is launched too where one of several devices is asked for: a process that sees several uses them all.

    Raises:
        ParameterError: there are fewer devices than that.
    """
    import torch

    devices = 0 if settings.device == "cpu" else torch.cuda.device_count()
    if settings.device != "cpu" and (settings.processes or 1) > max(1, devices):
        raise ParameterError(
            f"'train.processes' must be at most {max(1, devices)}, the devices that PyTorch finds here. Got {settings.processes} "
            "instead. On processors alone, set 'train.device' to cpu."
        )
    wanted = settings.processes or max(1, devices)
    return None if wanted == 1 and devices < 2 and settings.accelerate_config is None else wanted


def launch_command(settings: Training, processes: int, job: Path) -> list[str]:
    """Return the command that trains in several processes."""
    worker = ["-m", "variegate.study.training.worker", str(job)]
    if settings.device == "cpu":
        # `accelerate launch` starts one process alone on processors.
        return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", *worker]
    words = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", str(processes), "--num_machines", "1"]
    if settings.accelerate_config is not None:
        return [*words, "--config_file", settings.accelerate_config, *worker]
    # The settings say how products are made, and any free port will do: two studies can run on one machine.
    words += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    words += ["--multi_gpu", "--main_process_port", "0"] if processes > 1 else ["--gpu_ids", "0"]
    return [*words, *worker]


def train_by_launch(
    rows: Path, folder: Path, target: Path, settings: Training, seed: int, processes: int
) -> dict[str, Any]:  # fmt: skip
    """Fine-tune a model in several processes; what they print goes to `train.log` in the run's folder.

    Raises:
        DataError: they failed; the message holds the end of the log.
    """
    job, result = folder / ".job.json", folder / ".result.json"
    result.unlink(missing_ok=True)
    job.write_text(
        json.dumps({"rows": str(rows), "target": str(target), "result": str(result), "settings": asdict(settings), "seed": seed}),
        encoding="utf-8",
    )
    try:
        try:
            run_logged(launch_command(settings, processes, job), folder / LOG)
        except DataError as error:
            known = json.loads(result.read_text(encoding="utf-8")) if result.exists() else {}
            raise DataError(known["error"]) if "error" in known else error from None
        done: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        if done["processes"] != processes:
            raise DataError(
                f"{folder / LOG}: {processes} processes were asked for, and {done['processes']} did the work. Does "
                "'train.accelerate_config' say another number?"
            )
    finally:
        job.unlink(missing_ok=True)
        result.unlink(missing_ok=True)
    return done


def settings_from(values: dict[str, Any]) -> Training:
    """Return settings that were written as plain values."""
    budget, lora = Budget(**values.pop("budget")), values.pop("lora")
    if lora is not None:
        targets = lora["targets"]
        lora = Lora(**{**lora, "targets": targets if isinstance(targets, str) else tuple(targets)})
    return Training(budget=budget, lora=lora, **values)
