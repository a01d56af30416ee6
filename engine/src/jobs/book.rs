//! Where jobs are kept: shipped with paratope, in a folder of files, in the lake.
//!
//! Of one name, the file counts before the lake's and the lake's before the shipped one. Shipped jobs do not run by
//! themselves until somebody says so (`paratope job resume NAME`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::definition::{Fault, Job};
use super::mark::{Mark, Marks};
use crate::error::{Error, Result};
use crate::lake::Lake;

/// The files of `sql/jobs`, with their names.
const SHIPPED: &[(&str, &str)] = &[
    (
        "annotate_chains",
        include_str!("../../../sql/jobs/annotate_chains.sql"),
    ),
    (
        "embed_chains",
        include_str!("../../../sql/jobs/embed_chains.sql"),
    ),
    (
        "ingest_nightly",
        include_str!("../../../sql/jobs/ingest_nightly.sql"),
    ),
    (
        "therapeutic_liabilities",
        include_str!("../../../sql/jobs/therapeutic_liabilities.sql"),
    ),
    (
        "v_gene_usage",
        include_str!("../../../sql/jobs/v_gene_usage.sql"),
    ),
    ("upkeep", include_str!("../../../sql/jobs/upkeep.sql")),
];

/// Where a job comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It ships with paratope.
    Shipped,
    /// A file of a folder.
    File(PathBuf),
    /// The lake.
    Lake,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shipped => f.write_str("shipped"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Lake => f.write_str("lake"),
        }
    }
}

/// A job as it is kept.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its name; of a file that cannot be read as a job, the file's.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The job, or what is wrong with it.
    pub job: Result<Job, Vec<Fault>>,
    /// Its text.
    pub text: String,
    /// Whether it runs by itself.
    pub is_on: bool,
}

impl Kept {
    /// What its faults are told to be of.
    pub fn place(&self) -> String {
        match &self.origin {
            Origin::File(path) => path.display().to_string(),
            _ => format!("job {}", self.name),
        }
    }
}

/// All jobs.
#[derive(Debug, Clone, Default)]
pub struct Book {
    jobs: BTreeMap<String, Kept>,
    /// Files whose jobs have a name that another file has.
    pub doubles: Vec<Fault>,
}

impl Book {
    /// Reads them.
    ///
    /// # Errors
    /// A folder that cannot be read; whatever the store says. A job that is wrong is no error: it is in the book with its
    /// faults.
    pub async fn read(lake: &Lake, folder: Option<&Path>) -> Result<Self> {
        lake.refresh_if_changed().await?;
        let marks = Marks::read(lake.storage()).await?;
        let mut book = Self::default();
        for (name, text) in SHIPPED {
            book.enter(Some(name), text, Origin::Shipped);
        }
        for entry in lake.contents().jobs() {
            if let Some(text) = &entry.definition {
                book.enter(Some(&entry.name.name), text, Origin::Lake);
            }
        }
        if let Some(folder) = folder {
            let mut in_folder: BTreeMap<String, PathBuf> = BTreeMap::new();
            for path in files(folder)? {
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| Error::from(error).context(path.display()))?;
                let stem = path.file_stem().and_then(|stem| stem.to_str());
                let name = book.enter(stem, &text, Origin::File(path.clone()));
                if let Some(other) = in_folder.insert(name.clone(), path.clone()) {
                    book.doubles.push(Fault::new(
                        0,
                        format!(
                            "{} and {} both define job {name}; rename one of them",
                            other.display(),
                            path.display()
                        ),
                    ));
                }
            }
        }
        for kept in book.jobs.values_mut() {
            kept.is_on = match kept.origin {
                Origin::Shipped => marks.has(&kept.name, Mark::On),
                _ => true,
            } && !marks.has(&kept.name, Mark::Paused);
        }
        Ok(book)
    }

    fn enter(&mut self, name: Option<&str>, text: &str, origin: Origin) -> String {
        let job = Job::parse(text, name);
        let name = match &job {
            Ok(job) => job.name.clone(),
            Err(_) => name.unwrap_or("?").to_string(),
        };
        let kept = Kept {
            name: name.clone(),
            origin,
            job,
            text: text.to_string(),
            is_on: false,
        };
        self.jobs.insert(name.clone(), kept);
        name
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &Kept> {
        self.jobs.values()
    }

    /// Those that can be read.
    pub fn sound(&self) -> impl Iterator<Item = &Job> {
        self.all().filter_map(|kept| kept.job.as_ref().ok())
    }

    /// A job by name.
    ///
    /// # Errors
    /// `NotFound`, with the names there are.
    pub fn kept(&self, name: &str) -> Result<&Kept> {
        self.jobs.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.jobs.keys().map(String::as_str).collect();
            Error::NotFound(format!(
                "there is no job {name}; there are {}",
                known.join(", ")
            ))
        })
    }

    /// A job that can be read.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` with what is wrong with it.
    pub fn job(&self, name: &str) -> Result<&Job> {
        let kept = self.kept(name)?;
        kept.job
            .as_ref()
            .map_err(|faults| super::definition::together(&kept.place(), faults))
    }

    /// The same book with a job more, in the place of one of its name.
    pub fn with(mut self, job: Job, origin: Origin) -> Self {
        let kept = Kept {
            name: job.name.clone(),
            origin,
            text: job.text.clone(),
            job: Ok(job),
            is_on: false,
        };
        self.jobs.insert(kept.name.clone(), kept);
        self
    }
}

/// The `.sql` files of a folder, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let place = |error: std::io::Error| Error::from(error).context(folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(place)? {
        let path = entry.map_err(place)?.path();
        if path.is_file() && path.extension().is_some_and(|extension| extension == "sql") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_job_can_be_read_and_has_the_name_of_its_file() {
        for (name, text) in SHIPPED {
            match Job::parse(text, None) {
                Ok(job) => {
                    assert_eq!(job.name, *name);
                    assert!(
                        !job.description.is_empty(),
                        "{name} says not what it is for"
                    );
                }
                Err(faults) => assert!(faults.is_empty(), "{name}: {faults:?}"),
            }
        }
    }
}
