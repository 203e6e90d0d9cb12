"""The only code that looks at all pairs: blocked distances, neighbours, density, near-duplicates.

Every result is the same on any block size and any number of threads: float32 matrix products find the candidates,
float64 arithmetic on the few that matter decides.
"""

from variegate.geometry.copies import copies, distinct_rows
from variegate.geometry.cosine import (
    UnitRows,
    coarse_unit_rows,
    cosine_distance_rows,
    largest_cosine,
    row_lengths,
    similar_pairs,
    unit_rows,
)
from variegate.geometry.density import density, typical_neighbour_distance
from variegate.geometry.device import active_device, kernels_run, to_device, use_device
from variegate.geometry.device_rows import Held, held
from variegate.geometry.duplicates import NearDuplicates, near_duplicates
from variegate.geometry.kmeans import KMeans, assign, kmeans
from variegate.geometry.memory import bytes_a_block, entries_allowed, memory_allowed, use_memory
from variegate.geometry.neighbours.nearest import nearest
from variegate.geometry.neighbours.searches import Search, asked_for, collecting, recorded, use_neighbours
from variegate.geometry.novelty import Novelty, exact_novelty, proximity_weights
from variegate.geometry.pairs import MeanL2, NearestOthers, PairStatistic, over_pairs
from variegate.geometry.sharing import shared, sharing
from variegate.geometry.spectrum import cosine_spectrum
from variegate.geometry.vectors import (
    centre_of,
    centred_on,
    coarse_products,
    exact_products,
    exact_squared_distances,
    faulty_rows,
    row_blocks,
    same_rows,
)

__all__ = [
    "Held",
    "KMeans",
    "MeanL2",
    "NearDuplicates",
    "NearestOthers",
    "Novelty",
    "PairStatistic",
    "Search",
    "UnitRows",
    "active_device",
    "asked_for",
    "assign",
    "bytes_a_block",
    "centre_of",
    "centred_on",
    "coarse_products",
    "coarse_unit_rows",
    "collecting",
    "copies",
    "cosine_distance_rows",
    "cosine_spectrum",
    "density",
    "distinct_rows",
    "entries_allowed",
    "exact_novelty",
    "exact_products",
    "exact_squared_distances",
    "faulty_rows",
    "held",
    "kernels_run",
    "kmeans",
    "largest_cosine",
    "memory_allowed",
    "near_duplicates",
    "nearest",
    "over_pairs",
    "proximity_weights",
    "recorded",
    "row_blocks",
    "row_lengths",
    "same_rows",
    "shared",
    "sharing",
    "similar_pairs",
    "to_device",
    "typical_neighbour_distance",
    "unit_rows",
    "use_device",
    "use_memory",
    "use_neighbours",
]
