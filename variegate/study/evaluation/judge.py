"""A judge: a chat model that says, in both orders, which of two answers serves the user better."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from variegate.errors import VariegateError, bad_parameter
from variegate.study.evaluation.asked import Inquiry, put
from variegate.study.evaluation.judge_request import Template, judging, messages_of
from variegate.study.evaluation.prompts import Prompt
from variegate.study.evaluation.replies import Replies
from variegate.study.evaluation.winrate import CONFIDENCE, RESAMPLES, win_rates
from variegate.views.asking.questions import Plan
from variegate.views.client import Service

__all__ = ["Comparison", "Judge", "Verdicts", "compare"]

LLM = "llm:"
ROOM = 512
# Who stands first in the two orders of a comparison.
RUN_FIRST, OTHER_FIRST = 0, 1


@dataclass(frozen=True)
class Judge:
    """Who judges, and how.

    Attributes:
        model: `llm:MODEL[@URL]`; without a URL the official client's environment variables hold.
        template: the user's own words, in place of the rules that come with the package.
        answer_tokens: room of a verdict with its reasons.
        resamples: of the bootstrap of the win rates.
        confidence: of their intervals.
        seed: of the bootstrap.

    Raises:
        ParameterError: a value is not possible.
    """

    model: str
    template: Template = field(default_factory=Template)
    answer_tokens: int = ROOM
    resamples: int = RESAMPLES
    confidence: float = CONFIDENCE
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.model.startswith(LLM):
            raise bad_parameter("judge.model", "the study", "llm:MODEL or llm:MODEL@URL", self.model)
        for name, least in (("answer_tokens", 1), ("resamples", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise bad_parameter(f"judge.{name}", "the study", f"a whole number of at least {least}", value)
        if not 0 < self.confidence < 1:
            raise bad_parameter("judge.confidence", "the study", "a number between 0 and 1", self.confidence)

    @property
    def service(self) -> Service:
        """The model and where it is served."""
        return Service.parse("judge", "llm", self.model.removeprefix(LLM))


@dataclass(frozen=True)
class Verdicts:
    """What the judge said of the two answers to one prompt, in both orders.

    Attributes:
        run_first: "A", "B" or "tie" where the run's answer was called A.
        other_first: likewise where the other's answer was called A.
    """

    run_first: str
    other_first: str

    @property
    def outcome(self) -> float:
        """1 where the run wins in both orders, 0 where it loses in both, else 0.5."""
        return {("A", "B"): 1.0, ("B", "A"): 0.0}.get((self.run_first, self.other_first), 0.5)

    @property
    def agree(self) -> bool:
        """Whether both orders say the same of the answers."""
        return (self.run_first, self.other_first) in (("A", "B"), ("B", "A"), ("tie", "tie"))


@dataclass(frozen=True)
class Comparison:
    """What was found of a run against another model.

    Attributes:
        judge: who judged.
        run: the run's answers.
        other: whom it was compared with.
        prompts: the prompts that were to be compared.
        plan: what there was to ask.
        verdicts: by prompt id.
        identical: ids of prompts with the same answers twice, which are ties and are not asked.
        failures: by prompt id, why there is no outcome: no answer, or no verdict that could be read
            in one of the orders.
        waiting: ids of prompts that have not been asked in both orders yet, for the limit or
            because it is a dry run.
    """

    judge: Judge
    run: Replies
    other: Replies
    prompts: Sequence[Prompt]
    plan: Plan
    verdicts: Mapping[str, Verdicts]
    identical: Sequence[str]
    failures: Mapping[str, str]
    waiting: Sequence[str]

    def evaluation(self, name: str) -> dict[str, Any]:
        """Return the evaluation of the run, as a study keeps it.

        Values, in [0, 1], larger is better, 0.5 where neither is better:

        - `win_rate`: mean outcome over prompts: 1 for a win, 0.5 for a tie, 0 for a loss;
        - `length_controlled_win_rate`: what it would be between answers of the same length (see
          `study/winrate.py`); absent, with the reason under `details`, where the lengths cannot
          tell.

        Args:
            name: of the evaluation.

        Raises:
            VariegateError: something has not been asked yet, or no prompt has an outcome.
        """
        if self.waiting:
            raise VariegateError(
                f"{name}: {len(self.waiting):,} of {len(self.prompts):,} prompts have not been judged in both orders "
                "yet, so there is no win rate. Call it again without a limit; nothing is asked twice."
            )
        outcomes = self.outcomes()
        if not outcomes:
            prompt, reason = next(iter(self.failures.items()))
            raise VariegateError(f"{name}: none of {len(self.prompts):,} prompts has an outcome. {prompt}: {reason}.")
        rates = win_rates(
            np.array(list(outcomes.values())),
            np.array([self.longer_by(prompt) for prompt in outcomes], np.float64),
            resamples=self.judge.resamples,
            confidence=self.judge.confidence,
            seed=self.judge.seed,
        )
        values = {"win_rate": rates.plain.value}
        if rates.length_controlled is not None:
            values["length_controlled_win_rate"] = rates.length_controlled.value
        return {
            "name": name,
            "kind": "judge",
            "values": values,
            "higher_is_better": dict.fromkeys(values, True),
            "details": {**self._settings(), **self._counts(outcomes), "rates": asdict(rates), "outcomes": outcomes},
        }

    def outcomes(self) -> dict[str, float]:
        """Return the outcome of each prompt that has one, in the order of the prompts."""
        same = set(self.identical)
        return {
            prompt.id: 0.5 if prompt.id in same else self.verdicts[prompt.id].outcome
            for prompt in self.prompts
            if prompt.id in same or prompt.id in self.verdicts
        }

    def longer_by(self, prompt: str) -> int:
        """Return by how many characters the run's answers to a prompt are longer, over all turns."""
        return sum(map(len, self.run.answers[prompt])) - sum(map(len, self.other.answers[prompt]))

    def _settings(self) -> dict[str, Any]:
        return {"judge": asdict(self.judge), "run": self.run.name, "against": self.other.name}

    def _counts(self, outcomes: Mapping[str, float]) -> dict[str, Any]:
        given = list(self.verdicts.values())
        orders = [(one.run_first, one.other_first) for one in given]
        by_set: dict[str, list[float]] = {}
        for prompt in self.prompts:
            if prompt.id in outcomes:
                by_set.setdefault(prompt.set, []).append(outcomes[prompt.id])
        return {
            "prompts": len(self.prompts),
            "wins": sum(outcome == 1 for outcome in outcomes.values()),
            "ties": sum(outcome == 0.5 for outcome in outcomes.values()),
            "losses": sum(outcome == 0 for outcome in outcomes.values()),
            "failed": len(self.failures),
            "failures": dict(self.failures),
            "identical": len(self.identical),
            "cut": sum(prompt in self.run.cut for prompt in outcomes),
            # How far the order decides: shares of the prompts that were judged.
            "orders_agree": _share([one.agree for one in given]),
            "first_wins_in_both_orders": _share([order == ("A", "A") for order in orders]),
            "second_wins_in_both_orders": _share([order == ("B", "B") for order in orders]),
            "by_set": {name: {"prompts": len(of), "win_rate": float(np.mean(of))} for name, of in by_set.items()},
        }


