"""Views of a corpus: what metrics and strategies look at, derived from texts and cached on disk."""
