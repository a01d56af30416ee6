//! From gathered atoms and the head of a file to an entry's models: polymers and ligands, declared and observed residues.

use std::collections::{HashMap, HashSet};

use super::align::{Seen, align};
use super::assembly::{Draft, MOST_RESIDUES, Strand, TooLarge};
use super::component::Component;
use super::entry::{Chain, Model, Molecule, Polymer, Residue, SequenceSource};
use super::place::{Place, Variant};

/// The longest distance of neighbouring Cα in Å: 3.8 in a trans peptide, and some room for poor models.
const BOND: f64 = 4.5;

/// What the head of a file says.
#[derive(Debug, Default)]
pub(super) struct Declared {
    /// Chains with their sequences, in order.
    pub(super) chains: Vec<DeclaredChain>,
    /// Sequences by molecule, for chains that are not in `chains`.
    pub(super) entities: HashMap<String, Vec<Component>>,
    /// Molecules by chain (PDB) or by number (mmCIF).
    pub(super) molecules: HashMap<String, Molecule>,
    /// What modified residues were.
    pub(super) parents: HashMap<Component, Component>,
    /// Whether atoms carry their index in the declared sequence, so that those without are no part of a polymer.
    pub(super) has_seq_ids: bool,
}

/// A chain with its sequence.
#[derive(Debug, Clone, Default)]
pub(super) struct DeclaredChain {
    /// The author's identifier.
    pub(super) auth: String,
    /// The identifier by mmCIF.
    pub(super) label: Option<String>,
    /// The molecule by mmCIF.
    pub(super) entity: Option<String>,
    /// Its residues.
    pub(super) sequence: Vec<Component>,
    /// Their numbers, where the file gives those of all.
    pub(super) numbers: Vec<(i32, u8)>,
    /// Residues that were not observed, with their numbers.
    pub(super) unobserved: Vec<(Component, i32, u8)>,
}

/// The models of an entry.
///
/// # Errors
/// More than [`MOST_RESIDUES`] residues over all models.
pub(super) fn finish(drafts: Vec<Draft>, declared: &Declared) -> Result<Vec<Model>, TooLarge> {
    let mut room = MOST_RESIDUES;
    let mut models = Vec::with_capacity(drafts.len());
    for draft in drafts {
        models.push(model(draft, declared, &mut room)?);
    }
    Ok(models)
}

fn model(draft: Draft, declared: &Declared, room: &mut usize) -> Result<Model, TooLarge> {
    let mut chains: Vec<Chain> = Vec::new();
    let mut ligands: Vec<(String, Component)> = Vec::new();
    for strand in draft.strands {
        let said = declared.chain_of(&strand);
        let (polymer, others) = split(&strand, said, declared);
        let taken = said
            .map_or(0, |said| said.sequence.len())
            .max(polymer.len());
        *room = room.checked_sub(taken).ok_or(TooLarge)?;
        ligands.extend(
            others
                .iter()
                .map(|place| (strand.auth.clone(), place.best().component)),
        );
        if !polymer.is_empty() {
            chains.push(declared.observed(&strand, said, &polymer));
        }
    }
    let said = declared.chains.iter();
    for said in said.filter(|said| !said.sequence.is_empty()) {
        if !chains
            .iter()
            .any(|chain| said.is(&chain.auth_asym_id, chain.label_asym_id.as_deref()))
        {
            *room = room.checked_sub(said.sequence.len()).ok_or(TooLarge)?;
            chains.push(declared.unobserved(said));
        }
    }
    let mut places: HashMap<String, usize> = HashMap::new();
    for (at, chain) in chains.iter().enumerate() {
        places.entry(chain.auth_asym_id.clone()).or_insert(at);
    }
    let mut known: HashSet<(usize, Component)> = HashSet::new();
    for (auth, ligand) in ligands {
        let at = *places.entry(auth).or_insert_with_key(|auth| {
            chains.push(Chain {
                auth_asym_id: auth.clone(),
                ..Chain::default()
            });
            chains.len() - 1
        });
        if known.insert((at, ligand)) {
            chains[at].ligands.push(ligand);
        }
    }
    Ok(Model {
        number: draft.number,
        chains,
    })
}

