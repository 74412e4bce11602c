mod commands;
mod init;
mod json;
mod learn;
mod operate;

use std::ffi::OsString;
use std::time::Duration;

use super::args::{Command, UsageError, parse};
use crate::log::Destination;
use crate::proxy::gateway::Host;

fn args(line: &str) -> Result<Command, UsageError> {
    parse(
        std::iter::once("osier")
            .chain(line.split_whitespace())
            .map(OsString::from),
    )
}

#[test]
fn the_one_liner_is_understood() {
    let line = "-l 127.0.0.1:8086 -l unix:/run/o.sock --to 127.0.0.1:8080 -t http://app.example/base --timeout 1500ms \
                --workers 2 --admin http://127.0.0.1:8087/ --access-log stdout --host-header upstream --trust 10.0.0.0/8";
    let Ok(Command::Proxy(flags)) = args(line) else {
        panic!("{:?}", args(line))
    };
    let listen: Vec<_> = flags.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:8086", "unix:/run/o.sock"]);
    let to: Vec<_> = flags
        .to
        .iter()
        .map(|to| (to.authority.as_str(), to.base_path.as_str()))
        .collect();
    assert_eq!(to, [("127.0.0.1:8080", ""), ("app.example:80", "/base")]);
    assert_eq!(flags.timeout, Some(Duration::from_millis(1500)));
    assert_eq!(flags.workers, Some(2));
    assert_eq!(
        flags.admin.map(|admin| admin.to_string()).as_deref(),
        Some("127.0.0.1:8087")
    );
    assert_eq!(flags.access_log, Destination::Stdout);
    assert_eq!(flags.host, Host::Upstream);
    assert_eq!(flags.trusted.len(), 1);
}

#[test]
fn what_makes_no_sense_is_refused_with_the_remedy() {
    for (line, said) in [
        ("serve", "no command `serve`"),
        ("--listen 127.0.0.1:1", "--to ADDRESS is missing"),
        ("--to 127.0.0.1:1", "--listen ADDRESS is missing"),
        ("-l 127.0.0.1 -t 127.0.0.1:1", "`127.0.0.1` has no port"),
        ("-l 127.0.0.1:99999 -t 127.0.0.1:1", "`99999` is no port"),
        (
            "-l example.org:80 -t 127.0.0.1:1",
            "`example.org` is no address",
        ),
        ("-l :1 -t 127.0.0.1", "HOST:PORT"),
        ("-l :1 -t https://a:1 -t b:1", "all or none"),
        ("-l :1 -t http://a:1/x\u{7f}", "printable"),
        ("-l :1 -t a:1 --timeout 10", "such as 250ms"),
        ("-l :1 -t a:1 --timeout 0s", "such as 250ms"),
        ("-l :1 -t a:1 --timeout +1s", "such as 250ms"),
        ("-l :1 -t a:1 --workers 0", "from 1 to 1024"),
        ("-l :1 -t a:1 --balance p3c", "round_robin"),
        ("-l :1 -t a:1 --admin 192.0.2.1:80", "not on this machine"),
        ("-l :1 -t a:1 --trust 10.0.0.0/33", "from 0 to 32"),
        ("-l :1 -t a:1 --add-request-header X", "a field line"),
        ("-l :1 -t a:1 --host-header a/b", "a host name"),
        ("-l :1 -t a:1 --nonsense", "nonsense"),
        ("cancel", "ID"),
        ("cancel x", "a number"),
        ("respond -l :1 --status 99", "from 200 to 599"),
        ("tree --json --dot", "--dot: cannot be together with --json"),
        ("tree --mermaid --json", "two forms on one output"),
        ("tree --dot --dot", "--dot is there twice"),
        ("tree --root 1 --root 2", "--root is there twice"),
        ("tree --admin :1 --admin :1", "not on this machine"),
        (
            "tree --admin 127.0.0.1:1 --admin unix:/x",
            "--admin is there twice",
        ),
        ("tree --root x", "`x` is not a number"),
        ("tree --root +1", "`+1` is not a number"),
        ("tree --root 99999999999999999999", "is not a number"),
        ("tree --depth -1", "`-1` is not a number of levels"),
        ("tree --max 0", "1 at least"),
        ("tree --json=1", "json"),
        ("tree 1", "unexpected argument"),
        ("top --by size", "`size` is not age or budget"),
        ("top --by age --by age", "--by is there twice"),
        ("top --interval 0s", "such as 250ms"),
        ("top --interval 99ms", "from 100ms to 1h"),
        ("top --interval 2h", "from 100ms to 1h"),
        ("top --once --once", "--once is there twice"),
        ("top --admin 192.0.2.1:80", "not on this machine"),
        ("top x", "unexpected argument"),
        ("check", "-c FILE is missing"),
        ("check osier.toml", "-c in front of the file is missing"),
        ("check -c", "missing argument"),
        ("check -c x --json --print", "two things on one output"),
        ("init x", "unexpected argument"),
        ("status x", "unexpected argument"),
        ("reload --admin 192.0.2.1:80", "not on this machine"),
        ("completions", "bash, zsh or fish"),
        ("completions tcsh", "bash, zsh or fish"),
        ("help check x", "unexpected argument"),
        ("help x", "no command `x`"),
    ] {
        let error = args(line).expect_err(line).to_string();
        assert!(error.contains(said), "{line}: {error}");
        assert_eq!(error.lines().count(), 1, "{line}");
    }
}

#[test]
fn no_arguments_are_no_mistake_in_them() {
    assert_eq!(args(""), Ok(Command::Nothing));
    assert_eq!(args("--version"), Ok(Command::Version));
    assert_eq!(args("--help"), Ok(Command::Help(None)));
    assert_eq!(args("help tree"), Ok(Command::Help(Some("tree"))));
}
