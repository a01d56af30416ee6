//! One residue or ligand: what is kept of its atoms.

use super::component::Component;

/// An atom as a reader found it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Atom<'a> {
    /// Number of the model.
    pub(super) model: i32,
    /// The author's chain.
    pub(super) auth: &'a str,
    /// The chain by mmCIF, for atoms of a polymer.
    pub(super) label: Option<&'a str>,
    /// The molecule by mmCIF.
    pub(super) entity: Option<&'a str>,
    /// The component.
    pub(super) component: Component,
    /// Whether the file calls it a hetero atom.
    pub(super) is_hetero: bool,
    /// The author's number of the residue.
    pub(super) number: i32,
    /// Insertion code, 0 where there is none.
    pub(super) insertion: u8,
    /// Index within the declared sequence from 1, 0 where the file says none.
    pub(super) seq_id: u32,
    /// Name of the atom.
    pub(super) name: &'a str,
    /// Alternate location, 0 where there is none.
    pub(super) alternate: u8,
    /// Occupancy, 0 to 1.
    pub(super) occupancy: f32,
    /// Place in Å.
    pub(super) position: [f64; 3],
}

/// What stands at one place of a chain: one residue, or alternatives.
#[derive(Debug)]
pub(super) struct Place {
    /// The author's number.
    pub(super) number: i32,
    /// Insertion code, 0 where there is none.
    pub(super) insertion: u8,
    /// Index within the declared sequence from 1, 0 where the file says none.
    pub(super) seq_id: u32,
    /// Whether its first atom is a hetero atom.
    pub(super) is_hetero: bool,
    /// Whether it came behind the end of its chain.
    pub(super) is_behind_end: bool,
    is_alternate: bool,
    first: Variant,
    others: Vec<Variant>,
}

/// One component at a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variant {
    /// The component.
    pub(super) component: Component,
    /// Its Cα.
    pub(super) ca: Option<[f64; 3]>,
    ca_occupancy: f32,
    occupancy: f32,
    /// A bit for each of the component's atoms that is there.
    atoms: u16,
    has_nitrogen: bool,
}

impl Variant {
    fn new(component: Component) -> Self {
        Self {
            component,
            ca: None,
            ca_occupancy: 0.0,
            occupancy: 0.0,
            atoms: 0,
            has_nitrogen: false,
        }
    }

    /// Takes an atom: of alternate places the Cα with the highest occupancy counts, of equals the first.
    fn add(&mut self, atom: &Atom<'_>) {
        self.occupancy = self.occupancy.max(atom.occupancy);
        self.has_nitrogen |= atom.name == "N";
        if let Some(bit) = self
            .component
            .atoms()
            .iter()
            .position(|name| *name == atom.name)
        {
            self.atoms |= 1 << bit;
        }
        // Calcium has the name too.
        let is_ca = atom.name == "CA" && self.component.as_str() != "CA";
        if is_ca && (self.ca.is_none() || atom.occupancy > self.ca_occupancy) {
            self.ca = Some(atom.position);
            self.ca_occupancy = atom.occupancy;
        }
    }

    /// Whether it has the backbone of an amino acid.
    pub(super) fn is_like_an_amino_acid(&self) -> bool {
        self.ca.is_some() && self.has_nitrogen
    }

    /// Atoms that are not there; `None` where it is not known which should be.
    pub(super) fn missing_atoms(&self) -> Option<i32> {
        let atoms = self.component.atoms();
        (!atoms.is_empty()).then(|| atoms.len() as i32 - self.atoms.count_ones() as i32)
    }
}

impl Place {
    pub(super) fn new(atom: &Atom<'_>, is_behind_end: bool) -> Self {
        Self {
            number: atom.number,
            insertion: atom.insertion,
            seq_id: atom.seq_id,
            is_hetero: atom.is_hetero,
            is_behind_end,
            is_alternate: false,
            first: Variant::new(atom.component),
            others: Vec::new(),
        }
    }

    pub(super) fn is_at(&self, atom: &Atom<'_>) -> bool {
        self.number == atom.number && self.insertion == atom.insertion && self.seq_id == atom.seq_id
    }

    /// Whether an atom at the same place belongs to it: of the same component, or an alternative to it.
    pub(super) fn takes(&self, atom: &Atom<'_>) -> bool {
        self.first.component == atom.component
            || self
                .others
                .iter()
                .any(|other| other.component == atom.component)
            || self.is_alternate && atom.alternate != 0
    }

    pub(super) fn add(&mut self, atom: &Atom<'_>) {
        self.is_alternate |= atom.alternate != 0;
        let component = atom.component;
        let mut variants = std::iter::once(&mut self.first).chain(&mut self.others);
        match variants.find(|variant| variant.component == component) {
            Some(variant) => variant.add(atom),
            None => {
                let mut variant = Variant::new(component);
                variant.add(atom);
                self.others.push(variant);
            }
        }
    }

    /// The alternative with the highest occupancy, of equals the first.
    pub(super) fn best(&self) -> &Variant {
        self.others.iter().fold(&self.first, |best, other| {
            if other.occupancy > best.occupancy {
                other
            } else {
                best
            }
        })
    }
}
