//! Atoms as they come, gathered into residues, chains and models.
//!
//! Of each residue a few facts are kept and no atom, so that memory follows the number of residues.

use std::collections::HashMap;

use super::place::{Atom, Place};

/// The most residues of an entry, over all its models, ligands and declared residues included. The largest entries of the
/// PDB (capsids of viruses) have a few hundred thousand.
pub(super) const MOST_RESIDUES: usize = 1_000_000;

/// The most chains of an entry, over all its models.
pub(super) const MOST_CHAINS: usize = 10_000;

/// An entry beyond [`MOST_RESIDUES`] or [`MOST_CHAINS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

/// A chain in the making.
#[derive(Debug)]
pub(super) struct Strand {
    /// The author's identifier.
    pub(super) auth: String,
    /// The identifier by mmCIF; `None` for what is no polymer.
    pub(super) label: Option<String>,
    /// The molecule by mmCIF.
    pub(super) entity: Option<String>,
    /// Residues and ligands, in the order of the file.
    pub(super) places: Vec<Place>,
    /// Whether the file says where it ends.
    pub(super) is_ended: bool,
    index: HashMap<(i32, u8, u32), usize>,
}

impl Strand {
    fn add(&mut self, atom: &Atom<'_>) -> bool {
        if let Some(last) = self.places.last_mut()
            && last.is_at(atom)
            && last.takes(atom)
        {
            last.add(atom);
            return false;
        }
        let key = (atom.number, atom.insertion, atom.seq_id);
        if let Some(place) = self.index.get(&key).and_then(|at| self.places.get_mut(*at))
            && place.takes(atom)
        {
            place.add(atom);
            return false;
        }
        let mut place = Place::new(atom, self.is_ended);
        place.add(atom);
        // Ligands may repeat the numbers of residues: the first of a number is found again.
        self.index.entry(key).or_insert(self.places.len());
        self.places.push(place);
        true
    }
}

/// A model in the making.
#[derive(Debug)]
pub(super) struct Draft {
    /// Its number.
    pub(super) number: i32,
    /// Its chains.
    pub(super) strands: Vec<Strand>,
    index: HashMap<(String, Option<String>), usize>,
}

/// Models in the making.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    /// Models, in the order of the file.
    pub(super) models: Vec<Draft>,
    places: usize,
    strands: usize,
    /// Model and chain of the last atom.
    last: (usize, usize),
}

impl Assembly {
    /// Takes an atom. Water is passed over.
    pub(super) fn add(&mut self, atom: &Atom<'_>) -> Result<(), TooLarge> {
        if atom.component.is_water() {
            return Ok(());
        }
        let model = self.model(atom.model);
        let strand = self.strand(model, atom);
        self.last = (model, strand);
        if self.models[model].strands[strand].add(atom) {
            self.places += 1;
        }
        let is_too_large = self.places > MOST_RESIDUES || self.strands > MOST_CHAINS;
        if is_too_large { Err(TooLarge) } else { Ok(()) }
    }

    /// The chain of the last atom ends: hetero atoms that come later are no part of its polymer.
    pub(super) fn end_strand(&mut self) {
        let (model, strand) = self.last;
        if let Some(strand) = self
            .models
            .get_mut(model)
            .and_then(|model| model.strands.get_mut(strand))
        {
            strand.is_ended = true;
        }
    }

    fn model(&mut self, number: i32) -> usize {
        if self
            .models
            .get(self.last.0)
            .is_some_and(|model| model.number == number)
        {
            return self.last.0;
        }
        // The numbers of models follow each other: the one that is wanted is mostly the last.
        let found = self.models.iter().rposition(|model| model.number == number);
        found.unwrap_or_else(|| {
            self.models.push(Draft {
                number,
                strands: Vec::new(),
                index: HashMap::new(),
            });
            self.models.len() - 1
        })
    }

