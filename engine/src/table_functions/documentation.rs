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
        name: "read_10x",
        syntax: "read_10x(path [, …])",
        description: "Rows of Cell Ranger's `all_contig_annotations.csv` and `filtered_contig_annotations.csv`, one a contig. `sequence` comes from the `_contig.fasta` of the same prefix in the same folder and is NULL where there is none; then `sequence_aa` is the regions of the V domain joined, where the file gives them.",
        arguments: &[PATH],
        example: "SELECT locus, count(DISTINCT cell_id) FROM read_10x('filtered_contig_annotations.csv') WHERE productive GROUP BY locus;",
    },
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
    Documentation {
        name: "read_sabdab",
        syntax: "read_sabdab(path [, …])",
        description: "Rows of summaries of SAbDab, one an Fv, as they go to `fvs`: chains, antigens, affinity (mol/L), method, resolution (Å); models count from 1. All other columns are in `attributes`.",
        arguments: &[PATH],
        example: "SELECT pdb_id, heavy_chain, light_chain, affinity_kd_m FROM read_sabdab('sabdab_summary_all.tsv') WHERE resolution < 2.5;",
    },
    Documentation {
        name: "read_table",
        syntax: "read_table(path [, …] [, 'column=field', …])",
        description: "Rows of tables of molecules (CSV or TSV with a header), as they go to `proteins`. Tables of therapeutics laid out as Thera-SAbDab are known; of others the arguments say which column feeds which field. Cells without a field of their own, and sequences of V domains, are in `attributes`.",
        arguments: &[
            PATH,
            (
                "column=field",
                "A column and what it holds: protein_id, name, names, kind, description, target, format, stage, organism, study_id, sequence_aa, heavy, light, heavy_2, light_2, chains (several in one cell, between commas), pdb, cross_references.DATABASE",
            ),
        ],
        example: "SELECT name, target FROM read_table('therapeutics.csv', 'INN=name', 'Antigen=target');",
    },
];
