"""Where a project stands, and the one next action."""
