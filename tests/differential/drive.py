"""Sends the corpus and mutations of it through osier, and has three parsers that others wrote read what osier sent.

Of each message they have to see the same: one, its start, its fields, its content, its trailers, and nothing behind it;
or all three that it is not whole. And where they read what went in alike, that is what came out, or nothing. Where two
of them differ, what went in and what came out is left in target/differential/, and the exit code is 1.

    OSIER_DIFFERENTIAL_COUNT   mutations of requests, and as many of responses (3000)
    OSIER_DIFFERENTIAL_SEED    what they are drawn with (1)
"""

import base64
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import threading

import h11

import h11_parse
import mutate

ROOT = pathlib.Path(__file__).resolve().parents[2]
LEFT = ROOT / "target/differential"
PATIENCE = 20  # seconds; nothing here takes so long unless it fails
OWN = b"\r\nProxy-Status: osier"  # in every answer that osier makes itself
FILE = """
workers = 1
[[listen]]
addr = "127.0.0.1:0"
half_close = "allow"
[upstream.recorder]
to = ["127.0.0.1:{recorder}"]
[upstream.player]
to = ["127.0.0.1:{player}"]
[[route]]
path = "/play"
to = "player"
[[route]]
to = "recorder"
"""


def read_to_end(stream):
    """All octets, and whether the connection ended with a reset."""
    pieces = []
    while True:
        try:
            piece = stream.recv(65536)
        except ConnectionResetError:
            return b"".join(pieces), True
        if not piece:
            return b"".join(pieces), False
        pieces.append(piece)


