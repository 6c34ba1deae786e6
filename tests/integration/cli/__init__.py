"""The command line as its users meet it: the installed `hangprobe`, real programs, files, terminals and signals."""

import sys
from pathlib import Path

# The harness next door is imported by its full name, which an installed wheel does not make importable.
sys.path.append(str(Path(__file__).parents[3]))
