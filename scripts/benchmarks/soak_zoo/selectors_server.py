"""A server in a forked child waits in epoll without a time-out for clients that come now and then."""

import os
import selectors
import socket
import time


def serve(listener: socket.socket) -> None:
    """Answer every client until one says stop."""
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    selector.register(listener.accept()[0], selectors.EVENT_READ)
                    continue
                client = key.fileobj
                assert isinstance(client, socket.socket)
                word = client.recv(100)
                if word == b"stop":
                    return
                if not word:
                    selector.unregister(client)
                    client.close()
                else:
                    client.sendall(word.upper())


with socket.create_server(("127.0.0.1", 0)) as server:
    address = server.getsockname()
    if (child := os.fork()) == 0:
        serve(server)
        os._exit(0)
for number in range(10):
    with socket.create_connection(address) as connection:
        connection.sendall(f"word {number}".encode())
        assert connection.recv(100) == f"WORD {number}".encode()
        time.sleep(0.3)
with socket.create_connection(address) as connection:
    connection.sendall(b"stop")
os.waitpid(child, 0)
