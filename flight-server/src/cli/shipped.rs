//! The data that the binary carries, so that `quickstart` needs no network. Origins and licences
//! stand in `flight-server/data/README.md`.

/// Files that belong to one study.
pub struct Study {
    /// `study_id` of their records.
    pub id: &'static str,
    /// `species` of their records.
    pub species: &'static str,
    /// The files.
    pub files: &'static [File],
}

/// One file: its name and its bytes.
pub struct File {
    /// Name under which it is written.
    pub name: &'static str,
    /// Content as it is stored, mostly gzip-compressed.
    pub bytes: &'static [u8],
}

macro_rules! file {
    ($folder:literal, $name:literal) => {
        File {
            name: $name,
            bytes: include_bytes!(concat!("../../data/", $folder, "/", $name)),
        }
    };
}

/// All shipped studies.
pub const STUDIES: &[Study] = &[
    Study {
        id: "hiv_bnabs",
        species: "human",
        files: &[
            file!("abstar", "hiv_bnabs_heavy.fasta.gz"),
            file!("abstar", "hiv_bnabs_light.fasta.gz"),
        ],
    },
    Study {
        id: "human_reads",
        species: "human",
        files: &[file!("abstar", "human_heavy_reads.fasta.gz")],
    },
    Study {
        id: "human_cells",
        species: "human",
        files: &[
            file!("scirpy", "human_paired_cells.tsv.gz"),
            file!("scirpy", "human_10x.tsv.gz"),
        ],
    },
    Study {
        id: "human_b_cells",
        species: "human",
        files: &[file!(
            "scirpy",
            "human_b_cells_filtered_contig_annotations.csv.gz"
        )],
    },
    Study {
        id: "therapeutics",
        // Where a row does not say.
        species: "engineered",
        files: &[file!("therapeutics", "therapeutics.tsv")],
    },
    Study {
        id: "simulated_donors",
        species: "human",
        files: &[file!("simulated", "donors.tsv.gz")],
    },
    Study {
        id: "made_structure",
        species: "engineered",
        files: &[File {
            name: "made.pdb",
            bytes: include_bytes!("../../../tests/data/made.pdb"),
        }],
    },
];
