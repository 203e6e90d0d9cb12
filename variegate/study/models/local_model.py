"""Answers of a model in a folder, by transformers: batched, with the model's chat template."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from variegate.errors import DataError, VariegateError, bad_parameter, missing_extra
from variegate.progress import track
from variegate.views.asking.answers import Answers, answer_key
from variegate.views.asking.chat import Message
from variegate.views.client import first_line
from variegate.views.models import NO_CODE, SAFE, best_device, not_loaded

__all__ = ["FAILED", "LocalModel", "in_one", "stop_tokens"]

Setting = str | int | float | None
FAILED = "failed"
# Stands for an answer where a template shows what it sets after one.
ANSWER = "an-answer"


def in_one(conversation: Sequence[Message]) -> str:
    """Return a text that tells a conversation from every other."""
    return json.dumps([dict(message) for message in conversation], ensure_ascii=False)


class LocalModel:
    """A causal language model in a folder, loaded when it first has something to answer.

    Args:
        folder: as `save_pretrained` writes it, with the tokenizer; or a Hub name.
        device: "cpu", "cuda", "cuda:N"; the GPU where there is one if None.
        chat_template: Jinja, in place of the tokenizer's own.
    """

    def __init__(self, folder: str | Path, *, device: str | None = None, chat_template: str | None = None) -> None:
        self.name, self.device, self.chat_template = str(folder), device, chat_template

    def replies(
        self,
        conversations: Sequence[Sequence[Message]],
        answers: Answers,
        settings: Mapping[str, Setting],
        *,
        batch_size: int,
        max_new_tokens: int,
        sampling: Mapping[str, float],
        seed: int,
    ) -> list[dict[str, Any]]:
        """Return what the model says next in each conversation.

        A batch is answered as a whole or not at all: with floating point a model's answer may
        depend on what else is in its batch, so which conversations go together depends on all of
        them alone, never on what has been answered already.

        Args:
            conversations: each ends with a message of the user.
            answers: where answers are kept; those that are there are not made again.
            settings: all that an answer depends on beside the conversations; part of its key.
            batch_size: conversations that are answered together.
            max_new_tokens: where an answer is cut.
            sampling: `temperature` and `top_p`; empty for the likeliest token each time.
            seed: of the draws.

        Returns:
            Of each conversation `text`, `cut` (whether it was cut) and `tokens`; or `failed`, the
            reason why it has no answer.
        """
        texts = list(map(in_one, conversations))
        # Like lengths together, for little padding. By characters, so that what is answered already
        # needs no tokenizer.
        order = sorted(range(len(texts)), key=lambda at: (len(texts[at]), texts[at], at))
        found: list[dict[str, Any]] = [{}] * len(texts)
        with track(f"answering ({Path(self.name).name})", len(texts), "answers") as advance:
            for start in range(0, len(order), batch_size):
                batch = order[start : start + batch_size]
                whole = hashlib.sha256("\0".join(texts[at] for at in batch).encode()).hexdigest()
                keys = [answer_key({**settings, "batch": whole, "place": place}, texts[at]) for place, at in enumerate(batch)]
                known = answers.known(keys)
                if len(known) < len(keys):
                    made = self._batch([conversations[at] for at in batch], max_new_tokens, sampling, f"{seed} {whole}")
                    for key, one in zip(keys, made, strict=True):
                        answers.keep(key, one, "")
                    known = dict(zip(keys, made, strict=True))
                for at, key in zip(batch, keys, strict=True):
                    found[at] = known[key]
                advance(len(batch))
        return found

    def _batch(
        self, conversations: list[Sequence[Message]], max_new_tokens: int, sampling: Mapping[str, float], draw: str
    ) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = [{}] * len(conversations)
        prompts = [self._prompt(one) for one in conversations]
        for at, prompt in enumerate(prompts):
            if self.context is not None and len(prompt) + max_new_tokens > self.context:
                made[at] = {
                    FAILED: f"its {len(prompt):,} tokens and an answer of {max_new_tokens:,} do not fit into the model's "
                    f"{self.context:,}"
                }
        rows = [at for at, one in enumerate(made) if not one]
        if rows:
            for at, one in zip(rows, self._generated([prompts[at] for at in rows], max_new_tokens, sampling, draw), strict=True):
                made[at] = one
        return made

    def _prompt(self, conversation: Sequence[Message]) -> list[int]:
        """Return the tokens that stand before the answer."""
        messages, tokenizer = [dict(message) for message in conversation], self.tokenizer
        try:
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except Exception as error:
            # Templates raise what they like, above all where they have no place for a role.
            raise DataError(
                f"{self.name}: its chat template cannot hold a conversation of {', '.join(one['role'] for one in messages)} "
                f"({first_line(error)})."
            ) from None
        # The template has written the special tokens already.
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    def _generated(
        self, prompts: list[list[int]], max_new_tokens: int, sampling: Mapping[str, float], draw: str
    ) -> list[dict[str, Any]]:
        import torch
        from transformers import GenerationConfig

        model, pad = self.model, self.tokenizer.pad_token_id
        width = max(map(len, prompts))
        # Padding on the left, so that every answer begins where its prompt ends.
        ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts], device=model.device)
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device)
        # The whole vocabulary, where the library would draw from the 50 likeliest.
        drawing = {"do_sample": True, "top_k": 0, **sampling} if sampling else {"do_sample": False}
        options = GenerationConfig(max_new_tokens=max_new_tokens, eos_token_id=self.stop_ids, pad_token_id=pad, **drawing)
        devices = [model.device] if model.device.type == "cuda" else []
        with torch.random.fork_rng(devices), torch.inference_mode():
            torch.manual_seed(int(hashlib.sha256(draw.encode()).hexdigest()[:15], 16))
            try:
                out = model.generate(input_ids=ids, attention_mask=mask, generation_config=options)
            except torch.OutOfMemoryError as error:
                raise VariegateError(
                    f"{self.name}: {len(prompts)} answers at once do not fit into the GPU's memory ({first_line(error)}). "
                    "Set generate.batch_size lower; what was answered is kept."
                ) from None
        return [self._read(row) for row in out[:, width:].tolist()]

    def _read(self, ids: list[int]) -> dict[str, Any]:
        end = next((at for at, token in enumerate(ids) if token in self.stop_ids), None)
        said = ids[:end]
        text = self.tokenizer.decode(said, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return {"text": text, "cut": end is None, "tokens": len(said)}

    @cached_property
    def tokenizer(self) -> Any:
        """The model's tokenizer, with a chat template and a token to pad with."""
        try:
            from transformers import AutoTokenizer
        except ImportError:
            raise missing_extra("transformers", "models", f"The model {self.name!r}") from None
        try:
            tokenizer = AutoTokenizer.from_pretrained(self.name, **NO_CODE)
        except Exception as error:
            raise not_loaded(self.name, error) from error
        if self.chat_template is not None:
            tokenizer.chat_template = self.chat_template
        if not tokenizer.chat_template:
            raise bad_parameter(
                "generate.chat_template",
                "the study",
                "given for a model whose tokenizer has no chat template",
                self.chat_template,
                f"That of {self.name} has none: name the template that the model was trained with.",
            )
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.convert_ids_to_tokens(0)
        return tokenizer

    @cached_property
    def model(self) -> Any:
        """The model, ready to answer."""
        return self._loaded[0]

    @cached_property
    def _loaded(self) -> tuple[Any, int | list[int] | None]:
        """The model, and the tokens that end an answer as its folder says."""
        from transformers import AutoModelForCausalLM, GenerationConfig

        try:
            model = AutoModelForCausalLM.from_pretrained(self.name, dtype="auto", **SAFE).eval()
            model.to(self.device or best_device())
        except Exception as error:
            raise not_loaded(self.name, error) from error
        stops = getattr(model.generation_config, "eos_token_id", None)
        # What the folder says of sampling would fill in what is left open here.
        model.generation_config = GenerationConfig()
        return model, stops

    @cached_property
    def context(self) -> int | None:
        """Tokens that prompt and answer may have together; None where the model does not say."""
        config = self.model.config
        config = config.get_text_config() if hasattr(config, "get_text_config") else config
        limit = getattr(config, "max_position_embeddings", None)
        return int(limit) if limit else None

    @cached_property
    def stop_ids(self) -> list[int]:
        """The tokens that end an answer."""
        stops = stop_tokens(self.tokenizer, self._loaded[1])
        if not stops:
            raise DataError(f"{self.name}: neither model nor tokenizer name a token that ends an answer (eos_token).")
        return stops


def stop_tokens(tokenizer: Any, of_model: int | list[int] | None) -> list[int]:
    """Return the tokens that end an answer: what model and tokenizer name, and what the template sets.

    Args:
        tokenizer: with a chat template.
        of_model: `eos_token_id` of the model's generation_config.
    """
    stops = {*_as_list(of_model), *_as_list(tokenizer.eos_token_id)}
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": ANSWER}]
    after = tokenizer.apply_chat_template(talk, tokenize=False).rpartition(ANSWER)[2].lstrip()
    special = {token.content: number for number, token in tokenizer.added_tokens_decoder.items()}
    # A model that was trained with this template says so at the end of its turn, whatever its end
    # of text is.
    ends = [token for token in special if token and after.startswith(token)]
    return sorted(stops | {special[max(ends, key=len)]} if ends else stops)


def _as_list(ids: int | list[int] | None) -> list[int]:
    return [] if ids is None else [ids] if isinstance(ids, int) else list(ids)
