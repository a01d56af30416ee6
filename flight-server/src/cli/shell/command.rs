//! Backslash commands, as they are typed.

use crate::diagnosis::{near, suggestion};

/// What a line that is no SQL asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The tables, or the columns of one.
    Describe(Option<String>),
    /// The functions, those with a name that contains this, or the documentation of one.
    Functions(Option<String>),
    /// Rows one below the other.
    Expanded(Switch),
    /// The time of each statement.
    Timing(Switch),
    /// Long output through a pager.
    Pager(Switch),
    /// Rows that a table shows.
    Rows(Option<usize>),
    /// The commands.
    Help,
    /// The end.
    Quit,
}

/// What becomes of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// The other way.
    Toggle,
    /// On or off.
    To(bool),
}

impl Switch {
    /// Changes a setting; gives it back.
    pub fn turn(self, setting: &mut bool) -> bool {
        *setting = match self {
            Self::Toggle => !*setting,
            Self::To(state) => state,
        };
        *setting
    }
}

/// The commands with their arguments and what they do.
pub const COMMANDS: &[(&str, &str, &str)] = &[
    ("\\d", "[TABLE]", "the tables, or the columns of one"),
    (
        "\\df",
        "[FUNCTION]",
        "the functions whose names contain this, or how one is called, with an example",
    ),
    (
        "\\x",
        "[on|off]",
        "rows one below the other, with their cells in full",
    ),
    ("\\timing", "[on|off]", "the time of each statement"),
    ("\\pager", "[on|off]", "long output through $PAGER, or less"),
    (
        "\\rows",
        "[N]",
        "rows that a table shows before it cuts; 0: all",
    ),
    ("\\?", "", "this list"),
    ("\\q", "", "leave; so does Ctrl-D"),
];

const KEYS: &str = "\
A statement may have several lines and ends with `;`. Several may stand in one go.
Tab completes, Ctrl-R searches what was typed before, Ctrl-C clears the line or cancels
the running query. A line that starts with a blank is not kept.";

/// The list of commands and keys.
pub fn help() -> String {
    let mut text = String::new();
    for (name, argument, meaning) in COMMANDS {
        let call = format!("{name} {argument}");
        text.push_str(&format!("  {call:<17} {meaning}\n"));
    }
    format!("{text}\n{KEYS}\n")
}

/// Whether a text is a command and no SQL: it starts with a backslash, or is a word with which
/// people leave a shell.
pub fn is_command(text: &str) -> bool {
    text.trim_start().starts_with('\\') || word(text).is_some()
}

/// Words that are commands without a backslash, too.
fn word(text: &str) -> Option<Command> {
    let text = text.trim().trim_end_matches(';').trim_end();
    match text.to_lowercase().as_str() {
        "exit" | "quit" => Some(Command::Quit),
        "help" => Some(Command::Help),
        _ => None,
    }
}

/// The command that a text is.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn parse(text: &str) -> Result<Command, String> {
    if let Some(command) = word(text) {
        return Ok(command);
    }
    // Who is used to statements ends commands likewise.
    let text = text.trim().trim_end_matches(';').trim_end();
    let (name, argument) = match text.split_once(char::is_whitespace) {
        Some((name, argument)) => (name, Some(argument.trim())),
        None => (text, None),
    };
    let owned = argument.map(str::to_string);
    let switch = || match argument {
        None => Ok(Switch::Toggle),
        Some("on") => Ok(Switch::To(true)),
        Some("off") => Ok(Switch::To(false)),
        Some(other) => Err(format!("{name} takes on or off, not {other}")),
    };
    let command = match name {
        "\\d" => Command::Describe(owned),
        "\\df" => Command::Functions(owned),
        "\\x" => Command::Expanded(switch()?),
        "\\timing" => Command::Timing(switch()?),
        "\\pager" => Command::Pager(switch()?),
        "\\rows" => Command::Rows(match argument {
            None => None,
            Some(number) => Some(
                number
                    .parse()
                    .map_err(|_| format!("\\rows takes a number, not {number}"))?,
            ),
        }),
        "\\?" => Command::Help,
        "\\q" => Command::Quit,
        unknown => return Err(unknown_command(unknown)),
    };
    match (&command, argument) {
        (Command::Help | Command::Quit, Some(argument)) => {
            Err(format!("{name} takes nothing, but was given {argument}"))
        }
        _ => Ok(command),
    }
}

fn unknown_command(name: &str) -> String {
    let known = COMMANDS.iter().map(|(name, ..)| *name);
    match suggestion(&near(name, known)) {
        Some(meant) => format!("there is no command {name}; {meant}"),
        None => format!("there is no command {name}; \\? lists them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_take_their_arguments() {
        assert_eq!(parse("\\d"), Ok(Command::Describe(None)));
        assert_eq!(
            parse(" \\d  system.files ; "),
            Ok(Command::Describe(Some("system.files".into())))
        );
        assert_eq!(
            parse("\\df ab_cdr3"),
            Ok(Command::Functions(Some("ab_cdr3".into())))
        );
        assert_eq!(parse("\\x"), Ok(Command::Expanded(Switch::Toggle)));
        assert_eq!(parse("\\timing on"), Ok(Command::Timing(Switch::To(true))));
        assert_eq!(parse("\\pager off"), Ok(Command::Pager(Switch::To(false))));
        assert_eq!(parse("\\rows 0"), Ok(Command::Rows(Some(0))));
        assert_eq!(parse("\\?"), Ok(Command::Help));
    }

    #[test]
    fn every_listed_command_is_one() {
        for (name, ..) in COMMANDS {
            assert!(parse(name).is_ok(), "{name}");
            assert!(help().contains(name), "{name}");
        }
    }

    #[test]
    fn wrong_commands_say_what_is_right() {
        let message = |text| parse(text).err().unwrap_or_default();
        assert_eq!(
            message("\\timign"),
            "there is no command \\timign; did you mean \\timing?"
        );
        assert!(message("\\foo").contains("\\? lists them"));
        assert!(message("\\x maybe").contains("on or off"));
        assert!(message("\\rows many").contains("a number"));
        assert!(message("\\q now").contains("takes nothing"));
    }

    #[test]
    fn words_that_leave_are_understood_and_sql_is_not_mistaken() {
        for text in ["exit", "QUIT;", " quit "] {
            assert!(is_command(text));
            assert_eq!(parse(text), Ok(Command::Quit));
        }
        assert!(!is_command("SELECT '\\d'"));
        assert!(!is_command("exit strategy"));
    }
}
