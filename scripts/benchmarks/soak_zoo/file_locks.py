"""Forked children wait for one another's flock, then for POSIX locks, then for SQLite's."""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing


def with_lock(lock: Callable[[int, int], None]) -> None:
    """Take the lock, keep it for a while."""
    descriptor = os.open("lock", os.O_RDWR | os.O_CREAT, 0o600)
    lock(descriptor, fcntl.LOCK_EX)
    time.sleep(0.5)
    os.close(descriptor)


def write() -> None:
    """Write to the data base in transactions that take long."""
    with closing(sqlite3.connect("data", timeout=60, isolation_level=None)) as base:
        for _ in range(3):
            base.execute("BEGIN IMMEDIATE")
            base.execute("INSERT INTO numbers VALUES (1)")
            time.sleep(0.2)
            base.execute("COMMIT")


def in_children(action: Callable[[], None]) -> None:
    """Do something in several forked children, and wait for them."""
    for _ in range(4):
        if os.fork() == 0:
            action()
            os._exit(0)
    for _ in range(4):
        assert os.wait()[1] == 0


in_children(lambda: with_lock(fcntl.flock))
in_children(lambda: with_lock(fcntl.lockf))
with closing(sqlite3.connect("data")) as connection:
    connection.execute("CREATE TABLE numbers (number)")
in_children(write)
