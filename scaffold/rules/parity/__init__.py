"""Compares two computations. Pure."""
