"""One question to a chat model: the form that a server takes, and what counts as an answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from variegate.errors import VariegateError
from variegate.progress import announce
from variegate.views.client import Service, first_line

__all__ = [
    "Bad", "Chat", "Message", "Refusal", "ServerFailure", "Style", "Task", "Unusable", "json_in", "shown",
]  # fmt: skip

T = TypeVar("T")
Message = Mapping[str, str]

# The client tries again by itself at 408, 409, 429, 5xx, timeouts and lost connections; waits of 8
# s at most (or what Retry-After says) make these about a minute, the span of most quotas.
RETRIES = 10
# Until a first answer shows that there is a server: a wrong port should not take minutes to find
# out.
FIRST_RETRIES = 4
TIMEOUT_SECONDS = 120.0
SHOWN = 80


class Unusable(Exception):
    """A question got no answer that can be used; the message says why.

    Attributes:
        content: what the model wrote, as far as it wrote anything.
    """

    def __init__(self, reason: str, content: str | None = None) -> None:
        super().__init__(reason)
        self.content = content or ""


class ServerFailure(Unusable):
    """The server did not answer at all, however often it was tried."""


class Refusal(Unusable):
    """The server takes no request of this form, or none of this text."""


class Bad(Unusable):
    """An answer came, but none that can be used; worth asking again."""


class _Cut(Bad):
    """The answer was longer than its room."""


@dataclass(frozen=True)
class Task(Generic[T]):
    """What a chat model is asked for, whatever the text.

    Attributes:
        read: turns what the model wrote, and whether it was cut, into an answer; raises `Bad` where
            it is none.
        room: tokens of an answer.
        system: instructions that stand before every question.
        schema: the `response_format` of a request.
        again: said after the instructions (without any, after the question) where an answer could
            not be read; at temperature 0 the same question would bring the same answer.
        attempts: how often a question is asked, at most.
        more_room: times the room, where an answer was cut.
        sampling: further options of a request, such as the temperature.
        free: whether any text is an answer, also an empty one and one that was cut.
        seconds: how long to wait for an answer; the usual 120 s if None.
    """

    read: Callable[[str, bool], T]
    room: int
    system: str | None = None
    schema: Mapping[str, Any] | None = None
    again: str = ""
    attempts: int = 2
    more_room: int = 1
    sampling: Mapping[str, Any] = field(default_factory=dict)
    free: bool = False
    seconds: float | None = None

    def answer_in(self, completion: Any) -> T:
        """Return the answer that a chat completion holds.

        Raises:
            Bad: it holds none that can be used.
        """
        try:
            choice = completion.choices[0]
            content, reason = choice.message.content, choice.finish_reason
            refusal = getattr(choice.message, "refusal", None)
        except (AttributeError, TypeError, IndexError):
            raise Bad(f"the server answered what is no chat completion (got {shown(completion)})") from None
        if refusal or reason == "content_filter":
            raise Bad(f"the model refused to answer (got {shown(refusal or content)})", refusal or content)
        cut = reason == "length"
        if cut and not self.free:
            raise _Cut(f"the answer was cut for its length (got {shown(content)})", content)
        if not isinstance(content, str) or not (self.free or content.strip()):
            raise Bad(f"the answer is empty (got {shown(content)})")
        return self.read(content, cut)


@dataclass(frozen=True)
class Style:
    """In what form a server is asked: as it should be, or with what it refuses left out."""

    schema: bool = True
    system: bool = True
    temperature: bool = True
    room: str = "max_tokens"

    @property
    def name(self) -> str:
        """What is out of the ordinary, for people."""
        return ", ".join(text for part, (_, text) in CONCESSIONS.items() if getattr(self, part) != getattr(Style(), part))

    def concede(self, refusal: str) -> Style | None:
        """Return the next form to try after a refusal: without what its text names, else without the schema."""
        for part, (words, _) in CONCESSIONS.items():
            given: Any = "max_completion_tokens" if part == "room" else False
            if getattr(self, part) == getattr(Style(), part) and any(word in refusal.lower() for word in words):
                return replace(self, **{part: given})
        return replace(self, schema=False) if self.schema else None


CONCESSIONS = {
    "room": (("max_completion_tokens",), "max_completion_tokens in place of max_tokens"),
    "temperature": (("temperature",), "its own temperature in place of the one asked for, so that its answers may vary"),
    "system": (("system role", "system message"), "the instructions in the user's message"),
    "schema": (("response_format", "json_schema", "structured"), "no JSON schema; answers are checked all the same"),
}


class Chat(Generic[T]):
    """A chat model with one task; may be called from several threads."""

    def __init__(self, service: Service, task: Task[T]) -> None:
        self.service, self.task = service, task
        self.style = Style()
        self._client = service.connect(FIRST_RETRIES, task.seconds or TIMEOUT_SECONDS)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def first(self, messages: Sequence[Message]) -> T:
        """Return the answer to a conversation, and find out on the way what form of request the server takes.

        Raises:
            Unusable: no form brings an answer that can be used.
        """
        style: Style | None = self.style
        refused: Unusable | None = None
        while style is not None:
            try:
                answer = self.ask(messages, style)
            except Refusal as error:
                refused = refused or error
                style = style.concede(str(error))
                if style is not None and not style.schema and self.task.schema is None:
                    style = None
                continue
            if style != self.style:
                announce(f"{self.service.model} refuses the usual form of request; it is asked with {style.name}")
                self.style = style
            self._client = self._client.with_options(max_retries=RETRIES)
            return answer
        assert refused is not None
        raise refused

    def ask(self, messages: Sequence[Message], style: Style | None = None) -> T:
        """Return the answer to a conversation.

        Raises:
            Unusable: the server went on failing, refused the request, or gave no answer that can be
                used.
            VariegateError: the server lets nobody in, or has no such model.
        """
        room = self.task.room
        for attempt in range(self.task.attempts):
            try:
                return self.task.answer_in(self._complete(messages, style or self.style, room, again=attempt > 0))
            except _Cut as error:
                room *= self.task.more_room
                bad: Unusable = error
            except Bad as error:
                bad = error
        raise bad

    def _complete(self, messages: Sequence[Message], style: Style, room: int, again: bool) -> Any:
        import openai

        options: dict[str, Any] = {style.room: room, **self.task.sampling}
        if not style.temperature:
            options.pop("temperature", None)
        if style.schema and self.task.schema:
            options["response_format"] = self.task.schema
        try:
            return self._client.chat.completions.create(
                model=self.service.model, messages=self._instructed(messages, style, again), **options
            )
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            raise VariegateError(
                f"{self.service.title} is refused ({first_line(error)}). Is OPENAI_API_KEY right, does the URL "
                "end as the server wants it (mostly in /v1), and does it have this model?"
            ) from None
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            raise Refusal(f"the server refused the request ({first_line(error)})") from None
        except openai.APIResponseValidationError as error:
            raise Bad(f"the server answered what is no chat completion ({first_line(error)})") from None
        except openai.OpenAIError as error:
            raise ServerFailure(f"the server failed ({first_line(error)})") from None
        except ValueError as error:
            # The client lets the error of an answer that is no JSON through as it is.
            raise Bad(f"the server answered what is no JSON ({first_line(error)})") from None

    def _instructed(self, messages: Sequence[Message], style: Style, again: bool) -> list[Message]:
        """Return a conversation with the instructions before it, in the form that the server takes."""
        reminder = f"\n\n{self.task.again}" if again and self.task.again else ""
        if self.task.system is None:
            *others, last = messages
            return [*others, {**last, "content": last["content"] + reminder}]
        rules = self.task.system + reminder
        if style.system:
            return [{"role": "system", "content": rules}, *messages]
        first, *others = messages
        return [{**first, "content": f"{rules}\n\n{first['content']}"}, *others]


def json_in(content: str) -> Any:
    """Return the JSON in an answer, or None: models wrap it in a fence, in words, in thoughts."""
    content = content.rpartition("</think>")[2]
    found = _parsed(content)
    if found is None:
        found = _parsed(content[content.find("{") : content.rfind("}") + 1])
    return found


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def shown(value: object) -> str:
    """Return the beginning of what a server sent, for a message."""
    text = value if isinstance(value, str) else repr(value)
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")
