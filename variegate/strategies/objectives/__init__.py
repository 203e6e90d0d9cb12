"""What strategies optimise, and the one loop that does it."""
