"""Makes runs: a copy of the reference, its commands under supervision, its metrics read, a record left."""
