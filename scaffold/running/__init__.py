"""Make runs: a copy of the reference, supervised commands, metrics read, a record left."""
