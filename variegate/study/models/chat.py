"""Conversations as a model reads them: rendered by a chat template, with the part that the model itself writes marked.

Works with every chat template, whether it marks the assistant's words (`{% generation %}`) or not: what the template makes of an
answer is found by rendering.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from variegate.data.record import Turn
from variegate.errors import DataError, ParameterError
from variegate.progress import announce

__all__ = ["PLAIN", "ChatFormat", "chat_format", "template_text"]

# What is used where the tokenizer has no template, and where `plain` is asked for.
PLAIN = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + eos_token }}{% endgeneration %}"
    "{% else %}{{ message['content'] }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
# Characters that Unicode leaves to private use, put around an answer to see where the template puts it.
BEGIN, END = "\uf8e0", "\uf8e1"
# Templates of the Llama 3 family write today's date unless they get one: a run of tomorrow would be another.
DATE = "26 Jul 2024"

Span = tuple[int, int]


@dataclass(frozen=True)
class ChatFormat:
    """A tokenizer with its chat template.

    Attributes:
        tokenizer: a fast tokenizer of `transformers`.
        template: the text of the template.
        source: where it comes from: "model", "given" or "plain".
        special: the tokens that end turns and texts, as they stand in a text.
    """

    tokenizer: Any
    template: str
    source: str
    special: tuple[str, ...]

    def render(self, messages: Sequence[dict[str, str]], where: str, prompt: bool = False) -> str:
        """Return a conversation as text.

        Args:
            messages: `role` and `content` of each.
            where: which row it is, for errors.
            prompt: whether what comes before an answer is added, so that a model answers.

        Raises:
            DataError: the template does not take such a conversation.
        """
        try:
            text = self.tokenizer.apply_chat_template(
                list(messages), chat_template=self.template, tokenize=False, add_generation_prompt=prompt, date_string=DATE
            )
        except Exception as error:
            # Templates raise errors of their own, and jinja has a dozen more.
            roles = ", ".join(message["role"] for message in messages)
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(
                f"{where}: the chat template does not take this conversation ({roles}): {reason}. Leave such rows out, or give "
                "'train.chat_template' another one, such as plain."
            ) from None
        return str(text)

    def marked(self, turns: Sequence[Turn], where: str) -> tuple[str, list[Span]]:
        """Return a conversation as text, and where in it each answer stands.

        An answer is what the model has to write: from the end of what is put before it to its end-of-turn token, that included;
        line breaks after that token are not. Where the template has no such token, to the end of what it writes for the turn.

        Args:
            turns: of one sample.
            where: which row it is, for errors.

        Returns:
            The text, and the first character of each answer and the one after its last, in order.

        Raises:
            DataError: the template does not take the conversation, or leaves an answer out.
        """
        messages = [{"role": str(turn.role), "content": turn.text} for turn in turns]
        text = self.render(messages, where)
        contents = self._contents(messages, text, where)
        spans: list[Span] = []
        for at, turn in enumerate(turns):
            if turn.role != "assistant":
                continue
            # Many templates cannot render an empty conversation, so what comes before a first turn is not known.
            before = self.render(messages[:at], where, prompt=True) if at else None
            after = text if at == len(turns) - 1 else self.render(messages[: at + 1], where)
            span = self._answer(text, contents.get(at), before, after)
            if span is None and before is not None:
                span = self._moved(text, self.render(messages[:at], where), before, after)
            if span is None or (spans and span[0] < spans[-1][1]):
                raise DataError(
                    f"{where}: the chat template changes answer {len(spans) + 1} so that it cannot be found again. Give "
                    "'train.chat_template' another one, such as plain."
                )
            spans.append(span)
        return text, spans

    def _contents(self, messages: list[dict[str, str]], text: str, where: str) -> dict[int, Span]:
        """Return where the words of each answer stand, by its turn's number, but for those that the template changes."""
        joined = "".join(message["content"] for message in messages)
        answers = [at for at, one in enumerate(messages) if one["role"] == "assistant"]
        if BEGIN in joined or END in joined:
            return {}
        found = self._placed(messages, answers, text, where)
        if found or len(answers) == 1:
            return found
        # One that is changed hides the others.
        return {at: span for answer in answers for at, span in self._placed(messages, [answer], text, where).items()}

    def _placed(self, messages: list[dict[str, str]], answers: list[int], text: str, where: str) -> dict[int, Span]:
        """Return where the words of some answers stand: all of them, or none."""
        marked = [{**one, "content": _between_marks(one["content"])} if at in answers else one for at, one in enumerate(messages)]
        head, *pieces = self.render(marked, where).split(BEGIN)
        if len(pieces) != len(answers) or not all(END in piece for piece in pieces):
            return {}
        found: dict[int, Span] = {}
        plain = head
        for at, piece in zip(answers, pieces, strict=True):
            words, _, rest = piece.partition(END)
            found[at] = (len(plain), len(plain) + len(words))
            plain += words + rest
        # A template that looks at the words may do something else on seeing the marks.
        return found if plain == text else {}

    def _answer(self, text: str, content: Span | None, before: str | None, after: str) -> Span | None:
        """Return an answer whose words stand in the text as they are."""
        if content is None:
            return None
        start, end = content
        # What the template puts between the prompt and the words, such as an empty thought, is the model's to write too.
        if before is not None and text.startswith(before) and len(before) <= start:
            start = len(before)
        if text.startswith(after) and len(after) >= end:
            stop = len(after)
            ends = [at + len(token) for token in self.special if (at := text.find(token, end, stop)) >= 0]
        else:
            # The turn is written otherwise when others follow: its end-of-turn token stands right behind the words.
            stop = end
            behind = end + len(text[end:]) - len(text[end:].lstrip())
            ends = [behind + len(token) for token in self.special if text.startswith(token, behind)]
        return start, min(ends, default=stop)

    def _moved(self, text: str, earlier: str, before: str, after: str) -> Span | None:
        """Return an answer that the template rewrites, such as one whose thoughts it takes out."""
        if not text.startswith(earlier) or not text.startswith(after):
            return None
        start = next((at for at, (one, other) in enumerate(zip(text, before, strict=False)) if one != other), len(before))
        if start < len(earlier) or start >= len(after):
            return None
        ends = [at + len(token) for token in self.special if (at := text.rfind(token, start, len(after))) >= 0]
        return start, max(ends, default=len(after))


