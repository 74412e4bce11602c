#!/usr/bin/env bash
# CPU of osier's [[stream]] and of HAProxy's `mode tcp`, in one run: for each GiB that goes up and down, and for each small
# message with its answer. utime + stime of the proxy, from /proc/PID/stat. The proxy has one core; both peers share another.
#
#   apt-get install haproxy python3; cargo build --release; benches/stream_cpu.sh [GIB] [MESSAGES] [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")/.."
osier=${OSIER:-target/release/osier}
gib=${1:-2} messages=${2:-20000} rounds=${3:-5}
dir=$(mktemp -d) pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT

cat > "$dir/peers.py" <<'PY'
import socket, sys, threading

CHUNK = bytes(1 << 20)

def served(connection):
    """The first octet says what is played: a sink, a source, or an echo."""
    kind = connection.recv(1)
    room = bytearray(1 << 20)
    if kind == b"u":
        while connection.recv_into(room):
            pass
        connection.sendall(b"x")
    elif kind == b"d":
        left = int.from_bytes(connection.recv(8), "big")
        while left > 0:
            left -= connection.send(CHUNK[:min(left, len(CHUNK))])
    else:
        while count := connection.recv_into(room):
            connection.sendall(room[:count])
    connection.close()

def origin(port):
    listener = socket.create_server(("127.0.0.1", port))
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=served, args=(connection,), daemon=True).start()

def client(port, kind, count):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(kind.encode())
    room = bytearray(1 << 20)
    if kind == "u":
        while count > 0:
            count -= connection.send(CHUNK[:min(count, len(CHUNK))])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b"x"
    elif kind == "d":
        connection.sendall(count.to_bytes(8, "big"))
        while received := connection.recv_into(room):
            count -= received
        assert count == 0
    else:
        for _ in range(count):
            connection.sendall(CHUNK[:64])
            assert connection.recv_into(room) == 64

if sys.argv[1] == "origin":
    origin(int(sys.argv[2]))
else:
    client(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
PY
cat > "$dir/haproxy.cfg" <<CONF
global
  nbthread 1
  maxconn 1000
defaults
  mode tcp
  timeout connect 3s
  timeout client 1h
  timeout server 1h
  ${SPLICE:-option splice-auto}
listen stream
  bind 127.0.0.1:18712
  server origin 127.0.0.1:18711
CONF
cat > "$dir/osier.toml" <<CONF
workers = 1
[[stream]]
addr = "127.0.0.1:18713"
to = "127.0.0.1:18711"
CONF
taskset -c 1 python3 "$dir/peers.py" origin 18711 & pids+=($!)
taskset -c 0 haproxy -db -f "$dir/haproxy.cfg" 2>"$dir/haproxy.log" & pids+=($!)
haproxy_pid=$!
taskset -c 0 "$osier" run -c "$dir/osier.toml" 2>"$dir/osier.log" & pids+=($!)
osier_pid=$!
sleep 1

ticks() { set -- $(sed 's/.*) //' "/proc/$1/stat"); echo $((${12} + ${13})); }
measure() { # name port pid kind count divisor unit
  local before after
  before=$(ticks "$3")
  taskset -c 1 python3 "$dir/peers.py" client "$2" "$4" "$5"
  after=$(ticks "$3")
  awk -v n="$1" -v k="$4" -v t=$((after - before)) -v d="$6" -v u="$7" -v hz="$(getconf CLK_TCK)" \
    'BEGIN {printf "%s %s %.2f %s\n", n, k, t * 1000 / hz / d, u}'
}
octets=$((gib << 30))
for _ in $(seq "$rounds"); do
  for one in "haproxy 18712 $haproxy_pid" "osier 18713 $osier_pid"; do
    measure $one u "$octets" "$gib" ms/GiB
    measure $one d "$octets" "$gib" ms/GiB
    measure $one m "$messages" "$(awk -v m="$messages" 'BEGIN {print m / 1000}')" us/message
  done
done | tee "$dir/result"
median() { awk -v n="$1" -v k="$2" '$1 == n && $2 == k {print $3}' "$dir/result" | sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
for kind in u d m; do
  awk -v k="$kind" -v o="$(median osier $kind)" -v h="$(median haproxy $kind)" 'BEGIN {
    name["u"] = "up"; name["d"] = "down"; name["m"] = "messages"
    printf "%s: osier %.2f, haproxy %.2f, ratio %.2f\n", name[k], o, h, o / h }'
done
