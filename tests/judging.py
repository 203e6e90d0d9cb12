"""A judge that prefers plus signs, and answers of which a known number are better."""

from __future__ import annotations

from variegate.study.evaluation.prompts import Prompt
from variegate.study.evaluation.replies import Replies, reference_replies

RUN, OTHER = "the run says", "the reference says"


def better(asked: dict) -> str:
    """Prefer the answer with more plus signs; the signs of both differ from prompt to prompt."""
    first, second = ("".join(asked[name]).count("+") for name in ("answers_A", "answers_B"))
    return "A" if first > second else "B" if first < second else "tie"


def task_of(wins: int, losses: int, ties: int) -> tuple[list[Prompt], Replies, Replies]:
    """Return prompts, and answers of which so many are better."""
    prompts, answers = [], {}
    for at in range(wins + losses + ties):
        reference = f"{OTHER} {at} " + ("+" if wins <= at < wins + losses else "")
        prompts.append(Prompt(f"p{at}", f"set{at % 2}", None, (f"question {at}",), (), {"gpt": (reference,)}))
        answers[f"p{at}"] = (f"{RUN} {at} " + ("+" if at < wins else ""),)
    return prompts, Replies("run 1", answers), reference_replies(prompts, "gpt")
