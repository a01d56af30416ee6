//! Chains written the way instruments and databases write them.

use std::io::Write as _;

use crate::data::{Chain, back_translate};

/// Columns of an AIRR Rearrangement file as written here.
pub const AIRR_COLUMNS: &[&str] = &[
    "sequence_id",
    "sequence",
    "sequence_aa",
    "rev_comp",
    "productive",
    "v_call",
    "d_call",
    "j_call",
    "sequence_alignment",
    "germline_alignment",
    "junction",
    "junction_aa",
    "v_cigar",
    "d_cigar",
    "j_cigar",
    "locus",
    "duplicate_count",
    "lab_note",
];

/// FASTA of V domains, lines of 60.
pub fn fasta(chains: &[Chain]) -> String {
    let mut text = String::new();
    for chain in chains {
        text.push_str(&format!(">{} made for a test\n", chain.id));
        for line in chain.v_domain_aa.as_bytes().chunks(60) {
            text.push_str(std::str::from_utf8(line).expect("letters"));
            text.push('\n');
        }
    }
    text
}

/// FASTA of nucleotides.
pub fn fasta_nucleotides(chains: &[Chain]) -> String {
    chains
        .iter()
        .map(|chain| format!(">{}\n{}\n", chain.id, chain.nucleotides()))
        .collect()
}

/// AIRR Rearrangement TSV, with a custom column at the end.
pub fn airr(chains: &[Chain]) -> String {
    let mut text = AIRR_COLUMNS.join("\t") + "\n";
    for chain in chains {
        text.push_str(&airr_row(chain));
    }
    text
}

/// One line of [`airr`].
pub fn airr_row(chain: &Chain) -> String {
    let nucleotides = chain.nucleotides();
    let junction = back_translate(&chain.junction_aa());
    let cells = [
        &chain.id,
        &nucleotides,
        &chain.v_domain_aa,
        "F",
        "T",
        chain.v_call,
        "",
        chain.j_call,
        &nucleotides,
        "",
        &junction,
        &chain.junction_aa(),
        "",
        "",
        "",
        chain.locus,
        "3",
        "made for a test",
    ];
    cells.join("\t") + "\n"
}

/// An OAS unpaired data unit: a line of JSON, quoted as one CSV cell, then the table.
pub fn oas(chains: &[Chain], run: &str) -> String {
    let metadata = serde_json::json!({
        "Run": run,
        "Link": "https://example.org/a-test",
        "Author": "Tester et al., 2024",
        "Species": "human",
        "Age": "no",
        "BSource": "PBMC",
        "BType": "Memory-B-Cells",
        "Vaccine": "None",
        "Disease": "None",
        "Subject": "Subject-1",
        "Longitudinal": "no",
        "Unique sequences": chains.len(),
        "Isotype": "All",
        "Chain": "Heavy",
        "Total sequences": chains.len(),
    });
    let quoted = metadata.to_string().replace('"', "\"\"");
    format!("\"{quoted}\"\n{}", oas_table(chains))
}

/// The table of an OAS data unit, without its metadata.
pub fn oas_table(chains: &[Chain]) -> String {
    let mut text = String::from(
        "sequence,locus,stop_codon,vj_in_frame,v_frameshift,productive,rev_comp,complete_vdj,v_call,d_call,j_call,\
         sequence_alignment,germline_alignment,sequence_alignment_aa,germline_alignment_aa,v_identity,\
         junction,junction_aa,cdr3_aa,Redundancy,ANARCI_numbering,ANARCI_status\n",
    );
    for chain in chains {
        let nucleotides = chain.nucleotides();
        let row = [
            nucleotides.as_str(),
            chain.locus_letter(),
            "F",
            "T",
            "F",
            "T",
            "F",
            "T",
            chain.v_call,
            "",
            chain.j_call,
            &nucleotides,
            "",
            &chain.v_domain_aa,
            "",
            "97.5",
            &back_translate(&chain.junction_aa()),
            &chain.junction_aa(),
            &chain.cdr3_aa,
            "2",
            "",
            "\"|Deletions: 10, 73||\"",
        ];
        text.push_str(&(row.join(",") + "\n"));
    }
    text
}

impl Chain {
    /// `H`, `K` or `L`, as OAS writes the locus.
    pub fn locus_letter(&self) -> &'static str {
        &self.locus[2..]
    }
}

/// AIRR repertoire metadata (JSON) with one repertoire for each id.
pub fn repertoires(ids: &[String]) -> String {
    let list: Vec<_> = ids
        .iter()
        .map(|id| {
            serde_json::json!({
                "repertoire_id": id,
                "study": {"study_id": "PRJ-TEST", "study_title": "A test"},
                "subject": {
                    "subject_id": format!("subject of {id}"),
                    "species": {"id": "NCBITAXON:9606", "label": "Homo sapiens"},
                    "sex": "female",
                },
                "sample": [{"sample_id": format!("sample of {id}"), "tissue": {"id": "UBERON:0000178", "label": "blood"}}],
                "data_processing": [{"data_processing_id": "1", "germline_database": "IMGT 2024-01"}],
            })
        })
        .collect();
    serde_json::json!({"Info": {"title": "AIRR Data", "version": "1.4"}, "Repertoire": list})
        .to_string()
}

/// gzip.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// Zstandard.
pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::chains;

    #[test]
    fn every_airr_row_has_a_cell_for_each_column() {
        let text = airr(&chains(1, "r", 5));
        for line in text.lines() {
            assert_eq!(line.split('\t').count(), AIRR_COLUMNS.len(), "{line}");
        }
        assert_eq!(text.lines().count(), 6);
    }

    #[test]
    fn the_first_line_of_an_oas_unit_is_one_quoted_cell_of_json() {
        let text = oas(&chains(1, "r", 2), "RUN1");
        let first = text.lines().next().unwrap();
        let inner = first[1..first.len() - 1].replace("\"\"", "\"");
        let metadata: serde_json::Value = serde_json::from_str(&inner).unwrap();
        assert_eq!(metadata["Run"], "RUN1");
        assert_eq!(text.lines().count(), 4);
    }
}
