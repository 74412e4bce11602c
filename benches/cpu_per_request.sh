#!/usr/bin/env bash
# CPU per request of osier, of osier with everything on, and of nginx, in one run: utime + stime of all processes of the proxy, from /proc/PID/stat,
# divided by the requests that wrk counted. The proxy has one core; the origin (nginx) and wrk share another.
#
#   apt-get install nginx-light wrk; cargo build --release; benches/cpu_per_request.sh [CONNECTIONS] [SECONDS] [ROUNDS]
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"
free {18701..18706}
connections=${1:-64} seconds=${2:-5} rounds=${3:-5}

cat > "$dir/origin.conf" <<CONF
worker_processes 1; daemon off; pid $dir/origin.pid; error_log $dir/origin.log;
events { worker_connections 16384; }
http { access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
  server { listen 127.0.0.1:18701 backlog=8192; listen 127.0.0.1:18704 backlog=8192;
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
cat > "$dir/all_on.toml" <<CONF
workers = 1
trusted_proxies = ["private"]
[log]
access = "/dev/null"
[admin]
listen = "127.0.0.1:18706"
[timeouts]
request = "30s"
[limits]
per_ip = 100000
[[listen]]
addr = "127.0.0.1:18705"
[upstream.app]
to = ["127.0.0.1:18701", "127.0.0.1:18704"]
balance = "ewma"
max_connections = 10000
sticky = { cookie = "osier" }
deadline_header = "X-Request-Timeout-Ms"
health = { tcp = true, every = "10s" }
eject = { failures = 3, for = "10s" }
[upstream.other]
to = "127.0.0.1:18701"
[[route]]
path = "/other/*"
to = "other"
[[route]]
path = "/*"
to = "app"
paths = "normal"
allow = ["private"]
accept_deadline = ["X-Request-Timeout-Ms", "grpc-timeout"]
retry = { attempts = 2, per_try = "2s", budget = 0.2 }
hedge = { after = "1s", max = 1 }
limit = { rate = "10000000/s", burst = 10000000, key = "ip", concurrent = 100000 }
headers.request = { add = { X-Bench = "on" } }
headers.response = { add = { X-Bench = "on" } }
CONF
start 1 nginx -c "$dir/origin.conf" -p "$dir"
start 0 nginx -c "$dir/proxy.conf" -p "$dir"; nginx_pid=$!
start 0 "$osier" -l 127.0.0.1:18703 -t 127.0.0.1:18701 --workers 1 2>"$dir/osier.log"; osier_pid=$!
start 0 "$osier" run -c "$dir/all_on.toml" 2>"$dir/all_on.log"; all_on_pid=$!
sleep 1
pss() { awk '/^Pss:/ {print $2}' "/proc/$1/smaps_rollup"; }
echo "idle PSS: osier $(pss "$osier_pid") kB"

measure() { # name port pid
  local before after out requests
  before=$(ticks "$3")
  out=$(taskset -c 1 wrk -t1 -c"$connections" -d"${seconds}s" "http://127.0.0.1:$2/")
  after=$(ticks "$3")
  requests=$(awk '/requests in/ {print $1}' <<<"$out")
  echo "$1 $(cpu_each $((after - before)) "$requests") us/request $((requests / seconds)) requests/s"
  grep -E 'Non-2xx|Socket errors' <<<"$out" || true
}
for _ in $(seq "$rounds"); do
  measure nginx 18702 "$nginx_pid"
  measure osier 18703 "$osier_pid"
  measure all_on 18705 "$all_on_pid"
done | tee "$dir/result"
awk -v o="$(median 2 osier)" -v a="$(median 2 all_on)" -v n="$(median 2 nginx)" 'BEGIN {
  printf "median: osier %.2f, all on %.2f, nginx %.2f\n", o, a, n
  printf "ratio: osier/nginx %.2f, all on/osier %.2f, all on/nginx %.2f\n", o / n, a / o, a / n }'
