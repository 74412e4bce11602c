#!/usr/bin/env bash
# Everything in this folder, by what lints it, and run where it can be. What is missing on this machine is said and left out.
#
#   examples/deploy/check.sh [BINARY]        target/release/osier
#
# STATIC="aarch64 armv7": static binaries for these too, built (minutes) and run under qemu; .ci/run says aarch64.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
osier=$(realpath "${1:-target/release/osier}")
[ -x "$osier" ] || { echo "$osier is not there: cargo build --release" >&2; exit 1; }
venv=$(realpath -m "${VENV:-target/clients/venv}")
home=$(mktemp -d)
pids=()
leave() {
  for pid in ${pids[@]+"${pids[@]}"}; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$home"
}
trap leave EXIT

has() { command -v "$1" >/dev/null || { echo "$1 is missing: left out is $2"; return 1; }; }
until_true() {
  for _ in $(seq 200); do "$@" >/dev/null 2>&1 && return; sleep 0.05; done
  echo "not within ten seconds: $*" >&2
  return 1
}
is_socket() { [ -S "$1" ]; }
same() { [ "$1" = "$2" ] || { printf '%s: wanted %s\n' "$1" "$2" >&2; return 1; }; }

"$osier" check -c examples/deploy/osier.toml

if has shellcheck "scripts"; then
  shellcheck examples/deploy/*.sh examples/deploy/keepalived/show.sh examples/deploy/debian/{build.sh,postinst,prerm,postrm} examples/deploy/buildroot/osier/S60osier
  # What OpenWrt's shell has and dash too: `local`. The variables at the top are for rc.common.
  shellcheck -s dash -e SC3043 examples/deploy/openwrt/test.sh
  shellcheck -s dash -e SC3043,SC2034,SC1008 examples/deploy/openwrt/files/osier.init
  echo "scripts: ok"
fi

echo "== OpenWrt"
shells=(dash)
if has busybox "busybox sh"; then shells+=("busybox sh"); fi
for shell in "${shells[@]}"; do
  $shell -n examples/deploy/openwrt/files/osier.init
  $shell examples/deploy/openwrt/test.sh "$osier"
done
# The Makefile is read by make, with the feed's includes empty.
mkdir -p "$home/feed/a/b" "$home/feed/lang/rust" "$home/feed/include"
touch "$home/feed/rules.mk" "$home/feed/include/package.mk" "$home/feed/lang/rust/rust-package.mk"
if has make "OpenWrt's Makefile"; then
  for define in Package/osier Package/osier/install Build/Compile; do
    (cd "$home/feed/a/b" && make -s -f "$here/openwrt/Makefile" TOPDIR="$home/feed" INCLUDE_DIR="$home/feed/include" \
      --eval "show: ; \$(if \$(value $define),@true,\$(error $define is not there))" show)
  done
  version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
  grep -q "^PKG_VERSION:=$version\$" examples/deploy/openwrt/Makefile
  grep -q "^OSIER_VERSION = $version\$" examples/deploy/buildroot/osier/osier.mk
  [ -e "examples/deploy/yocto/osier_$version.bb" ]
  echo "versions: $version everywhere"
fi

echo "== systemd"
if has systemd-analyze "the unit"; then
  # In a root of its own, where the programs are that it names.
  mkdir -p "$home/root/usr/bin" "$home/root/bin" "$home/root/etc/systemd/system"
  cp "$osier" "$home/root/usr/bin/osier"
  cp /bin/kill "$home/root/bin/kill"
  cp -r /usr/lib/systemd "$home/root/usr/lib-systemd"
  mkdir -p "$home/root/usr/lib" && mv "$home/root/usr/lib-systemd" "$home/root/usr/lib/systemd"
  cp examples/deploy/systemd/osier.* "$home/root/etc/systemd/system/"
  said=$(systemd-analyze verify --man=no --root="$home/root" osier.service osier.socket 2>&1) || { echo "$said"; exit 1; }
  if grep osier <<<"$said"; then echo "systemd-analyze has something to say" >&2; exit 1; fi
  systemd-analyze security --offline=true --threshold=20 --no-pager examples/deploy/systemd/osier.service | tail -1
fi
if has systemd-socket-activate "socket activation"; then
  printf '[[listen]]\naddr = "unix:%s"\n[[route]]\nrespond = { status = 200, body = "passed" }\n' "$home/passed.sock" >"$home/passed.toml"
  systemd-socket-activate -l "$home/passed.sock" "$osier" run -c "$home/passed.toml" 2>/dev/null &
  pids+=($!)
  until_true is_socket "$home/passed.sock"
  # Bound before osier is there, so the first request waits for its start.
  same "$(curl -s --max-time 10 --unix-socket "$home/passed.sock" http://gateway/)" passed
  echo "socket activation: the first request starts it"
fi

echo "== Debian"
if has dpkg-deb "the package"; then
  examples/deploy/debian/build.sh "$osier" "$(dpkg --print-architecture)" "$home/deb" >/dev/null
  deb=("$home"/deb/*.deb)
  if has lintian "what lintian says"; then
    # Outside of Debian no bug asks for a package.
    lintian --allow-root --suppress-tags initial-upload-closes-no-bugs --fail-on error,warning "${deb[@]}"
  fi
  dpkg-deb -x "${deb[@]}" "$home/installed"
  "$home/installed/usr/bin/osier" check -c "$home/installed/etc/osier/osier.toml"
  if [ "$(id -u)" = 0 ]; then
    # Really installed, in a root that has nothing else.
    mkdir -p "$home/admin/var/lib/dpkg/info" "$home/admin/var/lib/dpkg/updates"
    touch "$home/admin/var/lib/dpkg/status"
    dpkg --root="$home/admin" --force-depends --force-script-chrootless --force-not-root --log=/dev/null -i "${deb[@]}" >/dev/null 2>&1
    dpkg-query --admindir="$home/admin/var/lib/dpkg" -W -f '${Package} ${Version} ${Status}\n' osier
  fi
fi

echo "== Buildroot, Yocto"
sh -n examples/deploy/buildroot/osier/S60osier
if awk 'length > 80' examples/deploy/buildroot/osier/osier.mk examples/deploy/buildroot/osier/Config.in | grep .; then exit 1; fi
if has start-stop-daemon "the init script of Buildroot"; then
  printf '[[listen]]\naddr = "unix:%s"\n[[route]]\nrespond = { status = 200, body = "sysv" }\n' "$home/sysv.sock" >"$home/sysv.toml"
  script() { OSIER_PROG=$osier OSIER_CONF=$home/sysv.toml OSIER_PIDFILE=$home/sysv.pid sh examples/deploy/buildroot/osier/S60osier "$1"; }
  script start
  until_true is_socket "$home/sysv.sock"
  same "$(curl -s --max-time 10 --unix-socket "$home/sysv.sock" http://gateway/)" sysv
  sed -i 's/"sysv"/"again"/' "$home/sysv.toml"
  script reload
  changed() { [ "$(curl -s --max-time 10 --unix-socket "$home/sysv.sock" http://gateway/)" = again ]; }
  until_true changed
  script stop
  if is_socket "$home/sysv.sock"; then echo "its socket is left behind" >&2; exit 1; fi
fi
examples/deploy/crates.sh | cmp - examples/deploy/yocto/osier-crates.inc
for licence in MIT APACHE; do
  grep -q "LICENSE-$licence;md5=$(md5sum <LICENSE-$licence | cut -d' ' -f1)" examples/deploy/yocto/osier_*.bb
done
if [ -x "$venv/bin/oelint-adv" ]; then
  mkdir -p "$home/yocto/osier"
  cp examples/deploy/yocto/* "$home/yocto/"
  cp examples/deploy/systemd/osier.service examples/deploy/osier.toml "$home/yocto/osier/"
  (cd "$home/yocto" && "$venv/bin/oelint-adv" --quiet --hide info --suppress oelint.vars.homepageping osier_*.bb)
  echo "oelint-adv: ok"
else
  echo "oelint-adv is missing: left out is what it says of the recipe"
fi

echo "== an image of one file, Kubernetes"
"$osier" check -c <(sed -n '/osier.toml: |/,/^---/p' examples/deploy/kubernetes/osier.yaml | sed -e '1d' -e '/^---/d' -e 's/^    //')
if [ -x "$venv/bin/kubernetes-validate" ]; then
  "$venv/bin/kubernetes-validate" --strict examples/deploy/kubernetes/osier.yaml
else
  echo "kubernetes-validate is missing: left out is its schema"
fi

echo "== little"
# 64 descriptors and so many KiB of addresses, of which a dynamic program's libraries and threads take most.
little() {
  local file=$1 kib=$2 pid
  "$osier" respond -l "unix:$home/little-origin.sock" --workers 1 $'ok\n' >/dev/null 2>&1 &
  pids+=($!)
  until_true is_socket "$home/little-origin.sock"
  (ulimit -n 64 && ulimit -v "$kib" && exec "$file" -l "unix:$home/little.sock" -t "unix:$home/little-origin.sock" --workers 1) 2>/dev/null &
  pid=$!
  pids+=("$pid")
  until_true is_socket "$home/little.sock"
  same "$(curl -s --max-time 30 --unix-socket "$home/little.sock" 'http://gateway/[1-300]' | wc -l)" 300
  same "$(curl -s --max-time 30 --unix-socket "$home/little.sock" -H 'Connection: close' 'http://gateway/[1-50]' | wc -l)" 50
  echo "${file##*/}: 350 requests with 64 descriptors and $kib KiB of addresses, $(awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup") KiB Pss, $(awk '/^Pss_Anon:/ { print $2 }' "/proc/$pid/smaps_rollup") of it written to"
  kill "$pid" && wait "$pid"
}
little "$osier" 16384

