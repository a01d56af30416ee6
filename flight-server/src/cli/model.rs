//! `paratope model pull|add|list|show|remove|verify`: protein language models of the lake.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray, UInt64Array};
use clap::{Args, Subcommand, ValueEnum};
use engine::Lake;
use engine::models::{Listed, Manifest, ModelName, NewModel, Precision, Source, pull_antiberty};
use engine::storage::Access;
use indicatif::HumanBytes;

use super::arguments::Shared;
use super::exit::{Exit, complain};
use super::output::{Destination, Format, Output, Tables, say};
use super::progress::Steps;

/// Protein language models: fetch, add, list, verify
///
/// A model lies in the lake at a version that never changes, so that every node computes with the same bytes. In SQL its
/// name means the newest version in full precision; NAME@VERSION is one of them.
#[derive(Debug, Args)]
pub struct Model {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Fetch a model that is known by name
    ///
    /// AntiBERTy (Ruffolo, Gray & Sulam 2021; MIT licence) comes in the wheel antiberty 0.1.3, which pip fetches; its hash
    /// is checked before anything is read. Without network, fetch the wheel elsewhere and give it with --from.
    #[command(after_help = "\
Examples:
  paratope model pull antiberty
  paratope model pull antiberty --from antiberty-0.1.3-py3-none-any.whl
  paratope model pull antiberty --precision bf16")]
    Pull {
        /// Which
        #[arg(value_name = "NAME")]
        name: Known,
        /// The wheel, where it is here already
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// What it computes in; reduced precisions are versions of their own
        #[arg(long, value_enum, default_value_t)]
        precision: Numbers,
    },
    /// Add a model from a folder, a URL or a hub
    ///
    /// The folder has config.json and model.safetensors or pytorch_model.bin: AntiBERTy's layout, or ESM-2 as Hugging Face
    /// has it. Files are checked before a weight is read; pickles are never executed.
    #[command(after_help = "\
Examples:
  paratope model add esm2 --from hf:facebook/esm2_t6_8M_UR50D --licence MIT
  paratope model add mine@2 --from ./checkpoint
  paratope model add mine@2-int8 --from s3://bucket/checkpoint --precision int8")]
    Add {
        /// What it will be called, and its version [default: the next number]
        #[arg(value_name = "NAME[@VERSION]")]
        name: ModelName,
        /// Where its files are
        #[arg(long, value_name = "DIR|URL|hf:OWNER/NAME")]
        from: Source,
        /// What it computes in
        #[arg(long, value_enum, default_value_t)]
        precision: Numbers,
        /// Its licence, for those who use it
        #[arg(long, value_name = "LICENCE")]
        licence: Option<String>,
    },
    /// List the models of the lake
    List {
        /// How rows are written
        #[arg(long, value_enum)]
        format: Option<Listing>,
    },
    /// Tell everything about a version
    Show {
        /// Which
        #[arg(value_name = "NAME[@VERSION]")]
        name: ModelName,
    },
    /// Remove a version
    Remove {
        /// Which
        #[arg(value_name = "NAME[@VERSION]")]
        name: ModelName,
    },
    /// Compare the files of a version with its manifest
    Verify {
        /// Which
        #[arg(value_name = "NAME[@VERSION]")]
        name: ModelName,
    },
}

/// Models that are known by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Known {
    /// For antibody chains; 26 million parameters
    Antiberty,
}

/// What a model computes in.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Numbers {
    /// 32-bit floating point, as PyTorch
    #[default]
    F32,
    /// 16-bit products; needs AVX512_BF16
    Bf16,
    /// 8-bit products; needs AVX512_VNNI
    Int8,
}

impl From<Numbers> for Precision {
    fn from(numbers: Numbers) -> Self {
        match numbers {
            Numbers::F32 => Self::F32,
            Numbers::Bf16 => Self::Bf16,
            Numbers::Int8 => Self::Int8,
        }
    }
}

/// How models are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Listing {
    /// Aligned columns for people
    Table,
    /// One JSON array of objects
    Json,
    /// Comma-separated values with a header
    Csv,
}

