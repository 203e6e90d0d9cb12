"""What a model answered to the prompts of a study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from variegate.errors import bad_parameter
from variegate.study.evaluation.prompts import Prompt, reference_names

__all__ = ["Replies", "reference_replies"]


@dataclass(frozen=True)
class Replies:
    """The answers of one model.

    Attributes:
        name: of the model, for people.
        answers: by prompt id, one a turn.
        failures: by prompt id, why there is no answer.
        cut: ids of the prompts with an answer that was cut for its length.
    """

    name: str
    answers: Mapping[str, tuple[str, ...]]
    failures: Mapping[str, str] = field(default_factory=dict)
    cut: frozenset[str] = frozenset()


def reference_replies(prompts: Iterable[Prompt], name: str) -> Replies:
    """Return the reference answers of a name as those of a model.

    Raises:
        ParameterError: some prompt has no such reference.
    """
    prompts = list(prompts)
    lacking = [prompt.id for prompt in prompts if name not in prompt.references]
    if lacking:
        names = ", ".join(f"{known} ({count:,} prompts)" for known, count in reference_names(prompts).items()) or "none"
        raise bad_parameter(
            "judge.against",
            "the study",
            f"a reference that all {len(prompts):,} prompts have (there are: {names})",
            name,
            f"{len(lacking):,} lack it, {lacking[0]} among them: choose prompts that have it, or compare with the "
            "answers of a run.",
        )
    return Replies(name, {prompt.id: prompt.references[name] for prompt in prompts})
