//! Records of every kind, through the formats that give them.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::io::Cursor;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, Int64Type};
use udfs::antibody::nucleotide::reverse_complement;

use super::*;
use crate::formats::{ReadOptions, Target, by_name, decompress};

/// Trastuzumab.
pub(super) const VH: &str = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";
pub(super) const VL: &str = "DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK";
const LINKER: &str = "GGGGSGGGGSGGGGS";
/// The beginning of ubiquitin: no V domain.
const OTHER: &str = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG";

pub(super) fn context() -> Context {
    Context {
        source_file: "file:///x".into(),
        ingested_at: 1_700_000_000_000_000,
        ..Context::default()
    }
}

pub(super) fn annotated(format: &str, text: &str, context: &Context) -> Annotated {
    let input = decompress(Box::new(Cursor::new(text.as_bytes().to_vec()))).unwrap();
    let options = ReadOptions::default();
    let mut records = by_name(format).unwrap().open(input, "x", &options).unwrap();
    let batch = records.next_batch().unwrap().unwrap();
    assert_eq!(batch.rejects, []);
    let annotated = annotate(&batch.records, batch.molecules, context).unwrap();
    for (rows, table) in [
        (&annotated.chains, "main.chains"),
        (&annotated.proteins, "main.proteins"),
    ] {
        assert_eq!(
            rows.schema(),
            definition(table).unwrap().arrow_schema(),
            "{table}"
        );
    }
    annotated
}

fn fasta(text: &str) -> Annotated {
    annotated("fasta", text, &context())
}

pub(super) fn cell(rows: &RecordBatch, name: &str, row: usize) -> Option<String> {
    let column = rows.column_by_name(name).unwrap().as_string::<i32>();
    (!column.is_null(row)).then(|| column.value(row).to_string())
}

fn number(rows: &RecordBatch, name: &str, row: usize) -> i32 {
    rows.column_by_name(name)
        .unwrap()
        .as_primitive::<Int32Type>()
        .value(row)
}

fn attribute(rows: &RecordBatch, row: usize, key: &str) -> Option<String> {
    let map = rows.column_by_name("attributes").unwrap().as_map();
    source::entries(map, row)
        .find(|(k, _)| *k == key)
        .map(|(_, v)| v.to_string())
}

/// A gene for a protein: one codon a residue.
fn gene(protein: &str) -> String {
    let codon = |residue| match residue {
        'A' => "GCC",
        'C' => "TGC",
        'D' => "GAC",
        'E' => "GAG",
        'F' => "TTC",
        'G' => "GGC",
        'H' => "CAC",
        'I' => "ATC",
        'K' => "AAG",
        'L' => "CTG",
        'M' => "ATG",
        'N' => "AAC",
        'P' => "CCC",
        'Q' => "CAG",
        'R' => "CGC",
        'S' => "AGC",
        'T' => "ACC",
        'V' => "GTG",
        'W' => "TGG",
        _ => "TAC",
    };
    protein.chars().map(codon).collect()
}

#[test]
fn a_v_domain_fills_its_columns() {
    let rows = fasta(&format!(">t1 trastuzumab\nMKW{VH}ASTKGPSVFPLAPSSKS\n")).chains;
    assert_eq!(rows.num_rows(), 1);
    for (name, expected) in [
        ("sequence_id", "t1"),
        ("chain", "heavy"),
        ("chain_source", "v_domain"),
        ("locus", "IGH"),
        ("species", "unknown"),
        ("v_domain_aa", VH),
        ("cdr1_aa", "GFNIKDTY"),
        ("cdr2_aa", "IYPTNGYT"),
        ("cdr3_aa", "SRWGGDGFYAMDY"),
        ("junction_aa", "CSRWGGDGFYAMDYW"),
        ("source_file", "file:///x"),
    ] {
        assert_eq!(cell(&rows, name, 0).as_deref(), Some(expected), "{name}");
    }
    assert_eq!(
        (
            number(&rows, "v_domain_start", 0),
            number(&rows, "v_domain_end", 0)
        ),
        (4, 123)
    );
    assert_eq!(number(&rows, "domain_index", 0), 1);
    assert_eq!(
        cell(&rows, "v_domain_hash", 0),
        udfs::antibody::hash::sequence_hash(VH.as_bytes())
    );
    assert!(cell(&rows, "imgt_aligned_aa", 0).unwrap().contains('-'));
    assert_eq!(cell(&rows, "pair_id", 0), None);
    assert_eq!(
        attribute(&rows, 0, "description").as_deref(),
        Some("trastuzumab")
    );
}

