"""The table of strategies: one row each, and nothing else names them."""

from __future__ import annotations

from variegate.strategies.blend import blend
from variegate.strategies.dpp import dpp
from variegate.strategies.facility_location import facility_location
from variegate.strategies.instag import instag
from variegate.strategies.k_center import k_center
from variegate.strategies.k_means import k_means
from variegate.strategies.levels import macro, meso, micro
from variegate.strategies.max_sum import max_sum
from variegate.strategies.mig import mig
from variegate.strategies.novelselect.strategy import novelselect
from variegate.strategies.random import random
from variegate.strategies.repr_filter import repr_filter
from variegate.strategies.semdedup import semdedup
from variegate.strategies.spec import StrategySpec
from variegate.strategies.token_coverage import token_coverage

__all__ = ["DEFAULT", "STRATEGIES"]

# What `select` does where no strategy is named: what trained best in docs/evidence.md.
DEFAULT = "novelselect_rich"
# A model learns from responses alone, and prompts cost as much.
HALF = 0.5

STRATEGIES: dict[str, StrategySpec] = {
    spec.name: spec
    for spec in (
        StrategySpec(
            "novelselect_rich", novelselect, "vectors", "novelselect among rows whose response has half of their tokens or more",
            "k n d, and the neighbours once", "the rows that train best at an equal cost in tokens",
            "Yang et al. 2025; the limit is ours", extends=True, response_share=HALF,
        ),
        StrategySpec(
            "novelselect", novelselect, "vectors", "greedy by novelty: density-aware distance to the picks so far",
            "k n d, and the neighbours once", "a set of high NovelSum, from all rows", "Yang et al. 2025", extends=True,
        ),
        StrategySpec(
            "k_center", k_center, "vectors", "farthest first: no row is far from a chosen one",
            "k n d", "cover every corner, outliers included", "Gonzalez 1985; Sener & Savarese 2018", extends=True,
        ),
        StrategySpec(
            "facility_location", facility_location, "vectors",
            "every row of the pool is near to a chosen one: greedy, exact up to 50,000 rows",
            "n^2 d", "a subset that stands for the pool; with --quality it is QDIT",
            "Nemhauser et al. 1978; Bukharin & Zhao 2024", extends=True,
        ),
        StrategySpec(
            "dpp", dpp, "vectors", "largest volume: greedy MAP of a determinantal point process; at most the kernel's rank",
            "k^2 n", "small, maximally different sets", "Chen et al. 2018", extends=True,
        ),
        StrategySpec(
            "max_sum", max_sum, "vectors", "largest sum of cosine distances", "k n d", "a baseline: the rim of the pool",
            "Ravi et al. 1994", extends=True,
        ),
        StrategySpec(
            "repr_filter", repr_filter, "vectors", "in order of quality (or at random), nothing too like what is kept",
            "k n d", "quality first, without near-repeats", "Liu et al. 2024", extends=True,
        ),
        StrategySpec(
            "k_means", k_means, "vectors", "equally many rows of each cluster", "n c d an iteration",
            "balance over regions", "a common baseline",
        ),
        StrategySpec(
            "semdedup", semdedup, "vectors", "drops the rows most like another inside k-means clusters", "n^2 d / clusters",
            "thin a redundant pool out", "Abbas et al. 2023", extends=True,
        ),
        StrategySpec(
            "instag", instag, "tags", "rows with many tags first, as long as they bring new ones", "t a pass",
            "complex and varied instructions", "Lu et al. 2023", extends=True,
        ),
        StrategySpec(
            "mig", mig, "tag graph", "most information on a graph of tags, shared among like ones: exact lazy greedy",
            "T^2 d for T tags, then lazily", "covers many subjects evenly, near-synonyms counted once; weighs --quality",
            "Chen et al. 2025", extends=True,
        ),
        StrategySpec(
            "token_coverage", token_coverage, "tokens", "greedy maximum of sum over token types of log(1 + occurrences)",
            "t, then lazily", "micro diversity as an objective", "Lin & Bilmes 2011", extends=True,
        ),
        StrategySpec(
            "blend", blend, "vectors+tokens", "weighted sum of token coverage and facility location", "n^2 d, and t a pick",
            "micro and macro at once", "both of these", extends=True,
        ),
        StrategySpec(
            "macro", macro, "topics", "covers a given share of the possible topics: --level 0 to 100",
            "n log n", "control the diversity of subjects at a fixed size", "Li et al. 2025",
        ),
        StrategySpec(
            "meso", meso, "tags", "covers a given share of the possible tags: --level 0 to 100",
            "t log t", "control the diversity of tags at a fixed size", "Li et al. 2025",
        ),
        StrategySpec(
            "micro", micro, "tokens", "covers a given share of the possible mid-frequency tokens: --level 0 to 100",
            "t log t", "control the diversity of wording; on responses it predicts performance best", "Li et al. 2025",
        ),
        StrategySpec("random", random, None, "uniform", "n", "the baseline, and a representative sample", "none",
            extends=True,
        ),
    )
}  # fmt: skip
