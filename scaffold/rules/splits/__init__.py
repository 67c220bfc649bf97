"""How examples are divided into splits, and what may have leaked between these. Pure."""
