"""Many data sets at once: grids of selections, with what was measured on each."""
