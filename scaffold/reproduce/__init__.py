"""Judges whether the reference gives its published result here."""
