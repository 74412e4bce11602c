#!/usr/bin/env bash
# A pair of gateways that share an address, in network namespaces of its own: the active one is killed under load, then a
# whole machine goes; then a name server adds origins and takes them away. Says how long nobody answered.
#
#   apt-get install keepalived dnsmasq-base curl iproute2; examples/deploy/keepalived/show.sh [BINARY]
#
# Needs root. Exits with 1 when somebody waited for more than two seconds, or traffic did not follow the names.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
osier=$(realpath "${1:-$here/../../../target/release/osier}")
[ -x "$osier" ] || { echo "$osier is not there: cargo build --release" >&2; exit 1; }
for program in keepalived dnsmasq curl ip; do
  command -v "$program" >/dev/null || { echo "$program is missing" >&2; exit 1; }
done

home=$(mktemp -d)
chmod 755 "$home"
pids=() spaces=()
leave() {
  local pid space
  for pid in ${pids[@]+"${pids[@]}"}; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  for space in ${spaces[@]+"${spaces[@]}"}; do ip netns delete "$space" 2>/dev/null || true; done
  rm -rf "$home"
}
trap leave EXIT
fail() { echo "$*" >&2; tail -n 5 "$home"/*.log >&2; exit 1; }
now() { date +%s%3N; }

# A switch, and five machines on it.
lan=osier-$$
ip netns add "$lan-lan"
spaces+=("$lan-lan")
ip -n "$lan-lan" link add lan type bridge
ip -n "$lan-lan" link set lan up
machine() { # name address
  ip netns add "$lan-$1"
  spaces+=("$lan-$1")
  ip -n "$lan-lan" link add "$1" type veth peer name eth0 netns "$lan-$1"
  ip -n "$lan-lan" link set "$1" master lan up
  ip -n "$lan-$1" address add "$2/24" dev eth0
  ip -n "$lan-$1" link set lo up
  ip -n "$lan-$1" link set eth0 up
}
machine gw1 10.77.0.11
machine gw2 10.77.0.12
machine origins 10.77.0.21
machine client 10.77.0.31
for last in 22 23; do ip -n "$lan-origins" address add "10.77.0.$last/24" dev eth0; done
on() { local space=$lan-$1; shift; ip netns exec "$space" "$@"; }
# For what goes on behind: its process is the program itself.
become() { local space=$lan-$1; shift; exec ip netns exec "$space" "$@"; }

# Origins that say who they are, and the name server.
for last in 21 22 23; do
  become origins "$osier" respond -l "10.77.0.$last:8080" "$last" 2>"$home/origin-$last.log" & pids+=($!)
done
names=
serve_names() { # the last octets of the addresses where origins are
  local last
  if [ -n "$names" ]; then kill "$names"; wait "$names" 2>/dev/null || true; fi
  for last; do
    echo "host-record=o$last.internal,10.77.0.$last"
    echo "srv-host=_http._tcp.app.internal,o$last.internal,8080,0,1"
  done >"$home/dnsmasq.conf"
  become origins dnsmasq --keep-in-foreground --conf-file="$home/dnsmasq.conf" --listen-address=10.77.0.21 --bind-interfaces \
    --no-resolv --no-hosts --pid-file= --user=root --group=root --local=/internal/ 2>"$home/dnsmasq.log" & pids+=($!)
  names=$!
}
serve_names 21 22
echo 'nameserver 10.77.0.21' >"$home/resolv.conf"

declare -A gateway
start_gateway() { # name
  # The machine's own resolv.conf, seen by this process alone.
  # shellcheck disable=SC2016
  become "$1" unshare --mount sh -c 'mount --bind "$0" "$(realpath /etc/resolv.conf)" && exec "$@"' "$home/resolv.conf" \
    "$osier" run -c "$here/osier.toml" 2>>"$home/$1.log" & pids+=($!)
  gateway[$1]=$!
}
for name in gw1 gw2; do
  start_gateway "$name"
  sed "s/gateway-1/$name/" "$here/keepalived.conf" >"$home/$name.conf"
  become "$name" keepalived --dont-fork --log-console --use-file "$home/$name.conf" --pid "$home/$name.pid" \
    --vrrp_pid "$home/$name.vrrp" >"$home/keepalived-$name.log" 2>&1 & pids+=($!)
done
active() { local name; for name in gw1 gw2; do
  if ip -n "$lan-$name" -4 -o address show eth0 2>/dev/null | grep -q ' 10\.77\.0\.10/'; then echo "$name"; fi; done; }
ask() { on client curl --silent --connect-timeout 0.3 --max-time 1 --output /dev/null --write-out '%{http_code}' http://10.77.0.10:8086/; }
for _ in $(seq 100); do [ "$(ask || true)" = 200 ] && break; sleep 0.1; done
[ "$(ask || true)" = 200 ] || fail "nobody answers on the shared address"

# Four clients that ask again and again; each line is a moment, in milliseconds, and what came of it.
cat >"$home/load" <<'LOAD'
while [ ! -e "$1/over" ]; do
  code=$(curl --silent --connect-timeout 0.3 --max-time 1 --output /dev/null --write-out '%{http_code}' http://10.77.0.10:8086/)
  printf '%s %s\n' "$(date +%s%3N)" "$code"
  sleep 0.02
done
LOAD
load() {
  rm -f "$home/over"
  local each
  for each in 1 2 3 4; do become client timeout 30 sh "$home/load" "$home" >"$home/asked.$each" & loads[each]=$!; done
}
unload() { touch "$home/over"; wait "${loads[@]}"; }
declare -a loads
# The longest time within which nobody was answered, after the moment $1.
longest() { sort -n "$home"/asked.* | awk -v since="$1" '$2 == 200 { if (last && $1 >= since && $1 - last > most) most = $1 - last; last = $1 } END { print most + 0 }'; }
counts() { cat "$home"/asked.* | awk '{ n[$2]++ } END { for (code in n) printf "%s: %d  ", code, n[code] }'; }

status=0
judge() { # what since before
  local gap after
  gap=$(longest "$2") after=$(active)
  echo "$1: $3 had the address, now ${after:-nobody} has; nobody answered for $gap ms   ($(counts))"
  [ -n "$after" ] && [ "$after" != "$3" ] && [ "$gap" -le 2000 ] || status=1
}

load; sleep 1
before=$(active) since=$(now)
kill -KILL "${gateway[$before]}"
wait "${gateway[$before]}" 2>/dev/null || true
sleep 3; unload
judge "the active gateway was killed" "$since" "$before"

# It is started again, as an init system does, and is the one to take over.
start_gateway "$before"
sleep 3
load; sleep 1
before=$(active) since=$(now)
ip -n "$lan-lan" link set "$before" down
sleep 3; unload
gone=$before
# It may still believe to have the address, and nobody hears it.
ip -n "$lan-$gone" address del 10.77.0.10/24 dev eth0 2>/dev/null || true
judge "the active machine was cut off" "$since" "$before"

# Who answers, in twenty requests.
origins() { for _ in $(seq 20); do on client curl --silent --max-time 1 http://10.77.0.10:8086/; echo; done | sort -u | paste -sd' '; }
follows() { # wanted what
  local seen began
  began=$(now)
  for _ in $(seq 20); do
    seen=$(origins)
    if [ "$seen" = "$1" ]; then echo "$2: $(($(now) - began)) ms later origins $seen answer"; return; fi
  done
  echo "$2: wanted $1, but $seen answer"
  status=1
}
follows "21 22" "two origins"
serve_names 21 22 23
follows "21 22 23" "one added"
serve_names 23
follows "23" "two taken away"
if [ "$status" != 0 ]; then fail "not as it should be"; fi
