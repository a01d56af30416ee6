//! A table is its folder: what its log lists elsewhere is not read.
//!
//! A log is data that somebody else may have written. A path in it that is absolute, goes up, names another store or goes
//! through a link would let whoever writes a table show the files of whoever reads it.

use std::collections::HashSet;
use std::path::PathBuf;

use deltalake::kernel::{EagerSnapshot, StorageType};
use object_store::path::Path;

use crate::error::{Error, Result};
use crate::storage::canonical;
use crate::tables::Table;

/// Length of the encoded identifier at the end of a deletion vector's path (Delta protocol).
const VECTOR_ID: usize = 20;

/// The folder of a table.
#[derive(Debug, Clone)]
pub struct Bounds {
    table: String,
    folder: Path,
    /// The folder, where it is one of this machine.
    local: Option<PathBuf>,
}

impl Bounds {
    /// The folder of `table`.
    pub fn of(table: &Table) -> Self {
        Self {
            table: table.name().to_string(),
            folder: table.storage().path(table.location()),
            local: table.storage().local_folder(table.location()),
        }
    }

    /// Where a file of the log lies in the store. `decoded` is the path as the log has it, its encoding undone.
    ///
    /// # Errors
    /// `Corrupt` for paths that leave the folder.
    pub fn locate(&self, decoded: &str, relative: &Path) -> Result<Path> {
        if leaves(decoded) {
            return Err(self.outside(decoded));
        }
        Ok(self.folder.parts().chain(relative.parts()).collect())
    }

    /// Checks all files of a snapshot and their deletion vectors.
    ///
    /// # Errors
    /// `Corrupt`.
    pub async fn check(&self, snapshot: &EagerSnapshot) -> Result<()> {
        let mut locations = Vec::new();
        for file in snapshot.try_log_data()?.iter() {
            locations.push(self.locate(&file.path(), &file.object_store_path())?);
            let Some(vector) = file.deletion_vector_descriptor() else {
                continue;
            };
            let path = vector.path_or_inline_dv.as_str();
            match vector.storage_type {
                StorageType::Inline => {}
                StorageType::AbsolutePath => return Err(self.outside(path)),
                StorageType::UuidRelativePath => {
                    let prefix = path
                        .len()
                        .checked_sub(VECTOR_ID)
                        .and_then(|end| path.get(..end));
                    let is_plain = |prefix: &str| prefix.bytes().all(|b| b.is_ascii_alphanumeric());
                    if !prefix.is_some_and(is_plain) {
                        return Err(self.outside(path));
                    }
                }
            }
        }
        self.check_links(locations).await
    }

    /// Checks that local files are reached without a link that leads out of the folder.
    ///
    /// # Errors
    /// `Corrupt`.
    pub async fn check_links(&self, locations: Vec<Path>) -> Result<()> {
        let Some(local) = self.local.clone() else {
            return Ok(());
        };
        let depth = self.folder.parts_count();
        let bounds = self.clone();
        let check = move || bounds.check_local(&local, depth, &locations);
        tokio::task::spawn_blocking(check)
            .await
            .map_err(|error| Error::Internal(error.to_string()))?
    }

    fn check_local(&self, local: &std::path::Path, depth: usize, locations: &[Path]) -> Result<()> {
        let Ok(root) = canonical(local) else {
            return Ok(()); // what cannot be resolved cannot be read either, and the reader says why
        };
        // Each folder once: resolving one costs as much as all else.
        let mut checked: HashSet<PathBuf> = HashSet::new();
        for location in locations {
            let mut file = local.to_path_buf();
            file.extend(
                location
                    .parts()
                    .skip(depth)
                    .map(|part| part.as_ref().to_string()),
            );
            let folder = file.parent().unwrap_or(local);
            if !checked.contains(folder) {
                if canonical(folder).is_ok_and(|real| !real.starts_with(&root)) {
                    return Err(self.outside(location.as_ref()));
                }
                checked.insert(folder.to_path_buf());
            }
            let is_link = file.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
            if is_link && !canonical(&file).is_ok_and(|real| real.starts_with(&root)) {
                return Err(self.outside(location.as_ref()));
            }
        }
        Ok(())
    }

    fn outside(&self, path: &str) -> Error {
        Error::Corrupt(format!(
            "{} lists a file outside its folder ({path}); such a table is not read",
            self.table
        ))
    }
}

/// Whether a path of a log leads out of the table's folder, read as a path or as a reference of a URL: a URL reader drops
/// control characters and takes `\` for `/`.
fn leaves(decoded: &str) -> bool {
    let plain: String = decoded.chars().filter(|c| !c.is_ascii_control()).collect();
    let plain = plain.trim();
    let has_scheme = plain.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    has_scheme
        || plain.starts_with(['/', '\\'])
        || plain
            .split(['/', '\\'])
            .any(|segment| segment.trim() == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_out_are_told_from_odd_names() {
        for path in [
            "../x",
            "a/../../x",
            "a/..",
            "/etc/passwd",
            "file:///etc/passwd",
            "file:../x",
            "s3://bucket/x",
            "https://example.org/x?X-Amz-Signature=1",
            "..\\x",
            "\\\\host\\share",
            ".\t./x",
            " ../x",
        ] {
            assert!(leaves(path), "{path:?}");
        }
        for path in [
            "part-0.parquet",
            "p=../part-0.parquet",
            "p=a:b/part-0.parquet",
            "p=x%2F..%2Fy/part-0.parquet",
            "%2e%2e/part-0.parquet", // was encoded twice: a folder of that name
            "a..b/...parquet",
        ] {
            assert!(!leaves(path), "{path:?}");
        }
    }
}
