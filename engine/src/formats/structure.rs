//! Structures of antibodies: entries of the Protein Data Bank, PDB or mmCIF.
//!
//! One file is one entry. Both readers take a file line by line, keep a few facts of each residue and no atom, and yield
//! one [`Entry`](entry::Entry), of which come rows of three tables:
//!
//! | table | a row is |
//! |---|---|
//! | `structures` | a chain of a model |
//! | `fvs` | an Fv of a model: SAbDab's remarks, else contacts (see [`fv`]) |
//! | `chains` | a V domain of a chain; chains without one that SAbDab calls heavy or light are there too |
//!
//! A line that cannot be read is a reject, and the entry goes on without it; so is the end of a stream that is cut off. An entry of more than
//! [`MOST_RESIDUES`](assembly::MOST_RESIDUES) residues is one reject and no rows.

mod align;
mod assembly;
mod chains;
mod component;
mod entry;
mod faults;
mod finish;
mod fv;
mod mmcif;
mod pdb;
mod place;
mod records;
mod rows;
mod sabdab;
mod star;
#[cfg(test)]
mod tests;

use std::io::BufRead;

use arrow::datatypes::SchemaRef;

use self::assembly::{MOST_CHAINS, MOST_RESIDUES, TooLarge};
use self::entry::Entry;
use self::faults::Faults;
use self::records::StructureRecords;
use super::lines::{Lines, Step};
use super::{Format, ReadOptions, Records, Reject, Target, detect};
use crate::error::{Error, Result};

/// Names with which lines of PDB files start, those of atoms apart.
const HEADS: [&str; 9] = [
    "HEADER", "OBSLTE", "TITLE ", "COMPND", "REMARK", "CRYST1", "MODEL ", "SEQRES", "EXPDTA",
];

/// PDB files: fixed columns.
#[derive(Debug)]
pub struct Pdb;

/// mmCIF files.
#[derive(Debug)]
pub struct Mmcif;

/// A reader of one format.
trait EntryReader: Default {
    /// What a file must have to be a structure.
    const ATOMS: &'static str;

    fn line(&mut self, line: &str, number: u64, faults: &mut Faults) -> Result<(), TooLarge>;
    fn finish(self, number: u64, faults: &mut Faults) -> Result<Option<Entry>, TooLarge>;
}

impl EntryReader for pdb::Reader {
    const ATOMS: &'static str = "ATOM or HETATM line";

    fn line(&mut self, line: &str, number: u64, faults: &mut Faults) -> Result<(), TooLarge> {
        self.line(line, number, faults)
    }

    fn finish(self, _: u64, _: &mut Faults) -> Result<Option<Entry>, TooLarge> {
        self.finish()
    }
}

impl EntryReader for mmcif::Reader {
    const ATOMS: &'static str = "row of _atom_site";

    fn line(&mut self, line: &str, number: u64, faults: &mut Faults) -> Result<(), TooLarge> {
        self.line(line, number, faults)
    }

    fn finish(self, number: u64, faults: &mut Faults) -> Result<Option<Entry>, TooLarge> {
        self.finish(number, faults)
    }
}

impl Format for Pdb {
    fn name(&self) -> &'static str {
        "pdb"
    }

    fn version(&self) -> u32 {
        1
    }

    fn feeds(&self) -> Target {
        Target::Structures
    }

    fn targets(&self) -> &'static [Target] {
        &[Target::Structures, Target::Fvs]
    }

    fn schema(&self) -> Result<SchemaRef> {
        rows::schema()
    }

    fn detect(&self, head: &[u8], _: &str) -> u8 {
        let mut lines = detect::lines(head).filter(|line| !line.trim_ascii().is_empty());
        let is_atom = |line: &[u8]| {
            let is_named = line.starts_with(b"ATOM  ") || line.starts_with(b"HETATM");
            let x = line.get(30..38).and_then(|x| std::str::from_utf8(x).ok());
            is_named && x.is_some_and(|x| x.trim().parse::<f64>().is_ok())
        };
        let is_head = |line: &[u8]| HEADS.iter().any(|name| line.starts_with(name.as_bytes()));
        match lines.next() {
            Some(first) if is_atom(first) => 95,
            Some(first) if is_head(first) => 90,
            // Other programs put lines of their own before the atoms.
            Some(_) if lines.any(is_atom) => 80,
            _ => 0,
        }
    }

    fn open(
        &self,
        input: Box<dyn BufRead + Send>,
        source_file: &str,
        options: &ReadOptions,
    ) -> Result<Box<dyn Records>> {
        open::<pdb::Reader>(input, source_file, options)
    }
}

