"""What `evaluate` in a study's file may say: a list of evaluations, each of one kind."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from variegate.errors import DataError, ParameterError, missing_extra
from variegate.loading import load
from variegate.study.evaluation.generate import Generation
from variegate.study.evaluation.harness import Harness
from variegate.study.evaluation.judge import Judge
from variegate.study.evaluation.judge_request import Template
from variegate.study.evaluation.loss import HeldOut, heldout_loss, heldout_references, heldout_rows, thinned
from variegate.study.evaluation.prompts import Prompt, choose_prompts, read_prompts
from variegate.study.halves import HALVES, half_of, in_half
from variegate.study.identity import identity
from variegate.study.keys import Keys, located
from variegate.study.models.chat import PLAIN

__all__ = ["KINDS", "Evaluation", "HarnessTasks", "HeldOutLoss", "JudgedAnswers", "read_evaluations"]


class Evaluation(Protocol):
    """One way to tell how good a model is."""

    @property
    def name(self) -> str:
        """What its values are called after."""

    @property
    def headline(self) -> tuple[str, ...]:
        """The values that count for performance, where the study does not say which."""

    @property
    def optional(self) -> tuple[str, ...]:
        """Values that a run may lack, for a reason that its record gives."""

    @property
    def id(self) -> str:
        """The hash of all that its values depend on but the model."""

    def gives(self, value: str) -> bool:
        """Whether one of its values may have that name."""

    def check(self) -> None:
        """Read and check what it takes, before any model is trained for it."""

    def run(self, model: Path, run: str, folder: Path) -> dict[str, Any]:
        """Evaluate a model.

        Args:
            model: its folder.
            run: id of the run that made it.
            folder: where answers and verdicts are kept.

        Returns:
            `values` by name, `higher_is_better` for each of them, and more.
        """


@dataclass(frozen=True)
class HeldOutLoss:
    """Loss on samples that no run is trained on, in nats a token of the responses.

    Attributes:
        name: what its values are called after.
        data: files of samples; or None where there are prompts.
        prompts: files of evaluation prompts, whose reference answers are the samples.
        references: whose answers; of several, the first that a prompt has.
        sets: of the prompts; all if empty.
        by: columns (of prompts: set, category) by whose values the loss is told apart.
        most: samples of each value of the first of these.
        half: "design" or "test" for the samples that a hash puts there.
        max_length: tokens; longer samples lose their end.
        device: "cpu", "cuda" or "auto".
        precision: "float32", "bf16" or "auto".
        batch_tokens: of a batch.
        chat_template: None for the model's own, which it has from its training.
    """

    name: str
    data: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    most: int | None = None
    half: str | None = None
    max_length: int = 2048
    device: str = "auto"
    precision: str = "auto"
    batch_tokens: int = 8192
    chat_template: str | None = None

    @property
    def headline(self) -> tuple[str, ...]:
        """The mean over the values of the first column, else that over all tokens."""
        if not self.by:
            return (self.name,)
        return (f"{self.name}/macro" if len(self.by) == 1 else f"{self.name}/macro_{self.by[0]}",)

    @property
    def optional(self) -> tuple[str, ...]:
        """None: every run has all values."""
        return ()

    @cached_property
    def id(self) -> str:
        """The hash of settings and samples; how many share a batch changes nothing but the last digits, and does not count."""
        held, settings = self.samples, asdict(self)
        for name in ("data", "prompts", "batch_tokens"):
            del settings[name]
        digest = hashlib.sha256()
        for turns in held.conversations:
            digest.update("\0".join(f"{turn.role}\0{turn.text}" for turn in turns).encode() + b"\0\0")
        groups = {column: list(values) for column, values in held.groups.items()}
        return identity({"kind": "loss", **settings, "samples": digest.hexdigest(), "groups": groups})

    @cached_property
    def samples(self) -> HeldOut:
        """The samples, read once."""
        if self.prompts:
            chosen = choose_prompts(read_prompts(*self.prompts), sets=self.sets or None)
            if self.half is not None:
                chosen = [prompt for prompt in chosen if in_half(" ".join(prompt.turns), self.half)]
            return thinned(heldout_references(self.name, chosen, self.references, self.by), self.most)
        return thinned(heldout_rows(self.name, half_of(load(list(self.data)), self.half), self.by), self.most)

    def gives(self, value: str) -> bool:
        """NAME, NAME/macro or NAME/macro_COLUMN, NAME/by_COLUMN/VALUE."""
        parts = [f"{self.name}/by_{column}/" for column in self.by]
        macros = [f"{self.name}/macro" if len(self.by) == 1 else f"{self.name}/macro_{column}" for column in self.by]
        return value in (self.name, *macros) or any(value.startswith(part) for part in parts)

    def check(self) -> None:
        """Read the samples."""
        assert self.samples.conversations

    def run(self, model: Path, run: str, folder: Path) -> dict[str, Any]:
        """Measure the loss."""
        return heldout_loss(
            str(model), [self.samples], max_length=self.max_length, device=self.device, precision=self.precision,
            batch_tokens=self.batch_tokens, chat_template=self.chat_template,
        )  # fmt: skip


@dataclass(frozen=True)
class HarnessTasks:
    """Tasks of lm-evaluation-harness.

    Attributes:
        name: of the evaluation.
        harness: what is run.
        counted: the values that count for performance, as TASK/METRIC.
    """

    name: str
    harness: Harness
    counted: tuple[str, ...] = ()

    @property
    def headline(self) -> tuple[str, ...]:
        """The values that count, by the names that they have in the study: NAME/TASK/METRIC."""
        return tuple(f"{self.name}/{value}" for value in self.counted)

    @property
    def optional(self) -> tuple[str, ...]:
        """None: every run has all values."""
        return ()

    @cached_property
    def id(self) -> str:
        """The hash of the settings, and of the files of a folder of tasks."""
        settings = asdict(self.harness)
        for name in ("batch_size", "device"):
            del settings[name]
        folder = self.harness.folder
        files = [] if folder is None else sorted(path for path in Path(folder).rglob("*") if path.is_file())
        settings["folder"] = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
        return identity({"kind": "harness", "name": self.name, **settings})

    def gives(self, value: str) -> bool:
        """NAME/TASK/METRIC; what tasks a folder or a group has is not known before they are loaded."""
        return value.startswith(f"{self.name}/") and "/" in value.removeprefix(f"{self.name}/").strip("/")

    def check(self) -> None:
        """Refuse tasks that there are not."""
        from variegate.study.evaluation.harness import check_harness

        check_harness(self.harness)

    def run(self, model: Path, run: str, folder: Path) -> dict[str, Any]:
        """Run the tasks."""
        from variegate.study.evaluation.harness import run_harness

        return _named(self.name, run_harness(model, self.harness, self.name))


@dataclass(frozen=True)
class JudgedAnswers:
    """Answers of a model to prompts, compared by a judge with reference answers.

    Attributes:
        name: of the evaluation.
        prompts: files of prompts.
        reference: whose answers they are compared with.
        judge: who judges.
        generation: how the model answers.
        sets: of the prompts; all if empty.
        number: so many of them; all if None.
        seed: of which these are.
    """

    name: str
    prompts: tuple[str, ...]
    reference: str
    judge: Judge
    generation: Generation = field(default_factory=Generation)
    sets: tuple[str, ...] = ()
    number: int | None = None
    seed: int = 0

    @property
    def headline(self) -> tuple[str, ...]:
        """The win rate with length held."""
        return (f"{self.name}/length_controlled_win_rate",)

    @property
    def optional(self) -> tuple[str, ...]:
        """A win rate with length held there is only where answers differ in length."""
        return self.headline

    @cached_property
    def chosen(self) -> list[Prompt]:
        """The prompts, read once."""
        return choose_prompts(
            read_prompts(*self.prompts), sets=self.sets or None, reference=self.reference, number=self.number, seed=self.seed
        )

    @cached_property
    def id(self) -> str:
        """The hash of prompts, reference answers, and how is answered and judged."""
        about = [
            (one.id, one.turns, [dict(message) for message in one.before], one.references[self.reference]) for one in self.chosen
        ]
        answers = {name: value for name, value in asdict(self.generation).items() if name != "device"}
        return identity(
            {"kind": "judge", "name": self.name, "prompts": about, "judge": asdict(self.judge), "answers": answers}
        )  # fmt: skip

    def gives(self, value: str) -> bool:
        """NAME/win_rate and NAME/length_controlled_win_rate."""
        return value in (f"{self.name}/win_rate", f"{self.name}/length_controlled_win_rate")

    def check(self) -> None:
        """Read the prompts, and see that the package that asks is there."""
        from importlib.util import find_spec

        assert self.chosen
        if find_spec("openai") is None:
            raise missing_extra("openai", "endpoint", "A judge")

    def run(self, model: Path, run: str, folder: Path) -> dict[str, Any]:
        """Have the model answer and the judge compare."""
        from variegate.study.evaluation.generate import generate
        from variegate.study.evaluation.judge import compare
        from variegate.study.evaluation.replies import reference_replies

        replies = generate(self.chosen, model, self.generation, identity=run, folder=folder / "answers")
        references = reference_replies(self.chosen, self.reference)
        found = compare(self.chosen, replies, references, self.judge, folder=folder / "verdicts")
        return _named(self.name, found.evaluation(self.name))


def _named(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """Put an evaluation's name before its values: another may have the same task, or the same judge."""
    for kind in ("values", "higher_is_better"):
        found = {**found, kind: {f"{name}/{key}": value for key, value in found[kind].items()}}
    return found


