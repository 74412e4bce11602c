#!/usr/bin/env bash
# CPU time of osier, nginx and HAProxy with TLS on the listener's side, in one run and with the same certificate (ECDSA P-256),
# group (X25519) and suite (TLS_AES_128_GCM_SHA256, TLS 1.3): utime + stime of all processes of the proxy, divided by what the
# client counted. The proxy has one core; the origin (nginx) and the clients (wrk, openssl s_time) share another.
#
#   full      a whole handshake, nothing else
#   resumed   a handshake that resumes a session, and one request
#   small     a request on one of the kept connections
#   large     a response of 1 MiB on one of them
#   origin    a request that comes in the clear and goes to its origin by TLS, on kept connections
#
#   apt-get install nginx-light haproxy wrk openssl; cargo build --release
#   benches/tls_cpu.sh [SECONDS] [ROUNDS]
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"
free {18711..18712} {18721..18723} {18731..18733}
seconds=${1:-4} rounds=${2:-5} connections=64
chmod 755 "$dir"; cd "$dir"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>/dev/null
cat cert.pem key.pem > both.pem
head -c 1048576 /dev/urandom > large
cat > openssl.cnf <<CONF
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = tls
[tls]
MinProtocol = TLSv1.3
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519
CONF
common="worker_processes 1; daemon off; error_log $dir/error.log; events { worker_connections 16384; }"
http="access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;"
text='return 200 "sixty-three octets of body, as the other proxies figures have it\n";'
cat > origin.conf <<CONF
$common pid $dir/origin.pid;
http { $http root $dir;
  server { listen 127.0.0.1:18711 backlog=8192; location /large { sendfile on; } location = / { $text } }
  server { listen 127.0.0.1:18712 ssl backlog=8192; ssl_certificate cert.pem; ssl_certificate_key key.pem;
    ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256; location = / { $text } } }
CONF
# shellcheck disable=SC2016 # nginx's own variable
proxied='proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $remote_addr;'
cat > proxy.conf <<CONF
$common pid $dir/proxy.pid;
http { $http proxy_buffers 16 64k; proxy_buffer_size 64k;
  upstream plain { server 127.0.0.1:18711; keepalive 1024; keepalive_requests 1000000000; }
  upstream secure { server 127.0.0.1:18712; keepalive 1024; keepalive_requests 1000000000; }
  server { listen 127.0.0.1:18721 ssl backlog=8192; ssl_certificate cert.pem; ssl_certificate_key key.pem;
    ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256; ssl_session_tickets on;
    location / { proxy_pass http://plain; $proxied } }
  server { listen 127.0.0.1:18731 backlog=8192;
    location / { proxy_pass https://secure; $proxied proxy_ssl_protocols TLSv1.3; proxy_ssl_name localhost;
      proxy_ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
      proxy_ssl_server_name on; proxy_ssl_verify on; proxy_ssl_trusted_certificate cert.pem; } } }
CONF
cat > haproxy.cfg <<CONF
global
  maxconn 4096
  nbthread 1
  ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
  ssl-default-server-ciphersuites TLS_AES_128_GCM_SHA256
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  option forwardfor
  http-reuse always
frontend secure
  bind 127.0.0.1:18722 ssl crt $dir/both.pem ssl-min-ver TLSv1.3 backlog 8192
  default_backend plain
frontend plain
  bind 127.0.0.1:18732 backlog 8192
  default_backend secure
backend plain
  server a 127.0.0.1:18711
backend secure
  server a 127.0.0.1:18712 ssl verify required ca-file $dir/cert.pem sni str(localhost) verifyhost localhost ssl-min-ver TLSv1.3
CONF
cat > osier.toml <<CONF
workers = 1
[[listen]]
addr = "127.0.0.1:18723"
tls = { cert = "$dir/cert.pem", key = "$dir/key.pem" }
[[listen]]
addr = "127.0.0.1:18733"
[upstream.plain]
to = "127.0.0.1:18711"
[upstream.secure]
to = "127.0.0.1:18712"
tls = { ca = "$dir/cert.pem", sni = "localhost", min_version = "1.3" }
[[route]]
to = "plain"
[[route]]
host = "secure"
to = "secure"
CONF
start 1 nginx -e "$dir/e" -c "$dir/origin.conf" -p "$dir"
start 0 nginx -e "$dir/e" -c "$dir/proxy.conf" -p "$dir"; nginx=$!
start 0 haproxy -db -f haproxy.cfg >haproxy.log 2>&1; haproxy=$!
start 0 "$osier" run -c osier.toml 2>osier.log; own=$!
sleep 1
for port in 18721 18722 18723; do
  curl -sf --cacert cert.pem --resolve "localhost:$port:127.0.0.1" "https://localhost:$port/" | grep -q sixty || cat haproxy.log error.log osier.log
done
for port in 18731 18732 18733; do curl -sf -H 'Host: secure' "http://127.0.0.1:$port/" | grep -q sixty; done

export OPENSSL_CONF="$dir/openssl.cnf"
count() { # what port
  case $1 in
    full) taskset -c 1 openssl s_time -connect "127.0.0.1:$2" -new -time "$seconds" 2>&1 |
      awk '/connections in .* real seconds/ {print $1; exit}' ;;
    resumed) taskset -c 1 openssl s_time -connect "127.0.0.1:$2" -reuse -www / -time "$seconds" 2>&1 |
      tee "$dir/resumed" | awk '/connections in .* real seconds/ {print $1; exit}'
      # A letter for each connection: r is resumed, an asterisk or a t is not.
      awk 'NR > 1 && /^[rt*]+$/ {n = length($0); r = gsub(/r/, ""); if (r < n - 1) print n - r " of " n " not resumed"}' "$dir/resumed" >&2 ;;
    small) taskset -c 1 wrk -t1 -c"$connections" -d"${seconds}s" "https://127.0.0.1:$2/" |
      tee "$dir/wrk" | awk '/requests in/ {print $1}' ;;
    large) taskset -c 1 wrk -t1 -c8 -d"${seconds}s" "https://127.0.0.1:$2/large" |
      tee "$dir/wrk" | awk '/requests in/ {print $1}' ;;
    origin) taskset -c 1 wrk -t1 -c"$connections" -d"${seconds}s" -H 'Host: secure' "http://127.0.0.1:$2/" |
      tee "$dir/wrk" | awk '/requests in/ {print $1}' ;;
  esac
  if [[ $1 != full && $1 != resumed ]]; then grep -E 'Non-2xx|Socket errors' "$dir/wrk" >&2 || true; fi
}
measure() { # what name port pid
  local before counted
  before=$(ticks "$4")
  counted=$(count "$1" "$3")
  printf '%-8s %-8s %9.2f us of CPU each, %d counted\n' "$1" "$2" "$(cpu_each $(($(ticks "$4") - before)) "$counted")" "$counted"
}
for _ in $(seq "$rounds"); do
  for what in ${ONLY:-full resumed small large origin}; do
    case $what in origin) first=1873 ;; *) first=1872 ;; esac
    measure "$what" nginx "${first}1" "$nginx"
    measure "$what" haproxy "${first}2" "$haproxy"
    measure "$what" osier "${first}3" "$own"
  done
done | tee result
for what in ${ONLY:-full resumed small large origin}; do
  awk -v w="$what" -v o="$(median 3 "$what" osier)" -v n="$(median 3 "$what" nginx)" -v h="$(median 3 "$what" haproxy)" 'BEGIN {
    best = n < h ? n : h
    printf "median: %-8s osier %.2f, nginx %.2f, haproxy %.2f us; the best of the others / osier: %.2f\n", w, o, n, h, best / o }'
done
