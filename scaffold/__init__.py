"""Start an ML project from something that works, prove it works here.

And prove every step from it.
"""

__version__ = "0.1.0"
