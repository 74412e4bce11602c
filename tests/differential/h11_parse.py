"""What h11 makes of a message that osier sent."""

import h11

ROOM = 128 * 1024


def text(octets):
    return bytes(octets).decode("latin-1")


def lines(headers):
    return sorted([text(name).lower(), text(value)] for name, value in headers)


def verdict(asked):
    """The same as the other two parsers say, for one question."""
    is_request = asked["kind"] == "request"
    said = {
        "id": asked["id"],
        "whole": False,
        "why": "",
        "start": None,
        "fields": [],
        "body": b"",
        "trailers": [],
        "interim": [],
        "left": 0,
    }
    role = h11.SERVER if is_request else h11.CLIENT
    connection = h11.Connection(role, max_incomplete_event_size=ROOM)
    try:
        if not is_request:
            method = asked["method"]
            connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
            connection.send(h11.EndOfMessage())
        connection.receive_data(asked["octets"])
        if not asked["cut"]:
            if asked["octets"]:
                read(connection, said)
            if not said["whole"]:
                connection.receive_data(b"")
        read(connection, said)
    except (h11.ProtocolError, RuntimeError) as error:
        said["why"] = str(error)
        said["whole"] = False
    if not said["whole"] and not said["why"]:
        said["why"] = "no end"
    return said


def read(connection, said):
    while not said["whole"]:
        event = connection.next_event()
        if event is h11.NEED_DATA or event is h11.PAUSED:
            return
        if isinstance(event, h11.Request):
            said["start"] = [text(event.method), text(event.target)]
            said["fields"] = lines(event.headers)
        elif isinstance(event, h11.InformationalResponse):
            said["interim"].append(event.status_code)
        elif isinstance(event, h11.Response):
            said["start"] = [str(event.status_code)]
            said["fields"] = lines(event.headers)
        elif isinstance(event, h11.Data):
            said["body"] += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            said["trailers"] = lines(event.headers)
            said["whole"] = True
            said["left"] = len(connection.trailing_data[0])
        else:
            return