echo "== static binaries"
# A static file, on this machine or under qemu: a request through the demo, the lessons; here also
# with little, and alone in an empty root.
asked() {
  local file=$1 machine=$2 runner=()
  [ "$machine" = "$(uname -m)" ] || runner=("qemu-${machine/armv7/arm}-static")
  if [ -n "${runner[*]-}" ] && ! has "${runner[0]}" "running $file"; then return; fi
  same "$(${runner[@]+"${runner[@]}"} "$file" --version)" "osier $(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)"
  ${runner[@]+"${runner[@]}"} "$file" demo --listen 127.0.0.1:0 --admin 127.0.0.1:0 --workers 1 >"$home/demo" 2>&1 &
  local pid=$!
  pids+=("$pid")
  listening() { grep -q 'http://127' "$home/demo"; }
  until_true listening
  local url; url=$(grep -o 'http://127[0-9.:]*' "$home/demo" | head -1)
  curl -s --max-time 20 "$url/hello" | grep -q 'GET /hello'
  # The laws of the context tree, with real requests.
  local admin lesson; admin=$(grep -o 'http://127[0-9.:]*' "$home/demo" | sed -n 2p)
  for lesson in cancel deadline value hedge drain; do
    curl -s --max-time 60 -X POST -H 'Osier-Admin: 1' "$admin/learn/$lesson" >"$home/lesson"
    grep -q '"ok":true' "$home/lesson" || { cat "$home/lesson" >&2; return 1; }
  done
  kill "$pid" && wait "$pid"
  echo "${file##*/}: --version, a request through the demo, five lessons, an end with 0"
  local laws=${file/%"${file##*/}"/"laws-${file##*/osier-}"}
  if [ -e "$laws" ]; then
    ${runner[@]+"${runner[@]}"} "$laws" >"$home/laws" 2>&1 || { tail -30 "$home/laws" >&2; return 1; }
    echo "${laws##*/}: $(sed -n 's/^test result: ok. \([0-9]*\) passed.*/\1/p' "$home/laws") laws of the context tree hold"
  fi
  if [ -z "${runner[*]-}" ]; then
    little "$file" 8192
    if [ "$(id -u)" = 0 ]; then
      # An image of one file.
      mkdir -p "$home/image"
      cp "$file" "$home/image/osier"
      same "$(chroot "$home/image" /osier --version)" "$("$file" --version)"
    fi
  fi
}
for file in target/static/osier-*-small; do
  [ -e "$file" ] || continue
  name=${file##*/osier-}
  case " ${STATIC:-} " in *" ${name%%-*} "*) asked "$file" "${name%%-*}" ;; esac
done
echo "deploy: ok"
