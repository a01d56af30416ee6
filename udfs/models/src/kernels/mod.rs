//! Arithmetic that is chosen at run time by what the processor can do.

use crate::Precision;

/// Whether this processor has the instructions of a precision.
pub(crate) fn available(precision: Precision) -> bool {
    match precision {
        Precision::F32 => true,
        #[cfg(target_arch = "x86_64")]
        Precision::Bf16 => {
            is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16")
        }
        #[cfg(target_arch = "x86_64")]
        Precision::Int8 => {
            is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni")
        }
        #[cfg(not(target_arch = "x86_64"))]
        Precision::Bf16 | Precision::Int8 => false,
    }
}
