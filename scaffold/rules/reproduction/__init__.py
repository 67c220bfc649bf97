"""Judges a reproduction. Pure."""
