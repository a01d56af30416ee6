//! Vectors of 32 sixteen-bit numbers, one a sequence: the only module with `unsafe` code.
//!
//! # Safety
//! Vector instructions must not run on a processor that lacks them. A value of [`Avx512`] or [`Avx2`] exists only where
//! `detect` has found the instructions (the fields are private to this module); every method takes such a value, and so do the
//! functions `run_*`, which are compiled for those instructions. NEON is part of every aarch64 processor. Memory is touched
//! only through references to arrays of exactly a vector's size, without demands on their alignment.
#![allow(unsafe_code)]

use crate::fill::{Fill, fill};
use crate::profile::Scores;

/// Sequences that are aligned together.
pub(crate) const LANES: usize = 32;

/// A number for each lane.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Row(pub [i16; LANES]);

/// Arithmetic on all lanes at once, by one set of instructions.
///
/// An implementation may keep the lanes in another order: lane `i` of residues and masks is slot [`SLOTS`](Self::SLOTS)`[i]`
/// of a [`Row`].
pub(crate) trait Lanes: Copy {
    type Vector: Copy;
    type Residues: Copy;
    type Table: Copy;
    const SLOTS: [u8; LANES];
    fn splat(self, value: i16) -> Self::Vector;
    fn load(self, row: &Row) -> Self::Vector;
    fn store(self, row: &mut Row, value: Self::Vector);
    fn residues(self, codes: &[u8; LANES]) -> Self::Residues;
    fn table(self, scores: &Scores) -> Self::Table;
    /// The score of each lane's residue.
    fn lookup(self, table: Self::Table, residues: Self::Residues) -> Self::Vector;
    /// Saturating.
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// A bit a lane: `a > b`.
    fn greater(self, a: Self::Vector, b: Self::Vector) -> u32;
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::*;

    /// AVX-512 with byte and word instructions: 32 lanes in a register, a column's scores in another.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512(());

    /// AVX2: the lanes in two registers, scores as low and high bytes of 16 residues each.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2(());

    impl Avx512 {
        /// The instructions, where the processor has them.
        pub(crate) fn detect() -> Option<Self> {
            let found = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
                && is_x86_feature_detected!("popcnt");
            found.then_some(Self(()))
        }

        pub(crate) fn fill<const TRACED: bool>(self, work: Fill<'_>) {
            // SAFETY: `self` proves that the processor has the instructions.
            unsafe { run_avx512::<TRACED>(self, work) }
        }
    }

    impl Avx2 {
        /// The instructions, where the processor has them.
        pub(crate) fn detect() -> Option<Self> {
            is_x86_feature_detected!("avx2").then_some(Self(()))
        }