impl Format for Mmcif {
    fn name(&self) -> &'static str {
        "mmcif"
    }

    fn version(&self) -> u32 {
        1
    }

    fn feeds(&self) -> Target {
        Target::Structures
    }

    fn targets(&self) -> &'static [Target] {
        &[Target::Structures, Target::Fvs]
    }

    fn schema(&self) -> Result<SchemaRef> {
        rows::schema()
    }

    fn detect(&self, head: &[u8], file_name: &str) -> u8 {
        let lines = detect::lines(head).filter(|line| !line.trim_ascii().is_empty());
        let first = lines.into_iter().find(|line| !line.starts_with(b"#"));
        let starts = |prefix: &[u8]| {
            first.is_some_and(|line| {
                line.get(..prefix.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            })
        };
        if !starts(b"data_") {
            return 0;
        }
        // Other CIF files have no categories with a point behind their name.
        let has = |tag: &[u8]| memchr::memmem::find(head, tag).is_some();
        if has(b"_entry.id") || has(b"_atom_site.") {
            95
        } else if detect::has_extension(file_name, &["cif", "mmcif", "mcif"]) {
            50
        } else {
            0
        }
    }

    fn open(
        &self,
        input: Box<dyn BufRead + Send>,
        source_file: &str,
        options: &ReadOptions,
    ) -> Result<Box<dyn Records>> {
        open::<mmcif::Reader>(input, source_file, options)
    }
}

fn open<R: EntryReader>(
    input: Box<dyn BufRead + Send>,
    source_file: &str,
    options: &ReadOptions,
) -> Result<Box<dyn Records>> {
    let (entry, rejects) = read::<R>(input, source_file, options)?;
    let records = StructureRecords::new(entry.unwrap_or_default(), rejects, source_file, options)?;
    Ok(Box::new(records))
}

/// The entry of a file, and what of it cannot be read. `None` where it is too large, or cut off before the first atom.
///
/// # Errors
/// A file without atoms.
fn read<R: EntryReader>(
    input: Box<dyn BufRead + Send>,
    source_file: &str,
    options: &ReadOptions,
) -> Result<(Option<Entry>, Vec<Reject>)> {
    let mut lines = Lines::new(input, source_file, options.max_record_bytes);
    let (mut reader, mut faults) = (R::default(), Faults::default());
    let (mut is_too_large, mut is_cut) = (false, false);
    loop {
        match lines.step()? {
            Step::Whole => {
                let line = String::from_utf8_lossy(lines.text());
                is_too_large = reader.line(&line, lines.number(), &mut faults).is_err();
                if is_too_large {
                    break;
                }
            }
            Step::TooLong(bytes) => {
                let limit = options.max_record_bytes;
                let why = format!("the line has {bytes} bytes, more than the limit of {limit}");
                faults.add(lines.number(), &why, &String::from_utf8_lossy(lines.text()));
            }
            Step::Cut(message) => {
                is_cut = true;
                let why = format!("the entry is not whole: {message}");
                faults.add(lines.number(), &why, &String::from_utf8_lossy(lines.text()));
                break;
            }
            Step::End => break,
        }
    }
    let entry = match is_too_large {
        true => Err(TooLarge),
        false => reader.finish(lines.number(), &mut faults),
    };
    if entry == Ok(None) && !is_cut {
        return Err(Error::Invalid(format!(
            "{source_file}: there is no {}, and so no structure",
            R::ATOMS
        )));
    }
    let mut rejects: Vec<Reject> = faults
        .finish()
        .into_iter()
        .map(|fault| Reject::new(None, fault.reason, fault.text.as_bytes()))
        .collect();
    let entry = entry.unwrap_or_else(|TooLarge| {
        let reason = format!(
            "the entry has more than {MOST_RESIDUES} residues or {MOST_CHAINS} chains over its models: split it by model"
        );
        rejects.push(Reject::new(None, reason, b""));
        None
    });
    Ok((entry, rejects))
}