/// The places of a chain that are residues of its polymer, and the others.
///
/// Where atoms carry no index, hetero atoms are of the polymer if they have the backbone of an amino acid and stand before
/// the last ordinary residue, before the end of the chain, or within a peptide bond of the residue before; and if the
/// declared sequence names their component (caps such as `NH2`).
fn split<'a>(
    strand: &'a Strand,
    said: Option<&DeclaredChain>,
    declared: &Declared,
) -> (Vec<&'a Place>, Vec<&'a Place>) {
    if declared.has_seq_ids {
        return strand.places.iter().partition(|place| place.seq_id > 0);
    }
    let last = strand.places.iter().rposition(|place| !place.is_hetero);
    let is_named = |component: Component| {
        component.amino_acid().is_none()
            && said.is_some_and(|said| said.sequence.contains(&component))
    };
    let (mut polymer, mut others): (Vec<&Place>, Vec<&Place>) = (Vec::new(), Vec::new());
    for (at, place) in strand.places.iter().enumerate() {
        let best = place.best();
        let before = polymer.last().and_then(|before| before.best().ca);
        let is_bonded = before
            .zip(best.ca)
            .is_some_and(|(a, b)| distance(a, b) <= BOND);
        let is_within = last.is_some_and(|last| at < last)
            || !place.is_behind_end && (strand.is_ended || is_bonded);
        let is_residue = !place.is_hetero
            || best.is_like_an_amino_acid() && is_within
            || !place.is_behind_end && is_named(best.component);
        if is_residue {
            polymer.push(place)
        } else {
            others.push(place)
        }
    }
    (polymer, others)
}

/// Distance in Å.
pub(super) fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter()
        .zip(&b)
        .map(|(a, b)| (a - b) * (a - b))
        .sum::<f64>()
        .sqrt()
}

impl DeclaredChain {
    fn is(&self, auth: &str, label: Option<&str>) -> bool {
        match (&self.label, label) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => self.auth == auth,
        }
    }
}

impl Declared {
    fn chain_of(&self, strand: &Strand) -> Option<&DeclaredChain> {
        self.chains
            .iter()
            .find(|said| said.is(&strand.auth, strand.label.as_deref()))
    }

    /// The amino acid that a residue is or was.
    fn parent(&self, component: Component) -> Option<Component> {
        if component.amino_acid().is_some() {
            return Some(component);
        }
        let said = self.parents.get(&component).copied();
        said.filter(|parent| parent.amino_acid().is_some())
            .or_else(|| component.known_parent())
    }

    fn letter(&self, component: Component) -> char {
        let letter = self.parent(component).and_then(Component::amino_acid);
        char::from(letter.or_else(|| component.nucleotide()).unwrap_or(b'X'))
    }

    fn polymer(&self, components: &[Component], has_backbone: bool) -> Polymer {
        let residues = components
            .iter()
            .filter(|component| self.parent(**component).is_some())
            .count();
        let nucleotides = components
            .iter()
            .filter(|component| component.nucleotide().is_some())
            .count();
        if residues >= nucleotides && residues > 0 || nucleotides == 0 && has_backbone {
            Polymer::Polypeptide
        } else if nucleotides > 0 {
            Polymer::NucleicAcid
        } else {
            Polymer::Other
        }
    }

    fn molecule(&self, auth: &str, entity: Option<&str>) -> Molecule {
        self.molecules
            .get(entity.unwrap_or(auth))
            .cloned()
            .unwrap_or_default()
    }

    /// A chain of which something was observed.
    fn observed(&self, strand: &Strand, said: Option<&DeclaredChain>, polymer: &[&Place]) -> Chain {
        let of_entity = || {
            strand
                .entity
                .as_ref()
                .and_then(|entity| self.entities.get(entity))
        };
        let sequence = said
            .map(|said| &said.sequence)
            .or_else(of_entity)
            .filter(|sequence| !sequence.is_empty());
        let indices = sequence.and_then(|sequence| indices(polymer, sequence));
        let (components, residues, source) = match (sequence, indices) {
            (Some(sequence), Some(indices)) => {
                let residues = self.with_unobserved(said, sequence, polymer, &indices);
                (sequence.clone(), residues, SequenceSource::Seqres)
            }
            _ => {
                let residues: Vec<Residue> =
                    polymer.iter().map(|place| self.residue(place)).collect();
                let components = residues.iter().map(|residue| residue.component).collect();
                (components, residues, SequenceSource::Atoms)
            }
        };
        let has_backbone = polymer
            .iter()
            .any(|place| place.best().is_like_an_amino_acid());
        let entity = strand
            .entity
            .as_deref()
            .or_else(|| said.and_then(|said| said.entity.as_deref()));
        Chain {
            auth_asym_id: strand.auth.clone(),
            label_asym_id: strand.label.clone(),
            polymer: self.polymer(&components, has_backbone),
            molecule: self.molecule(&strand.auth, entity),
            sequence: components
                .iter()
                .map(|component| self.letter(*component))
                .collect(),
            sequence_source: Some(source),
            residues,
            ligands: Vec::new(),
        }
    }

