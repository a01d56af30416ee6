//! What numbering does with sequences that are not plain V domains.
#![allow(clippy::unwrap_used, clippy::panic)] // a failed unwrap is a failed test

use antibody::{
    Chain, Locus, MAX_RESIDUES, NumberingError, Region, Scheme, aligned_columns, numberer, passes,
    v_domains,
};

const VH: &str = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";
const VL: &str = "DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK";
const VHH: &str = "EVQLVESGGGLVQPGGSLRLSCAASGRTFSYNPMGWFRQAPGKGRELVAAISRTGGSTYYPDSVEGRFTISRDNAKRMVYLQMNSLRAEDTAVYYCAAAGVRAEDGRVRTLPSEYTFWGQGTQVTVSS";
const CH1: &str = "ASTKGPSVFPLAPSSKSTSGGTAALGCLVKDYFPEPVTVSWNSGALTSGVHTFPAVLQSSGLYSLSSVVTVPSSSLGTQTYICNVNHKPSNTKVDKKVEPKSC";
const COW: &str = "VQLRESGPSLVQPSQTLSLTCTASGFSKAVGWVRQAPGKALEWLGSIDTGGSTGYNPGLKSRLSITKDNSKSQVSLSVSSVTTEDSATYYCTTVHQETRKTCSDGYIAVDSCGRGQSDGCVNDCNSCYYGWRNCRRQPAIHSYEFHVDAWGRGLLVTVSS";
const LINKER: &str = "GGGGSGGGGSGGGGS";

fn code(seq: &str) -> &'static str {
    v_domains(seq.as_bytes()).map_or_else(|error| error.code(), |_| "numbered")
}

#[test]
fn a_domain_without_leader_linker_or_constant_region_is_cut_out() {
    let chain = format!("MGWSCIILFLVATATGVHS{VH}{CH1}");
    let domains = v_domains(chain.as_bytes()).unwrap();
    assert_eq!(domains.len(), 1);
    let domain = &domains[0];
    assert_eq!((domain.numbering.start, domain.numbering.end), (20, 139));
    assert_eq!(domain.v_domain_aa(chain.as_bytes()), VH);
    assert_eq!(domain.chain(), Chain::Heavy);
    assert_eq!(
        domain.region(chain.as_bytes(), Region::Junction).as_deref(),
        Some("CSRWGGDGFYAMDYW")
    );
}

#[test]
fn an_scfv_has_two_domains_in_the_order_of_the_chain() {
    for (chain, expected) in [
        (format!("{VH}{LINKER}{VL}"), [Locus::Igh, Locus::Igk]),
        (format!("{VL}{LINKER}{VH}HHHHHH"), [Locus::Igk, Locus::Igh]),
    ] {
        let domains = v_domains(chain.as_bytes()).unwrap();
        let loci: Vec<Locus> = domains.iter().map(|domain| domain.locus()).collect();
        assert_eq!(loci, expected);
        let cut: Vec<String> = domains
            .iter()
            .map(|domain| domain.v_domain_aa(chain.as_bytes()))
            .collect();
        let halves = if expected[0] == Locus::Igh {
            [VH, VL]
        } else {
            [VL, VH]
        };
        assert_eq!(cut, halves);
        let first = numberer().number(chain.as_bytes(), Scheme::Kabat).unwrap();
        assert_eq!((first.locus, first.start), (expected[0], 1));
    }
}

#[test]
fn a_confidence_is_immunums_to_three_digits() {
    let found = v_domains(VH.as_bytes()).unwrap()[0].numbering.confidence;
    let annotator = immunum::Annotator::new(&[immunum::Chain::IGH], immunum::Scheme::IMGT, None);
    let theirs = annotator.unwrap().number(VH).unwrap().confidence;
    assert_eq!(format!("{found:.3}"), "0.875");
    assert_eq!(format!("{found:.3}"), format!("{theirs:.3}"));
}

#[test]
fn a_nanobody_is_heavy() {
    assert_eq!(v_domains(VHH.as_bytes()).unwrap()[0].locus(), Locus::Igh);
}

