"""What was proven and what was run, in formats of other tools."""
