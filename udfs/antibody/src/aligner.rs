//! Alignment of up to 32 stretches of residues at once, by the fastest instructions that the processor has.

use std::sync::LazyLock;

use crate::fill::{Cell, End, Fill};
#[cfg(target_arch = "aarch64")]
use crate::lanes::Neon;
#[cfg(target_arch = "x86_64")]
use crate::lanes::{Avx2, Avx512};
use crate::lanes::{LANES, Row};
use crate::path::Path;
use crate::profile::{COLUMNS, NO_RESIDUE, Profile};
use crate::scalar;
use crate::trace::{Traced, Walk};

/// Rows of cells that an aligner keeps between batches: with 1.5 KB a row, 1.5 MB.
const KEPT_ROWS: usize = 1_024;

/// A set of instructions to align with.
#[derive(Clone, Copy)]
pub(crate) enum Instructions {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    Scalar,
}

impl Instructions {
    /// Those that this processor has, the fastest first.
    pub(crate) fn available() -> Vec<Self> {
        let mut available = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            available.extend(Avx512::detect().map(Self::Avx512));
            available.extend(Avx2::detect().map(Self::Avx2));
        }
        #[cfg(target_arch = "aarch64")]
        available.push(Self::Neon(Neon));
        available.push(Self::Scalar);
        available
    }

    /// The fastest that this processor has.
    pub(crate) fn best() -> Self {
        static BEST: LazyLock<Instructions> = LazyLock::new(|| {
            Instructions::available()
                .first()
                .copied()
                .unwrap_or(Instructions::Scalar)
        });
        *BEST
    }

    /// The name in lower case.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512bw",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => "neon",
            Self::Scalar => "scalar",
        }
    }
}

/// Aligns a batch after the other, its memory reused.
pub(crate) struct Aligner {
    instructions: Instructions,
    residues: Vec<[u8; LANES]>,
    lengths: [u16; LANES],
    best: Vec<Row>,
    boundary: Vec<Row>,
    cells: Vec<Cell>,
    ends: [End; LANES],
    walk: Walk,
    paths: [Path; LANES],
}

impl Aligner {
    pub(crate) fn new(instructions: Instructions) -> Self {
        Self {
            instructions,
            residues: Vec::new(),
            lengths: [0; LANES],
            best: Vec::new(),
            boundary: Vec::new(),
            cells: Vec::new(),
            ends: [End { rows: 0, score: 0 }; LANES],
            walk: Walk::default(),
            paths: Default::default(),
        }
    }