#[test]
fn constant_domains_and_other_proteins_have_no_v_domain() {
    let cd8b = "LQQTPAYIKVQTNKMVMLSCEAKISLSNMRIYWLRQRQAPSSDSHHEFLALWDSAKGTIHGEEVEQEKIAVFRDASRFILNLTSVKPEDSGIYFCMIVGSPELTFGKGTQLSVVDFLPTTAQPTKKSTLKKRVCRLPRPETQKGPLCSP";
    let pd1 = "PGWFLDSPDRPWNPPTFSPALLVVTEGDNATFTCSFSNTSESFVLNWYRMSPSNQTDKLAAFPEDRSQPGQDCRFRVTQLPNGRDFHMSVVRARRNDSGTYLCGAISLAPKAQIKESLRAELRVTERRAEVPTAHPSPSPRPAGQFQTLV";
    for protein in [CH1, cd8b, pd1, &"A".repeat(300), &"GS".repeat(300)] {
        assert_eq!(code(protein), "no_v_domain", "{protein}");
    }
}

#[test]
fn case_gaps_and_white_space_do_not_change_the_positions() {
    let plain = numberer().number(VH.as_bytes(), Scheme::Imgt).unwrap();
    let lower = VH.to_lowercase();
    let same = numberer().number(lower.as_bytes(), Scheme::Imgt).unwrap();
    assert_eq!(same, plain);

    let gapped = format!(" {}-{}\n..{}\n", &VH[..9], &VH[9..60], &VH[60..]);
    let numbering = numberer().number(gapped.as_bytes(), Scheme::Imgt).unwrap();
    assert_eq!(numbering.positions, plain.positions);
    assert_eq!((numbering.start, numbering.end), (2, gapped.len() - 1));
    let domain = &v_domains(gapped.as_bytes()).unwrap()[0];
    assert_eq!(domain.v_domain_aa(gapped.as_bytes()), VH);
    assert_eq!(
        domain.region(gapped.as_bytes(), Region::Fwr1).as_deref(),
        Some(&VH[..25])
    );
}

#[test]
fn unknown_residues_are_numbered_like_others() {
    for letter in ["X", "B", "Z", "J", "U", "O", "x"] {
        let mut seq = VH.to_owned();
        seq.replace_range(30..31, letter);
        let numbering = numberer().number(seq.as_bytes(), Scheme::Imgt).unwrap();
        assert_eq!(numbering.positions.len(), VH.len());
        assert!(
            numbering
                .residues(seq.as_bytes())
                .any(|(_, residue)| residue == letter.as_bytes()[0].to_ascii_uppercase())
        );
    }
}

#[test]
fn each_sequence_without_a_domain_says_why() {
    assert_eq!(code(""), "empty");
    assert_eq!(code(" -.\n*"), "empty");
    assert_eq!(code("CSRWGGDGFYAMDYW"), "too_short");
    assert_eq!(code(&VH[..59]), "too_short");
    assert_eq!(code("EVQLVES1"), "not_amino_acids");
    assert_eq!(
        v_domains("EVQé".as_bytes()),
        Err(NumberingError::NotAminoAcids { offset: 4 })
    );
    assert_eq!(code(&"X".repeat(500)), "no_v_domain");
    assert_eq!(code(&"W".repeat(1_000_000)), "no_v_domain");
    assert_eq!(code(&"W".repeat(MAX_RESIDUES + 1)), "too_long");
    assert_eq!(code(&"A".repeat(50_000_000)), "too_long");
}

#[test]
fn a_stop_codon_interrupts_a_domain_but_may_follow_it() {
    assert_eq!(code(&format!("{VH}*")), "numbered");
    assert_eq!(code(&format!("MK*{VH}*GGS")), "numbered");
    for at in [65, 80, 100] {
        let mut seq = VH.to_owned();
        seq.replace_range(at..at + 1, "*");
        assert_eq!(code(&seq), "stop_codon", "{at}");
    }
    let two = format!("{VH}*{VL}");
    assert_eq!(v_domains(two.as_bytes()).unwrap().len(), 2);
}

#[test]
fn insertions_beyond_a_schemes_codes_are_an_error_and_never_silent() {
    // 58 residues between the anchors: IMGT has positions for 65, Kabat for 34.
    let cow = numberer().number(COW.as_bytes(), Scheme::Imgt).unwrap();
    assert_eq!(cow.positions.len(), COW.len());
    for scheme in Scheme::ALL {
        for extra in 0..300 {
            let mut seq = VH.to_owned();
            seq.insert_str(104, &"GY".repeat(150)[..extra]);
            match numberer().number(seq.as_bytes(), scheme) {
                Ok(numbering) => {
                    let order: Vec<_> = numbering
                        .positions
                        .iter()
                        .map(|position| position.order(scheme))
                        .collect();
                    assert!(order.is_sorted_by(|a, b| a < b), "{scheme} {extra}");
                    assert!(
                        numbering.positions.iter().all(|position| position
                            .insertion
                            .is_none_or(|c| c.is_ascii_uppercase())),
                        "{scheme} {extra}"
                    );
                    assert_eq!(
                        numbering.residues(seq.as_bytes()).count(),
                        numbering.end - numbering.start + 1
                    );
                }
                Err(error) => assert_eq!(error.code(), "too_many_insertions", "{scheme} {extra}"),
            }
        }
    }
    let kabat = numberer().number(COW.as_bytes(), Scheme::Kabat);
    assert_eq!(
        kabat.map_err(|error| error.code()),
        Err("too_many_insertions")
    );
}

