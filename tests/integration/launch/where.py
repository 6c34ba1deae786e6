"""Every rank writes where it is: a file `at-RANK` with host, size of the job, and whether a prefix came before it."""

import os
import socket
from pathlib import Path

from mpi4py import MPI

comm = MPI.COMM_WORLD
words = (socket.gethostname(), str(comm.size), os.environ.get("PUT_BEFORE", "-"), os.environ.get("HANGPROBE_JOB", "-"))
Path(os.environ["HANGPROBE_MARKS"], f"at-{comm.rank}").write_text(" ".join(words))
comm.Barrier()
