//! `osier completions`: what a shell needs to complete commands, flags and their values.
//!
//! bash and zsh get one function each, with the same `case` in it; fish gets a line for everything.

use std::fmt::Write as _;

use super::commands::{self, COMMANDS, Flag, HELP, Takes};

/// A shell that completes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    pub(super) const ALL: [(&'static str, Self); 3] = [
        ("bash", Self::Bash),
        ("zsh", Self::Zsh),
        ("fish", Self::Fish),
    ];
}

/// What `shell` needs.
pub(super) fn text(shell: Shell) -> String {
    match shell {
        Shell::Bash => format!(
            "# osier's completion for bash: eval \"$(osier completions bash)\"\n\
             _osier() {{\n\
             \x20 local word=\"$2\" before=\"$3\" command=\"${{COMP_WORDS[1]}}\" choices=\n\
             \x20 [ \"$COMP_CWORD\" -gt 1 ] || command=none\n\
             {}\
             \x20 mapfile -t COMPREPLY < <(compgen -W \"$choices\" -- \"$word\")\n\
             }}\n\
             complete -F _osier osier\n",
            cases(
                "compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$word\")"
            )
        ),
        Shell::Zsh => format!(
            "#compdef osier\n\
             # osier's completion for zsh: eval \"$(osier completions zsh)\"\n\
             _osier() {{\n\
             \x20 local before=\"${{words[CURRENT-1]}}\" command=\"${{words[2]}}\" choices=\n\
             \x20 [ \"$CURRENT\" -gt 2 ] || command=none\n\
             {}\
             \x20 compadd -- ${{=choices}}\n\
             }}\n\
             compdef _osier osier\n",
            cases("_files")
        ),
        Shell::Fish => fish(),
    }
}

/// What is chosen from, by the command and the word before; where files are, `files` is done.
///
/// The one-liner's command is its first flag; where there is no command yet it is `none`.
fn cases(files: &str) -> String {
    let mut out = String::from("  case \"$command,$before\" in\n");
    let mut behind = |command: &str, flag: &Flag| {
        let forms = flag.forms().map(|form| format!("{command},{form}"));
        let forms = forms.collect::<Vec<_>>().join("|");
        let _ = match flag.takes {
            Takes::Nothing => Ok(()),
            Takes::File => writeln!(out, "    {forms}) {files}; return ;;"),
            takes => writeln!(out, "    {forms}) choices=\"{}\" ;;", words(takes)),
        };
    };
    for flag in commands::one_liner() {
        behind("-*", flag);
    }
    for entry in &COMMANDS {
        for flag in entry.flags {
            behind(entry.name, flag);
        }
    }
    let names = words(Takes::Command);
    let flags = flags_text(commands::one_liner());
    let _ = writeln!(out, "    none,*) choices=\"{names} {flags}\" ;;");
    let _ = writeln!(out, "    -*) choices=\"{flags}\" ;;");
    for entry in &COMMANDS {
        let flags = flags_text(entry.flags.iter());
        let choices = format!("{} {flags}", words(entry.takes));
        let _ = writeln!(
            out,
            "    {},*) choices=\"{}\" ;;",
            entry.name,
            choices.trim()
        );
    }
    out.push_str("  esac\n");
    out
}

/// The words that may stand somewhere, as far as they are known.
fn words(takes: Takes) -> String {
    match takes {
        Takes::Nothing | Takes::Text | Takes::File => String::new(),
        Takes::Words(words) => words.join(" "),
        Takes::Command => COMMANDS.map(|entry| entry.name).join(" "),
    }
}

fn flags_text<'a>(flags: impl Iterator<Item = &'a Flag>) -> String {
    let flags: Vec<_> = flags.chain([&HELP]).flat_map(Flag::forms).collect();
    flags.join(" ")
}

fn fish() -> String {
    let mut out = String::from(
        "# osier's completion for fish: osier completions fish | source\ncomplete -c osier -f\n",
    );
    let names = words(Takes::Command);
    let none = format!("not __fish_seen_subcommand_from {names}");
    for flag in commands::one_liner().chain([&HELP]) {
        fish_flag(&mut out, &none, flag);
    }
    for entry in &COMMANDS {
        let (name, about) = (entry.name, entry.about);
        let _ = writeln!(out, "complete -c osier -n '{none}' -a {name} -d '{about}'");
        let behind = format!("__fish_seen_subcommand_from {name}");
        let choices = words(entry.takes);
        if !choices.is_empty() {
            let _ = writeln!(out, "complete -c osier -n '{behind}' -a '{choices}'");
        }
        for flag in entry.flags.iter().chain([&HELP]) {
            fish_flag(&mut out, &behind, flag);
        }
    }
    out
}

fn fish_flag(out: &mut String, when: &str, flag: &Flag) {
    let short = flag
        .short
        .map_or_else(String::new, |short| format!(" -s {short}"));
    let value = match flag.takes {
        Takes::Nothing => String::new(),
        Takes::File => " -r -F".to_owned(),
        takes => format!(" -x -a '{}'", words(takes)),
    };
    let _ = writeln!(
        out,
        "complete -c osier -n '{when}'{short} -l {}{value}",
        flag.long
    );
}