impl Model {
    /// Runs the command.
    pub async fn run(self, shared: &Shared) -> anyhow::Result<Exit> {
        let config = shared.load()?;
        let lake = match &self.verb {
            Verb::Pull { .. } | Verb::Add { .. } => Lake::open_or_init(&config).await?,
            _ => Lake::open(&config).await?,
        };
        let models = lake.models();
        match self.verb {
            Verb::Pull {
                name: Known::Antiberty,
                from,
                precision,
            } => {
                let steps = Steps::start("preparing");
                let pulled = pull_antiberty(models, from.as_deref(), precision.into(), |step| {
                    steps.say(step)
                })
                .await?;
                drop(steps);
                say_added(&pulled.manifest, pulled.was_there)?;
            }
            Verb::Add {
                name,
                from,
                precision,
                licence,
            } => {
                models.refresh().await?;
                let before = models.list();
                let steps = Steps::start("reading, checking and storing");
                let new = NewModel {
                    name,
                    source: from,
                    precision: precision.into(),
                    licence,
                };
                let access = Access::everything(&config)?;
                let added = models.add(&access, new).await?;
                drop(steps);
                let was_there = |listed: &Listed| listed.manifest.pin() == added.pin();
                say_added(&added, before.iter().any(was_there))?;
            }
            Verb::List { format } => {
                models.refresh().await?;
                let format = match format {
                    None => Format::default_for(None),
                    Some(Listing::Table) => Format::Table,
                    Some(Listing::Json) => Format::Json,
                    Some(Listing::Csv) => Format::Csv,
                };
                let mut output = Output::new(format, Tables::of_rows(0), Destination::stdout());
                output.batch(&list(&models.list())?)?;
                output.commit()?;
            }
            Verb::Show { name } => {
                models.refresh().await?;
                let manifest = models.find(&name)?;
                say(serde_json::to_string_pretty(manifest.as_ref())?)?;
            }
            Verb::Remove { name } => {
                let version = models.remove(&name).await?;
                say(format!("Removed {}@{version}", name.name))?;
            }
            Verb::Verify { name } => return verify(&lake, &name).await,
        }
        Ok(Exit::Success)
    }
}

async fn verify(lake: &Lake, name: &ModelName) -> anyhow::Result<Exit> {
    let (manifest, files) = lake.models().verify(name).await?;
    let shown = format!("{}@{}", manifest.name, manifest.version);
    for file in &files {
        if let Some(error) = &file.error {
            complain(format_args!("{shown}: {}: {error}", file.file));
        }
    }
    if files.iter().any(|file| file.error.is_some()) {
        bail!(
            "{shown} is damaged: put it in again with `paratope model remove {shown}` and `paratope model add`"
        );
    }
    say(format!(
        "{shown} is whole: {} files, {}, digest {}",
        files.len(),
        HumanBytes(manifest.bytes()),
        manifest.digest
    ))?;
    Ok(Exit::Success)
}

fn say_added(manifest: &Manifest, was_there: bool) -> anyhow::Result<()> {
    let verb = if was_there { "Was there:" } else { "Added" };
    say(format!(
        "{verb} {}@{} ({}, {}, {} parameters, embeddings of {} numbers), digest {}",
        manifest.name,
        manifest.version,
        manifest.family,
        manifest.precision,
        manifest.parameters,
        manifest.dimension,
        manifest.digest
    ))
}

fn list(models: &[Listed]) -> anyhow::Result<RecordBatch> {
    let text = |of: fn(&Manifest) -> Option<&str>| -> ArrayRef {
        let values = models.iter().map(|model| of(&model.manifest));
        Arc::new(values.collect::<StringArray>())
    };
    let number = |of: fn(&Manifest) -> Option<u64>| -> ArrayRef {
        let values = models.iter().map(|model| of(&model.manifest));
        Arc::new(values.collect::<UInt64Array>())
    };
    let is_default = models.iter().map(|model| Some(model.is_default));
    let is_default: ArrayRef = Arc::new(is_default.collect::<BooleanArray>());
    Ok(RecordBatch::try_from_iter([
        ("name", text(|it| Some(&it.name))),
        ("version", text(|it| Some(&it.version))),
        ("is_default", is_default),
        ("family", text(|it| Some(&it.family))),
        ("precision", text(|it| Some(&it.precision))),
        ("dimension", number(|it| Some(it.dimension as u64))),
        ("parameters", number(|it| Some(it.parameters))),
        ("bytes", number(|it| Some(it.bytes()))),
        ("licence", text(|it| it.licence.as_deref())),
        ("source", text(|it| Some(&it.source))),
        ("added_at", text(|it| Some(&it.added_at))),
    ])?)
}
