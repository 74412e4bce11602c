# shellcheck shell=bash
# What the scripts here share; to be sourced. A folder for files, `$dir`, which goes when the script ends, as does what `start` started;
# the program, `$osier`; CPU time of a proxy, from /proc/PID/stat; medians over the rounds.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
# shellcheck disable=SC2034 # whoever sources this uses it
osier=$(realpath "${OSIER:-target/release/osier}")
dir=$(mktemp -d) pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT

free() { # port...: nobody listens there, or somebody else's program would be measured, or be the origin
  local port
  for port; do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then echo "port $port is taken" >&2; exit 1; fi
  done
}
start() { # core command...: its number is in $!
  taskset -c "$1" "${@:2}" & pids+=($!)
}
ticks() { # pid: utime + stime of a process and its children
  local pid files=()
  for pid in "$1" $(pgrep -P "$1" || true); do files+=("/proc/$pid/stat"); done
  awk '{sub(/.*\) /, ""); total += $12 + $13} END {print total}' "${files[@]}"
}
cpu_each() { # ticks count: microseconds of CPU time for each
  awk -v t="$1" -v n="$2" -v hz="$(getconf CLK_TCK)" 'BEGIN {printf "%.2f", t * 1e6 / hz / n}'
}
median() { # column word...: of a column of those lines of $dir/result that begin with these words
  awk -v c="$1" -v w="${*:2} " '{line = $0; gsub(/ +/, " ", line)} index(line, w) == 1 {print $c}' "$dir/result" |
    sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'
}
