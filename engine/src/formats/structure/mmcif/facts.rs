//! What rows say of the entry.

use std::collections::HashMap;

use super::super::assembly::{Assembly, MOST_CHAINS, MOST_RESIDUES, TooLarge};
use super::super::component::Component;
use super::super::entry::{Entry, Remarks};
use super::super::faults::Faults;
use super::super::finish::{Declared, DeclaredChain, finish};
use super::super::place::Atom;
use super::categories::{CATEGORIES, Category, Row};

/// A place in the file.
pub(super) struct Place<'a> {
    pub(super) line: &'a str,
    pub(super) number: u64,
    pub(super) faults: &'a mut Faults,
}

impl Place<'_> {
    pub(super) fn wrong(&mut self, why: &str) {
        self.faults.add(self.number, why, self.line);
    }
}

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Facts {
    block: Option<String>,
    /// Whether another block has begun, which is not read.
    pub(super) is_over: bool,
    id: Option<String>,
    title: Option<String>,
    methods: Vec<String>,
    /// Resolutions by the place of their category in the list.
    resolutions: [Option<f64>; CATEGORIES.len()],
    declared: Declared,
    declared_residues: usize,
    index: HashMap<String, usize>,
    assembly: Assembly,
    has_atoms: bool,
}

impl Facts {
    pub(super) fn block(&mut self, name: &str, place: &mut Place<'_>) {
        if self.block.is_none() {
            self.block = Some(name.to_string());
        } else {
            self.is_over = true;
            place.wrong("another data block: one file is one entry, what follows is not read");
        }
    }

    /// Takes a row and empties it.
    pub(super) fn row(&mut self, row: &mut Row, place: &mut Place<'_>) -> Result<(), TooLarge> {
        let Some(at) = row.category.take() else {
            return Ok(());
        };
        let get = |item: usize| row.get(item);
        let owned = |item: usize| row.get(item).map(|text| text.trim().to_string());
        match CATEGORIES[at].1 {
            Category::Entry => self.id = self.id.take().or(owned(0)),
            Category::Title => self.title = self.title.take().or(owned(0)),
            Category::Method => self
                .methods
                .extend(owned(0).filter(|_| self.methods.len() < 100)),
            Category::Resolution => {
                let value = get(0)
                    .and_then(|text| text.parse().ok())
                    .filter(|value: &f64| value.is_finite());
                self.resolutions[at] = self.resolutions[at].or(value);
            }
            Category::Entity | Category::Organism => {
                let molecules = &mut self.declared.molecules;
                if let Some(id) = owned(0)
                    .filter(|id| molecules.len() < MOST_CHAINS || molecules.contains_key(id))
                {
                    let molecule = molecules.entry(id.clone()).or_default();
                    molecule.id = Some(id);
                    match CATEGORIES[at].1 {
                        Category::Entity => molecule.name = owned(1),
                        _ => molecule.organism = molecule.organism.take().or(owned(1)),
                    }
                }
            }
            Category::EntitySequence => {
                if let (Some(entity), Some(component)) = (get(0), get(2).and_then(Component::new)) {
                    let entities = &mut self.declared.entities;
                    if !entities.contains_key(entity) {
                        entities.insert(entity.to_string(), Vec::new());
                    }
                    if let Some(sequence) = entities.get_mut(entity)
                        && is_next(get(1), sequence.len())
                    {
                        sequence.push(component);
                        self.declared_residues += 1;
                    }
                }
            }
            Category::ChainSequence => {
                if let (Some(label), Some(component)) = (get(0), get(3).and_then(Component::new)) {
                    let chains = &mut self.declared.chains;
                    let known = self.index.get(label).copied();
                    let at = known.unwrap_or_else(|| {
                        self.index.insert(label.to_string(), chains.len());
                        chains.push(DeclaredChain {
                            auth: get(6).unwrap_or(label).to_string(),
                            label: Some(label.to_string()),
                            entity: get(1).map(str::to_string),
                            ..DeclaredChain::default()
                        });
                        chains.len() - 1
                    });
                    if is_next(get(2), chains[at].sequence.len()) {
                        chains[at].sequence.push(component);
                        self.declared_residues += 1;
                        // A list of numbers with holes is not that of all residues, and is passed over.
                        if let Some(number) = get(4).and_then(|text| text.parse().ok()) {
                            chains[at].numbers.push((number, code(get(5))));
                        }
                    }
                }
            }
            Category::Parent => {
                let names = (
                    get(0).and_then(Component::new),
                    get(1).and_then(Component::new),
                );
                if let (Some(modified), Some(parent)) = names
                    && self.declared.parents.len() < MOST_RESIDUES
                {
                    self.declared.parents.insert(modified, parent);
                }
            }
            Category::AtomSite => {
                self.has_atoms = true;
                match atom(row) {
                    Ok(atom) => {
                        self.declared.has_seq_ids |= atom.seq_id > 0;
                        self.assembly.add(&atom)?;
                    }
                    Err(why) => place.wrong(&why),
                }
            }
        }
        let is_too_large = self.declared_residues > MOST_RESIDUES
            || self.declared.chains.len() > MOST_CHAINS
            || self.declared.entities.len() > MOST_CHAINS;
        if is_too_large { Err(TooLarge) } else { Ok(()) }
    }

