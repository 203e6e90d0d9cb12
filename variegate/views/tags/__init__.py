"""Tags: a few subjects per sample, from a column, from the texts themselves, or by a chat model."""
