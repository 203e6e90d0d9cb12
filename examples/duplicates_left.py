"""How many rows of a pool, and of a subset of it, say almost the same as another row?

    variegate select pool.jsonl --size 1000 -o subset.jsonl
    python examples/duplicates_left.py pool.jsonl subset.jsonl

The subset's record, which `select` writes beside it, says which rows it has.
"""

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.neighbors import NearestNeighbors

import variegate as vg

pool, subset = vg.load(sys.argv[1]), sys.argv[2]
record = json.loads(Path(f"{subset}.selection.json").read_text(encoding="utf-8"))
# Up to this distance two rows of the pool are near-duplicates.
radius = vg.diagnose(pool).radius
vectors = pool.vectors()
for name, rows in ((sys.argv[1], np.arange(len(pool))), (subset, np.array(record["indices"]))):
    # The nearest row of all is the row itself.
    distances, _ = NearestNeighbors(n_neighbors=2).fit(vectors[rows]).kneighbors(vectors[rows])
    print(f"{name}: {(distances[:, 1] <= radius).sum()} of {len(rows)} rows have a near-duplicate among the others")
