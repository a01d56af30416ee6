//! A terminal that shows one screen by itself and hands more than that to a pager.

use std::io::{self, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Height and width that are assumed where the terminal does not say.
const USUAL_SIZE: (u16, u16) = (24, 80);

/// The program that shows long output, and whether it does so at the moment.
#[derive(Debug, Clone, Default)]
pub struct Pager {
    /// Program and arguments; none: no paging.
    command: Vec<String>,
    active: Arc<AtomicBool>,
}

impl Pager {
    /// `$PAGER`, which may be empty or `cat` for none; else `less`.
    pub fn from_environment() -> Self {
        Self::new(std::env::var("PAGER").ok().as_deref())
    }

    /// No paging at all.
    pub fn none() -> Self {
        Self::default()
    }

    fn new(variable: Option<&str>) -> Self {
        let mut command: Vec<String> = variable
            .unwrap_or("less")
            .split_whitespace()
            .map(str::to_string)
            .collect();
        if command.first().is_some_and(|program| program == "cat") {
            command.clear();
        }
        Self {
            command,
            active: Arc::default(),
        }
    }

    /// Whether the pager has the terminal.
    pub fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }

    fn start(&self) -> Option<Child> {
        let (program, arguments) = self.command.split_first()?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped());
        // Leave what fits alone, let colours through, keep the text on the screen afterwards.
        for (name, value) in [("LESS", "FRX"), ("LESSCHARSET", "utf-8")] {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        command.spawn().ok()
    }
}

/// Holds output back until it ends, or until it is more than a screen: then a pager takes it.
pub struct Screen {
    pager: Pager,
    height: usize,
    width: usize,
    /// Lines and columns that were written.
    cursor: (usize, usize),
    state: State,
}

enum State {
    Holding(Vec<u8>),
    Direct,
    Paging(Paging),
}

/// A running pager. It has the terminal until its reader leaves it.
struct Paging {
    child: Child,
    stdin: Option<ChildStdin>,
    active: Arc<AtomicBool>,
}

impl Drop for Paging {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
        self.active.store(false, Ordering::Relaxed);
    }
}

impl Screen {
    /// The terminal on stdout.
    pub fn new(pager: Pager) -> Self {
        let size = console::Term::stdout().size_checked();
        Self::of_size(pager, size.unwrap_or(USUAL_SIZE))
    }

    fn of_size(pager: Pager, (height, width): (u16, u16)) -> Self {
        Self {
            pager,
            height: height.into(),
            width: usize::from(width).max(1),
            cursor: (0, 0),
            state: State::Holding(Vec::new()),
        }
    }

    /// Shows what was held back, or waits until the reader leaves the pager.
    pub fn finish(self) -> io::Result<()> {
        if let State::Holding(held) = &self.state {
            return print(held);
        }
        Ok(())
    }

    /// Counts lines, those included that a terminal makes of a long one.
    fn advance(&mut self, bytes: &[u8]) {
        let (mut lines, mut column) = self.cursor;
        // The later bytes of a letter take no place.
        for byte in bytes.iter().filter(|byte| **byte & 0xC0 != 0x80) {
            if *byte == b'\n' || column == self.width {
                lines += 1;
                column = 0;
            }
            if *byte != b'\n' {
                column += 1;
            }
        }
        self.cursor = (lines, column);
    }

    /// Gives what was held back to the pager; to the terminal where there is none.
    fn overflow(&mut self, held: &[u8]) -> io::Result<()> {
        let Some(mut child) = self.pager.start() else {
            self.state = State::Direct;
            return print(held);
        };
        let active = Arc::clone(&self.pager.active);
        active.store(true, Ordering::Relaxed);
        let stdin = child.stdin.take();
        let mut paging = Paging {
            child,
            stdin,
            active,
        };
        let done = paging.write_all(held);
        self.state = State::Paging(paging);
        done
    }
}

impl Write for Paging {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stdin {
            Some(stdin) => stdin.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdin.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.state {
            State::Direct => io::stdout().write(bytes),
            State::Paging(paging) => paging.write(bytes),
            State::Holding(held) => {
                held.extend_from_slice(bytes);
                self.advance(bytes);
                // The prompt needs a line too.
                if self.cursor.0 >= self.height.saturating_sub(1)
                    && let State::Holding(held) = &mut self.state
                {
                    let held = std::mem::take(held);
                    self.overflow(&held)?;
                }
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Holding(_) => Ok(()),
            State::Direct => io::stdout().flush(),
            State::Paging(paging) => paging.flush(),
        }
    }
}

fn print(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    fn held(screen: &Screen) -> bool {
        matches!(screen.state, State::Holding(_))
    }

    #[test]
    fn the_environment_names_the_pager_and_can_switch_it_off() {
        assert_eq!(Pager::new(None).command, ["less"]);
        assert_eq!(Pager::new(Some("less -S -R")).command, ["less", "-S", "-R"]);
        assert!(Pager::new(Some("")).command.is_empty());
        assert!(Pager::new(Some("cat")).command.is_empty());
        assert!(Pager::none().start().is_none());
    }

    #[test]
    fn what_fits_on_a_screen_is_held_back_to_its_end() {
        let mut screen = Screen::of_size(Pager::none(), (5, 10));
        screen.write_all("aé\n".repeat(3).as_bytes()).unwrap();
        assert!(held(&screen));
    }

    #[test]
    fn lines_that_the_terminal_breaks_count_as_many() {
        let mut screen = Screen::of_size(Pager::none(), (5, 10));
        screen.write_all("é".repeat(30).as_bytes()).unwrap();
        assert_eq!(screen.cursor, (2, 10));
        screen.write_all(b"\n").unwrap();
        assert_eq!(screen.cursor.0, 3);
        assert!(held(&screen));
    }

    #[cfg(unix)]
    #[test]
    fn more_than_a_screen_goes_to_the_pager_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("paged");
        let pager = Pager::new(Some(&format!("dd status=none of={}", file.display())));
        let mut screen = Screen::of_size(pager.clone(), (5, 10));
        for line in 0..100 {
            writeln!(screen, "{line}").unwrap();
        }
        assert!(!held(&screen) && pager.is_active());
        screen.finish().unwrap();
        assert!(!pager.is_active());
        let expected: String = (0..100).map(|line| format!("{line}\n")).collect();
        assert_eq!(std::fs::read_to_string(file).unwrap(), expected);
    }

    #[cfg(unix)]
    #[test]
    fn a_reader_who_leaves_the_pager_ends_the_writing() {
        let pager = Pager::new(Some("true"));
        let mut screen = Screen::of_size(pager, (5, 10));
        let line = [b'x', b'\n'].repeat(1_000);
        let failed = (0..1_000).find_map(|_| screen.write_all(&line).err());
        assert_eq!(failed.unwrap().kind(), io::ErrorKind::BrokenPipe);
    }
}
