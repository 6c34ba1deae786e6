"""A server that forks for each request, in a thread; its clients keep their connections open for a while."""

import multiprocessing
import socket
import socketserver
import threading
import time


class Echo(socketserver.StreamRequestHandler):
    """Answers line by line."""

    def handle(self) -> None:
        """Answer until the client goes."""
        for line in self.rfile:
            self.wfile.write(line)


def ask(address: tuple[str, int]) -> None:
    """Ask a few times, with pauses."""
    with socket.create_connection(address) as connection, connection.makefile("rwb") as stream:
        for _ in range(4):
            stream.write(b"hello\n")
            stream.flush()
            assert stream.readline() == b"hello\n"
            time.sleep(0.6)


with socketserver.ForkingTCPServer(("127.0.0.1", 0), Echo) as server:
    # Clients in this process would leak their connections into the forked handlers, and no handler would see an end.
    clients = [multiprocessing.Process(target=ask, args=(server.server_address,)) for _ in range(3)]
    for client in clients:
        client.start()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for client in clients:
        client.join()
    server.shutdown()
