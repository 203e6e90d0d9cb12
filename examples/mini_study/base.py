"""Train the small base model of the mini study, on text that neither the pool nor the evaluation holds.

    python examples/mini_study/base.py TEXTS --not-in POOL --not-in HELDOUT --scale laptop --out base

TEXTS, POOL and HELDOUT are files of samples as `variegate` reads them. A run that is killed goes on where it was.
"""

import argparse
import hashlib
import json
from collections import Counter, defaultdict
from pathlib import Path

import variegate as vg
from variegate.progress import show_progress
from variegate.study.models.base import BaseModel, train_base

# What each scale trains: seconds for the smoke test, half an hour on two cores, under a minute on a data-centre GPU.
SCALES = {
    "smoke": BaseModel(vocabulary=512, width=32, layers=2, heads=2, context=256, tokens=20_000, batch_size=8),
    "laptop": BaseModel(vocabulary=4096, width=128, layers=4, heads=4, context=512, tokens=8_000_000, batch_size=16),
    "gpu": BaseModel(vocabulary=32_000, width=384, layers=6, heads=6, context=1024, tokens=40_000_000, batch_size=32),
}
# Rows of one source at most, since three quarters of a large collection are often four of its sources.
MOST_OF_A_SOURCE = 10_000


def digest(text: str) -> bytes:
    """Return what a text is known by, whatever its white space."""
    return hashlib.sha256(" ".join(text.split()).encode()).digest()


def texts_of(path: str, source: str) -> list[tuple[str, str, str]]:
    """Read source, instruction and response of each row."""
    corpus = vg.load(path)
    instructions, responses = (corpus.texts(side).to_pylist() for side in ("instruction", "response"))
    return list(zip(map(str, corpus.column(source)), instructions, responses, strict=True))


def base_texts(path: str, others: list[str], source: str) -> list[str]:
    """Return documents, in the order of their hashes: rows whose instruction and response no other file holds."""
    known: set[bytes] = set()
    for other in others:
        corpus = vg.load(other)
        # A short response such as "yes" is no sign that a row was seen.
        for side, shortest in (("instruction", 0), ("response", 40)):
            known.update(digest(text) for text in corpus.texts(side).to_pylist() if len(text) > shortest)
    by_source: dict[str, list[tuple[bytes, str]]] = defaultdict(list)
    for name, instruction, response in texts_of(path, source):
        if digest(instruction) not in known and digest(response) not in known:
            document = f"{instruction}\n\n{response}"
            by_source[name].append((digest(document), document))
    kept = [one for rows in by_source.values() for one in sorted(rows)[:MOST_OF_A_SOURCE]]
    print("rows of each source:", json.dumps(dict(Counter({name: len(rows) for name, rows in by_source.items()}).most_common())))
    return [document for _, document in sorted(set(kept))]


def main() -> None:
    """Read the command line, and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", help="samples to make documents of")
    parser.add_argument(
        "--not-in", action="append", default=[], metavar="FILE", help="leave out what this file holds; may be repeated"
    )
    parser.add_argument("--source", default="source", help="the column that names where a row is from")
    parser.add_argument("--scale", choices=SCALES, default="laptop")
    parser.add_argument("--out", default="base", type=Path, help="folder of the model")
    given = parser.parse_args()
    show_progress()
    done = train_base(base_texts(given.texts, given.not_in, given.source), given.out, SCALES[given.scale])
    loss = sum(done["loss"][-50:]) / len(done["loss"][-50:])
    print(f"{given.out}: {done['parameters']:,} parameters, {done['tokens_seen']:,} tokens ({done['passes']:.2f} passes)")
    print(f"in {done['seconds']:.0f} s, at the end {loss:.3f} nats a token")


if __name__ == "__main__":
    main()
