"""Judges a change by pairs of runs. Pure."""