def read_evaluations(keys: Keys, folder: Path, model: str) -> tuple[Evaluation, ...]:
    """Read the list under `evaluate`.

    Args:
        keys: of the study.
        folder: that relative paths are relative to.
        model: that is fine-tuned; its chat template is checked against nothing yet.

    Raises:
        DataError: a file cannot be read.
        ParameterError: a key or value is not known, or two evaluations have one name.
    """
    entries = keys.list_of("evaluate")
    if not entries:
        raise keys.missing("evaluate", "a list of evaluations, such as [{name: heldout, kind: loss, data: heldout.parquet}]")
    found: list[Evaluation] = []
    for entry in entries:
        name = entry.required("name", entry.text("name", None), "what its values are called after")
        if "/" in name or name in [one.name for one in found]:
            raise entry.wrong("name", "a name without '/' that no other evaluation has", name)
        kind = entry.required("kind", entry.one_of("kind", None, tuple(KINDS)), f"one of {', '.join(KINDS)}")
        found.append(KINDS[kind](entry, name, folder))
        entry.done()
    return tuple(found)


def _loss(keys: Keys, name: str, folder: Path) -> Evaluation:
    data, prompts = _files(keys, "data", folder), _files(keys, "prompts", folder)
    if bool(data) == bool(prompts):
        raise ParameterError(
            f"{keys.place()}: '{keys.where}' takes either 'data' (samples) or 'prompts' with 'references'. Give one of them."
        )
    references = tuple(keys.words("references", [])) if prompts else ()
    if prompts and not references:
        raise keys.missing("references", "names of whose answers, such as gpt4")
    return HeldOutLoss(
        name, data, prompts, references, tuple(keys.words("sets", [])) if prompts else (), tuple(keys.words("by", [])),
        keys.whole("most", None, 1), keys.one_of("half", None, HALVES), keys.whole("max_length", 2048, 2),
        keys.one_of("device", "auto", ("auto", "cpu", "cuda")), keys.one_of("precision", "auto", ("auto", "float32", "bf16")),
        keys.whole("batch_tokens", 8192, 1), _read_text(keys, "chat_template", folder),
    )  # fmt: skip