class Origin:
    """Accepts connections, each on a thread of its own, and knows when none is open."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.open = 0
        self.quiet = threading.Condition()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            stream, _ = self.listener.accept()
            stream.settimeout(PATIENCE)
            with self.quiet:
                self.open += 1
            threading.Thread(target=self.run, args=(stream, self.begin()), daemon=True).start()

    def begin(self):
        """What a connection is served with. In the order in which they come."""

    def run(self, stream, kept):
        try:
            with stream:
                self.serve(stream, kept)
        except OSError:
            pass
        finally:
            with self.quiet:
                self.open -= 1
                self.quiet.notify_all()

    def wait_until_quiet(self):
        with self.quiet:
            if not self.quiet.wait_for(lambda: self.open == 0, PATIENCE):
                raise SystemExit("a connection to the origin stays open")


class Recorder(Origin):
    """Keeps every octet that comes. Answers once h11 has seen a whole request; reads on until osier closes."""

    def __init__(self):
        super().__init__()
        self.records = []

    def begin(self):
        record = bytearray()
        self.records.append(record)
        return record

    def serve(self, stream, record):
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=h11_parse.ROOM)
        is_answered = is_broken = False
        while piece := stream.recv(65536):
            record += piece
            if is_answered or is_broken:
                continue
            try:
                parser.receive_data(piece)
                event = parser.next_event()
                while event not in (h11.NEED_DATA, h11.PAUSED) and not isinstance(event, h11.EndOfMessage):
                    event = parser.next_event()
            except h11.RemoteProtocolError:
                # Whether the others see a message here will be seen.
                is_broken = True
                stream.shutdown(socket.SHUT_WR)
                continue
            if isinstance(event, h11.EndOfMessage):
                is_answered = True
                stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def take(self):
        """The octets of each connection since this was last asked."""
        records, self.records = [bytes(record) for record in self.records if record], []
        return records


class Player(Origin):
    """Answers whatever it is asked with the octets at hand, and ends."""

    octets = b""

    def serve(self, stream, _):
        asked = b""
        while b"\r\n\r\n" not in asked:
            piece = stream.recv(65536)
            if not piece:
                return
            asked += piece
        stream.sendall(self.octets)
        stream.shutdown(socket.SHUT_WR)
        read_to_end(stream)


class Osier:
    """The gateway in front of both origins."""

    def __init__(self, binary, recorder, player):
        file = LEFT / "osier.toml"
        file.write_text(FILE.format(recorder=recorder.port, player=player.port))
        command = [binary, "run", "-c", str(file)]
        self.child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        said = self.child.stderr.readline()
        if "http://" not in said:
            raise SystemExit(f"osier says: {said}")
        address = said.split("http://")[1].split()[0].rstrip(",")
        host, port = address.rsplit(":", 1)
        self.address = (host, int(port))
        threading.Thread(target=self.child.stderr.read, daemon=True).start()

    def tell(self, octets):
        """Sends octets and an end. Everything that comes back, and whether that ended with a reset."""
        with socket.create_connection(self.address, timeout=PATIENCE) as stream:
            try:
                stream.sendall(octets)
                stream.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # It has heard enough. What it says to that counts.
            return read_to_end(stream)

    def stop(self):
        self.child.terminate()
        if self.child.wait(PATIENCE) != 0:
            raise SystemExit(f"osier ended with {self.child.returncode}")


def corpus(is_response):
    """The messages of the corpus that are right, and all."""
    paths = sorted((ROOT / "tests/corpus").glob("*.http"))
    paths = [path for path in paths if path.name.startswith("resp-") == is_response]
    right = [path.read_bytes() for path in paths if path.name.endswith(".ok.http")]
    return right, [path.read_bytes() for path in paths]


def batch(command, questions):
    """Asks one of the parsers that are programs of their own."""
    lines = [
        json.dumps({**asked, "octets": base64.b64encode(asked["octets"]).decode()}) for asked in questions
    ]
    ran = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in ran.stdout.split("\n") if line]
    if len(answers) != len(questions):
        raise SystemExit(f"{command} gave {len(answers)} answers to {len(questions)} questions: {ran.stderr}")
    for said in answers:
        said["body"] = base64.b64decode(said["body"] or "")
    return answers


# Go takes these out of the fields.
APART = ("connection", "trailer", "transfer-encoding")


def seen(said, apart=()):
    """What has to be the same for all."""
    if not said["whole"]:
        return "not whole"
    fields = sorted([name, value] for name, value in said["fields"] if name not in apart)
    return [said["start"], fields, said["body"], sorted(said["trailers"]), said["interim"], said["left"]]


def ask(questions):
    """What each parser says of each question."""
    return {
        "h11": [h11_parse.verdict(asked) for asked in questions],
        "node": batch(["node", str(ROOT / "tests/differential/parse.js")], questions),
        "go": batch([str(ROOT / "target/clients/parse-go")], questions),
    }


def leave(name, given, asked, said):
    """Keeps what two parsers, or a parser and osier, do not see alike."""
    (LEFT / f"{name}.in").write_bytes(given)
    (LEFT / f"{name}.out").write_bytes(asked["octets"])
    (LEFT / f"{name}.json").write_text(json.dumps(said, indent=1, default=repr))
    print(f"{name}: {asked['octets'][:120]!r} cut={asked['cut']}")
    for who, one in said.items():
        print(f"  {who}: {str(seen(one))[:300]} left={one['left']} {one['why']}")


def disagreements(kind, cases):
    """Has all three read what osier sent. Each case: what went in, and the question about what came out."""
    answers = ask([asked for _, asked in cases])
    count = 0
    for place, (given, asked) in enumerate(cases):
        said = {name: answers[name][place] for name in answers}
        views = [seen(said["h11"]), seen(said["node"])]
        is_same = views[0] == views[1] and seen(said["h11"], APART) == seen(said["go"], APART)
        is_alone = all(one["left"] == 0 for one in said.values())
        # What is not whole was cut short; it is nothing that would be wrong however it went on.
        is_right = views[0] != "not whole" or h11_parse.verdict({**asked, "cut": True})["why"] == "no end"
        # What osier ended with a reset it does not want to be taken for a message, and anything else it does.
        if kind == "response":
            is_right = is_right and asked["cut"] == (views[0] == "not whole")
        if not (is_same and is_alone and is_right):
            count += 1
            leave(f"{kind}-{place}", given, asked, said)
    return count


def control(kind, given):
    """How often they do not see the same in what went in: what there is for osier to keep from its origins and clients."""
    answers = ask(
        [{"id": 0, "kind": kind, "method": "GET", "octets": octets, "cut": False} for octets in given]
    )
    count = 0
    for h11_said, node_said, go_said in zip(*answers.values()):
        is_same = seen(h11_said) == seen(node_said) and seen(h11_said, APART) == seen(go_said, APART)
        count += not is_same
    print(f"{kind}s as they went in: {len(given)}, read in more than one way: {count}")
    if count < len(given) // 50:
        raise SystemExit("with so few of them this test would not notice much")


def meaning(said):
    """What no gateway may change: the method or the status, and the content."""
    return [said["start"][0], said["body"]] if said["whole"] else None


def changes(kind, cases):
    """Where all three see the same first message in what went in, it came out as that, or not at all."""
    before = ask([{**asked, "octets": given, "cut": False} for given, asked in cases])
    after = [h11_parse.verdict(asked) for _, asked in cases]
    agreed = count = 0
    for place, (given, asked) in enumerate(cases):
        said = {name: before[name][place] for name in before}
        views = [meaning(one) for one in said.values()]
        if None in views or not views[0] == views[1] == views[2]:
            continue
        agreed += 1
        if meaning(after[place]) not in (None, views[0]):
            count += 1
            leave(f"{kind}-changed-{place}", given, asked, {**said, "osier": after[place]})
    print(f"{kind}s that all three read alike as they went in: {agreed}, changed by osier: {count}")
    return count


def requests(osier, recorder, given):
    """What osier forwarded of these requests."""
    cases, refused = [], 0
    for octets in given:
        osier.tell(octets)
        recorder.wait_until_quiet()
        records = recorder.take()
        refused += not records
        for record in records:
            asked = {"id": len(cases), "kind": "request", "method": "", "octets": record, "cut": False}
            cases.append((octets, asked))
    return cases, refused


def responses(osier, player, given, draw):
    """What osier sent to clients of these responses."""
    cases, own = [], 0
    for octets in given:
        player.octets = octets
        method = draw.choice(["GET", "GET", "GET", "HEAD"])
        version = draw.choice(["1.1", "1.1", "1.1", "1.0"])
        answer, is_cut = osier.tell(f"{method} /play HTTP/{version}\r\nHost: a\r\n\r\n".encode())
        player.wait_until_quiet()
        own += OWN in answer
        asked = {"id": len(cases), "kind": "response", "method": method, "octets": answer, "cut": is_cut}
        cases.append((octets, asked))
    return cases, own


def main():
    binary = sys.argv[1]
    count = int(os.environ.get("OSIER_DIFFERENTIAL_COUNT", "3000"))
    seed = int(os.environ.get("OSIER_DIFFERENTIAL_SEED", "1"))
    draw = random.Random(seed)
    shutil.rmtree(LEFT, ignore_errors=True)
    LEFT.mkdir(parents=True)
    recorder, player = Recorder(), Player()
    osier = Osier(binary, recorder, player)
    try:
        right, pool = corpus(False)
        given = pool + [mutate.mutation(draw, right, pool) for _ in range(count)]
        asked, refused = requests(osier, recorder, given)
        right, pool = corpus(True)
        played = pool + [mutate.mutation(draw, right, pool) for _ in range(count)]
        answered, own = responses(osier, player, played, draw)
    finally:
        osier.stop()
    # A request that the client cut, or spoilt half way, is cut for the origin too: there a FIN says so.
    cut = [one for _, one in asked if not h11_parse.verdict(one)["whole"]]
    reset = sum(one["cut"] for _, one in answered)
    print(f"seed {seed}: {count} mutations of requests, {count} of responses")
    print(
        f"requests: {len(given)} cases, {len(asked) - len(cut)} messages forwarded, {len(cut)} cut short, "
        f"{refused} cases with nothing forwarded"
    )
    print(f"responses: {len(played)} cases, {own} answered by osier itself, {reset} cut short")
    control("request", given)
    control("response", played)
    wrong = disagreements("request", asked) + disagreements("response", answered)
    first = {given: (given, one) for given, one in reversed(asked)}
    wrong += changes("request", list(first.values()))
    wrong += changes("response", [case for case in answered if OWN not in case[1]["octets"]])
    print(f"disagreements: {wrong}")
    if len(asked) < len(given) // 5 or own < len(played) // 10:
        raise SystemExit("too few messages went through for this to say anything")
    if wrong:
        raise SystemExit(f"see {LEFT}")


main()
