"""Simulated sets whose order of diversity is known, and how metrics rank them."""
