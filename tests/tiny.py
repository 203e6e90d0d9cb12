"""A language model that a test makes: two layers, 32 wide, with a tokenizer of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

END = "<|im_end|>"
SPECIAL = [END, "<|pad|>", "<s>", "</s>", "<|im_start|>", "<start_of_turn>", "<end_of_turn>", "[INST]", "[/INST]"]

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def need_training():
    for package in ("torch", "transformers", "datasets", "accelerate", "trl", "peft"):
        pytest.importorskip(package, reason=f"fine-tuning needs the package {package}")


def tokenizer(template=CHATML, eos=END, texts=(), vocabulary=300):
    pytest.importorskip("transformers", reason="chat templates need the package transformers")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    made.train_from_iterator(texts or ["user assistant system the answer is the question"], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=eos, pad_token="<|pad|>", bos_token="<s>", chat_template=template
    )


def model(folder, template=CHATML, **sizes):
    """Save a random model and its tokenizer."""
    pytest.importorskip("torch", reason="models need the package torch")
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    words = tokenizer(template)
    values = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
        "max_position_embeddings": 128, "tie_word_embeddings": True,
    }  # fmt: skip
    config = LlamaConfig(
        vocab_size=len(words), eos_token_id=words.eos_token_id, bos_token_id=words.bos_token_id, pad_token_id=words.pad_token_id,
        **{**values, **sizes},
    )  # fmt: skip
    state = torch.random.get_rng_state()
    torch.manual_seed(1)
    LlamaForCausalLM(config).save_pretrained(folder)
    torch.random.set_rng_state(state)
    words.save_pretrained(folder)
    return str(folder)


def rows(path, conversations, **columns):
    """Write conversations, each a list of texts by user and assistant in turn, in the schema `messages`."""
    lines = []
    for at, texts in enumerate(conversations):
        messages = [{"role": ("user", "assistant")[turn % 2], "content": text} for turn, text in enumerate(texts)]
        lines.append(json.dumps({"messages": messages, **{name: values[at] for name, values in columns.items()}}) + "\n")
    Path(path).write_text("".join(lines), encoding="utf-8")
    return Path(path)
