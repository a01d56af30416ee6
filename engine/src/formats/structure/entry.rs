//! An entry as both readers understand it: models, chains, residues.

use super::component::Component;

/// One file: the structure of one or more molecules, in one or more models.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Entry {
    /// Identifier (`12E8`), where the file gives one.
    pub(super) id: Option<String>,
    /// Title.
    pub(super) title: Option<String>,
    /// Experimental methods, joined by `; `.
    pub(super) method: Option<String>,
    /// Resolution in Å.
    pub(super) resolution: Option<f64>,
    /// Models in the order of the file.
    pub(super) models: Vec<Model>,
    /// What SAbDab says of pairs and antigens.
    pub(super) remarks: Remarks,
}

/// One model of an entry.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Model {
    /// Its number.
    pub(super) number: i32,
    /// Its chains, in the order of the file; those of which nothing was observed last.
    pub(super) chains: Vec<Chain>,
}

/// What a chain is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Polymer {
    /// Amino acids.
    Polypeptide,
    /// Nucleotides.
    NucleicAcid,
    /// Neither: sugars, ligands.
    #[default]
    Other,
}

/// Where the sequence of a chain was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SequenceSource {
    /// `SEQRES`, `_pdbx_poly_seq_scheme` or `_entity_poly_seq`: unobserved residues are part of it.
    Seqres,
    /// The residues that have atoms.
    Atoms,
}

/// One chain of a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Chain {
    /// The author's identifier; `_` where it is blank.
    pub(super) auth_asym_id: String,
    /// The identifier that mmCIF gives the polymer.
    pub(super) label_asym_id: Option<String>,
    /// What it is made of.
    pub(super) polymer: Polymer,
    /// Its molecule.
    pub(super) molecule: Molecule,
    /// A letter for each residue, `X` where it is unknown.
    pub(super) sequence: String,
    /// Where `sequence` was taken from; `None` where it is empty.
    pub(super) sequence_source: Option<SequenceSource>,
    /// Its residues, one a letter of `sequence`.
    pub(super) residues: Vec<Residue>,
    /// Components under the same identifier that are not part of the polymer, each once, without water.
    pub(super) ligands: Vec<Component>,
}

/// What the entry says of the molecule of a chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Molecule {
    /// Number of the molecule within the entry (`MOL_ID`, `_entity.id`).
    pub(super) id: Option<String>,
    /// Name.
    pub(super) name: Option<String>,
    /// Organism that its gene is of.
    pub(super) organism: Option<String>,
}

/// A residue of a polymer.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Residue {
    /// The author's number; `None` for an unobserved one whose number is not told.
    pub(super) number: Option<i32>,
    /// Insertion code.
    pub(super) insertion: Option<u8>,
    /// Its component, of several alternatives the one with the highest occupancy.
    pub(super) component: Component,
    /// The amino acid it is or was.
    pub(super) parent: Option<Component>,
    /// Whether any atom of it was observed.
    pub(super) is_observed: bool,
    /// Its Cα in Å, of several alternatives the one with the highest occupancy, of equals the first.
    pub(super) ca: Option<[f64; 3]>,
    /// Atoms (not hydrogen) that it should have and has not; `None` where that is not known or nothing was observed.
    pub(super) missing_atoms: Option<i32>,
}

/// The lines that SAbDab adds to a file (`REMARK 5`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Remarks {
    /// Its statements on Fvs, in order.
    pub(super) fvs: Vec<FvRemark>,
    /// Its warnings, each on one line.
    pub(super) warnings: Vec<String>,
}

/// A line `PAIRED_HL …` or `SINGLE …`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FvRemark {
    /// Heavy chain.
    pub(super) heavy: Option<String>,
    /// Light chain.
    pub(super) light: Option<String>,
    /// Chains of antigens, with their kinds in lower case.
    pub(super) antigens: Vec<(String, Option<String>)>,
}
