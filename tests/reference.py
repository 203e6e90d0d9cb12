"""Slow, plainly written counterparts of what the package computes fast. They share no code with it."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import numpy as np


def cosine_distance(a, b):
    return 1 - sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))


def densities(queries, points, k, beta):
    """One query at a time, all distances sorted, the nearest left out."""
    points = list(dict.fromkeys(map(tuple, np.asarray(points, float).tolist())))
    out = []
    for query in np.asarray(queries, float).tolist():
        squares = sorted(math.dist(query, point) ** 2 for point in points)
        out.append(1 / (sum(squares[1 : k + 1]) / k + 1e-9) ** beta)
    return out


def novelties(x, sigma=None, alpha=1.0, density_of="self", include_self=True):
    x = np.asarray(x, float).tolist()
    out = []
    for i, a in enumerate(x):
        weighted = []
        for j, b in enumerate(x):
            if i == j:
                if include_self:
                    weighted.append(0.0)
                continue
            factor = 1.0 if sigma is None else sigma[i] if density_of == "self" else sigma[j]
            weighted.append(cosine_distance(a, b) * factor)
        weighted.sort()
        weights = [1 / rank**alpha for rank in range(1, len(weighted) + 1)]
        out.append(sum(w * e for w, e in zip(weights, weighted, strict=True)) / sum(weights))
    return out


def novelselect(x, sigma, size, first, alpha=1.0, density_of="both", candidates=None, spacing=0.0):
    """Score every candidate anew at every step: first the spaced ones, then all candidates, then all other rows."""
    x = np.asarray(x, float)
    unit = x / np.sqrt((x**2).sum(axis=1, keepdims=True))
    sigma = np.asarray(sigma, float)
    picks = [first]
    allowed = set(range(len(x))) if candidates is None else set(candidates)
    spaced = True
    while len(picks) < size:
        free = [row for row in range(len(x)) if row not in picks]
        known = [row for row in free if row in allowed]
        far = [row for row in known if spaced and spacing and all(math.dist(x[row], x[pick]) > spacing for pick in picks)]
        spaced = bool(far)
        left = far or known or free
        best, best_score = -1, -1.0
        for row in left:
            factor = sigma[row] + sigma[picks] if density_of == "both" else sigma[picks]
            weighted = np.sort((1 - unit[picks] @ unit[row]) * factor)
            score = float((weighted / np.arange(1, len(picks) + 1) ** alpha).sum())
            if score > best_score + abs(best_score) * 1e-12:
                best, best_score = row, score
        picks.append(best)
    return picks


def farthest_first(x, size, first, metric="euclidean"):
    distance = math.dist if metric == "euclidean" else cosine_distance
    points = np.asarray(x, float).tolist()
    picks = [first]
    while len(picks) < size:
        gaps = [min(distance(point, points[pick]) for pick in picks) for point in points]
        best = max(gap for row, gap in enumerate(gaps) if row not in picks)
        picks.append(next(row for row, gap in enumerate(gaps) if row not in picks and gap >= best - 1e-12))
    return picks


def leaders(x, radius):
    group, heads = [], []
    for row, point in enumerate(np.asarray(x, float).tolist()):
        home = next((head for head in heads if math.dist(point, x[head]) <= radius), row)
        if home == row:
            heads.append(row)
        group.append(home)
    return group


def vendi(x, q):
    x = np.asarray(x, float)
    kernel = np.array([[1 - cosine_distance(a, b) for b in x] for a in x]) / len(x)
    shares = [value for value in np.linalg.eigvalsh(kernel) if value > 1e-14]
    if q == 1:
        return math.exp(-sum(value * math.log(value) for value in shares))
    if math.isinf(q):
        return 1 / max(shares)
    return sum(value**q for value in shares) ** (1 / (1 - q))


def ngram_counts(texts, n):
    return Counter(tuple(text[at : at + n]) for text in texts for at in range(len(text) - n + 1))


def bleu(text, others):
    """BLEU-4 as in its definition, zero counts replaced by 0.1."""
    if not set(text) & {token for other in others for token in other}:
        return 0.0
    product = 1.0
    for n in (1, 2, 3, 4):
        own = ngram_counts([text], n)
        most = Counter()
        for other in others:
            most |= ngram_counts([other], n)
        matches = sum((own & most).values())
        product *= (matches or 0.1) / max(1, sum(own.values()))
    nearest = min((len(other) for other in others), key=lambda length: (abs(length - len(text)), length))
    return (1.0 if len(text) > nearest else math.exp(1 - nearest / len(text))) * product**0.25


def self_bleu(texts, scored=None):
    """Each of the first texts against all others."""
    scores = [bleu(text, texts[:at] + texts[at + 1 :]) for at, text in enumerate(texts[:scored])]
    return sum(scores) / len(scores)


def expected_types(counts, drawn):
    """Expected types among tokens drawn without replacement, in exact fractions."""
    total = sum(counts)
    return float(sum(1 - Fraction(math.comb(total - count, drawn), math.comb(total, drawn)) for count in counts))


def mtld(ids, threshold=0.72):
    def one_way(sequence):
        factors, run = 0.0, []
        for token in sequence:
            run.append(token)
            if len(set(run)) / len(run) <= threshold:
                factors, run = factors + 1, []
        return factors + ((1 - len(set(run)) / len(run)) / (1 - threshold) if run else 0)

    return (len(ids) / one_way(ids) + len(ids) / one_way(ids[::-1])) / 2


def lsa(fitted_on, texts, dimensions, most=1 << 16, left_share=0.25):
    """Latent semantic analysis of lists of tokens by whole matrices and Python's integers; rows of unit length."""
    size = 2**64

    def scattered(x):
        x = (x + 0x9E3779B97F4A7C15) % size
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % size
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % size
        return x ^ (x >> 31)

    def bucket(gram):
        key = scattered(gram[0])
        for token in gram[1:]:
            key = scattered((key * 0x9E3779B97F4A7C15 + scattered(token)) % size)
        return key >> 42

    def grams(text):
        """Bucket -> whether a token alone falls into it."""
        found = {}
        for length in (1, 2, 3):
            for start in range(len(text) - length + 1):
                found.setdefault(bucket(text[start : start + length]), length == 1)
        return found

    sets = [grams(text) for text in fitted_on]
    counts = Counter(one for found in sets for one in found)
    tokens = {one for found in sets for one, single in found.items() if single}
    others = sorted(counts.keys() - tokens, key=lambda one: (-counts[one], one))
    kept = {one: at for at, one in enumerate(sorted(tokens | set(others[: max(0, most - len(tokens))])))}
    n = len(fitted_on)

    def row(found):
        """The unit row over what counts, and what is left of it over tokens that nobody knows."""
        known, unknown = np.zeros(len(kept)), {}
        for one, single in found.items():
            if one in kept:
                known[kept[one]] = math.log((1 + n) / (1 + counts[one])) + 1
            elif single:
                unknown[one] = math.log(1 + n) + 1
        length = math.hypot(*known, *unknown.values()) or 1
        return known / length, {one: weight / length for one, weight in unknown.items()}

    _, values, directions = np.linalg.svd(np.stack([row(found)[0] for found in sets]), full_matrices=False)
    directions = directions[:dimensions][values[:dimensions] > 1e-5 * values[0]]
    for direction in directions:
        direction *= np.sign(direction[np.abs(direction).argmax()])

    def random(one):
        signs = [1 if scattered(one * dimensions + at) >> 63 else -1 for at in range(dimensions)]
        return np.array(signs) / math.sqrt(dimensions)

    scatter = np.stack([random(one) for one in kept])
    out = []
    for found in map(grams, texts):
        known, unknown = row(found)
        inside = directions @ known
        left = known - directions.T @ inside
        vector = np.pad(inside, (0, dimensions - len(inside)))
        vector = vector + left_share * (left @ scatter + sum(weight * random(one) for one, weight in unknown.items()))
        out.append(vector / (np.linalg.norm(vector) or 1))
    return np.stack(out)
