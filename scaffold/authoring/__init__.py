"""Makes and checks recipes."""
