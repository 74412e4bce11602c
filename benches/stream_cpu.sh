#!/usr/bin/env bash
# CPU of osier's [[stream]] and of HAProxy's `mode tcp`, in one run: for each GiB that goes up and down, and for each small
# message with its answer. utime + stime of the proxy, from /proc/PID/stat. The proxy has one core; both peers share another.
# HAProxy runs as it comes, with pipes of 64 KiB, and with such as osier has, of 256 KiB. Before that strace says by which calls
# each of them moves what it moves: HAProxy has to splice too, or it is no comparison. By SPLICE='option splice-auto' it splices only
# what it takes for a stream: nothing of what goes down here, and a part of what goes up.
#
#   apt-get install haproxy python3 strace; cargo build --release; benches/stream_cpu.sh [GIB] [MESSAGES] [ROUNDS]
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"
free {18711..18714}
gib=${1:-2} messages=${2:-20000} rounds=${3:-5}

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
haproxy() { # name port tuning
  cat > "$dir/$1.cfg" <<CONF
global
  nbthread 1
  maxconn 1000
  $3
defaults
  mode tcp
  timeout connect 3s
  timeout client 1h
  timeout server 1h
  ${SPLICE:-option splice-request
  option splice-response}
listen stream
  bind 127.0.0.1:$2
  server origin 127.0.0.1:18711
CONF
  start 0 haproxy -db -f "$dir/$1.cfg" 2>"$dir/$1.log"
}
cat > "$dir/osier.toml" <<CONF
workers = 1
[[stream]]
addr = "127.0.0.1:18713"
to = "127.0.0.1:18711"
CONF
start 1 python3 "$dir/peers.py" origin 18711
haproxy haproxy 18712 ""; haproxy_pid=$!
haproxy haproxy_256k 18714 "tune.pipesize 262144"; haproxy_256k_pid=$!
start 0 "$osier" run -c "$dir/osier.toml" 2>"$dir/osier.log"; osier_pid=$!
sleep 1

moved() { # name port pid kind: by which calls a proxy moves 64 MiB; each octet goes in and out
  command -v strace >/dev/null || { echo "strace is missing: left out is whether $1 splices"; return; }
  strace -f -qq -e trace=splice,read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg -o "$dir/calls" -p "$3" & local tracer=$!
  until grep -q "^TracerPid:[[:space:]]*$tracer$" "/proc/$3/status"; do
    kill -0 "$tracer" 2>/dev/null || { echo "strace may not look at $1"; return; }
    sleep 0.1
  done
  taskset -c 1 python3 "$dir/peers.py" client "$2" "$4" $((64 << 20))
  kill -INT "$tracer"; wait "$tracer" || true
  awk -v n="$1" -v k="$4" '$NF > 0 && /\) += [0-9]+$/ {sub(/^[0-9]+ +/, ""); sub(/\(.*= /, " "); calls[$1]++; octets[$1] += $2}
    END {printf "%s %s moves", n, k
      for (call in calls) printf "%s %.1f MiB by %d of %s", s++ ? "," : "", octets[call] / 1048576, calls[call], call
      print ""}' "$dir/calls"
}
measure() { # name port pid kind count each unit
  local before after
  before=$(ticks "$3")
  taskset -c 1 python3 "$dir/peers.py" client "$2" "$4" "$5"
  after=$(ticks "$3")
  echo "$1 $4 $(cpu_each $((after - before)) "$6") $7"
}
octets=$((gib << 30))
for kind in u d; do
  moved haproxy 18712 "$haproxy_pid" $kind
  moved haproxy_256k 18714 "$haproxy_256k_pid" $kind
  moved osier 18713 "$osier_pid" $kind
done
three() { # name port pid
  measure "$@" u "$octets" $((gib * 1000)) ms/GiB
  measure "$@" d "$octets" $((gib * 1000)) ms/GiB
  measure "$@" m "$messages" "$messages" us/message
}
for _ in $(seq "$rounds"); do
  three haproxy 18712 "$haproxy_pid"
  three haproxy_256k 18714 "$haproxy_256k_pid"
  three osier 18713 "$osier_pid"
done | tee "$dir/result"
for kind in u d m; do
  awk -v k="$kind" -v o="$(median 3 osier $kind)" -v h="$(median 3 haproxy $kind)" -v l="$(median 3 haproxy_256k $kind)" 'BEGIN {
    name["u"] = "up"; name["d"] = "down"; name["m"] = "messages"
    printf "%s: osier %.2f, haproxy %.2f, ratio %.2f; haproxy with large pipes %.2f, ratio %.2f\n", name[k], o, h, o / h, l, o / l }'
done
