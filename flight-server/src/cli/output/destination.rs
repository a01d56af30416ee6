//! Where bytes go: stdout, a screen with a pager, or a file that appears only when it is whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::Screen;

/// Stdout, a screen or a file.
pub struct Destination {
    place: Place,
    failure: Option<io::Error>,
}

enum Place {
    Stdout(BufWriter<Stdout>),
    Screen(Screen),
    /// A file under a temporary name, until it is committed.
    File(BufWriter<File>, Pending),
    /// What exists and is no regular file, such as a named pipe: written in place.
    Device(BufWriter<File>),
}

/// A half-written file: removed unless it is committed.
struct Pending {
    partial: PathBuf,
    target: PathBuf,
}

impl Drop for Pending {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.partial);
    }
}

impl Destination {
    /// Standard output.
    pub fn stdout() -> Self {
        Self::at(Place::Stdout(BufWriter::new(io::stdout())))
    }

    /// A terminal, through a pager where one screen is not enough.
    pub fn screen(screen: Screen) -> Self {
        Self::at(Place::Screen(screen))
    }

    /// The file `path`, which is replaced when the output is whole.
    pub fn file(path: &Path) -> anyhow::Result<Self> {
        if path.is_dir() {
            anyhow::bail!("{} is a directory; name a file", path.display());
        }
        let cannot = || format!("cannot write {}", path.display());
        if path.exists() && !path.is_file() {
            let file = File::options()
                .write(true)
                .open(path)
                .with_context(cannot)?;
            return Ok(Self::at(Place::Device(BufWriter::new(file))));
        }
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}.partial", std::process::id()));
        let pending = Pending {
            partial: path.with_file_name(name),
            target: path.to_path_buf(),
        };
        let file = File::create(&pending.partial).with_context(cannot)?;
        Ok(Self::at(Place::File(BufWriter::new(file), pending)))
    }

    fn at(place: Place) -> Self {
        Self {
            place,
            failure: None,
        }
    }

    /// Columns that fit, where a person looks on.
    pub fn width(&self) -> Option<usize> {
        match self.place {
            Place::Stdout(_) | Place::Screen(_) => super::terminal_width(),
            Place::File(..) | Place::Device(_) => None,
        }
    }

    /// Whether a person looks on.
    pub fn is_screen(&self) -> bool {
        self.width().is_some()
    }

    /// Whether it is a file that somebody named.
    pub fn is_file(&self) -> bool {
        matches!(self.place, Place::File(..))
    }

    /// What went wrong here, where a format writer reports an error: some writers turn it into a
    /// text of their own, in which a closed pipe cannot be told from a full disk.
    pub fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Writes what is buffered; a file takes its name.
    pub fn commit(mut self) -> anyhow::Result<()> {
        self.flush()?;
        match self.place {
            Place::File(_, pending) => fs::rename(&pending.partial, &pending.target)
                .with_context(|| format!("cannot write {}", pending.target.display())),
            Place::Screen(screen) => Ok(screen.finish()?),
            Place::Stdout(_) | Place::Device(_) => Ok(()),
        }
    }

    fn attempt<T>(
        &mut self,
        action: impl FnOnce(&mut dyn Write) -> io::Result<T>,
    ) -> io::Result<T> {
        let done = match &mut self.place {
            Place::Stdout(writer) => action(writer),
            Place::Screen(screen) => action(screen),
            Place::File(writer, _) | Place::Device(writer) => action(writer),
        };
        if let Err(error) = &done {
            let copy = io::Error::new(error.kind(), error.to_string());
            self.failure.get_or_insert(copy);
        }
        done
    }
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(|writer| writer.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt(|writer| writer.flush())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    #[test]
    fn a_file_appears_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        fs::write(&path, "old").unwrap();

        let mut abandoned = Destination::file(&path).unwrap();
        abandoned.write_all(b"half").unwrap();
        drop(abandoned);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");

        let mut whole = Destination::file(&path).unwrap();
        whole.write_all(b"new").unwrap();
        whole.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no partial file stays"
        );
    }

    #[test]
    fn a_directory_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = Destination::file(folder.path()).err().unwrap().to_string();
        assert!(error.contains("is a directory"), "{error}");
    }
}