def _between_marks(content: str) -> str:
    # Inside the white space, which many templates strip.
    words = content.strip()
    lead = content[: len(content) - len(content.lstrip())]
    return f"{lead}{BEGIN}{words}{END}{content[len(lead) + len(words) :]}"


def template_text(given: str | None) -> str | None:
    """Return the text of a chat template: what a file holds, PLAIN for "plain", or the text that is given; None for the model's.

    Raises:
        ParameterError: it is neither a file nor a template.
    """
    if given is None:
        return None
    if given == "plain":
        return PLAIN
    if "{" in given:
        return given
    try:
        return Path(given).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not valid UTF-8"
        raise ParameterError(
            f"'train.chat_template' must be plain, a file with a chat template, or its text. Got {given!r} instead, which cannot "
            f"be read ({reason})."
        ) from None


def chat_format(tokenizer: Any, name: str, given: str | None = None) -> ChatFormat:
    """Put a tokenizer and its chat template together.

    Args:
        tokenizer: of `transformers`; its `chat_template` becomes the one that is used, so that it is saved with the model.
        name: of the model, for errors.
        given: the text of a template; None for the tokenizer's own, or PLAIN where it has none, which is said.

    Raises:
        DataError: it is no fast tokenizer, or has no token to end an answer with.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise DataError(
            f"{name}: its tokenizer does not say where a token stands in the text, so answers cannot be told from questions. "
            "Use a model with a fast tokenizer (tokenizer.json)."
        )
    own = tokenizer.chat_template
    template, source = (given, "given") if given is not None else (own, "model")
    if isinstance(template, dict):
        template = template.get("default")
    if template is None:
        announce(f"note: {name} has no chat template; a plain one is used: <|user|>, the text, <|assistant|>, the text, the end")
        template, source = PLAIN, "plain"
    if template == PLAIN:
        source = "plain"
        if tokenizer.eos_token is None:
            raise DataError(
                f"{name}: its tokenizer has no end-of-text token, with which the plain chat template ends an answer. Give "
                "'train.chat_template' a template of its own."
            )
    if "strftime_now" in template and "date_string" not in template:
        announce(f"note: the chat template of {name} writes today's date, so that runs of other days see another text")
    tokenizer.chat_template = template
    special = {str(token) for token in tokenizer.all_special_tokens}
    special |= {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    return ChatFormat(tokenizer, template, source, tuple(sorted(special - {""})))
