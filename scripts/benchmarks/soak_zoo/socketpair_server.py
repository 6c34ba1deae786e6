"""Parent and forked child take turns on a socket pair: one of them always waits for the other."""

import os
import socket
import time

ours, theirs = socket.socketpair()
if (child := os.fork()) == 0:
    ours.close()
    while word := theirs.recv(100):
        time.sleep(0.2)
        theirs.sendall(word[::-1])
    os._exit(0)
theirs.close()
for _ in range(12):
    ours.sendall(b"word")
    assert ours.recv(100) == b"drow"
ours.close()
os.waitpid(child, 0)
