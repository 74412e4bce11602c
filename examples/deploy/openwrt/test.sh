#!/bin/sh
# The init script with functions of rc.common, procd and UCI that do what theirs do: what it writes is checked by osier and
# served, a mistake in the settings changes nothing.
#
#   test.sh OSIER        run it with the shell to be tested: dash, busybox sh
set -eu
osier=$1
here=$(cd "$(dirname "$0")" && pwd)
home=$(mktemp -d)
pid='' luci='' ttyd=''
leave() {
	for each in $pid $luci $ttyd; do kill "$each" 2>/dev/null || true; done
	wait
	rm -rf "$home"
}
trap leave EXIT

fail() {
	echo "openwrt: $*" >&2
	exit 1
}

# /lib/functions.sh: a file of UCI into variables. Sections without a name get one.
config_load() {
	sections='' section='' unnamed=0
	while read -r word first rest; do
		case "$word" in
		config)
			if [ -n "$rest" ]; then
				section=$(bare "$rest")
			else
				unnamed=$((unnamed + 1))
				section=cfg$unnamed
			fi
			sections="$sections $section:$first"
			for key in $(set | sed -n "s/^\\(uci_${section}_[a-z_]*\\)=.*/\\1/p"); do unset "$key"; done
			;;
		option) eval "uci_${section}_$first=\$(bare \"\$rest\")" ;;
		list) eval "uci_${section}_$first=\"\${uci_${section}_$first:+\$uci_${section}_$first
}\$(bare \"\$rest\")\"" ;;
		esac
	done <"$home/etc/config/$1"
}
bare() {
	value=${1#\'}
	printf '%s' "${value%\'}"
}
config_get() { eval "$1=\${uci_$2_$3:-\${4:-}}"; }
config_get_bool() {
	config_get "$@"
	eval "case \"\$$1\" in 1|on|true|yes|enabled) $1=1 ;; *) $1=0 ;; esac"
}
config_list_foreach() {
	config_get all "$1" "$2"
	[ -n "$all" ] || return 0
	while read -r one; do "$3" "$one"; done <<LIST
$all
LIST
}
config_foreach() {
	for entry in $sections; do
		[ "${entry#*:}" != "$2" ] || "$1" "${entry%%:*}"
	done
}

# procd: what it is told, and what it is told to do.
procd_open_instance() { command_line=''; }
procd_set_param() {
	echo "procd: $*" >>"$home/procd"
	[ "$1" != command ] || { shift && command_line=$*; }
}
procd_close_instance() { :; }
procd_add_reload_trigger() { :; }
procd_send_signal() { kill -s "$3" "$pid"; }
logger() { echo "$*" >>"$home/logger"; }
running() { [ -n "$pid" ]; }
start() { start_service && launch; }
stop() {
	kill "$pid"
	wait "$pid" || fail "it ended with $?"
	pid=
}
launch() {
	[ -n "$command_line" ] || return 0
	$command_line 2>>"$home/said" &
	pid=$!
}
until_true() {
	for _ in $(seq 200); do
		if "$@" >/dev/null 2>&1; then return 0; fi
		sleep 0.05
	done
	cat "$home/said" >&2
	fail "not within ten seconds: $*"
}
answers() { [ "$(curl -s --max-time 5 --unix-socket "$home/o.sock" "http://gateway$1")" = "$2" ]; }

mkdir -p "$home/etc/config"
# shellcheck source=/dev/null
. "$here/files/osier.init"
export PROG=$osier CONF=$home/var/etc/osier.toml

# As it is installed: off.
cp "$here/files/osier.config" "$home/etc/config/osier"
command_line=''
start
[ -z "$pid" ] || fail "it starts though it is not enabled"

# LuCI and ttyd, with the sockets of two stand-ins.
"$osier" respond -l "unix:$home/luci.sock" luci >/dev/null 2>&1 &
luci=$!
"$osier" respond -l "unix:$home/ttyd.sock" ttyd >/dev/null 2>&1 &
ttyd=$!
sed -e "s|'0.0.0.0:80'|'unix:$home/o.sock'|" -e '/\[::\]:80/d' -e '/option admin/d' -e "/list allow/d" \
	-e "s|127.0.0.1:8080|unix:$home/luci.sock|" -e "s|127.0.0.1:7681|unix:$home/ttyd.sock|" \
	"$here/luci-ttyd.config" >"$home/etc/config/osier"
start
until_true answers / luci
answers /ttyd/ws ttyd || fail "/ttyd/ws does not go to ttyd"
grep -q 'max_connections = 3' "$CONF" || fail "luci's three connections are not in $CONF"
grep -q 'respawn 3600 5 5' "$home/procd" || fail "nobody would start it again"

# As it is written, without the stand-ins: right too.
cp "$home/etc/config/osier" "$home/served"
cp "$here/luci-ttyd.config" "$home/etc/config/osier"
config_load osier
write_all >"$home/as-written.toml"
is_right "$home/as-written.toml" || fail "luci-ttyd.config is not right"

# A mistake is said, and changes nothing.
{ cat "$home/served" && printf "config route\n\toption path '/x'\n\toption to 'no\"body'\n"; } >"$home/etc/config/osier"
cp "$CONF" "$home/before"
if reload_service 2>/dev/null; then fail "a route to nobody is taken"; fi
cmp -s "$CONF" "$home/before" || fail "a mistake has changed $CONF"
grep -q 'no\\*"body' "$home/logger" || fail "the log does not say what is wrong: $(cat "$home/logger")"
answers / luci || fail "a mistake has ended what was served"

# What is right is served after a reload, by the same process.
{ cat "$home/served" && printf "config route\n\toption path '/other'\n\toption to 'ttyd'\n"; } >"$home/etc/config/osier"
was=$pid
reload_service
until_true answers /other ttyd
[ "$was" = "$pid" ] || fail "a reload has started it anew"

# Another file altogether.
printf "[[listen]]\naddr = \"unix:%s/o.sock\"\n[[route]]\nrespond = { status = 200, body = \"file\" }\n" "$home" >"$home/own.toml"
printf "config osier 'main'\n\toption enabled '1'\n\toption conf '%s/own.toml'\n" "$home" >"$home/etc/config/osier"
stop
start
until_true answers / file
printf "config osier 'main'\n\toption enabled '0'\n" >"$home/etc/config/osier"
reload_service
[ -z "$pid" ] || fail "it goes on though it is not enabled any more"
echo "openwrt: what the settings say is served; a mistake changes nothing"
