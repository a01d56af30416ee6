//! The line editor: prompt, keys, colours, completion menu and history.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reedline::{
    ColumnarMenu, EditCommand, Emacs, FileBackedHistory, InputMode, KeyCode, KeyModifiers,
    MenuBuilder as _, Prompt, PromptEditMode, PromptHistorySearch, PromptHistorySearchStatus,
    Reedline, ReedlineEvent, ReedlineMenu, default_emacs_keybindings,
};

use super::complete::{Completion, Known};
use super::highlight::Colours;
use super::input::Input;

/// Entries that the history keeps.
const HISTORY: usize = 5_000;
const MENU: &str = "completion";
const INDICATOR: &str = "> ";

/// An editor that completes from `known`.
pub fn editor(known: Arc<dyn Known>) -> Reedline {
    let mut keys = default_emacs_keybindings();
    keys.add_binding(
        KeyModifiers::NONE,
        KeyCode::Tab,
        ReedlineEvent::UntilFound(vec![
            ReedlineEvent::Menu(MENU.into()),
            ReedlineEvent::MenuNext,
        ]),
    );
    keys.add_binding(
        KeyModifiers::ALT,
        KeyCode::Enter,
        ReedlineEvent::Edit(vec![EditCommand::InsertNewline]),
    );
    let functions = known.functions().into_iter().chain(known.table_functions());
    let colours = Colours::new(functions.map(|(name, _)| name));
    // Completion sees what follows the cursor: the FROM of a SELECT.
    let menu = ColumnarMenu::default()
        .with_name(MENU)
        .with_marker(INDICATOR)
        .with_input_mode(InputMode::FullBuffer)
        .with_word_chars("_.\\");
    let editor = Reedline::create()
        .with_edit_mode(Box::new(Emacs::new(keys)))
        .with_validator(Box::new(Input))
        .with_highlighter(Box::new(colours))
        .with_completer(Box::new(Completion::new(known)))
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)))
        .with_quick_completions(true)
        .with_partial_completions(true)
        .with_history_exclusion_prefix(Some(" ".into()))
        .with_ansi_colors(console::colors_enabled_stderr())
        .use_bracketed_paste(true);
    match history() {
        Ok(history) => editor.with_history(Box::new(history)),
        Err(error) => {
            tracing::warn!("what is typed is forgotten at the end: {error}");
            editor
        }
    }
}

fn history() -> io::Result<FileBackedHistory> {
    let folder = folder(|name| std::env::var_os(name))
        .ok_or_else(|| io::Error::other("there is no home folder for a history"))?;
    private_folder(&folder)?;
    let file = folder.join("history");
    private_file(&file)?;
    FileBackedHistory::with_file(HISTORY, file).map_err(Into::into)
}

/// Where programs keep what they remember of their users' work.
fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name: &str| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .or_else(|| absolute("LOCALAPPDATA"))?;
    Some(state.join("paratope"))
}

/// Statements may hold unpublished sequences: nobody else reads them.
#[cfg(unix)]
fn private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

#[cfg(not(unix))]
fn private_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

fn private_file(path: &Path) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// `paratope> `, and an arrow below it for further lines.
pub struct Question;

impl Prompt for Question {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        "paratope".into()
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        "".into()
    }

    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        INDICATOR.into()
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        "      -> ".into()
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        let failing = match search.status {
            PromptHistorySearchStatus::Passing => "",
            PromptHistorySearchStatus::Failing => "nothing like ",
        };
        format!(" history ({failing}{}): ", search.term).into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Option<PathBuf> {
        folder(|wanted| {
            let (_, value) = variables.iter().find(|(name, _)| *name == wanted)?;
            Some(value.into())
        })
    }

    #[cfg(unix)]
    #[test]
    fn the_history_lies_where_the_system_keeps_states() {
        assert_eq!(
            found(&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")]),
            Some("/s/paratope".into())
        );
        assert_eq!(
            found(&[("XDG_STATE_HOME", "relative"), ("HOME", "/h")]),
            Some("/h/.local/state/paratope".into())
        );
        assert_eq!(found(&[]), None);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_reads_the_history() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/history");
        private_folder(file.parent().unwrap()).unwrap();
        private_file(&file).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(file.parent().unwrap()), 0o700);
    }
}