        pub(crate) fn fill<const TRACED: bool>(self, work: Fill<'_>) {
            // SAFETY: `self` proves that the processor has the instructions.
            unsafe { run_avx2::<TRACED>(self, work) }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn run_avx512<const TRACED: bool>(lanes: Avx512, work: Fill<'_>) {
        fill::<Avx512, TRACED>(lanes, work);
    }

    #[target_feature(enable = "avx2")]
    fn run_avx2<const TRACED: bool>(lanes: Avx2, work: Fill<'_>) {
        fill::<Avx2, TRACED>(lanes, work);
    }

    // SAFETY of the blocks below: `self` proves that the processor has the instructions; pointers come from references to
    // arrays of the size that is read or written.
    impl Lanes for Avx512 {
        type Vector = __m512i;
        type Residues = __m512i;
        type Table = __m512i;
        const SLOTS: [u8; LANES] = natural();

        #[inline(always)]
        fn splat(self, value: i16) -> __m512i {
            unsafe { _mm512_set1_epi16(value) }
        }

        #[inline(always)]
        fn load(self, row: &Row) -> __m512i {
            unsafe { _mm512_loadu_si512(row.0.as_ptr().cast()) }
        }

        #[inline(always)]
        fn store(self, row: &mut Row, value: __m512i) {
            unsafe { _mm512_storeu_si512(row.0.as_mut_ptr().cast(), value) }
        }

        #[inline(always)]
        fn residues(self, codes: &[u8; LANES]) -> __m512i {
            unsafe { _mm512_cvtepu8_epi16(_mm256_loadu_si256(codes.as_ptr().cast())) }
        }

        #[inline(always)]
        fn table(self, scores: &Scores) -> __m512i {
            unsafe { _mm512_loadu_si512(scores.whole.as_ptr().cast()) }
        }

        #[inline(always)]
        fn lookup(self, table: __m512i, residues: __m512i) -> __m512i {
            unsafe { _mm512_permutexvar_epi16(residues, table) }
        }

        #[inline(always)]
        fn add(self, a: __m512i, b: __m512i) -> __m512i {
            unsafe { _mm512_adds_epi16(a, b) }
        }

        #[inline(always)]
        fn max(self, a: __m512i, b: __m512i) -> __m512i {
            unsafe { _mm512_max_epi16(a, b) }
        }

        #[inline(always)]
        fn greater(self, a: __m512i, b: __m512i) -> u32 {
            unsafe { _mm512_cmpgt_epi16_mask(a, b) }
        }
    }

    impl Lanes for Avx2 {
        type Vector = [__m256i; 2];
        /// Shuffle indices among the codes 0–15 and 16–31; the highest bit yields zero.
        type Residues = [__m256i; 2];
        /// Low bytes of codes 0–15 and 16–31, then high bytes.
        type Table = [__m256i; 4];
        // Unpacking low and high bytes splits each half of the lanes.
        const SLOTS: [u8; LANES] = unpacked();

        #[inline(always)]
        fn splat(self, value: i16) -> [__m256i; 2] {
            unsafe { [_mm256_set1_epi16(value); 2] }
        }

        #[inline(always)]
        fn load(self, row: &Row) -> [__m256i; 2] {
            let (low, high) = row.0.split_at(LANES / 2);
            unsafe {
                [
                    _mm256_loadu_si256(low.as_ptr().cast()),
                    _mm256_loadu_si256(high.as_ptr().cast()),
                ]
            }
        }

        #[inline(always)]
        fn store(self, row: &mut Row, value: [__m256i; 2]) {
            let (low, high) = row.0.split_at_mut(LANES / 2);
            unsafe {
                _mm256_storeu_si256(low.as_mut_ptr().cast(), value[0]);
                _mm256_storeu_si256(high.as_mut_ptr().cast(), value[1]);
            }
        }

        #[inline(always)]
        fn residues(self, codes: &[u8; LANES]) -> [__m256i; 2] {
            unsafe {
                let codes = _mm256_loadu_si256(codes.as_ptr().cast());
                // 0–15 + 112 stays below 128; 16–31 + 112 sets the highest bit; and the other way round.
                [
                    _mm256_add_epi8(codes, _mm256_set1_epi8(112)),
                    _mm256_sub_epi8(codes, _mm256_set1_epi8(16)),
                ]
            }
        }

        #[inline(always)]
        fn table(self, scores: &Scores) -> [__m256i; 4] {
            let (low, low_rest) = scores.low.split_at(16);
            let (high, high_rest) = scores.high.split_at(16);
            unsafe {
                [
                    _mm256_broadcastsi128_si256(_mm_loadu_si128(low.as_ptr().cast())),
                    _mm256_broadcastsi128_si256(_mm_loadu_si128(low_rest.as_ptr().cast())),
                    _mm256_broadcastsi128_si256(_mm_loadu_si128(high.as_ptr().cast())),
                    _mm256_broadcastsi128_si256(_mm_loadu_si128(high_rest.as_ptr().cast())),
                ]
            }
        }

        #[inline(always)]
        fn lookup(self, table: [__m256i; 4], residues: [__m256i; 2]) -> [__m256i; 2] {
            unsafe {
                let low = _mm256_or_si256(
                    _mm256_shuffle_epi8(table[0], residues[0]),
                    _mm256_shuffle_epi8(table[1], residues[1]),
                );
                let high = _mm256_or_si256(
                    _mm256_shuffle_epi8(table[2], residues[0]),
                    _mm256_shuffle_epi8(table[3], residues[1]),
                );
                [
                    _mm256_unpacklo_epi8(low, high),
                    _mm256_unpackhi_epi8(low, high),
                ]
            }
        }

        #[inline(always)]
        fn add(self, a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
            unsafe { [_mm256_adds_epi16(a[0], b[0]), _mm256_adds_epi16(a[1], b[1])] }
        }

        #[inline(always)]
        fn max(self, a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
            unsafe { [_mm256_max_epi16(a[0], b[0]), _mm256_max_epi16(a[1], b[1])] }
        }

        #[inline(always)]
        fn greater(self, a: [__m256i; 2], b: [__m256i; 2]) -> u32 {
            unsafe {
                // Packing words to bytes undoes the split of the unpacking.
                let bytes = _mm256_packs_epi16(
                    _mm256_cmpgt_epi16(a[0], b[0]),
                    _mm256_cmpgt_epi16(a[1], b[1]),
                );
                _mm256_movemask_epi8(bytes) as u32
            }
        }
    }

    const fn unpacked() -> [u8; LANES] {
        let mut slots = [0; LANES];
        let mut lane = 0;
        while lane < LANES {
            let (half, at) = (lane / 16, lane % 16);
            slots[lane] = ((at / 8) * 16 + half * 8 + at % 8) as u8;
            lane += 1;
        }
        slots
    }
}

/// Lanes in their own order.
const fn natural() -> [u8; LANES] {
    let mut slots = [0; LANES];
    let mut lane = 0;
    while lane < LANES {
        slots[lane] = lane as u8;
        lane += 1;
    }
    slots
}

#[cfg(target_arch = "aarch64")]
pub(crate) use arm::Neon;

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::*;

