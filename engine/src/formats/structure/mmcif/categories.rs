//! The categories and items that are read, and rows of them.

/// A category that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Category {
    Entry,
    Title,
    Method,
    Resolution,
    Entity,
    Organism,
    EntitySequence,
    ChainSequence,
    Parent,
    AtomSite,
}

/// Categories with the items that are read of them, in the order in which [`Reader::row`] takes them.
pub(super) static CATEGORIES: [(&str, Category, &[&str]); 15] = [
    ("_entry", Category::Entry, &["id"]),
    ("_struct", Category::Title, &["title"]),
    ("_exptl", Category::Method, &["method"]),
    ("_refine", Category::Resolution, &["ls_d_res_high"]),
    (
        "_em_3d_reconstruction",
        Category::Resolution,
        &["resolution"],
    ),
    ("_reflns", Category::Resolution, &["d_resolution_high"]),
    ("_entity", Category::Entity, &["id", "pdbx_description"]),
    (
        "_entity_src_gen",
        Category::Organism,
        &["entity_id", "pdbx_gene_src_scientific_name"],
    ),
    (
        "_entity_src_nat",
        Category::Organism,
        &["entity_id", "pdbx_organism_scientific"],
    ),
    (
        "_pdbx_entity_src_syn",
        Category::Organism,
        &["entity_id", "organism_scientific"],
    ),
    (
        "_entity_poly_seq",
        Category::EntitySequence,
        &["entity_id", "num", "mon_id"],
    ),
    (
        "_pdbx_poly_seq_scheme",
        Category::ChainSequence,
        &[
            "asym_id",
            "entity_id",
            "seq_id",
            "mon_id",
            "pdb_seq_num",
            "pdb_ins_code",
            "pdb_strand_id",
        ],
    ),
    (
        "_chem_comp",
        Category::Parent,
        &["id", "mon_nstd_parent_comp_id"],
    ),
    (
        "_pdbx_struct_mod_residue",
        Category::Parent,
        &["label_comp_id", "parent_comp_id"],
    ),
    (
        "_atom_site",
        Category::AtomSite,
        &[
            "group_PDB",
            "label_atom_id",
            "label_alt_id",
            "label_comp_id",
            "label_asym_id",
            "label_entity_id",
            "label_seq_id",
            "pdbx_PDB_ins_code",
            "Cartn_x",
            "Cartn_y",
            "Cartn_z",
            "occupancy",
            "auth_seq_id",
            "auth_asym_id",
            "pdbx_PDB_model_num",
            "auth_comp_id",
            "auth_atom_id",
        ],
    ),
];

/// Where a value goes: index of the category, index of the item.
pub(super) type Slot = (usize, usize);

/// The category and item of a name; `None` for those that are not read. Names are known in any case.
pub(super) fn slot(tag: &str) -> Option<Slot> {
    let (category, item) = tag.split_once('.')?;
    let at = CATEGORIES
        .iter()
        .position(|(name, _, _)| name.eq_ignore_ascii_case(category))?;
    let item = CATEGORIES[at]
        .2
        .iter()
        .position(|name| name.eq_ignore_ascii_case(item))?;
    Some((at, item))
}

/// The values of a row that are read.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// Category of the values.
    pub(super) category: Option<usize>,
    cells: Vec<Option<(usize, usize)>>,
    text: String,
}

impl Row {
    pub(super) fn start(&mut self, category: usize) {
        self.category = Some(category);
        self.text.clear();
        self.cells.clear();
        self.cells.resize(CATEGORIES[category].2.len(), None);
    }

    pub(super) fn set(&mut self, item: usize, value: Option<&str>) {
        let start = self.text.len();
        self.text.push_str(value.unwrap_or_default());
        if let Some(cell) = self.cells.get_mut(item) {
            *cell = value.map(|_| (start, self.text.len()));
        }
    }

    pub(super) fn get(&self, item: usize) -> Option<&str> {
        let (start, end) = self.cells.get(item).copied().flatten()?;
        self.text.get(start..end)
    }
}