    fn strand(&mut self, model: usize, atom: &Atom<'_>) -> usize {
        let draft = &mut self.models[model];
        let is_of =
            |strand: &Strand| strand.auth == atom.auth && strand.label.as_deref() == atom.label;
        if self.last.0 == model && draft.strands.get(self.last.1).is_some_and(is_of) {
            return self.last.1;
        }
        let key = (atom.auth.to_string(), atom.label.map(str::to_string));
        let next = draft.strands.len();
        let at = *draft.index.entry(key).or_insert(next);
        if at == next {
            self.strands += 1;
            draft.strands.push(Strand {
                auth: atom.auth.to_string(),
                label: atom.label.map(str::to_string),
                entity: atom.entity.map(str::to_string),
                places: Vec::new(),
                is_ended: false,
                index: HashMap::new(),
            });
        }
        at
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;
    use crate::formats::structure::component::Component;

    fn atom<'a>(
        component: &str,
        number: i32,
        name: &'a str,
        alternate: u8,
        occupancy: f32,
    ) -> Atom<'a> {
        Atom {
            model: 1,
            auth: "A",
            label: None,
            entity: None,
            component: Component::new(component).unwrap(),
            is_hetero: false,
            number,
            insertion: 0,
            seq_id: 0,
            name,
            alternate,
            occupancy,
            position: [f64::from(occupancy), f64::from(alternate), 0.0],
        }
    }

    fn places(atoms: &[Atom<'_>]) -> Vec<Place> {
        let mut assembly = Assembly::default();
        for atom in atoms {
            assembly.add(atom).unwrap();
        }
        assembly.models.remove(0).strands.remove(0).places
    }

    #[test]
    fn the_alternate_location_with_the_highest_occupancy_counts_and_of_equals_the_first() {
        let found = places(&[
            atom("SER", 1, "CA", b'A', 0.4),
            atom("SER", 1, "CA", b'B', 0.6),
            atom("SER", 2, "CA", b'B', 0.5),
            atom("SER", 2, "CA", b'A', 0.5),
        ]);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].best().ca.unwrap()[1], f64::from(b'B'));
        assert_eq!(found[1].best().ca.unwrap()[1], f64::from(b'B'));
    }

    #[test]
    fn of_alternative_residues_the_one_with_the_highest_occupancy_counts() {
        let found = places(&[
            atom("SER", 1, "CA", b'A', 0.3),
            atom("THR", 1, "CA", b'B', 0.7),
            atom("SER", 1, "CB", b'A', 0.3),
            atom("GLY", 2, "CA", 0, 1.0),
        ]);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].best().component.as_str(), "THR");
    }

    #[test]
    fn atoms_of_a_residue_find_it_again_and_a_ligand_of_its_number_does_not() {
        let found = places(&[
            atom("GLY", 1, "N", 0, 1.0),
            atom("ALA", 2, "CA", 0, 1.0),
            atom("GLY", 1, "CA", 0, 1.0),
            atom("NAG", 1, "C1", 0, 1.0),
            atom("HOH", 9, "O", 0, 1.0),
        ]);
        let names: Vec<String> = found
            .iter()
            .map(|place| format!("{:?}", place.best().component))
            .collect();
        assert_eq!(names, ["GLY", "ALA", "NAG"]);
        assert!(found[0].best().is_like_an_amino_acid());
    }

    #[test]
    fn calcium_is_no_alpha_carbon() {
        assert_eq!(places(&[atom("CA", 1, "CA", 0, 1.0)])[0].best().ca, None);
    }

    #[test]
    fn missing_atoms_are_counted_where_it_is_known_which_there_should_be() {
        let found = places(&[
            atom("SER", 1, "N", 0, 1.0),
            atom("SER", 1, "CA", 0, 1.0),
            atom("SER", 1, "OXT", 0, 1.0),
            atom("MSE", 2, "CA", 0, 1.0),
        ]);
        assert_eq!(found[0].best().missing_atoms(), Some(4));
        assert_eq!(found[1].best().missing_atoms(), None);
    }

    #[test]
    fn an_entry_beyond_the_limit_is_refused() {
        let mut assembly = Assembly::default();
        let taken = (0..=MOST_RESIDUES as i32)
            .map(|number| assembly.add(&atom("GLY", number, "CA", 0, 1.0)));
        assert_eq!(taken.filter(Result::is_err).count(), 1);
    }
}
