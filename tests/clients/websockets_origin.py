"""An origin made with the library `websockets`. It echoes, and does what two texts ask of it."""

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve


def talk(connection):
    try:
        for message in connection:
            if message == "ping me":
                came = connection.ping().wait(timeout=10)
                connection.send("pong came" if came else "no pong came")
            elif message == "close me":
                connection.close(4002, "the origin has had enough")
            else:
                connection.send(message)
    except ConnectionClosed:
        pass
    print("closed", connection.close_code, connection.close_reason, flush=True)


with serve(talk, "127.0.0.1", 0, max_size=None) as server:
    host, port = server.socket.getsockname()
    print(f"listening on {host}:{port}", flush=True)
    server.serve_forever()
