"""The whole study in small, with nothing downloaded: make a base model, fine-tune it on many subsets, say which train best.

    python examples/mini_study/mini_study.py --scale smoke --out smoke
    python examples/mini_study/mini_study.py --scale laptop --half test --out laptop \\
        --pool pool.parquet --texts pool_large.parquet --heldout heldout.parquet --prompts eval_prompts.jsonl

`smoke` takes a minute and the bundled sample: it shows that everything works, and nothing else. `laptop` takes two to three hours
on two cores, `gpu` a quarter of an hour on a data-centre GPU. A run that is stopped goes on where it was.
"""

import argparse
import json
import re
import string
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# What a scale settles that its grid leaves open: the learning rate, and where it runs.
SETTLED = {
    "smoke": {"rate": "3e-3", "device": "cpu"},
    "laptop": {"rate": "3e-4", "device": "cpu"},
    "design": {"rate": "3e-4", "device": "cpu"},
    "gpu": {"rate": "3e-4", "device": "cuda"},
}
# The grid that the analysis was designed on is of the laptop's scale, and shares its base model.
BASE_OF = {"design": "laptop"}


def documents(target: Path) -> Path:
    """Write the paragraphs of our own documentation as samples: text that the bundled sample does not hold."""
    with target.open("w", encoding="utf-8") as stream:
        for path in sorted((ROOT / "docs").glob("*.md")):
            for paragraph in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
                if len(paragraph) > 80:
                    row = {"instruction": f"Write about {path.stem}.", "output": paragraph, "source": path.stem}
                    stream.write(json.dumps(row) + "\n")
    return target


def main() -> int:
    """Make the base model and the study's file, and run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SETTLED, default="smoke")
    parser.add_argument("--half", choices=["design", "test"], default="design", help="half of the pool, by a hash of the row")
    parser.add_argument("--out", type=Path, required=True, help="folder of everything")
    parser.add_argument("--pool", help="what subsets are chosen from; it has a column `source`")
    parser.add_argument("--texts", help="samples that the base model is made of, where the pool does not hold them")
    parser.add_argument("--heldout", help="samples that loss is measured on; with a column `source`")
    parser.add_argument("--prompts", help="prompts with reference answers")
    parser.add_argument("--minilm", default="sentence-transformers/all-MiniLM-L6-v2", help="a sentence model, for `design`")
    parser.add_argument("--base", type=Path, help="a base model that is there already")
    parser.add_argument("study_options", nargs="*", help="after --, for `variegate study`, such as --dry-run")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.scale == "smoke":
        sample = str(ROOT / "examples" / "sample.jsonl")
        given.pool, given.heldout, given.texts = sample, sample, str(documents(given.out / "texts.jsonl"))
        others = [sample]
    else:
        for name in ("pool", "texts", "heldout", "prompts"):
            if getattr(given, name) is None:
                parser.error(f"--scale {given.scale} takes --{name}")
        others = [given.pool, given.heldout]
    base = given.base or given.out / "base"
    scale = BASE_OF.get(given.scale, given.scale)
    if given.base is None:
        made = [sys.executable, str(HERE / "base.py"), given.texts, "--scale", scale, "--out", str(base)]
        subprocess.run([*made, *(part for other in others for part in ("--not-in", other))], check=True)
    places = {name: str(Path(value).resolve()) for name in ("pool", "heldout", "prompts") if (value := getattr(given, name))}
    template = string.Template((HERE / f"{given.scale}.yaml").read_text(encoding="utf-8"))
    study = given.out / "study.yaml"
    settled = SETTLED[given.scale]
    minilm = str(Path(given.minilm).resolve()) if Path(given.minilm).is_dir() else given.minilm
    text = template.substitute(base=str(base.resolve()), half=given.half, minilm=minilm, **settled, **places)
    study.write_text(text, encoding="utf-8")
    return subprocess.run([sys.executable, "-m", "variegate", "study", str(study), *given.study_options], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