    /// Loads stretches of letter codes, one a lane; those beyond 32 are left out.
    pub(crate) fn load<'a>(&mut self, stretches: impl Iterator<Item = &'a [u8]> + Clone) {
        let rows = stretches.clone().take(LANES).map(<[u8]>::len).max();
        self.residues.clear();
        self.residues.resize(rows.unwrap_or(0), [NO_RESIDUE; LANES]);
        self.lengths = [0; LANES];
        for (lane, stretch) in stretches.take(LANES).enumerate() {
            self.lengths[lane] = stretch.len() as u16;
            for (row, code) in self.residues.iter_mut().zip(stretch) {
                row[lane] = *code;
            }
        }
        let rows = self.residues.len();
        if self.best.len() < rows {
            self.best.resize(rows, Row([0; LANES]));
            self.boundary.resize(rows, Row([0; LANES]));
        }
    }

    /// Where the loaded stretches' best alignments end and what they score, tails clipped.
    pub(crate) fn ends(&mut self, profile: &Profile) -> &[End; LANES] {
        self.fill::<false>(profile);
        &self.ends
    }

    /// The loaded stretches' best alignments. Empty ones have empty paths.
    pub(crate) fn paths(&mut self, profile: &Profile) -> &[Path; LANES] {
        if matches!(self.instructions, Instructions::Scalar) {
            for lane in 0..LANES {
                let path = scalar::path(profile, &self.lane(lane));
                self.paths[lane] = path.unwrap_or_default();
            }
            return &self.paths;
        }
        let rows = self.residues.len();
        if self.cells.len() < rows * COLUMNS {
            self.cells.resize(rows * COLUMNS, Cell::default());
        }
        self.fill::<true>(profile);
        let traced = Traced {
            profile,
            residues: &self.residues,
            cells: &self.cells,
        };
        traced.paths(&self.ends, &mut self.walk, &mut self.paths);
        if rows > KEPT_ROWS {
            self.cells = Vec::new();
        }
        &self.paths
    }

    fn fill<const TRACED: bool>(&mut self, profile: &Profile) {
        let rows = self.residues.len();
        let work = Fill {
            profile,
            residues: &self.residues,
            lengths: &self.lengths,
            best: &mut self.best[..rows],
            boundary: &mut self.boundary[..rows],
            cells: &mut self.cells,
            ends: &mut self.ends,
        };
        match self.instructions {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(lanes) => lanes.fill::<TRACED>(work),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(lanes) => lanes.fill::<TRACED>(work),
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon(lanes) => lanes.fill::<TRACED>(work),
            Instructions::Scalar => {
                for lane in 0..LANES {
                    self.ends[lane] = scalar::end(profile, &self.lane(lane));
                }
            }
        }
    }

    /// The codes of a lane.
    fn lane(&self, lane: usize) -> Vec<u8> {
        let rows = self.residues.iter().take(usize::from(self.lengths[lane]));
        rows.map(|row| row[lane]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locus::Locus;
    use crate::profile::profile;
    use crate::random::Random;

    const SEEDS: [&str; 5] = [
        "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS",
        "MGWSCIILFLVATATGVHSDIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIKRTVAAPSVFIFPPSDEQLKSGTASVVCLLNNFYPREAKVQWKVDNALQSGNSQESVTEQDSKDSTYSLSSTLTLSKADYEKHKVYACEVTHQGLSSPVTKSFNRGEC",
        "VQLRESGPSLVQPSQTLSLTCTASGFSKAVGWVRQAPGKALEWLGSIDTGGSTGYNPGLKSRLSITKDNSKSQVSLSVSSVTTEDSATYYCTTVHQETRKTCSDGYIAVDSCGRGQSDGCVNDCNSCYYGWRNCRRQPAIHSYEFHVDAWGRGLLVTVSS",
        "QSVLTQPPSASGTPGQRVTISCSGSSSNIGSNDVSWYQQLPGTAPKLLIYKNYNRPSGVPDRFSGSKSGTSASLAISGLQSEDEADYYCSAWDQRQFDVVFGGGTKLTVL",
        "NAGVTQTPKFQVLKTGQSMTLQCAQDMNHEYMSWYRQDPGMGLRLIHYSVGAGITDQGEVPNGYNVSRSTTEDFPLRLLSAAPSQTSVYFCASSYVGNTGELFFGEGSRLTVL",
    ];

    /// Real domains, damaged: cut, repeated, mutated, with insertions and deletions; and noise of any length.
    fn sequences(random: &mut Random) -> Vec<Vec<u8>> {
        (0..LANES)
            .map(|_| {
                let mut codes: Vec<u8> = match random.below(8) {
                    0 => (0..random.below(200))
                        .map(|_| random.below(26) as u8)
                        .collect(),
                    1 => vec![random.below(26) as u8; random.below(300)],
                    seed => SEEDS[seed % 5]
                        .bytes()
                        .map(|letter| letter - b'A')
                        .collect(),
                };
                for _ in 0..random.below(12) {
                    if codes.is_empty() {
                        break;
                    }
                    let at = random.below(codes.len());
                    let some = random.below(12);
                    match random.below(5) {
                        0 => codes.truncate(at),
                        1 => drop(codes.drain(..at / 4)),
                        2 => drop(codes.drain(at..(at + some).min(codes.len()))),
                        3 => drop(codes.splice(at..at, (0..some).map(|x| (x * 7 % 26) as u8))),
                        _ => codes[at] = random.below(26) as u8,
                    }
                }
                codes
            })
            .collect()
    }

    #[test]
    fn every_set_of_instructions_gives_the_scalar_paths_on_every_lane() {
        let available = Instructions::available();
        let mut random = Random::new(9);
        let mut compared = 0;
        for round in 0..24 {
            let sequences = sequences(&mut random);
            for locus in Locus::ALL {
                for instructions in &available {
                    let mut aligner = Aligner::new(*instructions);
                    // Lanes that are left empty must stay empty, too.
                    let used = if round % 3 == 0 {
                        random.below(LANES) + 1
                    } else {
                        LANES
                    };
                    aligner.load(sequences[..used].iter().map(Vec::as_slice));
                    let profile = profile(locus);
                    let ends = *aligner.ends(profile);
                    let paths = aligner.paths(profile).clone();
                    for (lane, codes) in sequences[..used].iter().enumerate() {
                        let name = instructions.as_str();
                        assert_eq!(
                            ends[lane],
                            scalar::end(profile, codes),
                            "{name} {locus} {codes:?}"
                        );
                        let expected = scalar::path(profile, codes).unwrap_or_default();
                        assert_eq!(paths[lane], expected, "{name} {locus} {codes:?}");
                        compared += 1;
                    }
                    assert!(paths[used..].iter().all(|path| *path == Path::default()));
                }
            }
        }
        assert!(compared > 4_000);
    }
}