#[test]
fn each_v_domain_of_a_polypeptide_is_a_row_and_an_scfv_is_a_pair() {
    let rows = fasta(&format!(">v\n{VH}\n>s\n{VH}{LINKER}{VL}\n")).chains;
    assert_eq!(rows.num_rows(), 3);
    assert_eq!(
        (
            number(&rows, "domain_index", 1),
            number(&rows, "domain_index", 2)
        ),
        (1, 2)
    );
    assert_eq!(cell(&rows, "chain", 1).as_deref(), Some("heavy"));
    assert_eq!(cell(&rows, "chain", 2).as_deref(), Some("light"));
    assert_eq!(cell(&rows, "sequence_id", 2).as_deref(), Some("s"));
    assert_eq!(
        cell(&rows, "v_domain_hash", 1),
        cell(&rows, "v_domain_hash", 0)
    );
    assert!(cell(&rows, "pair_id", 1).is_some());
    assert_eq!(cell(&rows, "pair_id", 1), cell(&rows, "pair_id", 2));
    let records = rows.column_by_name("source_record").unwrap();
    assert_eq!(records.as_primitive::<Int64Type>().values(), &[1, 2, 2]);
}

#[test]
fn an_entry_of_a_database_has_its_names_organism_and_references() {
    let result = fasta(&format!(
        ">sp|P00533|EGFR_HUMAN Epidermal growth factor receptor OS=Homo sapiens OX=9606 GN=EGFR PE=1 SV=2\n{OTHER}\n\
         >gi|29725609|ref|NP_005219.2| epidermal growth factor receptor isoform a precursor [Homo sapiens]\n{OTHER}\n\
         >sp|P00533.2|EGFR_HUMAN RecName: Full=Epidermal growth factor receptor; AltName: Full=Proto-oncogene c-ErbB-1 [Homo sapiens]\n{OTHER}\n\
         >lab1 some antigen\n{OTHER}\n"
    ));
    let proteins = &result.proteins;
    assert_eq!((proteins.num_rows(), result.chains.num_rows()), (4, 0));
    let names = |row: usize| -> Vec<String> {
        let names = proteins.column_by_name("names").unwrap().as_list::<i32>();
        let names = names.is_valid(row).then(|| names.value(row));
        let names = names.iter().flat_map(|names| names.as_string::<i32>());
        names.map(|name| name.unwrap().to_string()).collect()
    };
    let egfr = "Epidermal growth factor receptor";
    assert_eq!(names(0), [egfr, "EGFR", "EGFR_HUMAN"]);
    let isoform = "epidermal growth factor receptor isoform a precursor";
    assert_eq!(names(1), [isoform]);
    assert_eq!(names(2), [egfr, "Proto-oncogene c-ErbB-1", "EGFR_HUMAN"]);
    assert_eq!(names(3), Vec::<String>::new());
    for row in 0..3 {
        let organism = cell(proteins, "organism", row);
        assert_eq!(organism.as_deref(), Some("Homo sapiens"), "{row}");
    }
    let references = |row: usize| -> Vec<(String, String)> {
        let map = proteins
            .column_by_name("cross_references")
            .unwrap()
            .as_map();
        let entries = source::entries(map, row);
        entries
            .map(|(key, value)| (key.into(), value.into()))
            .collect()
    };
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect()
    };
    assert_eq!(references(0), pairs(&[("uniprot", "P00533")]));
    let both = [("gi", "29725609"), ("refseq", "NP_005219.2")];
    assert_eq!(references(1), pairs(&both));
    assert_eq!(references(2), pairs(&[("uniprot", "P00533")]));
    assert_eq!(
        cell(proteins, "description", 3).as_deref(),
        Some("some antigen")
    );
}

