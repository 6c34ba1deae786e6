"""hangprobe: find, prove, explain and help to cure hangs of programs that fork under MPI.

Start reading in `hangprobe.probe`; the stages it calls are the packages, in the order in which data flows through them.
"""

__version__ = "0.1.0"
