"""Files of a project: where they are, how they are read and written."""
