"""The only code that looks at all pairs: blocked distances, neighbours, density, near-duplicates.

Every result is the same on any block size and any number of threads: float32 matrix products find the candidates,
float64 arithmetic on the few that matter decides.
"""

from variegate.geometry.cosine import cosine_distance_rows, unit_rows
from variegate.geometry.duplicates import NearDuplicates, distinct_rows, near_duplicates
from variegate.geometry.neighbours import density, nearest, typical_neighbour_distance
from variegate.geometry.novelty import proximity_weights, weighted_novelty
from variegate.geometry.vectors import centre_of, centred_on, exact_squared_distances, faulty_rows

__all__ = [
    "NearDuplicates",
    "centre_of",
    "centred_on",
    "cosine_distance_rows",
    "density",
    "distinct_rows",
    "exact_squared_distances",
    "faulty_rows",
    "near_duplicates",
    "nearest",
    "proximity_weights",
    "typical_neighbour_distance",
    "unit_rows",
    "weighted_novelty",
]