    /// A chain of which nothing was observed.
    fn unobserved(&self, said: &DeclaredChain) -> Chain {
        Chain {
            auth_asym_id: said.auth.clone(),
            label_asym_id: said.label.clone(),
            polymer: self.polymer(&said.sequence, false),
            molecule: self.molecule(&said.auth, said.entity.as_deref()),
            sequence: said
                .sequence
                .iter()
                .map(|component| self.letter(*component))
                .collect(),
            sequence_source: Some(SequenceSource::Seqres),
            residues: self.with_unobserved(Some(said), &said.sequence, &[], &[]),
            ligands: Vec::new(),
        }
    }

    fn residue(&self, place: &Place) -> Residue {
        let best: &Variant = place.best();
        Residue {
            number: Some(place.number),
            insertion: (place.insertion != 0).then_some(place.insertion),
            component: best.component,
            parent: self.parent(best.component),
            is_observed: true,
            ca: best.ca,
            missing_atoms: best.missing_atoms(),
        }
    }

    /// The declared residues, those observed among them.
    fn with_unobserved(
        &self,
        said: Option<&DeclaredChain>,
        sequence: &[Component],
        polymer: &[&Place],
        indices: &[usize],
    ) -> Vec<Residue> {
        let mut residues: Vec<Residue> = sequence
            .iter()
            .map(|component| Residue {
                component: *component,
                parent: self.parent(*component),
                ..Residue::default()
            })
            .collect();
        for (place, index) in polymer.iter().zip(indices) {
            residues[*index] = self.residue(place);
        }
        let Some(said) = said else { return residues };
        if said.numbers.len() == residues.len() {
            for (residue, (number, insertion)) in residues.iter_mut().zip(&said.numbers) {
                if !residue.is_observed {
                    residue.number = Some(*number);
                    residue.insertion = (*insertion != 0).then_some(*insertion);
                }
            }
        }
        // The list of what is missing counts only if it is the list of these.
        let gaps = || residues.iter().filter(|residue| !residue.is_observed);
        let is_theirs = gaps().count() == said.unobserved.len()
            && gaps()
                .zip(&said.unobserved)
                .all(|(residue, (name, _, _))| residue.component == *name);
        if is_theirs {
            let gaps = residues.iter_mut().filter(|residue| !residue.is_observed);
            for (residue, (_, number, insertion)) in gaps.zip(&said.unobserved) {
                residue.number = Some(*number);
                residue.insertion = (*insertion != 0).then_some(*insertion);
            }
        }
        residues
    }
}

/// Where observed residues stand in the declared sequence: where they say themselves, else by their names.
fn indices(polymer: &[&Place], sequence: &[Component]) -> Option<Vec<usize>> {
    let is_said = polymer
        .iter()
        .all(|place| (1..=sequence.len()).contains(&(place.seq_id as usize)))
        && polymer
            .windows(2)
            .all(|pair| pair[0].seq_id < pair[1].seq_id);
    if is_said {
        return Some(
            polymer
                .iter()
                .map(|place| place.seq_id as usize - 1)
                .collect(),
        );
    }
    let mut before: Option<&Place> = None;
    let seen: Vec<Seen> = polymer
        .iter()
        .map(|place| {
            let seen = Seen {
                component: place.best().component,
                is_broken: before.is_some_and(|before| is_broken(before, place)),
                missing: before.and_then(|before| missing(before, place)),
            };
            before = Some(place);
            seen
        })
        .collect();
    align(&seen, sequence)
}

fn is_broken(before: &Place, place: &Place) -> bool {
    let places = before.best().ca.zip(place.best().ca);
    places.is_some_and(|(a, b)| distance(a, b) > BOND)
}

/// How many residues are missing between two by their numbers; insertion codes say nothing of that.
fn missing(before: &Place, place: &Place) -> Option<usize> {
    if before.insertion != 0 || place.insertion != 0 {
        return None;
    }
    usize::try_from(i64::from(place.number) - i64::from(before.number) - 1).ok()
}
