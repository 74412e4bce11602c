#!/bin/sh
# A tour of the gateway: starts two origins and osier, shows each feature by a curl command and what it says, and ends
# what it started. Fails where an answer is not the expected one.
#
#   cargo build --release && examples/gateway/tour.sh [PATH OF osier]
#
# Needs sh and curl, and the ports 8086, 8087, 18080 and 18081.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
osier=${1:-$here/../../target/release/osier}
case $osier in /*) ;; *) osier=$PWD/$osier ;; esac
work=$(mktemp -d)
pids=
end() {
  for pid in $pids; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$work"
}
trap end EXIT
trap 'exit 1' INT TERM
cp "$here/osier.toml" "$here/502.html" "$work/"
cd "$work"

# Runs a command and shows it with what it says, without what is never the same; it must say the words given first.
show() {
  words=$1
  shift
  printf '$ %s\n' "$*"
  said=$(eval "$*" 2>&1 | tr -d '\r' | grep -v -i '^date:' || true)
  printf '%s\n\n' "$said"
  if ! printf '%s' "$said" | grep -q -i -e "$words"; then
    echo "this does not say: $words" >&2
    exit 1
  fi
}

# Waits until something answers there.
await() {
  tries=0
  until curl -s -o "$work/awaited" "$1"; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || { echo "nothing answers at $1" >&2; exit 1; }
    sleep 0.05
  done
}

"$osier" respond -l 127.0.0.1:18080 'one
' 2>/dev/null & pids="$pids $!"
"$osier" respond -l 127.0.0.1:18081 'two
' 2>/dev/null & pids="$pids $!"
await http://127.0.0.1:18080/
await http://127.0.0.1:18081/
PATH=$(dirname "$osier"):$PATH
LOG=$work/access.log
export PATH LOG

show ': ok' osier check -c osier.toml
osier run -c osier.toml 2> osier.err & pids="$pids $!"
await http://127.0.0.1:8086/ready

echo '# A route by path: the prefix goes, fields come and go.'
show 'strict-transport-security: max-age' curl -s -i http://127.0.0.1:8086/api/hello
echo '# By host: three in four go to the second endpoint.'
show 'two one two two' "for i in 1 2 3 4; do curl -s -H 'Host: a.blue.example' http://127.0.0.1:8086/; done | xargs"
echo '# Answered here.'
show '308 Permanent Redirect' curl -s -i "'http://127.0.0.1:8086/old/page?x=1'"
show 'ok' curl -s http://127.0.0.1:8086/ready
echo '# Limits: a body of more than ten octets, a third request within a minute.'
show 'body_limit' curl -s -i -d 12345678901 http://127.0.0.1:8086/api/upload
show 'here here 429' "for i in 1 2 3; do curl -s http://127.0.0.1:8086/slowly; done | cut -c1-4 | xargs"
echo '# Who asks, when a proxy that is trusted says so.'
show 'welcome home' curl -s -H "'X-Forwarded-For: 192.0.2.7'" http://127.0.0.1:8086/inside
echo '# An origin that is not there, and the page for it.'
show '502' curl -s -i http://127.0.0.1:8086/down
echo '# A mistake in the file changes nothing.'
sed 's|strip = "/api"|stripp = "/api"|' "$here/osier.toml" > osier.toml
show 'did you mean `strip`' osier reload
echo '# What is right is served at once, and what has changed is said.'
sed 's|body = "ok|body = "fine|' "$here/osier.toml" > osier.toml
show 'route /ready changed' osier reload
show 'fine' curl -s http://127.0.0.1:8086/ready
echo '# Each exchange leaves one record; queries are left out.'
show 'target=/old/page?-' "sleep 0.3; grep -o 'method=GET.*page.* status=[0-9]*' access.log"
