//! What users read about `read_*`; scalar functions carry theirs in `#[user_doc]`, which DataFusion
//! does not have for table functions.

/// Documentation of one table function.
#[derive(Debug, Clone, Copy)]
pub struct Documentation {
    /// Name in SQL.
    pub name: &'static str,
    /// How it is called.
    pub syntax: &'static str,
    /// What it gives.
    pub description: &'static str,
    /// Arguments with their meaning.
    pub arguments: &'static [(&'static str, &'static str)],
    /// A statement.
    pub example: &'static str,
}

const PATH: (&str, &str) = (
    "path",
    "A file, folder, glob or URL, in single quotes; several may be given. Plain, gzip or zstd.",
);

/// Documentation of every function in [`all`](super::all).
pub const DOCUMENTATION: &[Documentation] = &[
    Documentation {
        name: "read_airr",
        syntax: "read_airr(path [, …])",
        description: "Rows of AIRR Rearrangement tables (v1.5, v2.0), one a record; custom columns are in `attributes`. Records that cannot be read are counted, logged and left out.",
        arguments: &[PATH],
        example: "SELECT v_call, count(*) FROM read_airr('rearrangements.tsv.gz') GROUP BY v_call;",
    },
    Documentation {
        name: "read_fasta",
        syntax: "read_fasta(path [, …] [, alphabet])",
        description: "Rows of FASTA files, one a record: `sequence` holds nucleotides, `sequence_aa` amino acids; the rest of the header is in `attributes`.",
        arguments: &[
            PATH,
            (
                "alphabet",
                "'auto' (the default), 'nucleotide' or 'amino_acid'",
            ),
        ],
        example: "SELECT sequence_id, ab_cdr3(sequence_aa) FROM read_fasta('vh.fasta') LIMIT 10;",
    },
    Documentation {
        name: "read_mmcif",
        syntax: "read_mmcif(path [, …])",
        description: "Chains of structures in mmCIF files, as rows of `structures`: one row a chain of a model, `residues` with a residue for each letter of `sequence`, Cα coordinates in Å, NULL where unobserved.",
        arguments: &[PATH],
        example: "SELECT auth_asym_id, chain_type, observed_count FROM read_mmcif('12e8.cif.gz');",
    },
    Documentation {
        name: "read_oas",
        syntax: "read_oas(path [, …])",
        description: "Rows of data units of the Observed Antibody Space, unpaired or paired (then two a line).",
        arguments: &[PATH],
        example: "SELECT chain, count(*) FROM read_oas('unit_Heavy.csv.gz') GROUP BY chain;",
    },
    Documentation {
        name: "read_pdb",
        syntax: "read_pdb(path [, …])",
        description: "Chains of structures in PDB files, as rows of `structures`: one row a chain of a model, `residues` with a residue for each letter of `sequence`, Cα coordinates in Å, NULL where unobserved.",
        arguments: &[PATH],
        example: "SELECT pdb_id, auth_asym_id, ab_cdr3(sequence) FROM read_pdb('12e8.pdb') WHERE chain_type = 'heavy';",
    },
];