    use super::*;

    /// NEON: the lanes in four registers, scores as low and high bytes of 32 residues.
    #[derive(Clone, Copy)]
    pub(crate) struct Neon;

    impl Neon {
        pub(crate) fn fill<const TRACED: bool>(self, work: Fill<'_>) {
            fill::<Neon, TRACED>(self, work);
        }
    }

    // SAFETY of the blocks below: every aarch64 processor has NEON; pointers come from references to arrays of the size that
    // is read or written.
    impl Lanes for Neon {
        type Vector = [int16x8_t; 4];
        type Residues = [uint8x16_t; 2];
        type Table = [uint8x16x2_t; 2];
        const SLOTS: [u8; LANES] = natural();

        #[inline(always)]
        fn splat(self, value: i16) -> [int16x8_t; 4] {
            unsafe { [vdupq_n_s16(value); 4] }
        }

        #[inline(always)]
        fn load(self, row: &Row) -> [int16x8_t; 4] {
            let at = row.0.as_ptr();
            unsafe {
                [
                    vld1q_s16(at),
                    vld1q_s16(at.add(8)),
                    vld1q_s16(at.add(16)),
                    vld1q_s16(at.add(24)),
                ]
            }
        }

        #[inline(always)]
        fn store(self, row: &mut Row, value: [int16x8_t; 4]) {
            let at = row.0.as_mut_ptr();
            unsafe {
                vst1q_s16(at, value[0]);
                vst1q_s16(at.add(8), value[1]);
                vst1q_s16(at.add(16), value[2]);
                vst1q_s16(at.add(24), value[3]);
            }
        }

        #[inline(always)]
        fn residues(self, codes: &[u8; LANES]) -> [uint8x16_t; 2] {
            let at = codes.as_ptr();
            unsafe { [vld1q_u8(at), vld1q_u8(at.add(16))] }
        }

        #[inline(always)]
        fn table(self, scores: &Scores) -> [uint8x16x2_t; 2] {
            unsafe {
                [
                    vld1q_u8_x2(scores.low.as_ptr()),
                    vld1q_u8_x2(scores.high.as_ptr()),
                ]
            }
        }

        #[inline(always)]
        fn lookup(self, table: [uint8x16x2_t; 2], residues: [uint8x16_t; 2]) -> [int16x8_t; 4] {
            unsafe {
                let mut found = [vdupq_n_s16(0); 4];
                for (half, residues) in residues.into_iter().enumerate() {
                    let low = vqtbl2q_u8(table[0], residues);
                    let high = vqtbl2q_u8(table[1], residues);
                    found[2 * half] = vreinterpretq_s16_u8(vzip1q_u8(low, high));
                    found[2 * half + 1] = vreinterpretq_s16_u8(vzip2q_u8(low, high));
                }
                found
            }
        }

        #[inline(always)]
        fn add(self, mut a: [int16x8_t; 4], b: [int16x8_t; 4]) -> [int16x8_t; 4] {
            for (a, b) in a.iter_mut().zip(b) {
                *a = unsafe { vqaddq_s16(*a, b) };
            }
            a
        }

        #[inline(always)]
        fn max(self, mut a: [int16x8_t; 4], b: [int16x8_t; 4]) -> [int16x8_t; 4] {
            for (a, b) in a.iter_mut().zip(b) {
                *a = unsafe { vmaxq_s16(*a, b) };
            }
            a
        }

        #[inline(always)]
        fn greater(self, a: [int16x8_t; 4], b: [int16x8_t; 4]) -> u32 {
            const BITS: [u16; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
            let mut mask = 0;
            for (part, (a, b)) in a.into_iter().zip(b).enumerate() {
                let bits =
                    unsafe { vaddvq_u16(vandq_u16(vcgtq_s16(a, b), vld1q_u16(BITS.as_ptr()))) };
                mask |= u32::from(bits) << (8 * part);
            }
            mask
        }
    }
}
