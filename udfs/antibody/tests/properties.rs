//! What holds of any input: seeded runs of the checks that the fuzz target makes (`tests/fuzz`).
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod checks;

use antibody::{Ask, available_instructions, number_batch, number_batch_with};
use checks::check;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

const SEEDS: [&str; 4] = [
    "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS",
    "DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK",
    "QSALTQPASVSGSPGQSITISCTGTSSDVGGYNYVSWYQQHPGKAPKLMIYDVSNRPSGVSNRFSGSKSGNTASLTISGLQAEDEADYYCSSYTSSSTRVFGTGTKVTVL",
    "NAGVTQTPKFQVLKTGQSMTLQCAQDMNHEYMSWYRQDPGMGLRLIHYSVGAGITDQGEVPNGYNVSRSTTEDFPLRLLSAAPSQTSVYFCASSYVGNTGELFFGEGSRLTVL",
];
const LETTERS: &[u8] = b"ACDEFGHIKLMNPQRSTVWYXBZJUOacdefxyz-. \n*";

/// Domains joined, cut, mutated, with stretches put in and taken out; now and then any bytes at all.
fn made(random: &mut Random) -> Vec<u8> {
    if random.below(20) == 0 {
        let length = random.below(300);
        return (0..length).map(|_| random.below(256) as u8).collect();
    }
    let mut seq = Vec::new();
    for _ in 0..random.below(4) {
        seq.extend_from_slice(SEEDS[random.below(4)].as_bytes());
        let linker = random.below(30);
        seq.extend((0..linker).map(|_| LETTERS[random.below(22)]));
    }
    for _ in 0..random.below(10) {
        let at = random.below(seq.len() + 1);
        let some = random.below(40);
        match random.below(6) {
            0 => seq.truncate(at),
            1 => drop(seq.drain(..at / 3)),
            2 => drop(seq.drain(at..(at + some).min(seq.len()))),
            3 => {
                let run = LETTERS[random.below(22)];
                drop(seq.splice(at..at, std::iter::repeat_n(run, some)));
            }
            4 => {
                let letters: Vec<u8> = (0..some)
                    .map(|_| LETTERS[random.below(LETTERS.len())])
                    .collect();
                drop(seq.splice(at..at, letters));
            }
            _ if at < seq.len() => seq[at] = LETTERS[random.below(LETTERS.len())],
            _ => {}
        }
    }
    seq
}

#[test]
fn every_residue_of_a_domain_has_one_position_in_order_whatever_the_input() {
    let mut random = Random(2026);
    for _ in 0..20 {
        let made: Vec<Vec<u8>> = (0..200).map(|_| made(&mut random)).collect();
        let seqs: Vec<&[u8]> = made.iter().map(Vec::as_slice).collect();
        check(&seqs);
    }
}

#[test]
fn a_sequence_has_the_same_domains_in_any_company_and_on_any_instructions() {
    let mut random = Random(9);
    let made: Vec<Vec<u8>> = (0..300).map(|_| made(&mut random)).collect();
    let seqs: Vec<&[u8]> = made.iter().map(Vec::as_slice).collect();
    for exact in [true, false] {
        let ask = Ask {
            exact,
            ..Ask::default()
        };
        let together = number_batch(&seqs, ask);
        for instructions in available_instructions() {
            assert_eq!(
                number_batch_with(instructions, &seqs, ask).unwrap(),
                together
            );
        }
        for (index, seq) in seqs.iter().enumerate().step_by(3) {
            let alone = number_batch(&[*seq], ask);
            let of = together.of(index);
            assert_eq!(alone.borders, together.borders[of.clone()]);
            assert_eq!(alone.occupancies, together.occupancies[of.clone()]);
            assert_eq!(alone.loci, together.loci[of]);
            assert_eq!(alone.errors[0], together.errors[index]);
        }
    }
}

#[test]
fn a_domain_is_found_wherever_it_lies_in_a_megabase() {
    let mut random = Random(3);
    let mut seq: Vec<u8> = (0..1_000_000).map(|_| LETTERS[random.below(20)]).collect();
    let places = [0, 900, 1_000, 1_536, 2_000, 5_119, 40_960, 123_456, 999_880];
    for (place, domain) in places.into_iter().zip(SEEDS.iter().cycle()) {
        seq.splice(place..place + domain.len(), domain.bytes());
    }
    // Two of the places overlap, so that the first of them is cut.
    let domains = number_batch(&[&seq], Ask::default());
    let starts: Vec<u32> = domains.borders.iter().map(|borders| borders[0]).collect();
    for place in places.into_iter().filter(|place| *place != 900) {
        assert!(
            starts.contains(&(place as u32)),
            "{place} not in {starts:?}"
        );
    }
    assert!(domains.len() <= places.len());
    check(&[&seq]);
}

#[test]
fn a_tandem_of_a_thousand_domains_is_numbered_whole() {
    let unit = format!("{}GGGGSGGGGS", SEEDS[0]);
    let tandem = unit.repeat(1_000);
    let domains = number_batch(&[tandem.as_bytes()], Ask::default());
    assert_eq!(domains.len(), 1_000);
    for (index, borders) in domains.borders.iter().enumerate() {
        let start = index * unit.len();
        assert_eq!(
            (borders[0], borders[7]),
            (start as u32, (start + 120) as u32)
        );
    }
}