    pub(super) fn finish(self) -> Result<Option<Entry>, TooLarge> {
        if !self.has_atoms {
            return Ok(None);
        }
        Ok(Some(Entry {
            id: self.id.or(self.block).filter(|id| !id.is_empty()),
            title: self.title,
            method: (!self.methods.is_empty()).then(|| self.methods.join("; ")),
            resolution: self.resolutions.into_iter().flatten().next(),
            models: finish(self.assembly.models, &self.declared)?,
            remarks: Remarks::default(),
        }))
    }
}

/// Whether a residue follows those that are there; the second of two alternatives has the number of the first.
fn is_next(number: Option<&str>, length: usize) -> bool {
    number
        .and_then(|number| number.parse().ok())
        .is_none_or(|number: usize| number == length + 1)
}

/// An insertion code or alternate location.
fn code(value: Option<&str>) -> u8 {
    value.and_then(|value| value.bytes().next()).unwrap_or(0)
}

/// A row of `_atom_site`. Where the author gives no number or chain of his own, those of mmCIF are his.
fn atom(row: &Row) -> Result<Atom<'_>, String> {
    let real = |item: usize, what: &str| {
        let text = row.get(item).unwrap_or_default();
        let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
        value.ok_or_else(|| format!("{what} '{text}' is not a number"))
    };
    let name = row.get(3).or(row.get(15)).unwrap_or_default();
    let component =
        Component::new(name).ok_or_else(|| format!("'{name}' is no name of a residue"))?;
    let seq_id = row.get(6).and_then(|text| text.parse().ok()).unwrap_or(0);
    let number = row.get(12).or(row.get(6)).unwrap_or_default();
    let label = row.get(4);
    Ok(Atom {
        model: match row.get(14) {
            Some(model) => model
                .parse()
                .map_err(|_| format!("'{model}' is no number of a model"))?,
            None => 1,
        },
        auth: row.get(13).or(label).unwrap_or("_"),
        label: label.filter(|_| seq_id > 0),
        entity: row.get(5),
        component,
        is_hetero: row.get(0) == Some("HETATM"),
        number: number
            .parse()
            .map_err(|_| format!("'{number}' is no number of a residue"))?,
        insertion: code(row.get(7)),
        seq_id,
        name: row.get(1).or(row.get(16)).unwrap_or_default(),
        alternate: code(row.get(2)),
        occupancy: match row.get(11) {
            Some(_) => real(11, "the occupancy")? as f32,
            None => 1.0,
        },
        position: [real(8, "x")?, real(9, "y")?, real(10, "z")?],
    })
}
