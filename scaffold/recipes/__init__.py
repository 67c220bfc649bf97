"""Recipes of ours and of others."""
