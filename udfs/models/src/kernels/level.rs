//! What the processor can do, and how work is run with it.
#![allow(unsafe_code)]

use crate::Precision;

/// What the processor can do, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// What every processor of the architecture has.
    Baseline,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 (F, BW, DQ, VL).
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// Plain Rust that is compiled once for each level, so that the compiler's own vectors become as wide as the processor's.
pub(crate) trait Work {
    /// The work. `FMA` says whether a product and a sum are one instruction. Implementations are `#[inline(always)]`.
    fn run<const FMA: bool>(self);
}

impl Level {
    /// Asks the processor.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
            {
                return Self::Avx512;
            }
            if avx2 {
                return Self::Avx2;
            }
        }
        Self::Baseline
    }

    /// Whether a precision has its instructions.
    pub fn has(self, precision: Precision) -> bool {
        match precision {
            Precision::F32 => true,
            #[cfg(target_arch = "x86_64")]
            Precision::Bf16 => self == Self::Avx512 && is_x86_feature_detected!("avx512bf16"),
            #[cfg(target_arch = "x86_64")]
            Precision::Int8 => self == Self::Avx512 && is_x86_feature_detected!("avx512vnni"),
            #[cfg(not(target_arch = "x86_64"))]
            Precision::Bf16 | Precision::Int8 => false,
        }
    }

    /// Runs work with all the instructions of the level.
    #[inline]
    pub fn run(self, work: impl Work) {
        match self {
            Self::Baseline => work.run::<{ cfg!(target_arch = "aarch64") }>(),
            // SAFETY: `detect` gives these levels only where the processor has the instructions; the work itself is safe Rust.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { run_avx2(work) },
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { run_avx512(work) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2(work: impl Work) {
    work.run::<true>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn run_avx512(work: impl Work) {
    work.run::<true>();
}
