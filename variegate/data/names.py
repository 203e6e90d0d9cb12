"""What fields are called in the data sets that people have: questions, passages, reasoning, answers, settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

__all__ = ["ANSWERS", "PASSAGES", "PROMPTS", "REASONING", "SYSTEMS", "by_rank", "is_reference", "is_there", "plain"]

# Each in the order in which they are looked for: the more telling names first.
PROMPTS = (
    "instruction", "definition", "prompt", "question", "query", "problem", "user_prompt", "user_input", "user_message", "user",
    "human", "instructions", "inputs", "input", "input_text", "inputs_pretokenized", "request", "message_1", "task", "trajectory",
    "goal", "intent", "questions", "q", "source",
)  # fmt: skip
ANSWERS = (
    "response", "output", "completion", "attempt", "solution", "answer", "answers", "std_answer", "target", "targets", "reply",
    "assistant", "generation", "generated_solution", "generated_text", "model_response", "model_output", "assistant_response",
    "bot", "gpt", "chatgpt", "long_answer", "best_answer", "outputs", "responses", "completions", "generations", "chosen",
    "message_2", "a",
)  # fmt: skip
# A text that the question is about: it belongs to what the user says, after the question.
PASSAGES = (
    "context", "contexts", "passage", "passages", "background", "document", "documents", "article", "paragraph", "knowledge",
)  # fmt: skip
# What the model thinks before it answers, and is trained on.
REASONING = (
    "reasoning_content", "reasoning", "thinking", "thought", "thoughts", "chain_of_thought", "cot", "complex_cot",
    "tool_plan",
)  # fmt: skip
SYSTEMS = ("system", "system_prompt", "system_message", "system_instruction", "meta_instruction")

# Parts of a name that make it an answer or reasoning, and parts that say that it is none after all.
_TELLING = {
    ANSWERS: {"response", "answer", "output", "completion", "solution", "generation", "reply", "target", "attempt"},
    REASONING: {"reasoning", "thinking", "thought", "cot"},
}
_NOT_TELLING = {
    "id", "type", "length", "len", "score", "token", "count", "num", "number", "n", "rating", "format", "time", "url", "lang",
    "language", "label", "list", "model", "source", "quality", "start", "key", "rejected", "prefix", "is", "has", "incorrect",
    "wrong", "name", "reward", "hash", "date", "mask", "from", "effort", "level", "mode", "complete",
}  # fmt: skip
# What is expected is mostly a short reference for a reward, beside what was generated.
_REFERENCE = {"expected", "final", "reference", "gold", "correct", "short", "ground", "truth"}


def plain(name: object) -> str:
    """Return a field's name in lower case, its words parted by underscores.

    >>> plain("Best Answer"), plain("LONG_ANSWER"), plain("modelOutput")
    ('best_answer', 'long_answer', 'model_output')
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(name).strip())
    return re.sub(r"[\W_]+", "_", words).strip("_").lower()


def is_there(value: object) -> bool:
    """Whether a value says anything: null, an empty text and an empty list are how tables write that there is none."""
    return value is not None and not (isinstance(value, str | list | tuple | Mapping) and len(value) == 0)


def by_rank(names: Iterable[str], known: tuple[str, ...]) -> list[str]:
    """Return those of some names that are known, the most telling first; of answers also `response_0` and the like.

    >>> by_rank(["id", "response_0", "Answer", "answer_type"], ANSWERS)
    ['Answer', 'response_0']
    """
    ranks = {}
    short = [one.replace("_", "") for one in known]
    for name in names:
        one = plain(name)
        if one.replace("_", "") in short:
            ranks[name] = (0, short.index(one.replace("_", "")))
        elif known in _TELLING:
            words = {word.rstrip("0123456789").removesuffix("s") for word in one.split("_")} - {""}
            if words & _TELLING[known] and not words & _NOT_TELLING:
                ranks[name] = (1 + bool(words & _REFERENCE), 0)
    return sorted(ranks, key=lambda name: ranks[name])


def is_reference(name: str) -> bool:
    """Whether an answer's name says that it is a reference to check answers by."""
    return bool(set(plain(name).split("_")) & _REFERENCE)
