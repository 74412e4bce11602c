//! Every command with its flags: what `help` and `completions` know, and what the parser is held against in a test.

use super::help;

/// A command.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    /// What it is for, in a few words.
    pub(super) about: &'static str,
    /// Its own flags; `--help` each of them has.
    pub(super) flags: &'static [Flag],
    /// What stands behind it without a flag.
    pub(super) takes: Takes,
    /// What `osier help NAME` says.
    pub(super) help: &'static str,
}

/// A flag, and what stands behind it.
#[derive(Debug)]
pub(super) struct Flag {
    /// Without its dashes.
    pub(super) long: &'static str,
    pub(super) short: Option<char>,
    pub(super) takes: Takes,
}

/// What may stand somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    /// Something that nobody can guess.
    Text,
    /// The name of a file.
    File,
    /// One of these, or something else of that kind.
    Words(&'static [&'static str]),
    /// The name of a command.
    Command,
}

impl Flag {
    const fn new(long: &'static str, takes: Takes) -> Self {
        Self {
            long,
            short: None,
            takes,
        }
    }

    const fn short(self, short: char) -> Self {
        Self {
            short: Some(short),
            ..self
        }
    }

    /// As it is typed, in each of its forms.
    pub(super) fn forms(&self) -> impl Iterator<Item = String> {
        let short = self.short.map(|short| format!("-{short}"));
        short.into_iter().chain([format!("--{}", self.long)])
    }
}

/// What every command has, the one-liner among them.
pub(super) const HELP: Flag = Flag::new("help", Takes::Nothing).short('h');

const ADMIN: Flag = Flag::new("admin", Takes::Text);
const WORKERS: Flag = Flag::new("workers", Takes::Words(&["auto"]));

/// The flags of the one-liner that `init` has too.
const PROXY: [Flag; 13] = [
    Flag::new("listen", Takes::Text).short('l'),
    Flag::new("to", Takes::Text).short('t'),
    Flag::new(
        "balance",
        Takes::Words(&[
            "round_robin",
            "least_conn",
            "p2c",
            "ewma",
            "random",
            "first",
        ]),
    ),
    Flag::new("timeout", Takes::Text),
    WORKERS,
    ADMIN,
    Flag::new("access-log", Takes::File),
    Flag::new("add-request-header", Takes::Text),
    Flag::new("host-header", Takes::Words(&["preserve", "upstream"])),
    Flag::new("trust", Takes::Words(&["private"])),
    Flag::new("user", Takes::Text),
    Flag::new("group", Takes::Text),
    Flag::new("retry", Takes::Nothing),
];

/// The flags where there is no command: the one-liner's.
pub(super) fn one_liner() -> impl Iterator<Item = &'static Flag> {
    const VERSION: Flag = Flag::new("version", Takes::Nothing).short('V');
    PROXY.iter().chain(&[VERSION])
}

/// Every command there is.
pub(super) const COMMANDS: [Entry; 15] = [
    Entry {
        name: "demo",
        about: "an origin, the gateway and the live tree, to try",
        flags: &[Flag::new("listen", Takes::Text).short('l'), ADMIN, WORKERS],
        takes: Takes::Nothing,
        help: help::DEMO,
    },
    Entry {
        name: "run",
        about: "serve what a configuration says",
        flags: &[
            Flag::new("config", Takes::File).short('c'),
            Flag::new("watch", Takes::Nothing),
        ],
        takes: Takes::Nothing,
        help: help::RUN,
    },
    Entry {
        name: "check",
        about: "what is wrong with a configuration, or what it means",
        flags: &[
            Flag::new("config", Takes::File).short('c'),
            Flag::new("json", Takes::Nothing),
            Flag::new("print", Takes::Nothing),
        ],
        takes: Takes::Nothing,
        help: help::CHECK,
    },
    Entry {
        name: "explain",
        about: "what a configuration makes of a request, and why",
        flags: &[
            Flag::new("config", Takes::File).short('c'),
            Flag::new("header", Takes::Text).short('H'),
            Flag::new("client", Takes::Text),
        ],
        takes: Takes::Text,
        help: help::EXPLAIN,
    },
    Entry {
        name: "init",
        about: "a configuration to begin with",
        flags: &PROXY,
        takes: Takes::Nothing,
        help: help::INIT,
    },
    Entry {
        name: "respond",
        about: "answer everything alike",
        flags: &[
            Flag::new("listen", Takes::Text).short('l'),
            Flag::new("status", Takes::Text),
            WORKERS,
        ],
        takes: Takes::Text,
        help: help::RESPOND,
    },
    Entry {
        name: "tree",
        about: "the live context tree",
        flags: &[
            ADMIN,
            Flag::new("json", Takes::Nothing),
            Flag::new("dot", Takes::Nothing),
            Flag::new("mermaid", Takes::Nothing),
            Flag::new("root", Takes::Text),
            Flag::new("depth", Takes::Text),
            Flag::new("max", Takes::Text),
        ],
        takes: Takes::Nothing,
        help: help::TREE,
    },
    Entry {
        name: "top",
        about: "the live tree in the terminal, as it changes",
        flags: &[
            ADMIN,
            Flag::new("by", Takes::Words(&["age", "budget"])),
            Flag::new("interval", Takes::Text),
            Flag::new("once", Takes::Nothing),
        ],
        takes: Takes::Nothing,
        help: help::TOP,
    },
    Entry {
        name: "cancel",
        about: "end a branch of the tree",
        flags: &[ADMIN, Flag::new("because", Takes::Text)],
        takes: Takes::Text,
        help: help::CANCEL,
    },
    Entry {
        name: "status",
        about: "how a running gateway is",
        flags: &[ADMIN],
        takes: Takes::Nothing,
        help: help::STATUS,
    },
    Entry {
        name: "reload",
        about: "make a running gateway read its configuration again",
        flags: &[ADMIN],
        takes: Takes::Nothing,
        help: help::RELOAD,
    },
    Entry {
        name: "drain",
        about: "give one endpoint nothing new",
        flags: &[ADMIN],
        takes: Takes::Text,
        help: help::DRAIN,
    },
    Entry {
        name: "undrain",
        about: "give one endpoint something again",
        flags: &[ADMIN],
        takes: Takes::Text,
        help: help::UNDRAIN,
    },
    Entry {
        name: "completions",
        about: "what a shell needs to complete these commands",
        flags: &[],
        takes: Takes::Words(&["bash", "zsh", "fish"]),
        help: help::COMPLETIONS,
    },
    Entry {
        name: "help",
        about: "what a command does",
        flags: &[],
        takes: Takes::Command,
        help: help::HELP,
    },
];

/// The command of this name.
pub(super) fn find(name: &str) -> Option<&'static Entry> {
    const ALL: &[Entry] = &COMMANDS;
    ALL.iter().find(|entry| entry.name == name)
}
