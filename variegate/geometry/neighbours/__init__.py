"""Nearest neighbours: exact by bounds in float32 and float64 among what these leave, or approximate by a graph."""
