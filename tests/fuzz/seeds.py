"""Makes the corpora to begin with, of the messages and the files that the tests have.

    tests/fuzz/seeds.py DIRECTORY

A message of the corpus is what the client says, or the origin; beside it stands an ordinary one of the other side.
"""

import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent
REQUEST = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
DEADLINES = ["0", "1", "150", "9999999999", "10000000000", "+1", "1S", "99999999H", "100000000n", "0m", "5 S", "-1u"]


def exchange(client, origin, chosen=b""):
    """As tests/sim/hostile.rs takes it apart."""
    # The length is taken modulo one more than there is.
    length = min(len(client), 0xFFFF)
    return bytes([len(chosen), length >> 8, length & 0xFF]) + chosen + client + origin


def long(octets):
    """With their length in two octets in front."""
    return len(octets).to_bytes(2, "big") + octets


def client_hello(name):
    """The handshake message (RFC 8446 section 4.1.2) with this name, or none."""
    extensions = b"\0\x10" + long(long(b"\x02h2")) + b"\0\x2b" + long(b"\x02\x03\x04")
    if name is not None:
        extensions += b"\0\0" + long(long(b"\0" + long(name)))
    body = b"\x03\x03" + bytes(32) + b"\x02xy" + long(b"\x13\x01\x13\x02") + b"\x01\0" + long(extensions)
    return b"\x01" + len(body).to_bytes(3, "big") + body


def main(root):
    corpora = {name: [] for name in ("request_head", "response_head", "chunked", "exchange", "config", "deadline", "proxy_protocol", "client_hello")}
    for path in sorted((TESTS / "corpus").glob("*.http")):
        octets = path.read_bytes()
        is_response = path.name.startswith("resp-")
        head, _, body = octets.partition(b"\r\n\r\n")
        if is_response:
            corpora["response_head"] += [b"\x07\x00" + octets, b"\x01\x03" + octets]
            corpora["exchange"].append(exchange(REQUEST, octets))
        else:
            corpora["request_head"] += [b"\x07" + octets, b"\x01" + octets]
            corpora["exchange"].append(exchange(octets, RESPONSE))
        if b"chunked" in head:
            corpora["chunked"].append(b"\x03" + body)
    corpora["exchange"] += [
        exchange(REQUEST * 3, RESPONSE * 3, bytes(range(60))),
        exchange(REQUEST, b"HTTP/1.1 103 Early\r\n\r\n" * 3 + RESPONSE, bytes(200)),
    ]
    for path in sorted((TESTS / "config").glob("*.toml")):
        corpora["config"].append(path.read_bytes())
    for text in DEADLINES:
        corpora["deadline"] += [b"\x00" + text.encode(), b"\x01" + text.encode()]
    for command, family, length in [(0x21, 0x11, 12), (0x21, 0x21, 36), (0x21, 0x31, 216), (0x20, 0, 0), (0x21, 0x12, 12)]:
        head = b"\r\n\r\n\0\r\nQUIT\n" + bytes([command, family])
        addresses = bytes(range(length))
        checked = addresses + b"\x04\0\x01x" + b"\x03\0\x04\0\0\0\0"
        for body in (addresses, checked):
            corpora["proxy_protocol"].append(head + len(body).to_bytes(2, "big") + body + b"GET /")
    for line in ("TCP4 192.0.2.1 192.0.2.2 1 65535", "TCP6 ::1 2001:db8::2 0 80", "UNKNOWN", "UNKNOWN a b"):
        corpora["proxy_protocol"].append(f"PROXY {line}\r\nGET /".encode())
    for name in (b"a.example", b"A.b.", None):
        hello = client_hello(name)
        for size in (1, 50, 16384):
            fragments = [hello[at:at + size] for at in range(0, len(hello), size)]
            corpora["client_hello"].append(b"".join(b"\x16\x03\x01" + long(it) for it in fragments))
    for name, octets in corpora.items():
        directory = pathlib.Path(root) / name
        directory.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(octets):
            (directory / f"seed-{number:03}").write_bytes(seed)


if __name__ == "__main__":
    main(sys.argv[1])
