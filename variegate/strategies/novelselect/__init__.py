"""NovelSelect: greedy selection by novelty, exact and fast, on processors and GPUs."""
