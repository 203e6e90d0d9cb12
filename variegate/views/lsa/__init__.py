"""Latent semantic analysis: vectors that are fitted on the data, for any script and without a model."""