#[test]
fn light_chains_end_at_aho_149_where_a_residue_follows() {
    let last = |seq: &str| {
        let numbering = numberer().number(seq.as_bytes(), Scheme::Aho).unwrap();
        (
            numbering.positions.last().unwrap().to_string(),
            numbering.end,
        )
    };
    assert_eq!(last(VL), ("148".to_owned(), VL.len()));
    assert_eq!(last(&format!("{VL}RTVA")), ("149".to_owned(), VL.len() + 1));
}

#[test]
fn t_cell_receptors_are_numbered_in_imgt_only() {
    let trb = "NAGVTQTPKFQVLKTGQSMTLQCAQDMNHEYMSWYRQDPGMGLRLIHYSVGAGITDQGEVPNGYNVSRSTTEDFPLRLLSAAPSQTSVYFCASSYVGNTGELFFGEGSRLTVL";
    let numbering = numberer().number(trb.as_bytes(), Scheme::Imgt).unwrap();
    assert_eq!(numbering.locus, Locus::Trb);
    let domain = &v_domains(trb.as_bytes()).unwrap()[0];
    assert_eq!(domain.chain(), Chain::Beta);
    assert_eq!(
        domain.region(trb.as_bytes(), Region::Junction).as_deref(),
        Some("CASSYVGNTGELFF")
    );
    let kabat = numberer().number(trb.as_bytes(), Scheme::Kabat);
    assert_eq!(
        kabat.map_err(|error| error.code()),
        Err("scheme_unsupported")
    );
}

#[test]
fn a_truncated_domain_has_no_cdr_that_it_does_not_hold_whole() {
    let without_end = &VH[..105];
    let domain = &v_domains(without_end.as_bytes()).unwrap()[0];
    let region = |region| domain.region(without_end.as_bytes(), region);
    assert_eq!(region(Region::Cdr2).as_deref(), Some("IYPTNGYT"));
    assert_eq!(region(Region::Cdr3), None);
    assert_eq!(region(Region::Junction), None);
    assert_eq!(region(Region::Fwr4), None);

    let without_start = &VH[10..];
    let domain = &v_domains(without_start.as_bytes()).unwrap()[0];
    assert_eq!(
        domain
            .region(without_start.as_bytes(), Region::Fwr1)
            .as_deref(),
        Some(&VH[10..25])
    );
}

#[test]
fn the_aligned_form_holds_every_residue_in_its_column() {
    let domain = &v_domains(VH.as_bytes()).unwrap()[0];
    let aligned = domain.imgt_aligned(VH.as_bytes()).unwrap();
    assert_eq!(aligned.len(), aligned_columns().len());
    assert_eq!(aligned.replace('-', ""), VH);
    assert_eq!(&aligned[103..104], "C");
    assert_eq!(aligned.as_bytes()[9], b'-');

    let domain = &v_domains(COW.as_bytes()).unwrap()[0];
    assert_eq!(domain.imgt_aligned(COW.as_bytes()), None);
}

#[test]
fn a_v_domain_costs_one_alignment_and_a_fab_chain_two() {
    let cost = |seq: &str| {
        let before = passes();
        v_domains(seq.as_bytes()).unwrap();
        passes() - before
    };
    assert_eq!(cost(VH), 1);
    assert_eq!(cost(&format!("MGWSCIILFLVATATGVHS{VL}")), 1);
    assert_eq!(cost(&format!("{VH}{CH1}")), 2);
}

#[test]
fn a_long_tandem_of_domains_is_numbered_whole() {
    let unit = format!("{VH}{LINKER}");
    let tandem = unit.repeat(100_000 / unit.len());
    let domains = v_domains(tandem.as_bytes()).unwrap();
    assert_eq!(domains.len(), 100_000 / unit.len());
    assert!(
        domains
            .iter()
            .all(|domain| domain.v_domain_aa(tandem.as_bytes()) == VH)
    );
}
