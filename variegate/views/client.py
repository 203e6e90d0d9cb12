"""OpenAI-compatible servers: how they are named, and the official client for them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from variegate.errors import ParameterError, missing_extra

__all__ = ["Service", "first_line"]


@dataclass(frozen=True)
class Service:
    """A model and where it is served.

    Attributes:
        role: what it is for: "embedder", "tagger", "judge" or "model".
        form: what its name begins with: "openai" or "llm".
        name: the rest of it, as the user wrote it.
        model: the model's name.
        url: where it is; None for what the official client takes by itself.
    """

    role: str
    form: str
    name: str
    model: str
    url: str | None

    @classmethod
    def parse(cls, role: str, form: str, name: str) -> Service:
        """Read `MODEL` or `MODEL@URL`.

        Without a URL the official client's environment variables hold: OPENAI_BASE_URL and OPENAI_API_KEY.
        """
        model, _, url = name.partition("@")
        if not model:
            raise ParameterError(f"The {role} {form}:NAME[@URL] lacks the model's name.")
        return cls(role, form, name, model, url or os.environ.get("OPENAI_BASE_URL"))

    @property
    def title(self) -> str:
        """What a message calls it, at the beginning of a sentence."""
        return f"The {self.role} '{self.form}:{self.name}'"

    def connect(self, retries: int, timeout: float) -> Any:
        """Return a client, which tries again by itself where a server is busy, failing or gone.

        Raises:
            MissingExtraError: the package openai is not installed.
            ParameterError: there is neither a key nor a URL.
        """
        try:
            import openai
        except ImportError:
            raise missing_extra("openai", "endpoint", self.title) from None
        # Servers of one's own mostly want no key, but the client insists on one.
        key = os.environ.get("OPENAI_API_KEY") or ("none" if self.url else None)
        if key is None:
            raise ParameterError(f"{self.title} needs OPENAI_API_KEY, or a URL: {self.form}:{self.model}@http://HOST/v1.")
        return openai.OpenAI(api_key=key, base_url=self.url, max_retries=retries, timeout=timeout)


def first_line(error: Exception) -> str:
    """Return the kind of an error and the first line of what it says."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"
