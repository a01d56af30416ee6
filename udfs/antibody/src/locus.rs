//! The seven loci that encode V domains and the chains they make.

use std::fmt;

/// A locus that encodes a V domain, named as in AIRR's `locus` field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Locus {
    /// Immunoglobulin heavy.
    Igh,
    /// Immunoglobulin kappa.
    Igk,
    /// Immunoglobulin lambda.
    Igl,
    /// T cell receptor alpha.
    Tra,
    /// T cell receptor beta.
    Trb,
    /// T cell receptor gamma.
    Trg,
    /// T cell receptor delta.
    Trd,
}

impl Locus {
    /// All loci, immunoglobulins first.
    pub const ALL: [Locus; 7] = [
        Locus::Igh,
        Locus::Igk,
        Locus::Igl,
        Locus::Tra,
        Locus::Trb,
        Locus::Trg,
        Locus::Trd,
    ];

    /// AIRR's name: `IGH`, `IGK`, …
    pub const fn as_str(self) -> &'static str {
        match self {
            Locus::Igh => "IGH",
            Locus::Igk => "IGK",
            Locus::Igl => "IGL",
            Locus::Tra => "TRA",
            Locus::Trb => "TRB",
            Locus::Trg => "TRG",
            Locus::Trd => "TRD",
        }
    }

    /// The chain that the locus encodes.
    pub const fn chain(self) -> Chain {
        match self {
            Locus::Igh => Chain::Heavy,
            Locus::Igk | Locus::Igl => Chain::Light,
            Locus::Tra => Chain::Alpha,
            Locus::Trb => Chain::Beta,
            Locus::Trg => Chain::Gamma,
            Locus::Trd => Chain::Delta,
        }
    }

    /// Whether this is an antibody locus (`IGH`, `IGK`, `IGL`).
    pub const fn is_antibody(self) -> bool {
        matches!(self, Locus::Igh | Locus::Igk | Locus::Igl)
    }
}

impl fmt::Display for Locus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kind of chain a V domain belongs to. A nanobody (VHH) is heavy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Chain {
    /// Antibody heavy chain, VHH included.
    Heavy,
    /// Antibody light chain, kappa or lambda.
    Light,
    /// T cell receptor alpha.
    Alpha,
    /// T cell receptor beta.
    Beta,
    /// T cell receptor gamma.
    Gamma,
    /// T cell receptor delta.
    Delta,
}

impl Chain {
    /// The name in lower case: `heavy`, `light`, `alpha`, …
    pub const fn as_str(self) -> &'static str {
        match self {
            Chain::Heavy => "heavy",
            Chain::Light => "light",
            Chain::Alpha => "alpha",
            Chain::Beta => "beta",
            Chain::Gamma => "gamma",
            Chain::Delta => "delta",
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Locus;

    /// immunum's name for a locus.
    pub(crate) const fn immunum_chain(locus: Locus) -> immunum::Chain {
        match locus {
            Locus::Igh => immunum::Chain::IGH,
            Locus::Igk => immunum::Chain::IGK,
            Locus::Igl => immunum::Chain::IGL,
            Locus::Tra => immunum::Chain::TRA,
            Locus::Trb => immunum::Chain::TRB,
            Locus::Trg => immunum::Chain::TRG,
            Locus::Trd => immunum::Chain::TRD,
        }
    }
}
