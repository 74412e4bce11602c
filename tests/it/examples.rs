//! What every example teaches, as it says it. In an expected line, `…` stands for what differs from run to run, and for
//! places in a file.

use std::path::Path;
use std::process::Command;
use std::thread;

use crate::support::{self, Origin, Running, Wire};

/// An example as it was built beside the command.
fn example(name: &str, arguments: &[&str]) -> Command {
    let built = Path::new(env!("CARGO_BIN_EXE_osier")).parent().unwrap();
    let path = built.join("examples").join(name);
    assert!(
        path.exists(),
        "{} is missing: cargo build --examples",
        path.display()
    );
    let mut command = Command::new(path);
    command.args(arguments);
    command
}

/// What an example says until it ends well.
#[track_caller]
fn run(name: &str, arguments: &[&str]) -> Said {
    Said {
        rest: support::run(example(name, arguments)),
    }
}

/// What is left of what was said.
struct Said {
    rest: String,
}

impl Said {
    /// Somewhere in the rest these lines follow one another. The rest is then what comes behind them.
    #[track_caller]
    fn then(&mut self, expected: &str) -> &mut Self {
        let expected: Vec<_> = expected.trim_matches('\n').lines().collect();
        let lines: Vec<_> = self.rest.lines().collect();
        let place = lines
            .windows(expected.len())
            .position(|window| window.iter().zip(&expected).all(|(l, e)| fits(l, e)));
        let Some(place) = place else {
            panic!("\n{}\nis not in\n{}", expected.join("\n"), self.rest);
        };
        self.rest = lines[place + expected.len()..].join("\n");
        self
    }

    /// That is all.
    #[track_caller]
    fn end(&self) {
        assert_eq!(self.rest.trim(), "");
    }
}

fn fits(line: &str, expected: &str) -> bool {
    let Some((before, behind)) = expected.split_once('…') else {
        return line == expected;
    };
    line.strip_prefix(before).is_some_and(|rest| {
        let mut places = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
        places.any(|at| fits(&rest[at..], behind))
    })
}

#[test]
fn all_examples_are_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // No program: a setup, which has a tour of its own, or what others read.
            let is_setup = path.join("tour.sh").exists();
            assert!(is_setup || path.ends_with("deploy"), "{}", path.display());
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            include_str!("examples.rs").contains(&format!("(\"{name}\"")),
            "{name}"
        );
        count += 1;
    }
    assert_eq!(count, 14);
}

#[test]
#[ignore = "needs the examples built: cargo build --examples"]
fn task_tree_a_branch_ends_and_what_is_above_and_beside_lives_on() {
    run("01_task_tree", &[])
        .then(
            "
program#1 01_task_tree  … old
├─ task#2 1  … old, 1 waiting
│  ├─ subtask#3 1.1  … old, 1 waiting
│  ├─ subtask#4 1.2  … old, 1 waiting
│  └─ subtask#5 1.3  … old, 1 waiting
├─ task#6 2  … old, 1 waiting
│  ├─ subtask#7 2.1  … old, 1 waiting
│  ├─ subtask#8 2.2  … old, 1 waiting
│  └─ subtask#9 2.3  … old, 1 waiting
└─ task#10 3  … old, 1 waiting
   ├─ subtask#11 3.1  … old, 1 waiting
   ├─ subtask#12 3.2  … old, 1 waiting
   └─ subtask#13 3.3  … old, 1 waiting
",
        )
        .then("Cancelled task 2: 4 nodes ended, 4 tasks woken, 1 level(s) down, in ….")
        .then(
            "
├─ task#2 1  … old, 1 waiting
│  ├─ subtask#3 1.1  … old, 1 waiting
│  ├─ subtask#4 1.2  … old, 1 waiting
│  └─ subtask#5 1.3  … old, 1 waiting
├─ task#6 2  … old, canceled: not needed any more at …, 1 waiting
│  ├─ subtask#7 2.1  … old, canceled with task#6, 1 waiting
│  ├─ subtask#8 2.2  … old, canceled with task#6, 1 waiting
│  └─ subtask#9 2.3  … old, canceled with task#6, 1 waiting
└─ task#10 3  … old, 1 waiting
",
        )
        .then("    subtask 2.3 stops: context canceled, because of task#6")
        .then(
            "
program#1 01_task_tree  … old
├─ task#2 1  … old, 1 waiting
│  ├─ subtask#3 1.1  … old, 1 waiting
│  ├─ subtask#4 1.2  … old, 1 waiting
│  └─ subtask#5 1.3  … old, 1 waiting
├─ task#6 2  … old, canceled: not needed any more at …
└─ task#10 3  … old, 1 waiting
   ├─ subtask#11 3.1  … old, 1 waiting
   ├─ subtask#12 3.2  … old, 1 waiting
   └─ subtask#13 3.3  … old, 1 waiting
",
        )
        .end();

    // Any m and n, as the arguments say.
    run("01_task_tree", &["2", "5"])
        .then("Cancelled task 2: 6 nodes ended, 6 tasks woken, 1 level(s) down, in ….")
        .then("After: they let go of their nodes. What is above and beside lives on.")
        .then(
            "
program#1 01_task_tree  … old
├─ task#2 1  … old, 1 waiting
│  ├─ subtask#3 1.1  … old, 1 waiting
│  ├─ subtask#4 1.2  … old, 1 waiting
│  ├─ subtask#5 1.3  … old, 1 waiting
│  ├─ subtask#6 1.4  … old, 1 waiting
│  └─ subtask#7 1.5  … old, 1 waiting
└─ task#8 2  … old, canceled: not needed any more at …
",
        )
        .end();
    let misused = example("01_task_tree", &["many"]).output().unwrap();
    assert_eq!(misused.status.code(), Some(2));
}

