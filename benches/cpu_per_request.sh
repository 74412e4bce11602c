#!/usr/bin/env bash
# CPU per request of osier and of nginx, in one run: utime + stime of all processes of the proxy, from /proc/PID/stat,
# divided by the requests that wrk counted. The proxy has one core; the origin (nginx) and wrk share another.
#
#   apt-get install nginx-light wrk; cargo build --release; benches/cpu_per_request.sh [CONNECTIONS] [SECONDS] [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")/.."
connections=${1:-64} seconds=${2:-5} rounds=${3:-5}
dir=$(mktemp -d) pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT

cat > "$dir/origin.conf" <<CONF
worker_processes 1; daemon off; pid $dir/origin.pid; error_log $dir/origin.log;
events { worker_connections 16384; }
http { access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
  server { listen 127.0.0.1:18701 backlog=8192;
    location / { return 200 "sixty-three octets of body, as the other proxies' figures have it\n"; } } }
CONF
cat > "$dir/proxy.conf" <<CONF
worker_processes 1; daemon off; pid $dir/proxy.pid; error_log $dir/proxy.log;
events { worker_connections 16384; }
http { access_log off; keepalive_requests 1000000000;
  upstream origin { server 127.0.0.1:18701; keepalive 1024; keepalive_requests 1000000000; }
  server { listen 127.0.0.1:18702 backlog=8192;
    location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For \$remote_addr; } } }
CONF
taskset -c 1 nginx -c "$dir/origin.conf" -p "$dir" & pids+=($!)
taskset -c 0 nginx -c "$dir/proxy.conf" -p "$dir" & pids+=($!)
nginx_pid=$!
taskset -c 0 target/release/osier -l 127.0.0.1:18703 -t 127.0.0.1:18701 --workers 1 2>"$dir/osier.log" & pids+=($!)
osier_pid=$!
sleep 1
pss() { awk '/^Pss:/ {print $2}' "/proc/$1/smaps_rollup"; }
echo "idle PSS: osier $(pss "$osier_pid") kB"

ticks() { # utime + stime of a process and its children
  local total=0 pid
  for pid in "$1" $(pgrep -P "$1" || true); do
    set -- $(sed 's/.*) //' "/proc/$pid/stat"); total=$((total + ${12} + ${13}))
  done
  echo "$total"
}
measure() { # name port pid
  local before after out requests
  before=$(ticks "$3")
  out=$(taskset -c 1 wrk -t1 -c"$connections" -d"${seconds}s" "http://127.0.0.1:$2/")
  after=$(ticks "$3")
  requests=$(awk '/requests in/ {print $1}' <<<"$out")
  awk -v n="$1" -v t=$((after - before)) -v r="$requests" -v s="$seconds" -v hz="$(getconf CLK_TCK)" \
    'BEGIN {printf "%s %.2f us/request %d requests/s\n", n, t * 1e6 / hz / r, r / s}'
  grep -E 'Non-2xx|Socket errors' <<<"$out" || true
}
for _ in $(seq "$rounds"); do
  measure nginx 18702 "$nginx_pid"
  measure osier 18703 "$osier_pid"
done | tee "$dir/result"
median() { awk -v n="$1" '$1 == n {print $2}' "$dir/result" | sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
awk -v o="$(median osier)" -v n="$(median nginx)" 'BEGIN {printf "median: osier %.2f, nginx %.2f, ratio %.2f\n", o, n, o / n}'
