"""A child waits in sigwait, another in pause with a handler, and the parent signals both."""

import os
import signal
import time
from collections.abc import Callable


def in_child(action: Callable[[], object]) -> int:
    """Fork, do something in the child, and return its pid."""
    if (pid := os.fork()) == 0:
        action()
        os._exit(0)
    return pid


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
waiter = in_child(lambda: signal.sigwait({signal.SIGUSR1}))
signal.signal(signal.SIGUSR2, lambda *_: os._exit(0))
pauser = in_child(signal.pause)
time.sleep(3)
os.kill(waiter, signal.SIGUSR1)
os.kill(pauser, signal.SIGUSR2)
os.waitpid(waiter, 0)
os.waitpid(pauser, 0)
