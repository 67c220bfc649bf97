"""Start an ML project from something that works, prove that it works here, and prove every step away from it."""

__version__ = "0.1.0"
