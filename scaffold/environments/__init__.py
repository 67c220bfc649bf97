"""Which packages a program runs with: resolved once, built once."""
