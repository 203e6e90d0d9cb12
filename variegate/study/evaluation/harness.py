"""Tasks of lm-evaluation-harness on a trained model: built-in ones, or YAML tasks of a folder."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from variegate.errors import DataError, ParameterError, VariegateError, bad_parameter, missing_extra
from variegate.study.models.local_model import stop_tokens
from variegate.views.client import first_line
from variegate.views.models import best_device, not_loaded

__all__ = ["Harness", "check_harness", "run_harness"]

# What results are called that went through no filter.
NO_FILTER = "none"


@dataclass(frozen=True)
class Harness:
    """What is run, and how.

    Attributes:
        tasks: names of tasks, groups or tags, as `lm_eval ls tasks` lists them; `TASK/METRIC` keeps
            one metric of a task alone. With a folder also the names of its tasks; all of these if
            empty.
        folder: of YAML tasks.
        few_shot: examples before each question; as the task says if None.
        limit: documents of a task; all if None.
        batch_size: sequences that the model scores together.
        apply_chat_template: whether questions stand in the model's chat template.
        device: "cpu", "cuda", "cuda:N"; the GPU where there is one if None.
        seed: of the few-shot examples and of everything else that is drawn; the default is that of
            the package.

    Raises:
        ParameterError: a value is not possible.
    """

    tasks: tuple[str, ...] = ()
    folder: str | None = None
    few_shot: int | None = None
    limit: int | None = None
    batch_size: int = 16
    apply_chat_template: bool = False
    device: str | None = None
    seed: int = 1234

    def __post_init__(self) -> None:
        if isinstance(self.tasks, str) or not all(isinstance(task, str) and task for task in self.tasks):
            raise _refused("tasks", "a list of names", self.tasks)
        if not self.tasks and self.folder is None:
            raise _refused("tasks", "a list of at least one name, unless there is a folder of tasks", self.tasks)
        if self.folder is not None and not Path(self.folder).is_dir():
            raise _refused("folder", "a folder of YAML tasks", self.folder)
        if not isinstance(self.apply_chat_template, bool):
            raise _refused("apply_chat_template", "true or false", self.apply_chat_template)
        for name, least in (("few_shot", 0), ("limit", 1), ("batch_size", 1), ("seed", 0)):
            value = getattr(self, name)
            optional = name in ("few_shot", "limit")
            if (value is None and optional) or (isinstance(value, int) and not isinstance(value, bool) and value >= least):
                continue
            raise _refused(name, f"a whole number of at least {least}", value)


def _refused(name: str, allowed: str, got: object) -> ParameterError:
    return bad_parameter(f"harness.{name}", "the study", allowed, got)


def run_harness(model: str | Path, harness: Harness, name: str) -> dict[str, Any]:
    """Return the evaluation of a model by tasks of lm-evaluation-harness, as a study keeps it.

    Values are named `TASK/METRIC`, with `,FILTER` after it where the task filters answers. Of a
    group that has a metric of its own, that is the value; its tasks stand in the details. Which end
    is better is what the task says. Details have the standard error of each value, and documents,
    few-shot examples and version of each task.

    Args:
        model: folder as `save_pretrained` writes it, with the tokenizer; or a Hub name.
        harness: what is run.
        name: of the evaluation.

    Raises:
        MissingExtraError: lm-eval is not installed.
        ParameterError: there is no such task or metric.
        DataError: a task does not say which end is better, or came to no number.
        VariegateError: the harness failed.
    """
    lm_eval = _lm_eval()
    manager, wanted = _tasks(harness)
    with _draws_put_back():
        try:
            found = lm_eval.simple_evaluate(
                model=_wrapped(str(model), harness),
                tasks=list(wanted),
                num_fewshot=harness.few_shot,
                limit=harness.limit,
                log_samples=False,
                apply_chat_template=harness.apply_chat_template,
                task_manager=manager,
                random_seed=harness.seed,
                numpy_random_seed=harness.seed,
                torch_random_seed=harness.seed,
                fewshot_random_seed=harness.seed,
            )
        except VariegateError:
            raise
        except Exception as error:
            # Tasks run code of their own and fetch data, so anything may come.
            raise VariegateError(
                f"{name}: lm-evaluation-harness {lm_eval.__version__} failed on {', '.join(wanted)} with {model} "
                f"({first_line(error)})."
            ) from error
    return _evaluation(found, wanted, harness, name, lm_eval.__version__)


def check_harness(harness: Harness) -> None:
    """Refuse what cannot be run, before any model is trained for it.

    Raises:
        MissingExtraError: lm-eval is not installed.
        ParameterError: there is no such task.
    """
    _lm_eval()
    _tasks(harness)


def _wrapped(model: str, harness: Harness) -> Any:
    """Return a model as the harness takes it."""
    from lm_eval.models.huggingface import HFLM

    device = harness.device or best_device()
    try:
        wrapped = HFLM(pretrained=model, device=device, batch_size=harness.batch_size)
    except Exception as error:
        raise not_loaded(model, error) from error
    if harness.apply_chat_template:
        # Answers to questions in a chat template end at the template's end of a turn. The harness
        # stops where the model says, and what it generated after an end that it did not know would
        # be taken for part of the answer.
        options = wrapped.model.generation_config
        options.eos_token_id = stop_tokens(wrapped.tokenizer, options.eos_token_id)
    return wrapped


def _lm_eval() -> Any:
    """Return the package, checked to be there with what it needs for models in folders."""
    purpose = "An evaluation by lm-evaluation-harness"
    try:
        import lm_eval
        import lm_eval.models.huggingface
    except ImportError as error:
        # Its part for transformers asks for accelerate and peft, which it does not bring by itself.
        raise missing_extra("lm-eval" if error.name in (None, "lm_eval") else str(error.name), "evaluate", purpose) from None
    return lm_eval


def _tasks(harness: Harness) -> tuple[Any, dict[str, set[str]]]:
    """Return the index of tasks, and by name of what is run the metrics to keep: all if none.

    Raises:
        ParameterError: a name that is not known.
    """
    from lm_eval.tasks import TaskManager

    wanted: dict[str, set[str]] = {}
    for task, slash, metric in (entry.partition("/") for entry in harness.tasks):
        kept = wanted.setdefault(task, set())
        if slash:
            kept.add(metric)
    own = None if harness.folder is None else TaskManager(include_path=harness.folder, include_defaults=False)
    if own is not None:
        wanted = wanted or {task: set() for task in own.all_subtasks}
        if not wanted:
            raise _refused("folder", "a folder of YAML tasks", harness.folder)
        if set(wanted) <= set(own.all_tasks):
            return own, wanted
    known = {*_index_of_the_package().all_tasks, *(own.all_tasks if own else [])}
    for task in wanted:
        if task not in known:
            raise ParameterError(f"Unknown task {task!r} of lm-evaluation-harness.{_near(task, sorted(known))}")
    return TaskManager(include_path=harness.folder) if own else _index_of_the_package(), wanted


@lru_cache(maxsize=1)
def _index_of_the_package() -> Any:
    # Thousands of files are read for it.
    from lm_eval.tasks import TaskManager

    return TaskManager()


def _near(name: str, known: list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(close)}?" if close else " `lm_eval ls tasks` lists all."


@contextmanager
def _draws_put_back() -> Iterator[None]:
    """Put all generators of random numbers back, which the harness seeds for the whole process."""
    import random

    import numpy as np
    import torch

    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002


def _evaluation(
    found: Mapping[str, Any], wanted: Mapping[str, set[str]], harness: Harness, name: str, version: str
) -> dict[str, Any]:
    """Return the evaluation that the harness's results make."""
    results, better = found["results"], found["higher_is_better"]
    groups = {group for group, row in found.get("groups", {}).items() if _metrics(row)}
    below = _below(groups, found.get("group_subtasks", {}))
    values: dict[str, float] = {}
    oriented: dict[str, bool] = {}
    errors: dict[str, float | None] = {}
    subtasks: dict[str, float] = {}
    for task, row in results.items():
        kept = wanted.get(task, set())
        for key, (metric, value, error) in _metrics(row).items():
            if task in below and task not in wanted:
                subtasks[f"{task}/{key}"] = value
            elif not kept or metric in kept or key in kept:
                full = f"{task}/{key}"
                values[full], oriented[full], errors[full] = value, _better(better, task, metric, full), error
    for task, kept in wanted.items():
        there = _metrics(results.get(task, {}))
        lacking = sorted(kept - {name for key, (metric, *_) in there.items() for name in (key, metric)})
        if lacking:
            has = f"It has: {', '.join(there)}." if there else "It has none of its own; name its tasks."
            raise ParameterError(f"The task {task!r} has no metric {lacking[0]!r}. {has}")
    broken = [full for full, value in {**values, **subtasks}.items() if not math.isfinite(value)]
    if broken or not values:
        raise DataError(f"{name}: lm-evaluation-harness came to no number for {', '.join(broken or wanted)}.")
    documents = {task: count["effective"] for task, count in found.get("n-samples", {}).items()}
    details = {
        "harness": {**asdict(harness), "tasks": list(harness.tasks)},
        "lm_eval": version,
        "stderr": errors,
        "documents": documents,
        "few_shot": dict(found.get("n-shot", {})),
        "task_versions": dict(found.get("versions", {})),
        "subtasks": subtasks,
    }
    return {"name": name, "kind": "harness", "values": values, "higher_is_better": oriented, "details": details}


