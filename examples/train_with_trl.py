"""Start TRL's SFTTrainer on a subset that `variegate select` wrote, with a tiny model made here: no download, no conversion.

    pip install variegate trl datasets
    variegate select pool.jsonl --size 200 --as messages -o subset/
    python examples/train_with_trl.py subset/

Takes a folder that `select` wrote, or a .parquet or .jsonl file. The model is random and learns nothing of use: for real training
put `AutoModelForCausalLM.from_pretrained(...)` and its tokenizer in the place of `tiny_model`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import wordllama
from datasets import Dataset, load_dataset
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed
from trl import SFTConfig, SFTTrainer

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
LOADERS = {".parquet": "parquet", ".jsonl": "json", ".json": "json"}


def tiny_model() -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Return a random Llama of two layers and the LLaMA-2 tokenizer that the package wordllama carries."""
    file = Path(wordllama.__file__).parent / "tokenizers" / "l2_supercat_tokenizer_config.json"
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(file), bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<unk>"
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=512,
    )  # fmt: skip
    return LlamaForCausalLM(config), tokenizer


def rows_of(path: str) -> Dataset:
    """Load what `select` wrote, with nothing but `load_dataset`."""
    if Path(path).is_dir():
        return load_dataset(path, split="train")
    return load_dataset(LOADERS[Path(path).suffix], data_files=path, split="train")


def train(path: str, steps: int) -> list[float]:
    """Train for some steps and return the loss of each."""
    set_seed(0)
    rows = rows_of(path)
    model, tokenizer = tiny_model()
    with tempfile.TemporaryDirectory() as folder:
        settings: dict[str, Any] = {"report_to": "none", "save_strategy": "no", "use_cpu": True, "bf16": False}
        config = SFTConfig(
            output_dir=folder, max_steps=steps, per_device_train_batch_size=4, max_length=256, learning_rate=1e-3,
            logging_steps=1, **settings,
        )  # fmt: skip
        trainer = SFTTrainer(model=model, args=config, train_dataset=rows, processing_class=tokenizer)
        trainer.train()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    shown = ", ".join(f"{loss:.3f}" for loss in losses)
    print(f"{path}: {len(rows)} rows, columns {', '.join(rows.column_names)}; losses {shown}")
    return losses


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", help="a folder or file that `variegate select` wrote")
    parser.add_argument("--steps", type=int, default=5)
    arguments = parser.parse_args()
    for one in arguments.data:
        train(one, arguments.steps)
