//! The same model at each level of instructions.

use super::*;
use crate::scratch;

fn first_tokens(precision: Precision, level: Level) -> Vec<f32> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/small/esm_16x3");
    let config = Config::read(&folder).unwrap();
    let weights = Weights::open(&folder).unwrap();
    let mut encoder = Encoder::load(&config, &weights, precision, Place::Cpu).unwrap();
    encoder.level = level;
    encoder.attention.level = level;
    let ids = Vocabulary::ESM2.encode(b"EVQLVESGGGLVQPGGSLRLSCAASGFTFSSYAMSWVRQAPGK");
    let mut out = Vec::new();
    let ends = [ids.len()];
    scratch::with(|scratch| {
        encoder.hidden(scratch, &ids, &ends, Keep::All, |_, hidden| {
            out.extend_from_slice(hidden)
        })
    })
    .unwrap();
    out
}

#[test]
fn every_level_of_instructions_gives_the_same() {
    for precision in Precision::ALL {
        let plain = first_tokens(precision, Level::Baseline);
        #[cfg(target_arch = "x86_64")]
        for level in [Level::Avx2, Level::Avx512]
            .into_iter()
            .filter(|level| *level <= Level::detect())
        {
            let pairs = plain.iter().zip(first_tokens(precision, level));
            let difference = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            // Rounding to 8 or 16 bits goes the other way where a sum differs in its last bit.
            let tolerance = if precision == Precision::F32 {
                1e-4
            } else {
                0.1
            };
            assert!(
                difference < tolerance,
                "{precision} {level:?}: {difference}"
            );
        }
    }
}