#[test]
fn a_protein_without_a_v_domain_is_no_chain_unless_its_header_says_so() {
    let result = fasta(&format!(
        ">sp|P0CG48|UBC_HUMAN Polyubiquitin-C OS=Homo sapiens OX=9606 GN=UBC\n{OTHER}\n>x|type: H\n{OTHER}\n>y|IGKV1-39*01|IGKJ1*01|K\n{OTHER}\n"
    ));
    let proteins = &result.proteins;
    assert_eq!(proteins.num_rows(), 1);
    for (name, expected) in [
        ("protein_id", "P0CG48"),
        ("kind", "other"),
        ("name", "Polyubiquitin-C"),
        ("organism", "Homo sapiens"),
        ("sequence_aa", OTHER),
    ] {
        assert_eq!(cell(proteins, name, 0).as_deref(), Some(expected), "{name}");
    }
    let references = proteins
        .column_by_name("cross_references")
        .unwrap()
        .as_map();
    let references: Vec<_> = source::entries(references, 0).collect();
    assert_eq!(references, [("uniprot", "P0CG48")]);
    assert_eq!(attribute(proteins, 0, "gene").as_deref(), Some("UBC"));

    let chains = &result.chains;
    assert_eq!(chains.num_rows(), 2);
    assert_eq!(cell(chains, "chain", 0).as_deref(), Some("heavy"));
    assert_eq!(
        cell(chains, "chain_source", 0).as_deref(),
        Some("source_chain")
    );
    assert_eq!(cell(chains, "chain_source", 1).as_deref(), Some("locus"));
    assert_eq!(cell(chains, "v_domain_aa", 1), None);
    assert_eq!(cell(chains, "sequence_aa", 1).as_deref(), Some(OTHER));
}

#[test]
fn nucleotides_are_read_in_the_frame_and_strand_of_the_v_domain() {
    let gene = gene(VH);
    let reverse = String::from_utf8(reverse_complement(format!("GG{gene}").as_bytes())).unwrap();
    let random = "ACGTTGCA".repeat(60);
    let result = fasta(&format!(">a\nA{gene}\n>b\n{reverse}\n>c\n{random}\n"));
    let rows = &result.chains;
    assert_eq!((rows.num_rows(), result.proteins.num_rows()), (3, 0));
    let reversed = rows.column_by_name("rev_comp").unwrap().as_boolean();
    for (row, is_reversed) in [(0, false), (1, true)] {
        assert_eq!(cell(rows, "v_domain_aa", row).as_deref(), Some(VH));
        assert_eq!(reversed.value(row), is_reversed);
        assert!(cell(rows, "sequence", row).is_some());
    }
    assert_eq!(cell(rows, "chain", 2).as_deref(), Some("unknown"));
    assert_eq!(cell(rows, "chain_source", 2).as_deref(), Some("none"));
    assert_eq!(cell(rows, "sequence_aa", 2), None);
}

#[test]
fn a_chain_lands_where_its_sequence_says_and_the_contradiction_is_told() {
    let result = fasta(&format!(
        ">a|IGKV1-39*01|IGKJ1*01|K\n{VH}\n>b|IGHV3-66*01|IGHJ4*02|H\n{VH}\n"
    ));
    let rows = &result.chains;
    assert_eq!(result.contradictions, 1);
    assert_eq!(cell(rows, "chain", 0).as_deref(), Some("heavy"));
    assert_eq!(cell(rows, "locus", 0).as_deref(), Some("IGH"));
    assert_eq!(
        cell(rows, "v_call", 0).as_deref(),
        Some("IGKV1-39*01"),
        "the source's, untouched"
    );
    let told = attribute(rows, 0, "contradiction");
    assert_eq!(told.as_deref(), Some("locus says IGK, the V domain is IGH"));
    assert_eq!(attribute(rows, 1, "contradiction"), None);
    assert_eq!(cell(rows, "v_gene", 1).as_deref(), Some("IGHV3-66"));
    assert_eq!(cell(rows, "j_gene", 1).as_deref(), Some("IGHJ4"));
}

pub(super) const AIRR: &str = "sequence_id\tsequence\tsequence_aa\tproductive\trev_comp\tlocus\tv_call\tc_call\tjunction_aa\tcell_id\tis_cell\tspecies\n";

#[test]
fn a_rearrangement_without_a_v_domain_is_a_row_whose_chain_the_calls_tell() {
    let text = format!(
        "{AIRR}a\tACGT\t\tF\tT\tIGK\t\t\tCQQW\t\t\t\nb\tACGT\t\tF\t\t\tIGHV1-2*01\t\t\t\t\t\nc\tACGT\t\tF\t\t\t\tIGLC2*01\t\t\t\t\nd\tACGT\t\tF\t\t\t\t\tCARW\t\t\t\n"
    );
    let result = annotated("airr", &text, &context());
    let rows = &result.chains;
    assert_eq!((rows.num_rows(), result.proteins.num_rows()), (4, 0));
    for (row, chain, from) in [
        (0, "light", "locus"),
        (1, "heavy", "v_call"),
        (2, "light", "c_call"),
        (3, "unknown", "none"),
    ] {
        assert_eq!(cell(rows, "chain", row).as_deref(), Some(chain));
        assert_eq!(cell(rows, "chain_source", row).as_deref(), Some(from));
    }
    assert_eq!(
        cell(rows, "cdr3_aa", 0).as_deref(),
        Some("QQ"),
        "the junction without its anchors"
    );
    assert!(
        rows.column_by_name("rev_comp")
            .unwrap()
            .as_boolean()
            .value(0),
        "the source's"
    );
}

