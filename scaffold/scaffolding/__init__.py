"""Makes a project, brings it up to date, and takes the scaffold out of it again."""
