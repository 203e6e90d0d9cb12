"""A language model of two layers that has learnt a few answers by heart, made in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>"]
CONTEXT = 64


def tokenizer_of(texts: list[str]) -> Any:
    """Return a tokenizer that takes every word of some texts for a token, with a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = sorted({piece for text in texts for piece, _ in pre_tokenizers.Metaspace().pre_tokenize_str(text)})
    vocabulary = {word: at for at, word in enumerate([*SPECIAL, "<unk>", *words])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    inner.add_special_tokens(SPECIAL)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        chat_template=TEMPLATE,
    )


def save_learnt(folder: Path, talks: list[list[str]], *, words: list[str] = (), steps: int = 150) -> Path:  # type: ignore[assignment]
    """Write a model that has learnt what the assistant says in some conversations.

    Args:
        folder: where to.
        talks: what user and assistant say in turn.
        words: further texts whose words the tokenizer knows.
        steps: of training.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = tokenizer_of([*(text for talk in talks for text in talk), *words])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=CONTEXT, bos_token_id=1, eos_token_id=2, pad_token_id=0,
        )  # fmt: skip
        model = LlamaForCausalLM(config)
        rows = [
            tokenizer.apply_chat_template(
                [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(talk)], tokenize=False
            )
            for talk in talks
        ]
        ids = tokenizer(rows, padding=True, padding_side="right", add_special_tokens=False, return_tensors="pt")
        labels = ids["input_ids"].masked_fill(ids["attention_mask"] == 0, -100)
        optimiser = torch.optim.AdamW(model.parameters(), 1e-2, weight_decay=0.0)
        for _ in range(steps):
            loss = model(input_ids=ids["input_ids"], attention_mask=ids["attention_mask"], labels=labels).loss
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
