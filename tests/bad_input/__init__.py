"""Input and usage that cannot work, as tables of cases."""
