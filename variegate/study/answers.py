"""What findings mean, in sentences."""

from __future__ import annotations

from variegate.study.analyse import ALL, Findings

__all__ = ["answers_of"]

# Below this corrected p-value something is called found.
FOUND = 0.05


def answers_of(one: Findings, baseline: str) -> list[str]:
    """Return what a reader should take away: what trains best, what predicts it, how far that can be trusted."""
    return [_best_arm(one, baseline), _best_metric(one), _ceiling(one)]


def _named(strategy: str, side: str, level: float | None) -> str:
    return f"{strategy}{'' if level is None else f' at {level:g} %'} on the {_side(side)}"


def _side(side: str) -> str:
    return "whole text" if side == "both" else f"{side} side"


def _best_arm(one: Findings, baseline: str) -> str:
    tested = [arm for arm in one.differences if arm.p_all is not None]
    if not tested:
        return f"No way to choose rows was tried with two selection seeds, so none can be told from {baseline} by an interval."
    best = max(tested, key=lambda arm: arm.value)
    name, interval = _named(best.strategy, best.side, best.level), best.interval
    assert interval is not None and best.p_all is not None
    found = (
        f"{name} trains best of {len(tested)} ways to choose: {best.value:+.2f} standard deviations "
        f"over {baseline} ({interval[0]:+.2f} to {interval[1]:+.2f})"
    )
    if best.value <= 0:
        return f"Nothing that was tried trains better than {baseline}; {name} comes nearest ({best.value:+.2f})."
    if best.p_all >= FOUND:
        return f"{found}. After so many comparisons this can be luck (p = {best.p_all:.2g}): take {baseline}, or add seeds."
    worse = sum(arm.value < 0 and (arm.p_all or 1) < FOUND for arm in tested)
    return f"{found}; p = {best.p_all:.2g} after correction. {worse} of these ways are worse than {baseline} beyond chance."


def _best_metric(one: Findings) -> str:
    found = one.correlations.get((ALL, "nothing held"))
    if found is None or not found.rows:
        return "There are too few subsets to say which metric predicts performance."
    best = found.rows[0]
    by = f" (vectors by {best.embedder})" if best.embedder else ""
    words = f"{best.metric} of the {_side(best.side)}{by} predicts performance best: mean correlation {best.mean.value:.2f}"
    if best.mean.interval is not None:
        words += f" ({best.mean.interval[0]:.2f} to {best.mean.interval[1]:.2f})"
    if best.mean.p_max >= FOUND:
        return f"{words}. Of {len(found.rows)} metrics that were tried one can come so far by chance (p = {best.mean.p_max:.2g})."
    held = next((some for (group, what), some in one.correlations.items() if group == ALL and what != "nothing held"), None)
    if held is not None and held.rows:
        first = held.rows[0]
        embedder = f" (vectors by {first.embedder})" if first.embedder else ""
        kept = " and ".join(held.held).replace("_", " ")
        words += f". With {kept} held fixed it is {first.metric} of the {_side(first.side)}{embedder}, {first.mean.value:.2f}"
    return f"{words}."


def _ceiling(one: Findings) -> str:
    repeats = next((some for some in one.ceilings if some.source == "repeats" and some.ceiling is not None), None)
    if repeats is None:
        return "No subset was trained on with two seeds, so how much is luck is not known."
    assert repeats.ceiling is not None
    return (
        f"Training the same subset with another seed moves performance so much that no metric can be expected to correlate with "
        f"one run's performance by more than {repeats.ceiling:.2f}."
    )
