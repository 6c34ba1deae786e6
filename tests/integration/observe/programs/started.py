"""A rank that writes its pid to `FOLDER/rank-N` and sits there; it may change something before (a program under test).

`python started.py FOLDER [CHANGE ...]`; a change `N:name` is made by rank N only, and by an exec after it, so that it
is part of what the program was started with, except `stdin`, which a program does to itself.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from pathlib import Path

VARIABLES = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "STARTED_RANK")
folder, changes = Path(sys.argv[1]), sys.argv[2:]
rank = next(os.environ[name] for name in VARIABLES if name in os.environ)
mine = {change.rpartition(":")[2] for change in changes if change.rpartition(":")[0] in {"", rank}}
if mine - {"stdin"}:
    if "sigchld" in mine:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    if "limits" in mine:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    if "pinned" in mine:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.execv(sys.executable, [sys.executable, __file__, str(folder), *(["stdin"] if "stdin" in mine else [])])
if "stdin" in mine:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
part = folder / f"rank-{rank}.part"
part.write_text(str(os.getpid()))
part.rename(folder / f"rank-{rank}")
time.sleep(600)
