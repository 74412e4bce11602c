//! What `--help` says.

use super::commands;

/// The usage, for those who typed nothing.
pub(super) const USAGE: &str = "\
osier: a small HTTP/1.1 reverse proxy in which every request is a branch of a context tree

  osier demo                                   a built-in origin, the gateway and the live tree, to try
  osier --listen ADDRESS --to ADDRESS          proxy from one to the other
  osier run -c FILE [--watch]                  serve what a configuration says
  osier check -c FILE [--json | --print]       what is wrong with a configuration, or what it means
  osier explain -c FILE [METHOD] URL           which route would answer a request, and why
  osier init [FLAGS OF THE ONE-LINER]          print a configuration, with comments, to begin with
  osier respond --listen ADDRESS [BODY]        answer everything alike
  osier tree | cancel ID                       look at a running gateway's tree, end a branch of it
  osier top                                    the same in the terminal, as it changes, with keys
  osier status | reload                        ask a running gateway how it is, make it read its configuration again
  osier drain | undrain UPSTREAM/ADDRESS       give one endpoint nothing new, or something again
  osier --help | --version | help COMMAND | completions SHELL
";

const MAIN: &str = "
THE ONE-LINER
  -l, --listen ADDRESS          where to listen: IP:PORT, :PORT or unix:PATH; repeats
  -t, --to ADDRESS              where requests go: HOST:PORT, unix:PATH, http://HOST:PORT/BASE or https://HOST, which is TLS
                                with a certificate that the system (or SSL_CERT_FILE) can verify; repeats, in turn
      --balance POLICY          how one of them is picked: round_robin, least_conn, p2c, ewma, random, first [round_robin]
      --timeout DURATION        until the final response head, all attempts together [60s]
      --workers N               worker threads [one per core]
      --admin ADDRESS           the live tree and cancelling: a loopback address or unix:PATH [off]
      --access-log WHERE        off, stdout, unix:PATH (syslog) or a file [off]
      --add-request-header 'K: v'   a field line for every request; repeats
      --host-header HOW         the Host the origin sees: preserve, upstream or a name [preserve]
      --trust CIDR              whose X-Forwarded-* is believed and appended to: a network or `private`; repeats
      --user NAME, --group NAME     who it becomes once all is bound: for a start as root
      --retry                   an address that no interface has yet is tried again, each second

SIGNALS
  TERM, INT   drain: accept nothing new, finish what runs, 30s at most; a second one ends it at once
  USR1        open the access log again
  USR2        start the binary anew, hand the sockets over, drain: nothing is refused, nothing is lost

UNDER A SERVICE MANAGER
  Sockets that it passes (LISTEN_FDS) are served where --listen or --admin names their address; it is told when osier is
  ready, reloads and stops (NOTIFY_SOCKET), and that the workers live (WATCHDOG_USEC).

EXIT CODES
  0 done   1 failed   2 bad usage   75 an address could not be bound now
";

pub(super) const DEMO: &str = "\
osier demo [--listen ADDRESS] [--admin ADDRESS] [--workers N]

Starts an origin with an echo, a slow answer, a stream of events and a WebSocket echo; the gateway in front of it on
127.0.0.1:8086; and the live tree on http://127.0.0.1:8087/, with lessons that are played in it. A port that is taken is passed
over for the next free one.
";

pub(super) const RESPOND: &str = "\
osier respond --listen ADDRESS [--status 200] [--workers N] [BODY]

Answers every request with one status and body: a maintenance page, or an origin for a test.
";

pub(super) const RUN: &str = "\
osier run -c FILE [--watch]

Serves what a configuration says. It is read again on SIGHUP, on `osier reload`, and with --watch whenever it has changed:
what runs goes on as it began, a file that is not right changes nothing. What was wrong, or what has changed, is said on
standard error. `osier check` says beforehand whether a file is right, `osier init` prints one to begin with.
";

pub(super) const CHECK: &str = "\
osier check -c FILE [--json | --print]

Reads a configuration and says all that is wrong with it, each with its line and what would be right; exit code 1 then.
--json says the same as data: an array of severity, message, file, line, column, length, label, help. --print prints
what the file means, with every default and the environment's values in it, as a file that means the same.
";

pub(super) const EXPLAIN: &str = "\
osier explain -c FILE [METHOD] URL [-H 'K: v'] [--client IP]

