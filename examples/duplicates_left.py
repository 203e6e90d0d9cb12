"""How many rows of a data set say almost the same as another of its rows?"""

import sys

import variegate as vg
from variegate.geometry import near_duplicates, nearest

pool = vg.load(sys.argv[1])
radius = near_duplicates(pool.vectors()).radius
for path in sys.argv[1:]:
    vectors = vg.load(path).vectors()
    # The nearest row of all is the row itself.
    distances, _ = nearest(vectors, vectors, 2)
    print(f"{path}: {(distances[:, 1] <= radius**2).sum()} of {len(vectors)} rows have a near-duplicate among the others")
