"""A parent waits in poll, select and a pidfd for forked children that write late."""

import os
import select
import time


def child(seconds: float) -> tuple[int, int]:
    """Fork a child that writes after some time; return its pid and the pipe."""
    read_end, write_end = os.pipe()
    if (pid := os.fork()) == 0:
        time.sleep(seconds)
        os.write(write_end, b"done")
        os._exit(0)
    os.close(write_end)
    return pid, read_end


pid, pipe = child(1.5)
poller = select.poll()
poller.register(pipe, select.POLLIN)
assert poller.poll()
os.waitpid(pid, 0)
pid, pipe = child(1.5)
assert select.select([pipe], [], [])[0] == [pipe]
os.waitpid(pid, 0)
pid, pipe = child(1.5)
descriptor = os.pidfd_open(pid)
assert select.select([descriptor], [], [])[0] == [descriptor]
os.waitpid(pid, 0)