#[test]
fn what_the_source_says_is_kept_and_what_it_leaves_out_is_filled() {
    let gene = gene(VH);
    let text = format!(
        "{AIRR}a\t{gene}\t\tT\tT\tIGH\tIGHV3-66*01,IGHV3-66*04\t\tCXXW\t\t\tHomo sapiens\nb\t{gene}\t{VL}\tT\t\t\t\t\t\t\t\t\n"
    );
    let rows = annotated("airr", &text, &context()).chains;
    assert_eq!(
        cell(&rows, "junction_aa", 0).as_deref(),
        Some("CXXW"),
        "the source's"
    );
    assert_eq!(
        cell(&rows, "cdr3_aa", 0).as_deref(),
        Some("SRWGGDGFYAMDY"),
        "the V domain's"
    );
    assert_eq!(cell(&rows, "v_gene", 0).as_deref(), Some("IGHV3-66"));
    assert_eq!(cell(&rows, "species", 0).as_deref(), Some("human"));
    assert_eq!(
        cell(&rows, "species_reported", 0).as_deref(),
        Some("Homo sapiens")
    );
    assert_eq!(cell(&rows, "sequence_aa", 0).as_deref(), Some(VH));
    assert!(
        rows.column_by_name("rev_comp")
            .unwrap()
            .as_boolean()
            .value(0),
        "the source's"
    );
    assert_eq!(
        cell(&rows, "sequence_aa", 1).as_deref(),
        Some(VL),
        "as given, before any translation"
    );
    assert_eq!(cell(&rows, "chain", 1).as_deref(), Some("light"));
}

#[test]
fn species_come_from_the_source_else_from_the_user_and_are_never_guessed() {
    let text =
        format!(">a [organism=Mus musculus]\n{VH}\n>b\n{VH}\n>c [organism=Danio rerio]\n{VH}\n");
    let user = Context {
        species: Some("Homo sapiens".into()),
        ..context()
    };
    let species = |context: &Context| -> Vec<String> {
        let rows = annotated("fasta", &text, context).chains;
        (0..3)
            .map(|row| cell(&rows, "species", row).unwrap())
            .collect()
    };
    assert_eq!(species(&context()), ["mouse", "unknown", "other"]);
    assert_eq!(species(&user), ["mouse", "human", "other"]);
}

#[test]
fn rejects_name_the_file_and_the_record() {
    let reject = Reject::new(Some(7), "broken", b"text");
    let rows = rejects(&[reject, Reject::new(None, "cut", b"")], &context()).unwrap();
    assert_eq!(cell(&rows, "reason", 0).as_deref(), Some("broken"));
    assert_eq!(cell(&rows, "source_file", 1).as_deref(), Some("file:///x"));
    assert!(rows.column_by_name("source_record").unwrap().is_null(1));
}

#[test]
fn repertoires_take_the_words_of_the_user_first() {
    let text = "{\"Repertoire\": [{\"repertoire_id\": \"R1\", \"study\": {\"study_id\": \"P\"}}]}";
    let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
    let format = by_name("airr-repertoire").unwrap();
    let mut records = format.open(input, "x", &ReadOptions::default()).unwrap();
    let batch = records.next_batch().unwrap().unwrap();
    let user = Context {
        study_id: Some("S".into()),
        species: Some("mouse".into()),
        ..context()
    };
    let rows = complete(Target::Repertoires, &batch.records, &user).unwrap();
    assert_eq!(
        rows.schema(),
        definition("main.repertoires").unwrap().arrow_schema()
    );
    assert_eq!(cell(&rows, "repertoire_id", 0).as_deref(), Some("R1"));
    assert_eq!(cell(&rows, "study_id", 0).as_deref(), Some("S"));
    assert_eq!(cell(&rows, "species", 0).as_deref(), Some("mouse"));
}
