"""Pictures of results; it sees plain results only."""