def compare(
    prompts: Iterable[Prompt],
    run: Replies,
    other: Replies,
    judge: Judge,
    *,
    folder: Path | None = None,
    limit: int | None = None,
    dry: bool = False,
    again: bool = False,
) -> Comparison:
    """Have a judge compare the answers of a run with those of another model, in both orders.

    Every verdict is kept when it comes, with prompt, answers, order and the judge's words, so that
    a killed call goes on where it was, and the same comparison is never paid for twice. An answer
    of the judge without a verdict is asked for once more; then the prompt counts as failed, which
    is no tie.

    Args:
        prompts: what was asked.
        run: the run's answers.
        other: those of another model or run, or of a reference (`reference_replies`).
        judge: who judges.
        folder: where verdicts are kept; the cache if None.
        limit: requests at most; both orders of a prompt come one after the other.
        dry: only count what there is to ask.
        again: ask again where no verdict could be read in an earlier call.

    Raises:
        ParameterError: a prompt with neither an answer nor a reason why it has none, or with
            another number of answers.
        VariegateError: the judge's server refuses, fails, or answers nothing any more. What was
            judged is kept.
    """
    prompts = list(prompts)
    failures = _without_answers(prompts, run, other)
    compared = [prompt for prompt in prompts if prompt.id not in failures]
    identical = [prompt.id for prompt in compared if run.answers[prompt.id] == other.answers[prompt.id]]
    asked = [prompt for prompt in compared if prompt.id not in set(identical)]

    def pair(at: int) -> tuple[Prompt, tuple[str, ...], tuple[str, ...]]:
        prompt, order = asked[at // 2], at % 2
        answers = run.answers[prompt.id], other.answers[prompt.id]
        return (prompt, *(answers if order == RUN_FIRST else answers[::-1]))

    def kept(at: int, answer: Mapping[str, str]) -> dict[str, Any]:
        prompt, first, second = pair(at)
        names = (run.name, other.name) if at % 2 == RUN_FIRST else (other.name, run.name)
        about = {"prompt": prompt.id, "turns": prompt.turns, "A": first, "B": second, "A_is": names[0], "B_is": names[1]}
        return {**answer, **about, "model": judge.model}

    questions = [messages_of(*pair(at), judge.template)[0]["content"] for at in range(2 * len(asked))]
    inquiry = Inquiry(
        judge.service,
        judging(judge.template, judge.answer_tokens),
        judge.template.settings,
        kind="verdicts",
        root=folder,
        doing="judging",
        nouns=("comparisons", "different comparisons"),
        kept=kept,
        # Both orders of a prompt together, the prompts in no order: what a limit admits is a fair
        # sample.
        order=lambda at: (hashlib.sha256(questions[at - at % 2].encode()).hexdigest(), at % 2),
        limit=limit,
        dry=dry,
        again=again,
    )
    found = put(inquiry, questions, lambda at: messages_of(*pair(at), judge.template))
    verdicts, waiting = {}, []
    for number, prompt in enumerate(asked):
        both = [2 * number + RUN_FIRST, 2 * number + OTHER_FIRST]
        reasons = [found.failures[at] for at in both if at in found.failures]
        if reasons:
            failures[prompt.id] = "no verdict: " + reasons[0]
        elif all(at in found.answers for at in both):
            verdicts[prompt.id] = Verdicts(*(found.answers[at]["verdict"] for at in both))
        else:
            waiting.append(prompt.id)
    return Comparison(judge, run, other, prompts, found.plan, verdicts, identical, failures, waiting)


def _without_answers(prompts: Sequence[Prompt], run: Replies, other: Replies) -> dict[str, str]:
    """Return by prompt id which answer is missing and why."""
    failures = {}
    for prompt in prompts:
        for replies in (run, other):
            answers = replies.answers.get(prompt.id)
            if answers is None and prompt.id in replies.failures:
                failures[prompt.id] = f"no answer of {replies.name}: {replies.failures[prompt.id]}"
            elif answers is None or len(answers) != len(prompt.turns):
                raise bad_parameter(
                    "replies",
                    "compare",
                    f"one answer of {replies.name} to each of the {len(prompt.turns)} turns of {prompt.id}",
                    answers,
                )
    return failures


def _share(marks: Sequence[bool]) -> float | None:
    return float(np.mean(marks)) if marks else None
