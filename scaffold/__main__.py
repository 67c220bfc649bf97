"""`python -m scaffold`."""

import sys

del sys.path[0]  # the present folder: an untrusted project may have a click.py

from scaffold.cli import main  # noqa: E402

main(prog_name="scaffold")
