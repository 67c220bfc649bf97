"""Draft a recipe from a source that has none: read, never run, nothing guessed."""
