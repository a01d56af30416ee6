//! The identity of a receptor: AIRR's `receptor_hash`.

use crate::hash::sequence_hash;
use crate::locus::Chain;
use crate::v_domain::first_v_domain;

/// AIRR's `receptor_hash` of two chains in either order, 64 lower-case hexadecimal digits.
///
/// SHA-256 of the upper-case mature V domains joined, the heavy, beta or delta one first (AIRR Standards, Receptor
/// Schema, experimental, the same from 1.4 to 1.6: from the first residue after the leader to the last that the J gene encodes
/// wholly, which is IMGT 128, in light chains 127).
/// Of several V domains of a chain the first counts. `None` where a chain has none, or where the two make no receptor (heavy
/// with light, beta with alpha, delta with gamma). A truncated domain has another hash than the whole one.
pub fn receptor_hash(one: &[u8], other: &[u8]) -> Option<String> {
    let (one, other) = (v_domain(one)?, v_domain(other)?);
    let (first, second) = if leads(one.0) {
        (one, other)
    } else {
        (other, one)
    };
    let makes_one = matches!(
        (first.0, second.0),
        (Chain::Heavy, Chain::Light) | (Chain::Beta, Chain::Alpha) | (Chain::Delta, Chain::Gamma)
    );
    makes_one
        .then(|| sequence_hash((first.1 + &second.1).as_bytes()))
        .flatten()
}

const fn leads(chain: Chain) -> bool {
    matches!(chain, Chain::Heavy | Chain::Beta | Chain::Delta)
}

fn v_domain(seq: &[u8]) -> Option<(Chain, String)> {
    let domain = first_v_domain(seq).ok()?;
    Some((domain.chain(), domain.v_domain_aa(seq)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VH: &str = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";
    const VL: &str = "DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK";

    #[test]
    fn it_is_the_hash_of_both_v_domains_with_the_heavy_one_first() {
        let expected = sequence_hash(format!("{VH}{VL}").as_bytes());
        assert_eq!(receptor_hash(VH.as_bytes(), VL.as_bytes()), expected);
        assert_eq!(receptor_hash(VL.as_bytes(), VH.as_bytes()), expected);
        let heavy = format!("MGWSCIILFLVATATGVHS{VH}ASTKGPSVFPLAP");
        let light = format!("{}RTVAAPSVFIFPP", VL.to_lowercase());
        assert_eq!(receptor_hash(heavy.as_bytes(), light.as_bytes()), expected);
    }

    /// The example in `specs/airr-schema.yaml` of AIRR Standards 1.4.1 to 1.6.0.
    #[test]
    fn the_example_of_the_standard_has_the_hash_that_the_standard_gives() {
        let heavy = b"QVQLQQPGAELVKPGASVKLSCKASGYTFTSYWMHWVKQRPGRGLEWIGRIDPNSGGTKYNEKFKSKATLTVDKPSSTAYMQLSSLTSEDSAVYYCARYDYYGSSYFDYWGQGTTLTVSS";
        let light = b"QAVVTQESALTTSPGETVTLTCRSSTGAVTTSNYANWVQEKPDHLFTGLIGGTNNRAPGVPARFSGSLIGDKAALTITGAQTEDEAIYFCALWYSNHWVFGGGTKLTVL";
        assert_eq!(
            receptor_hash(heavy, light).as_deref(),
            Some("aa1c4b77a6f4927611ab39f5267415beaa0ba07a952c233d803b07e52261f026")
        );
    }

    #[test]
    fn two_chains_that_make_no_receptor_have_none() {
        assert_eq!(receptor_hash(VH.as_bytes(), VH.as_bytes()), None);
        assert_eq!(receptor_hash(VL.as_bytes(), VL.as_bytes()), None);
        assert_eq!(receptor_hash(VH.as_bytes(), b"PEPTIDE"), None);
        assert_eq!(receptor_hash(b"", VL.as_bytes()), None);
    }
}