Says which route of a configuration would answer a request, where it would go, with which changes and timeouts, and why the
other routes would not answer. Nothing is sent. URL may be a path alone; METHOD is GET unless given; -H repeats.
";

pub(super) const INIT: &str = "\
osier init [--listen ADDRESS] [--to ADDRESS] [other flags of the one-liner]

Prints a configuration that does what `osier` does with these flags, with the other keys in comments:

  osier init --listen :80 --to 127.0.0.1:8080 > osier.toml
";

pub(super) const TREE: &str = "\
osier tree [--json | --dot | --mermaid] [--root ID] [--depth N] [--max N] [--admin ADDRESS]

Prints the live context tree of a running gateway: as text, as JSON, or as a graph for Graphviz or Mermaid. --root: only
what is below that node. --depth: so many levels below it. --max: so many nodes, those near the top first [10000].
ADDRESS is http://127.0.0.1:8087 unless given, or unix:PATH.

  osier tree --dot | dot -Tsvg > tree.svg
";

pub(super) const TOP: &str = "\
osier top [--by age|budget] [--interval 1s] [--once] [--admin ADDRESS]

Shows the live tree of a running gateway in the terminal, a row for each node, and looks again after each interval. Sorted by
age, the oldest first, or by what is left of the budget, the least first. LEFT is what remains until the deadline, OWNER
whose deadline that is, WAIT how many wait for the node.

  a, b                  sort by age, by budget
  j, k, arrows          select; PageUp, PageDown, g and G go further
  c                     end the selected node: asks for the reason, which the log and the client's 503 will say
  /                     show only rows that have a text in them; Enter keeps it, Escape drops it
  space                 pause, and go on
  q, Escape, Ctrl-C     quit

With --once, or where standard output is no terminal, the table is printed once. NO_COLOR leaves colours out.
ADDRESS is http://127.0.0.1:8087 unless given, or unix:PATH.
";

pub(super) const CANCEL: &str = "\
osier cancel ID [--because TEXT] [--admin ADDRESS]

Ends one node of the live tree and all below it, and prints the receipt: how many nodes, how many waiters were woken,
how deep, how long it took. The reason is what the log and the client's 503 will say.
";

pub(super) const STATUS: &str = "\
osier status [--admin ADDRESS]

Prints how a running gateway is, as JSON: its version and uptime, where it listens, its upstreams and their endpoints,
its limits. ADDRESS is http://127.0.0.1:8087 unless given, or unix:PATH.
";

pub(super) const RELOAD: &str = "\
osier reload [--admin ADDRESS]

Makes a running gateway read its configuration again, and prints what changed, as JSON. Exchanges that run end under the
configuration they began with. A file with errors changes nothing: they are printed, and the exit code is 1.
ADDRESS is http://127.0.0.1:8087 unless given, or unix:PATH.
";

pub(super) const UNDRAIN: &str = "\
osier undrain UPSTREAM/ADDRESS [--admin ADDRESS]

Gives one endpoint of a running gateway something again, after `osier drain`. Both names are as `osier status` shows them.
ADDRESS is http://127.0.0.1:8087 unless given, or unix:PATH.
";

pub(super) const DRAIN: &str = "\
osier drain UPSTREAM/ADDRESS [--admin ADDRESS]

Gives one endpoint of a running gateway nothing new: what it is doing goes on, and clients that a sticky cookie keeps there
stay. `osier undrain` gives it something again. Both names are as `osier status` shows them; a reload keeps what was said.
ADDRESS is http://127.0.0.1:8087 unless given, or unix:PATH.
";

pub(super) const COMPLETIONS: &str = "\
osier completions bash|zsh|fish

Prints what the shell needs to complete osier's commands and flags. To use it at once, and in every new shell:

  eval \"$(osier completions bash)\"         in ~/.bashrc
  eval \"$(osier completions zsh)\"          in ~/.zshrc, behind compinit
  osier completions fish | source           in ~/.config/fish/config.fish
";

pub(super) const HELP: &str = "\
osier help [COMMAND]

Says what a command does, and with which flags. `osier COMMAND --help` says the same.
";

/// The help for a command, or for all.
pub(super) fn text(topic: Option<&str>) -> String {
    match topic.and_then(commands::find) {
        Some(entry) => entry.help.to_owned(),
        None => format!("{USAGE}{MAIN}"),
    }
}
