//! AntiBERTy (Ruffolo, Gray & Sulam 2021), whose weights come in a Python wheel. It is fetched by the user's own pip, checked
//! against the hash that is known here, and never shipped.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tokio::process::Command;
use udfs::models::Precision;

use super::library::Library;
use super::local::{at, hash};
use super::manifest::Manifest;
use super::name::ModelName;
use crate::error::{Error, Result};

/// What is fetched.
#[derive(Debug)]
pub struct Wheel {
    /// As pip calls it.
    pub requirement: &'static str,
    /// Its file.
    pub file: &'static str,
    /// SHA-256 of that.
    pub sha256: &'static str,
    version: &'static str,
    licence: &'static str,
    /// The files in it that are the model, with their sizes at most.
    members: &'static [(&'static str, u64)],
}

/// The last release with weights.
pub const WHEEL: Wheel = Wheel {
    requirement: "antiberty==0.1.3",
    file: "antiberty-0.1.3-py3-none-any.whl",
    sha256: "30d910992b190013871bac49cdc032e01a19339f7d2b958ab99b0eb44638352a",
    version: "0.1.3",
    licence: "MIT",
    members: &[
        (
            "antiberty/trained_models/AntiBERTy_md_smooth/config.json",
            1 << 20,
        ),
        (
            "antiberty/trained_models/AntiBERTy_md_smooth/pytorch_model.bin",
            1 << 28,
        ),
        ("antiberty/trained_models/vocab.txt", 1 << 20),
    ],
};

/// How AntiBERTy came into the lake.
#[derive(Debug)]
pub struct Pulled {
    /// What it is.
    pub manifest: Arc<Manifest>,
    /// Whether it was there before.
    pub was_there: bool,
}

/// Adds AntiBERTy, from a wheel that is here or by pip. In another precision it is a version of its own. `step` hears what
/// is being done.
///
/// # Errors
/// A wheel with another hash; a machine without Python or without network, with what to do.
pub async fn pull_antiberty(
    library: &Library,
    wheel: Option<&Path>,
    precision: Precision,
    step: impl Fn(&str),
) -> Result<Pulled> {
    let version = match precision {
        Precision::F32 => WHEEL.version.to_string(),
        reduced => format!("{}-{reduced}", WHEEL.version),
    };
    let name = ModelName {
        name: "antiberty".into(),
        version: Some(version),
    };
    library.refresh().await?;
    if let Ok(manifest) = library.find(&name) {
        return Ok(Pulled {
            manifest,
            was_there: true,
        });
    }
    let kept = library.config.models.folder(&library.config.cache);
    let (wheel, is_ours) = match wheel {
        Some(wheel) => (wheel.to_path_buf(), false),
        None => (downloaded(&kept, &step).await?, true),
    };
    step("checking and unpacking");
    let staging = library.staging().await?;
    let (from, to) = (wheel.clone(), staging.path().to_path_buf());
    tokio::task::spawn_blocking(move || unpack(&from, &to))
        .await
        .map_err(|error| Error::Internal(error.to_string()))??;
    step("storing in the lake");
    let manifest = library
        .add_folder(
            staging.path(),
            &name,
            precision,
            Some(WHEEL.licence.into()),
            format!("pypi:{}", WHEEL.requirement),
        )
        .await?;
    if is_ours {
        // The lake has it now.
        let _ = tokio::fs::remove_file(&wheel).await;
    }
    Ok(Pulled {
        manifest,
        was_there: false,
    })
}

/// The wheel, fetched by pip unless an earlier attempt has left it.
async fn downloaded(kept: &Path, step: &impl Fn(&str)) -> Result<PathBuf> {
    let folder = kept.join("downloads");
    tokio::fs::create_dir_all(&folder)
        .await
        .map_err(at(&folder))?;
    let wheel = folder.join(WHEEL.file);
    let there = wheel.clone();
    let is_whole = tokio::task::spawn_blocking(move || check(&there).is_ok());
    if is_whole.await.unwrap_or(false) {
        return Ok(wheel);
    }
    step(&format!("fetching {} with pip (97 MB)", WHEEL.requirement));
    let pip = [
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--disable-pip-version-check",
        "--no-input",
        "--quiet",
        "--dest",
    ];
    let ran = Command::new("python3")
        .args(pip)
        .arg(&folder)
        .arg(WHEEL.requirement)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    match ran {
        Ok(output) if output.status.success() => Ok(wheel),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.trim().lines().last().unwrap_or("it gave no reason");
            Err(Error::Unavailable(remedy(&format!("pip: {last}"))))
        }
        Err(error) => Err(Error::Unavailable(remedy(&format!("python3: {error}")))),
    }
}

/// What to do where nothing can be fetched.
fn remedy(reason: &str) -> String {
    format!(
        "{} could not be fetched ({reason}). On a machine with network run `python3 -m pip download --no-deps {}`, \
         copy {} here, and run `paratope model pull antiberty --from {}`",
        WHEEL.requirement, WHEEL.requirement, WHEEL.file, WHEEL.file
    )
}

/// Whether the file is the wheel that is meant.
fn check(wheel: &Path) -> Result<()> {
    let (sha256, _) = hash(wheel)?;
    match sha256 == WHEEL.sha256 {
        true => Ok(()),
        false => Err(Error::Invalid(format!(
            "{}: SHA-256 {sha256} is not that of {}, {}; fetch it again: `python3 -m pip download --no-deps {}`",
            wheel.display(),
            WHEEL.file,
            WHEEL.sha256,
            WHEEL.requirement
        ))),
    }
}

/// Takes the model out of a wheel.
fn unpack(wheel: &Path, folder: &Path) -> Result<()> {
    check(wheel)?;
    let shown = wheel.display();
    let broken = |error: zip::result::ZipError| Error::Invalid(format!("{shown}: {error}"));
    let file = std::fs::File::open(wheel).map_err(at(wheel))?;
    let mut archive = zip::ZipArchive::new(file).map_err(broken)?;
    for (member, most) in WHEEL.members {
        let name = member.rsplit('/').next().unwrap_or(member);
        let mut member = archive.by_name(member).map_err(broken)?;
        let target = folder.join(name);
        let mut unpacked = std::fs::File::create(&target).map_err(at(&target))?;
        std::io::copy(&mut member.by_ref().take(*most), &mut unpacked).map_err(at(&target))?;
        unpacked.flush().map_err(at(&target))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    #[test]
    fn a_file_with_another_hash_is_not_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join(WHEEL.file);
        std::fs::write(&wheel, b"PK").unwrap();
        let target = tempfile::tempdir().unwrap();
        let error = unpack(&wheel, target.path()).unwrap_err().to_string();
        assert!(
            error.contains(WHEEL.sha256) && error.contains("fetch it again"),
            "{error}"
        );
        assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0);
    }

    #[test]
    fn without_network_the_way_round_is_told() {
        let told = remedy("pip: no network");
        assert!(
            told.contains("pip download --no-deps antiberty==0.1.3"),
            "{told}"
        );
        assert!(
            told.contains("--from antiberty-0.1.3-py3-none-any.whl"),
            "{told}"
        );
    }
}
