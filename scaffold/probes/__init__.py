"""Runs of a program in another way than its own, to learn something of it."""
