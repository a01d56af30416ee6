//! What both readers make of files: made ones, broken ones, real ones.
#![allow(clippy::unwrap_used, clippy::panic)] // a failed unwrap is a failed test

mod broken;
mod corpus;
mod made;
mod real;
mod rows;
mod twins;

use std::io::Cursor;

use super::entry::{Chain, Entry};
use super::{EntryReader, mmcif, pdb, read};
use crate::formats::{ReadOptions, Reject, decompress};

/// Made files: three chains (a VH, a VL with the lower-case name `l`, a peptide) whose places are not real. The same in both.
const PDB: &str = include_str!("../../../../tests/data/made.pdb");
const CIF: &str = include_str!("../../../../tests/data/made.cif");

const VH: &str = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";
const VL: &str = "DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK";

fn entry<R: EntryReader>(text: &[u8]) -> (Option<Entry>, Vec<Reject>) {
    let input = decompress(Box::new(Cursor::new(text.to_vec()))).unwrap();
    // A file without atoms is an error, and has no entry.
    read::<R>(input, "x", &ReadOptions::default()).unwrap_or_default()
}

/// The entry of a PDB file in which nothing is wrong.
fn of_pdb(text: &str) -> Entry {
    let (entry, rejects) = entry::<pdb::Reader>(text.as_bytes());
    assert_eq!(rejects, []);
    entry.unwrap()
}

/// The entry of an mmCIF file in which nothing is wrong.
fn of_cif(text: &str) -> Entry {
    let (entry, rejects) = entry::<mmcif::Reader>(text.as_bytes());
    assert_eq!(rejects, []);
    entry.unwrap()
}

fn chain<'a>(entry: &'a Entry, auth: &str) -> &'a Chain {
    let mut chains = entry.models[0].chains.iter();
    chains.find(|chain| chain.auth_asym_id == auth).unwrap()
}

/// Without what PDB files do not have.
fn without_labels(mut entry: Entry) -> Entry {
    for model in &mut entry.models {
        for chain in &mut model.chains {
            chain.label_asym_id = None;
        }
    }
    entry
}

/// An `ATOM` line of a Cα, or with another record name and atom.
fn atom(record: &str, name: &str, residue: &str, place: &str, at: [f64; 3]) -> String {
    // `place` is the chain, the number and the insertion code: five columns and one.
    let [x, y, z] = at;
    format!(
        "{record:<6}    1 {name:<4} {residue:>3} {place:<6}   {x:8.3}{y:8.3}{z:8.3}  1.00 20.00\n"
    )
}

fn three(letter: char) -> &'static str {
    match letter {
        'A' => "ALA",
        'C' => "CYS",
        'D' => "ASP",
        'E' => "GLU",
        'F' => "PHE",
        'G' => "GLY",
        'H' => "HIS",
        'I' => "ILE",
        'K' => "LYS",
        'L' => "LEU",
        'M' => "MET",
        'N' => "ASN",
        'P' => "PRO",
        'Q' => "GLN",
        'R' => "ARG",
        'S' => "SER",
        'T' => "THR",
        'V' => "VAL",
        'W' => "TRP",
        'Y' => "TYR",
        _ => "UNK",
    }
}

/// A chain along a line at this height, a Cα every 3.8 Å, numbered from 1.
fn strand(chain: char, sequence: &str, height: f64) -> String {
    (1..)
        .zip(sequence.chars())
        .map(|(number, letter)| {
            let place = format!("{chain}{number:4} ");
            atom(
                "ATOM",
                " CA",
                three(letter),
                &place,
                [3.8 * f64::from(number), height, 0.0],
            )
        })
        .collect()
}
