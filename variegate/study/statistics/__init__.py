"""Do metrics predict performance? Correlations, slopes, noise ceilings, and their tables."""