def _metrics(row: Mapping[str, Any]) -> dict[str, tuple[str, float, float | None]]:
    """Return a task's metrics by the name that is shown: the metric, its value, its standard error."""
    found = {}
    for key, value in row.items():
        metric, comma, filtered = key.partition(",")
        if not comma or metric.endswith("_stderr") or not isinstance(value, int | float):
            continue
        error = row.get(f"{metric}_stderr,{filtered}")
        # It is "N/A" where the metric has none.
        known = float(error) if isinstance(error, int | float) and math.isfinite(error) else None
        found[metric if filtered == NO_FILTER else key] = (metric, float(value), known)
    return found


def _below(groups: set[str], children: Mapping[str, list[str]]) -> set[str]:
    """Return everything that stands below some groups."""
    below: set[str] = set()
    todo = list(groups)
    while todo:
        for child in children.get(todo.pop(), []):
            if child not in below:
                below.add(child)
                todo.append(child)
    return below


def _better(better: Mapping[str, Any], task: str, metric: str, full: str) -> bool:
    """Return whether larger is better.

    Raises:
        DataError: the task does not say.
    """
    found = (better.get(task) or {}).get(metric)
    if not isinstance(found, bool):
        raise DataError(
            f"{full}: the task does not say whether larger is better. Write `higher_is_better` into its metric_list, or keep "
            "another metric with TASK/METRIC."
        )
    return found