#[test]
#[ignore = "needs the examples built: cargo build --examples"]
fn done_channel_every_level_is_one_more_to_watch() {
    run("02_done_channel", &[])
        .then(
            "
One worker, one channel:
    tick 1
    tick 2
    tick 3
    told to stop
",
        )
        .then(
            "
3 tasks with 3 subtasks each:
    subtask 2.1 stops; it cannot tell for whom, or why
    subtask 2.2 stops; it cannot tell for whom, or why
    subtask 2.3 stops; it cannot tell for whom, or why
    18 receivers for 9 subtasks. Nobody can name those that still run: 6 of them.
",
        );
}

#[test]
#[ignore = "needs the examples built: cargo build --examples"]
fn parser_octets_in_values_out_and_no_smuggling() {
    run("03_parser", &[])
        .then(
            "
GET /hello?who=world  (52 octets of head)
    Host: example.org
  framing None, connection Reuse

POST /upload  (72 octets of head)
    Host: example.org
    Transfer-Encoding: chunked
  framing Chunked, connection Reuse
  20 octets consumed, content \"Hello\"
  25 octets consumed, content \", osier\"
  trailer X-Sum: 42

POST /smuggle  (92 octets of head)
    Host: example.org
    Content-Length: 4
    Transfer-Encoding: chunked
  refused: 400 length_and_coding: both Content-Length and Transfer-Encoding
",
        )
        .end();
}

