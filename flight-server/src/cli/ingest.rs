//! `paratope ingest`: files into the lake, each exactly once.

mod summary;

use std::sync::Arc;

use clap::{Args, ValueEnum};
use engine::Lake;
use engine::formats::{self, Alphabet};
use engine::ingest::annotate::species;
use engine::ingest::{IngestOptions, Progress};
use engine::storage::Access;

use super::arguments::Shared;
use super::exit::{Exit, complain};
use super::progress::Bar;

pub use summary::{files_table, headline};

/// Ingest sequence files
///
/// Reads files from disk or object stores, plain or compressed (gzip, zstd), recognises their
/// format by content (FASTA, AIRR Rearrangement TSV, AIRR repertoire metadata, OAS data units,
/// contig annotations of 10x Genomics with the FASTA beside them, PDB, mmCIF, summaries of SAbDab, tables of
/// therapeutics), and adds their records to the lake. Creates the lake where there is none.
///
/// The same file with the same options is ingested once, however often it is given. Records that
/// cannot be read go to the table system.rejects, and the rest goes on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  paratope ingest --species human --study smith_2024 data/*.fasta.gz
  paratope ingest s3://bucket/oas/SRR*.csv.gz
  paratope ingest --species human run1/filtered_contig_annotations.csv
  paratope ingest --map INN=name --map VH=heavy --map VL=light molecules.csv
  paratope ingest --replace --species human --format json heavy.tsv

Exit status 3 says that files failed while others went in, or that records were rejected:
  paratope query -c 'SELECT source_file, source_record, reason FROM system.rejects'")]
pub struct Ingest {
    /// Files, folders, globs and URLs
    #[arg(required = true, value_name = "PATH|GLOB|URL")]
    inputs: Vec<String>,
    /// Study that the records belong to (AIRR study_id)
    #[arg(long, value_name = "STUDY", help_heading = "About the records")]
    study: Option<String>,
    /// Donor (AIRR subject_id)
    #[arg(long, value_name = "SUBJECT", help_heading = "About the records")]
    subject: Option<String>,
    /// Sample (AIRR sample_id)
    #[arg(long, value_name = "SAMPLE", help_heading = "About the records")]
    sample: Option<String>,
    /// Repertoire (AIRR repertoire_id)
    #[arg(long, value_name = "REPERTOIRE", help_heading = "About the records")]
    repertoire: Option<String>,
    /// Species, where the file does not say: human, mouse, rat, rabbit, rhesus, cynomolgus, alpaca,
    /// llama, camel, cow, chicken, engineered, other, unknown
    #[arg(long, value_name = "SPECIES", value_parser = species_name, help_heading = "About the records")]
    species: Option<String>,
    /// Read the files as this format, whatever they look like: fasta, airr, airr-repertoire, oas,
    /// 10x, pdb, mmcif, sabdab, table
    #[arg(long, value_name = "FORMAT", value_parser = format_name, help_heading = "Reading")]
    input_format: Option<String>,
    /// Letters of FASTA sequences
    #[arg(long, value_enum, default_value_t = Letters::Auto, help_heading = "Reading")]
    alphabet: Letters,
    /// Say what a column of a table of molecules holds (implies --input-format table); may be given
    /// again. Fields: protein_id, name, names, kind, description, target, format, stage, organism,
    /// study_id, sequence_aa, heavy, light, heavy_2, light_2, chains (several in one cell, between
    /// commas, in any order), pdb, cross_references.DATABASE
    #[arg(long, value_name = "COLUMN=FIELD", value_parser = column_mapping, help_heading = "Reading")]
    map: Vec<(String, String)>,
    /// Stop a file at more than N rejected records
    #[arg(long, value_name = "N", help_heading = "Reading")]
    max_rejects: Option<u64>,
    /// Take the place of what the same files brought before
    #[arg(long, help_heading = "Reading")]
    replace: bool,
    /// How the summary is written
    #[arg(long, value_enum, default_value_t = SummaryFormat::Table)]
    format: SummaryFormat,
}

/// Letters of FASTA sequences.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Letters {
    /// Decided for each file
    Auto,
    /// DNA or RNA, translated in the frame that yields a V domain
    Nucleotide,
    /// Protein
    AminoAcid,
}

/// How the summary is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SummaryFormat {
    /// A line for each file
    Table,
    /// One JSON object
    Json,
}

impl Ingest {
    /// Runs the command.
    pub async fn run(self, shared: &Shared) -> anyhow::Result<Exit> {
        let config = shared.load()?;
        let lake = Lake::open_or_init(&config).await?;
        let progress = Arc::new(Progress::default());
        let bar = Bar::follow(&progress);
        let access = Access::everything(&config)?;
        let options = self.options();
        let summary =
            engine::ingest::ingest(&lake, &access, &self.inputs, &options, &progress).await?;
        drop(bar);
        summary::print(&summary, self.format == SummaryFormat::Json)?;
        for input in &summary.inputs {
            if let Some(error) = &input.error {
                complain(summary::failure(input, error));
            }
        }
        Ok(summary::exit(&summary))
    }

    fn options(&self) -> IngestOptions {
        IngestOptions {
            study_id: self.study.clone(),
            subject_id: self.subject.clone(),
            species: self.species.clone(),
            repertoire_id: self.repertoire.clone(),
            sample_id: self.sample.clone(),
            format: self.input_format.clone(),
            alphabet: match self.alphabet {
                Letters::Auto => Alphabet::Auto,
                Letters::Nucleotide => Alphabet::Nucleotide,
                Letters::AminoAcid => Alphabet::AminoAcid,
            },
            columns: self.map.clone(),
            replace: self.replace,
            max_rejects: self.max_rejects,
        }
    }
}

fn species_name(text: &str) -> Result<String, String> {
    match species::known(text) {
        Some(name) => Ok(name.to_string()),
        None => Err(format!("use one of: {}", species::SPECIES.join(", "))),
    }
}

fn column_mapping(text: &str) -> Result<(String, String), String> {
    let wrong = || "write COLUMN=FIELD, with one of the fields that --help names".to_string();
    formats::column_mapping(text).ok_or_else(wrong)
}

fn format_name(text: &str) -> Result<String, String> {
    let found = formats::by_name(text);
    found
        .map(|format| format.name().to_string())
        .map_err(|error| error.to_string())
}
