"""A client made with the library `requests`, in front of http_origin.py: requests_client.py URL"""

import hashlib
import sys

import requests

URL = sys.argv[1]
PIECE = bytes(range(256)) * 256


def digest(pieces):
    whole = b"".join(pieces)
    return f"{len(whole)} {hashlib.sha256(whole).hexdigest()}\n"


session = requests.Session()
session.trust_env = False

# Thirty fields, and each of them once.
fields = {f"X-Field-{number}": f"value {number}" for number in range(30)}
seen = session.get(f"{URL}/fields", headers=fields, timeout=10).json()
assert [[name, value] for name, value in seen if name in fields] == [*map(list, fields.items())]

# An upload of unknown length, as it is made.
response = session.post(f"{URL}/digest", data=(PIECE for _ in range(32)), timeout=10)
assert response.text == digest([PIECE] * 32), response.text
assert response.headers["X-Framing"] == "chunked"

# A form.
response = session.post(f"{URL}/digest", data={"name": "osier", "kind": "willow"}, timeout=10)
assert response.text == digest([b"name=osier&kind=willow"]), response.text

# A download, as it comes.
with session.get(f"{URL}/stream", stream=True, timeout=10) as response:
    pieces = [*response.iter_content(10_000)]
assert len(pieces) > 100
assert digest(pieces) == digest([PIECE] * 64)

# Redirects, with and without content.
response = session.get(f"{URL}/redirect", timeout=10)
assert [r.status_code for r in response.history] == [302]
assert response.url == f"{URL}/fields" and response.status_code == 200
response = session.post(f"{URL}/redirect", data=b"again", timeout=10)
assert [r.status_code for r in response.history] == [307]
assert response.text == digest([b"again"])

assert session.head(f"{URL}/fields", timeout=10).status_code == 501  # http.server has no HEAD of its own
assert session.get(f"{URL}/nowhere", timeout=10).status_code == 404

# All of that on one connection.
pools = session.get_adapter(URL).poolmanager.pools
[pool] = [pools[key] for key in pools.keys()]
print(pool.num_requests, "requests on", pool.num_connections, "connection")
