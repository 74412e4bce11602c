use std::collections::BTreeSet;

use super::super::args::{Command, UsageError};
use super::super::commands::{self, COMMANDS, Flag, Takes};
use super::super::completions::{self, Shell};
use super::super::help;
use super::args;

/// Every flag of every command, once.
fn flags() -> Vec<&'static Flag> {
    let all = COMMANDS.iter().map(|entry| entry.name);
    let all = all.flat_map(|name| commands::find(name).unwrap().flags);
    let mut seen = BTreeSet::new();
    let all = all.chain(commands::one_liner());
    all.filter(|flag| seen.insert(flag.long)).collect()
}

#[test]
fn the_parser_knows_each_command_of_the_table_and_its_help() {
    for entry in &COMMANDS {
        for line in ["--help", "-h"] {
            let parsed = args(&format!("{} {line}", entry.name));
            assert_eq!(parsed, Ok(Command::Help(Some(entry.name))));
        }
        assert_eq!(help::text(Some(entry.name)), entry.help);
        assert!(entry.help.starts_with(&format!("osier {}", entry.name)));
        assert!(help::USAGE.contains(entry.name), "{}", entry.name);
    }
}

/// The parser takes this flag behind this command, whatever it then says of its value.
fn is_known(command: &str, form: &str) -> bool {
    // What a parser does not know it says before it looks for a value.
    match args(&format!("{command} {form}")) {
        Err(UsageError::Flag(said)) => !said.contains("invalid option"),
        _ => true,
    }
}

#[test]
fn the_parser_takes_the_flags_of_the_table_and_no_others() {
    let own = COMMANDS.iter().map(|entry| {
        let own: BTreeSet<_> = entry.flags.iter().map(|flag| flag.long).collect();
        (entry.name, own)
    });
    let one_liner = commands::one_liner().map(|flag| flag.long).collect();
    for (command, own) in own.chain([("", one_liner)]) {
        for flag in flags() {
            for form in flag.forms() {
                let expected = own.contains(flag.long);
                // `-c` of one may be a letter of another; the long form is nobody else's.
                assert_eq!(is_known(command, &form), expected, "{command} {form}");
            }
        }
    }
}

#[test]
fn a_flag_of_the_parser_is_in_the_table() {
    let known: BTreeSet<_> = flags().iter().map(|flag| flag.long).collect();
    let shorts: BTreeSet<_> = flags().iter().filter_map(|flag| flag.short).collect();
    let source = include_str!("../args.rs");
    let mut count = 0;
    for part in source.split("Arg::Long(\"").skip(1) {
        let (name, _) = part.split_once('"').unwrap();
        assert!(
            known.contains(name) || name == commands::HELP.long,
            "--{name}"
        );
        count += 1;
    }
    for part in source.split("Arg::Short('").skip(1) {
        let short = part.chars().next().unwrap();
        assert!(
            shorts.contains(&short) || commands::HELP.short == Some(short),
            "-{short}"
        );
    }
    assert!(
        count > 20,
        "this is not how the parser names its flags any more"
    );
}

#[test]
fn the_flags_that_take_a_value_are_those_of_the_table() {
    for entry in &COMMANDS {
        for flag in entry.flags {
            let parsed = args(&format!("{} --{}", entry.name, flag.long));
            let wants =
                matches!(&parsed, Err(UsageError::Flag(said)) if said.contains("missing argument"));
            assert_eq!(
                wants,
                flag.takes != Takes::Nothing,
                "{}: {parsed:?}",
                flag.long
            );
        }
    }
}

#[test]
fn help_names_every_flag_and_completions_every_word() {
    let main = help::text(None);
    for flag in commands::one_liner() {
        assert!(main.contains(&format!("--{}", flag.long)), "{}", flag.long);
    }
    for entry in &COMMANDS {
        // `init` has those of the one-liner, and says so.
        for flag in entry.flags.iter().filter(|_| entry.name != "init") {
            let named = flag.forms().any(|form| entry.help.contains(&form));
            assert!(named, "{} --{}", entry.name, flag.long);
        }
    }
    for (_, shell) in Shell::ALL {
        let text = completions::text(shell);
        for entry in &COMMANDS {
            assert!(text.contains(entry.name), "{shell:?}: {}", entry.name);
        }
        for flag in flags() {
            let form = match shell {
                Shell::Fish => format!("-l {}", flag.long),
                _ => format!("--{}", flag.long),
            };
            assert!(text.contains(&form), "{shell:?}: {form}");
        }
    }
}