#[test]
#[ignore = "needs the examples built: cargo build --examples"]
fn context_one_thing_to_pass_and_it_knows_for_whom_and_why() {
    run("04_context", &[])
        .then(
            "
    tick 3
    told to stop: context canceled: three ticks are enough (origin cancel#1 at …)
",
        )
        .then(
            "
    subtask 2.1 stops: context canceled: not needed any more (origin task#7 2 at …)
    subtask 2.2 stops: context canceled: not needed any more (origin task#7 2 at …)
    subtask 2.3 stops: context canceled: not needed any more (origin task#7 2 at …)
    One cancel ended 4 nodes and woke 3 tasks. These still run:

program#2  … old
├─ task#3 1  … old
│  ├─ subtask#4 1.1  … old, 1 waiting
│  ├─ subtask#5 1.2  … old, 1 waiting
│  └─ subtask#6 1.3  … old, 1 waiting
├─ task#7 2  … old, canceled: not needed any more at …
└─ task#11 3  … old
   ├─ subtask#12 3.1  … old, 1 waiting
   ├─ subtask#13 3.2  … old, 1 waiting
   └─ subtask#14 3.3  … old, 1 waiting
",
        );
}

#[test]
#[ignore = "needs the examples built: cargo build --examples"]
fn deadlines_only_get_earlier_on_the_way_down_and_have_an_owner() {
    run("05_deadlines", &[])
        .then(
            "
request#1 GET /  0 us old, 300 ms left
├─ attempt#2 patient  0 us old, 300 ms left by #1
└─ attempt#3 hasty  0 us old, 100 ms left

 patient: the deadline that counts is the request's
   hasty: the deadline that counts is its own
",
        )
        .then(
            "
request#1 GET /  100 ms old, 200 ms left
├─ attempt#2 patient  100 ms old, 200 ms left by #1
└─ attempt#3 hasty  100 ms old, deadline exceeded: origin is slow at …
",
        )
        .then(
            "
request#1 GET /  300 ms old, deadline exceeded: the client waits 300 ms at …
├─ attempt#2 patient  300 ms old, expired with request#1
└─ attempt#3 hasty  300 ms old, deadline exceeded: origin is slow at …
",
        );
}

#[test]
#[ignore = "needs the examples built: cargo build --examples"]
fn values_shadow_what_is_above_for_what_is_below() {
    run("06_values", &[])
        .then(
            "
  server: hello, whoever you are
 request: [17] hello, whoever you are
     ada: [17] hello, ada
  french: [17] bonjour, ada
  nobody: [17] bonjour, whoever you are
",
        )
        // The names of the keys, and no value.
        .then(
            "
language#1 default [language]  … old
└─ value#2 request id  … old
   └─ request#3  … old
      └─ value#4 user  … old
         └─ value#5 language  … old
            └─ value#6 user  … old
",
        )
        .then("What does not belong there: parameters. …");
}

#[test]
#[ignore = "needs the examples built: cargo build --examples"]
fn cause_and_receipt_say_who_why_where_and_how_much() {
    run("07_cause_and_receipt", &[])
        .then(
            "
Cancelled a session: 4 nodes, 2 levels below it.
Cancelled an attempt below it afterwards: 0 nodes.

What an attempt knows:
    err    Some(Canceled)
    cause  context canceled: client gone after 4096 octets (origin session#1 10.0.0.7 at examples/07_cause_and_receipt.rs:…, 3 ms ago)

A handle was dropped:
    cause  context canceled: dropped; made at examples/07_cause_and_receipt.rs:… (origin job#5 nightly, 0 us ago)
A deadline passed:
    cause  context deadline exceeded: slow query (origin timeout#6 at examples/07_cause_and_receipt.rs:…, 0 us ago)
",
        )
        .end();
}

#[test]
#[ignore = "needs the examples built: cargo build --examples"]
fn drain_then_cancel_is_no_new_work_and_then_stop() {
    run("08_drain_then_cancel", &[])
        .then(
            "
Told 4 nodes to drain:

server#1  0 us old, draining
├─ session#2 idle  0 us old, draining, 1 waiting
├─ session#3 busy  0 us old, draining, 1 waiting
└─ session#4 endless  0 us old, draining, 1 waiting

    idle leaves
    busy leaves
    after 10s: 1 still alive: session#4 endless (draining, 10.00 s old)
    endless was stopped: grace is over

Last to go: endless
",
        )
        .end();
}

#[test]
#[ignore = "needs the examples built: cargo build --examples"]
fn join_by_name_says_who_is_still_there() {
    run("09_join_by_name", &[])
        .then(
            "
Cancelled. All nodes have ended; that is not yet all tasks:
    a.csv is tidy after …
    b.csv is tidy after 2s

After five seconds: 1 still alive: file#4 c.csv (canceled, 5.00 s old)
    context.Background.import#1(books).file#4(c.csv)
    c.csv is tidy after 30s

After thirty: nobody is left.
",
        )
        .end();
}

#[test]
#[ignore = "needs the examples built: cargo build --examples"]
fn merge_ends_with_the_first_and_binds_nobody() {
    run("10_merge", &[])
        // One node, in either tree.
        .then(
            "
client#3 ada  0 us old, 2.00 s left
└─ any#4  0 us old, 2.00 s left by #3
   └─ part#5 1  0 us old, 2.00 s left by #3

server#1  0 us old
└─ any#4  0 us old, 2.00 s left by #3
   └─ part#5 1  0 us old, 2.00 s left by #3

The server shut down: 3 nodes ended.

client#3 ada  0 us old, 2.00 s left
└─ any#4  0 us old, canceled with server#1
   └─ part#5 1  0 us old, canceled with server#1

Another one: context deadline exceeded: ada is impatient (origin client#3 ada at …, 0 us ago)
",
        )
        .end();
}

#[test]
#[ignore = "needs the examples built: cargo build --examples"]
fn virtual_clock_an_hour_takes_no_time() {
    run("11_virtual_clock", &[])
        .then(
            "
tries at second [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 2047]
ended after 3600s: context deadline exceeded
12 jumps; on the wall it took …s
",
        )
        .end();
}

#[test]
#[ignore = "needs the examples built: cargo build --examples"]
fn traps_have_a_way_out() {
    run("12_traps", &[])
        .then(
            "
— a handle thrown away —
trap:    let (ctx, _) = …        Some(Canceled) at birth
way out: let (ctx, _keep) = …    None until the end of the scope

— a handle given up —
trap:    detached below a root: nothing can end it
way out: detach only below something that ends

— deriving in a loop —
trap:    ctx = ctx.with_timeout(…)          100 nodes, one below the other
way out: let (ctx, _c) = top.with_timeout   0 nodes left after the loop

— a timeout longer than the parent's —
trap:    request.with_timeout(60 s)                    Some(DeadlineExceeded) after 2 s
way out: request.without_cancel().with_timeout(60 s)   None

— cancel is not join —
trap:    cancelled; the task is finished: false
way out: top.emptied().await; the task is gone

— waiting for oneself —
trap:    1 still alive: waiter#… me (live, 1.00 s old)
way out: wait from above, or let go of the child first

— deciding by the text of a cause —
trap:    text.contains(\"deadline\")   true
way out: err().is_timeout()          Some(false)

— parameters in disguise —
trap:    f(ctx)          None, and nothing said that it needs a limit
way out: f(ctx, limit)   8

— work that never looks —
trap:    a loop that does not ask      20 steps, Some(DeadlineExceeded)
way out: while ctx.err().is_none()    5 steps, 5s
",
        )
        .end();
}

#[test]
#[ignore = "needs the examples built: cargo build --examples"]
fn reverse_proxy_serves_as_a_library_and_shows_its_tree() {
    let origin = Origin::bind();
    let to = origin.address().to_string();
    let command = example("13_reverse_proxy", &[&to, "127.0.0.1:0", "127.0.0.1:0"]);
    let mut serving = Running::start(command);
    let line = serving.hear();
    assert!(
        fits(
            &line,
            &format!("http://…/ → {to}; the live tree is on http://…/")
        ),
        "{line}"
    );
    let [clients, tree] = [0, 1].map(|number| {
        let address = line.split("http://").nth(number + 1).unwrap();
        address.split('/').next().unwrap().parse().unwrap()
    });

    let mut client = Wire::connect(clients);
    let asking = thread::spawn(move || client.get("/"));
    let mut at_origin = origin.accept();
    at_origin.read_request();
    let request = "GET /tree HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let seen = Wire::connect(tree).ask(request);
    assert!(seen.text().contains("GET /  "), "{seen:?}");
    at_origin.answer("from the origin");
    let response = asking.join().unwrap();
    assert_eq!(response.text(), "from the origin");
    assert_eq!(response.field("x-proxy"), Some("osier"));
}

#[test]
#[ignore = "needs the examples built: cargo build --examples"]
fn own_executor_needs_no_worker_of_osiers() {
    run("14_own_executor", &[])
        .then("HTTP/1.1 200 OK")
        // What the origin got comes back.
        .then(
            "
GET /hello HTTP/1.1
Host: example
X-Forwarded-For: 127.0.0.1
X-Forwarded-Host: example
X-Forwarded-Proto: http
Via: 1.1 osier
X-Request-Id: …
X-Via: an executor of my own
",
        )
        .end();
}
