"""Messages that are nearly right, made of those in tests/corpus: the same seed makes the same ones."""

import re

ODD = [
    b"\r", b"\n", b"\r\n", b"\r\r\n", b"\n\r", b"\0", b" ", b"\t", b"\x0b", b"\x0c", b"\x7f", b"\x85", b"\xa0", b"\xff",
    b":", b";", b",", b'"', b"\\", b"#", b"?", b"/", b"//", b"%", b"%00", b"@", b"=", b"+", b"-", b"0x", b"_", b"\x1b",
    b"\xc3\xa9", b"HTTP/1.1", b"chunked", b"0\r\n\r\n", b"\r\n\r\n",
]

LINES = [
    b"Content-Length: 0", b"Content-Length: 2", b"Content-Length: 5", b"Content-Length: 30", b"Content-Length: 2, 2",
    b"Content-Length: +2", b"Content-Length : 2", b"Content-Length:2", b"content-length: 02", b"Content-Length:\t2 ",
    b"Content_Length: 2", b"Transfer-Encoding: chunked", b"transfer-encoding: Chunked", b"Transfer-Encoding:chunked ",
    b"Transfer-Encoding: identity", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, gzip",
    b"Transfer-Encoding: x", b"Transfer-Encoding:", b"Transfer-Encoding: ,chunked", b"Transfer-Encoding : chunked",
    b"TE: trailers", b"TE: chunked", b"Trailer: X-Sum", b"Trailer: Content-Length, Host",
    b"Host: b", b"Host:", b"Host: a:80", b"Host: a b", b"Connection: close", b"Connection: keep-alive",
    b"Connection: Host, X-A", b"Connection: Transfer-Encoding", b"Connection: Content-Length", b"Connection: X-Sum",
    b"Connection: upgrade", b"Upgrade: websocket", b"Upgrade: h2c", b"Expect: 100-continue", b"Expect: x",
    b"Keep-Alive: 5", b"Proxy-Connection: close", b"Max-Forwards: 0", b"Max-Forwards: 3", b"X-A: 1", b"X-A:", b"X-A: \"a, b",
    b"X-A: \x80\xff", b" X-A: 1", b"X A: 1", b": 1", b"X-A", b"Date: now", b"Via: 1.0 x", b"Set-Cookie: a=b",
    b"X-Forwarded-For: 6.6.6.6", b"Forwarded: for=6.6.6.6", b"Cookie: a=b", b"Server: x", b"Content-Type: text/plain",
]

NUMBERS = [
    b"0", b"1", b"2", b"3", b"7", b"a", b"F", b"10", b"00", b"002", b"99", b"100", b"101", b"103", b"199", b"204", b"205",
    b"304", b"426", b"599", b"999", b"1000", b"65535", b"65536", b"ffffffff", b"4294967298", b"18446744073709551615",
    b"18446744073709551618", b"-1",
]


def split(octets):
    return re.split(rb"(?<=\n)", octets)


def insert(draw, octets, pool):
    place = draw.randrange(len(octets) + 1)
    return octets[:place] + draw.choice(ODD) + octets[place:]


def insert_at_an_edge(draw, octets, pool):
    edges = [m.start() for m in re.finditer(rb"[\r\n:; ,=]", octets)] or [0]
    place = draw.choice(edges) + draw.randrange(2)
    return octets[:place] + draw.choice(ODD) + octets[place:]


def replace(draw, octets, pool):
    place = draw.randrange(max(len(octets), 1))
    return octets[:place] + bytes([draw.randrange(256)]) + octets[place + 1 :]


def delete(draw, octets, pool):
    place = draw.randrange(max(len(octets), 1))
    return octets[:place] + octets[place + draw.randrange(1, 5) :]


def repeat_line(draw, octets, pool):
    parts = split(octets)
    place = draw.randrange(len(parts))
    parts.insert(draw.randrange(len(parts) + 1), parts[place])
    return b"".join(parts)


def swap_lines(draw, octets, pool):
    parts = split(octets)
    one, two = draw.randrange(len(parts)), draw.randrange(len(parts))
    parts[one], parts[two] = parts[two], parts[one]
    return b"".join(parts)


def add_line(draw, octets, pool):
    head, empty, rest = octets.partition(b"\r\n\r\n")
    parts = head.split(b"\r\n")
    parts.insert(draw.randrange(1, len(parts) + 1), draw.choice(LINES))
    return b"\r\n".join(parts) + empty + rest


def borrow_line(draw, octets, pool):
    parts = split(octets)
    parts.insert(draw.randrange(len(parts) + 1), draw.choice(split(draw.choice(pool))))
    return b"".join(parts)


def spoil_line_end(draw, octets, pool):
    parts = octets.split(b"\r\n")
    place = draw.randrange(max(len(parts) - 1, 1))
    end = draw.choice([b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\r\n", b"", b" \r\n", b"\r\n ", b"\r\n\t"])
    return b"\r\n".join(parts[: place + 1]) + end + b"\r\n".join(parts[place + 1 :])


def change_number(draw, octets, pool):
    numbers = list(re.finditer(rb"(?<![A-Za-z])[0-9a-fA-F]+(?![A-Za-z])", octets))
    if not numbers:
        return octets
    number = draw.choice(numbers)
    return octets[: number.start()] + draw.choice(NUMBERS) + octets[number.end() :]


def change_case(draw, octets, pool):
    words = list(re.finditer(rb"[A-Za-z]+", octets))
    if not words:
        return octets
    word = draw.choice(words)
    return octets[: word.start()] + word.group().swapcase() + octets[word.end() :]


def cut(draw, octets, pool):
    return octets[: draw.randrange(len(octets) + 1)]


def join(draw, octets, pool):
    other = draw.choice(pool)
    return octets[: draw.randrange(len(octets) + 1)] + other[draw.randrange(len(other) + 1) :]


def append(draw, octets, pool):
    return octets + draw.choice(pool)


KINDS = [
    insert, insert_at_an_edge, insert_at_an_edge, replace, delete, repeat_line, swap_lines, add_line, add_line, add_line,
    borrow_line, spoil_line_end, change_number, change_number, change_case, cut, join, append,
]


def mutation(draw, right, pool):
    """A message of the pool, most often of those that are right, changed once to three times."""
    octets = draw.choice(right if draw.random() < 0.85 else pool)
    for _ in range(draw.choice([1, 1, 1, 2, 2, 3])):
        octets = draw.choice(KINDS)(draw, octets, pool)
    return octets[: 64 * 1024]