def _harness(keys: Keys, name: str, folder: Path) -> Evaluation:
    tasks = tuple(keys.words("tasks", []))
    of_tasks = keys.text("folder", None)
    harness = _made(keys, lambda: Harness(
        tasks, None if of_tasks is None else str(folder / of_tasks), keys.whole("few_shot", None), keys.whole("limit", None, 1),
        keys.whole("batch_size", 16, 1), keys.flag("apply_chat_template", False), keys.text("device", None),
        keys.whole("seed", 1234),
    ))  # fmt: skip
    headline = tuple(keys.words("headline", []))
    if not headline:
        raise keys.missing("headline", "a list of the values that count for performance, such as [arc_easy/acc_norm]")
    return HarnessTasks(name, harness, headline)


def _judge(keys: Keys, name: str, folder: Path) -> Evaluation:
    prompts = _files(keys, "prompts", folder)
    if not prompts:
        raise keys.missing("prompts", "a file of prompts, or a list of these")
    model = keys.required("judge", keys.text("judge", None), "llm:MODEL or llm:MODEL@URL")
    reference = keys.required("reference", keys.text("reference", None), "whose answers are compared with, such as gpt4")
    template = _read_text(keys, "template", folder)
    judge = _made(keys, lambda: Judge(model, Template(template), keys.whole("verdict_tokens", 512, 1)))
    inner = keys.inner("generate") or Keys({}, keys.path("generate"), keys.file, keys.lines)
    generation = _made(keys, lambda: Generation(
        inner.whole("max_new_tokens", 1024, 1), inner.number("temperature", 0.0, 0), inner.number("top_p", 1.0, 0, 1),
        inner.whole("seed", 0), inner.whole("batch_size", 16, 1), inner.text("device", None),
    ))  # fmt: skip
    inner.done()
    return JudgedAnswers(
        name, prompts, reference, judge, generation, tuple(keys.words("sets", [])), keys.whole("number", None, 1),
        keys.whole("seed", 0),
    )  # fmt: skip


KINDS: Mapping[str, Callable[[Keys, str, Path], Evaluation]] = {"loss": _loss, "harness": _harness, "judge": _judge}


def _made(keys: Keys, build: Callable[[], Any]) -> Any:
    try:
        return build()
    except ParameterError as error:
        raise ParameterError(f"{keys.place()}: '{keys.where}': {error}") from None


def _files(keys: Keys, name: str, folder: Path) -> tuple[str, ...]:
    return tuple(located(one, folder) for one in keys.words(name, []))


def _read_text(keys: Keys, name: str, folder: Path) -> str | None:
    """Read a text that stands in the file itself, or in a file that is named."""
    text = keys.text(name, None)
    if text is None or "{" in text:
        return text
    if text == "plain" and name == "chat_template":
        return PLAIN
    try:
        return (folder / text).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{keys.place(name)}: {folder / text} cannot be read as the '{keys.path(name)}' ({error}).") from None
