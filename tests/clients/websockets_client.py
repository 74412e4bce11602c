"""A client made with the library `websockets`: websockets_client.py URL"""

import sys

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

URL = sys.argv[1]
MEBIBYTE = bytes(range(256)) * 4096


def dial(compression):
    return connect(URL, compression=compression, max_size=None, proxy=None)


for compression in ["deflate", None]:
    with dial(compression) as connection:
        assert bool(connection.protocol.extensions) == bool(compression)
        for message in ["hello", "", "žluťoučký 🐎", b"\x00\xff", b"", MEBIBYTE, "x" * (1 << 20)]:
            connection.send(message)
            assert connection.recv(timeout=10) == message
        # Pieces of one message stay one message.
        connection.send(["one ", "message, ", "three frames"])
        assert connection.recv(timeout=10) == "one message, three frames"
        # Both sides ping.
        assert connection.ping().wait(timeout=10)
        connection.send("ping me")
        assert connection.recv(timeout=10) == "pong came"
        connection.close(4001, "the client has had enough")

with dial(None) as connection:
    connection.send("close me")
    try:
        connection.recv(timeout=10)
        sys.exit("it was not closed")
    except ConnectionClosed as closed:
        assert closed.rcvd.code == 4002, closed
        assert closed.rcvd.reason == "the origin has had enough", closed

# One that leaves without a word.
connection = dial(None)
connection.send("hello")
assert connection.recv(timeout=10) == "hello"
connection.socket.close()
print("done")
