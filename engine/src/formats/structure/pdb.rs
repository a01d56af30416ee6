//! The PDB format: lines of fixed columns (wwPDB, Format v3.30, 2012).
//!
//! Columns of lines are counted from 0 here, from 1 there.

use super::assembly::{Assembly, MOST_RESIDUES, TooLarge};
use super::component::Component;
use super::entry::{Entry, Molecule};
use super::faults::Faults;
use super::finish::{Declared, DeclaredChain, finish};
use super::place::Atom;
use super::sabdab;

/// The most bytes kept of a text that runs over lines (title, molecules).
const MOST_TEXT: usize = 1 << 20;

/// Reads an entry line by line.
#[derive(Debug, Default)]
pub(super) struct Reader {
    id: Option<String>,
    title: String,
    method: String,
    compounds: String,
    sources: String,
    resolution: Option<f64>,
    remarks: sabdab::Reader,
    declared: Declared,
    declared_residues: usize,
    model: i32,
    models_ended: i32,
    assembly: Assembly,
    has_atoms: bool,
}

impl Reader {
    /// Takes a line, without its end.
    ///
    /// # Errors
    /// An entry that is too large; lines that cannot be read go to `faults`.
    pub(super) fn line(
        &mut self,
        line: &str,
        number: u64,
        faults: &mut Faults,
    ) -> Result<(), TooLarge> {
        match cut(line, 0, 6).trim_end() {
            "ATOM" | "HETATM" => {
                self.has_atoms = true;
                match atom(line, self.model.max(1)) {
                    Ok(atom) => self.assembly.add(&atom)?,
                    Err(why) => faults.add(number, &why, line),
                }
            }
            "TER" => self.assembly.end_strand(),
            "MODEL" => match cut(line, 6, 80).trim().parse() {
                Ok(model) => self.model = model,
                Err(_) => {
                    self.model = self.models_ended.saturating_add(1);
                    faults.add(number, "the model has no number", line);
                }
            },
            "ENDMDL" => {
                self.models_ended = self.models_ended.saturating_add(1);
                self.model = self.model.max(1).saturating_add(1);
            }
            "HEADER" => self.id = text(cut(line, 62, 66)),
            "TITLE" => join(&mut self.title, cut(line, 10, 80)),
            "COMPND" => join(&mut self.compounds, cut(line, 10, 80)),
            "SOURCE" => join(&mut self.sources, cut(line, 10, 80)),
            "EXPDTA" => join(&mut self.method, cut(line, 10, 80)),
            "REMARK" => self.remark(line),
            "SEQRES" => self.seqres(line)?,
            "MODRES" => {
                let names = (
                    Component::new(cut(line, 12, 15).trim()),
                    Component::new(cut(line, 24, 27).trim()),
                );
                if let (Some(modified), Some(parent)) = names
                    && self.declared.parents.len() < MOST_RESIDUES
                {
                    self.declared.parents.insert(modified, parent);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The entry; `None` where no line was of an atom.
    ///
    /// # Errors
    /// An entry that is too large.
    pub(super) fn finish(mut self) -> Result<Option<Entry>, TooLarge> {
        if !self.has_atoms {
            return Ok(None);
        }
        self.declared.molecules = molecules(&self.compounds, &self.sources);
        let (remarks, id) = self.remarks.finish();
        Ok(Some(Entry {
            id: self.id.or(id),
            title: text(&self.title),
            method: text(&self.method),
            resolution: self.resolution,
            models: finish(self.assembly.models, &self.declared)?,
            remarks,
        }))
    }

    fn remark(&mut self, line: &str) {
        match cut(line, 6, 10).trim() {
            "2" => {
                let mut words = line
                    .split_whitespace()
                    .skip_while(|word| *word != "RESOLUTION.");
                let resolution = words.nth(1).and_then(|word| word.parse().ok());
                self.resolution = resolution
                    .filter(|value: &f64| value.is_finite())
                    .or(self.resolution);
            }
            "5" => self.remarks.line(line.get(10..).unwrap_or_default()),
            "465" => self.unobserved(line),
            _ => {}
        }
    }

    /// `REMARK 465     MET A     1 `: a residue that was not observed. Its table has a head of free text, which has no number.
    fn unobserved(&mut self, line: &str) {
        let component = Component::new(cut(line, 15, 18).trim());
        let number = cut(line, 20, 26).trim().parse();
        if let (Some(component), Ok(number), true) = (component, number, cut(line, 18, 19) == " ") {
            let insertion = code(cut(line, 26, 27));
            let chain = chain(cut(line, 19, 20)).to_string();
            // Of several models that lack the residue the first speaks for all.
            let unobserved = &mut self.declared_chain(&chain).unobserved;
            let one = (component, number, insertion);
            if unobserved.len() < MOST_RESIDUES
                && !unobserved.iter().rev().take(8).any(|other| *other == one)
            {
                unobserved.push(one);
            }
        }
    }

    fn seqres(&mut self, line: &str) -> Result<(), TooLarge> {
        let names = cut(line, 19, 80)
            .split_whitespace()
            .filter_map(Component::new);
        let chain = chain(cut(line, 11, 12)).to_string();
        let sequence = &mut self.declared_chain(&chain).sequence;
        let before = sequence.len();
        sequence.extend(names);
        self.declared_residues += self.declared_chain(&chain).sequence.len() - before;
        if self.declared_residues > MOST_RESIDUES {
            Err(TooLarge)
        } else {
            Ok(())
        }
    }

    fn declared_chain(&mut self, auth: &str) -> &mut DeclaredChain {
        let chains = &mut self.declared.chains;
        let at = chains
            .iter()
            .position(|chain| chain.auth == auth)
            .unwrap_or_else(|| {
                chains.push(DeclaredChain {
                    auth: auth.to_string(),
                    ..DeclaredChain::default()
                });
                chains.len() - 1
            });
        &mut chains[at]
    }
}

/// The characters of some columns; fewer where the line ends.
fn cut(line: &str, start: usize, end: usize) -> &str {
    // What is not ASCII (names of authors) stands in no column that is read by number.
    line.get(start..end.min(line.len())).unwrap_or_default()
}

fn text(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_string())
}

/// Goes on with a text: a word broken with a hyphen is one.
fn join(text: &mut String, more: &str) {
    let more = more.trim();
    if text.len() + more.len() >= MOST_TEXT {
        return;
    }
    if !text.is_empty() && !text.ends_with('-') {
        text.push(' ');
    }
    text.push_str(more);
}

/// The chain of a column; a blank one is called `_`.
fn chain(column: &str) -> &str {
    match column.trim() {
        "" => "_",
        chain => chain,
    }
}

/// An insertion code or alternate location.
fn code(column: &str) -> u8 {
    column.trim().bytes().next().unwrap_or(0)
}

fn atom(line: &str, model: i32) -> Result<Atom<'_>, String> {
    let real = |start: usize, end: usize, what: &str| {
        let column = cut(line, start, end).trim();
        let value = column.parse::<f64>().ok().filter(|value| value.is_finite());
        value.ok_or_else(|| format!("{what} '{column}' is not a number"))
    };
    let name = cut(line, 17, 20).trim();
    let component =
        Component::new(name).ok_or_else(|| format!("'{name}' is no name of a residue"))?;
    let number = cut(line, 22, 26).trim();
    let occupancy = cut(line, 54, 60).trim();
    Ok(Atom {
        model,
        auth: chain(cut(line, 21, 22)),
        label: None,
        entity: None,
        component,
        is_hetero: line.starts_with("HETATM"),
        number: number
            .parse()
            .map_err(|_| format!("'{number}' is no number of a residue"))?,
        insertion: code(cut(line, 26, 27)),
        seq_id: 0,
        name: cut(line, 12, 16).trim(),
        alternate: code(cut(line, 16, 17)),
        // Programs that know no occupancy leave it blank.
        occupancy: if occupancy.is_empty() {
            1.0
        } else {
            real(54, 60, "the occupancy")? as f32
        },
        position: [real(30, 38, "x")?, real(38, 46, "y")?, real(46, 54, "z")?],
    })
}

/// Molecules by chain, of `COMPND` and `SOURCE`: lists of `KEY: value;` in which `MOL_ID` starts a molecule.
fn molecules(compounds: &str, sources: &str) -> std::collections::HashMap<String, Molecule> {
    let organisms: std::collections::HashMap<&str, &str> = specifications(sources)
        .filter_map(|(id, key, value)| (key == "ORGANISM_SCIENTIFIC").then_some((id, value)))
        .collect();
    let mut names = std::collections::HashMap::new();
    let mut molecules = std::collections::HashMap::new();
    for (id, key, value) in specifications(compounds) {
        match key {
            "MOLECULE" => {
                names.insert(id, value);
            }
            "CHAIN" => {
                let molecule = Molecule {
                    id: text(id),
                    name: names.get(id).and_then(|name| text(name)),
                    organism: organisms.get(id).and_then(|organism| text(organism)),
                };
                for chain in value
                    .split(',')
                    .map(str::trim)
                    .filter(|chain| !chain.is_empty())
                {
                    let chain = if chain == "NULL" { "_" } else { chain };
                    molecules.insert(chain.to_string(), molecule.clone());
                }
            }
            _ => {}
        }
    }
    molecules
}

/// The molecule, key and value of each specification.
fn specifications(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let mut id = "";
    text.split(';').filter_map(move |part| {
        let (key, value) = part.split_once(':')?;
        let (key, value) = (key.trim(), value.trim());
        if key == "MOL_ID" {
            id = value;
        }
        Some((id, key, value))
    })
}
