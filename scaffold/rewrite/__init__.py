"""Parts in the user's own code, each proven equal."""
