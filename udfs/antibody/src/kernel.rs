//! The numberer of single sequences: a batch of one, remembered, since SQL asks about a sequence more than once.

use std::cell::RefCell;

use crate::batch::with_searcher;
use crate::convert::{self, Imgt, Unnamed};
use crate::error::NumberingError;
use crate::imgt::Insertions;
use crate::locus::Locus;
use crate::memory;
use crate::numbering::{Numberer, Numbering};
use crate::reads::Reads;
use crate::recent::Recent;
use crate::scheme::Scheme;
use crate::search::{Domain, Found, Query};

thread_local! {
    /// First domains that this thread found last.
    static RECENT: RefCell<Recent<Remembered>> = RefCell::default();
}

/// A domain apart from its search.
struct Remembered {
    domain: Domain,
    insertions: Vec<Insertions>,
}

/// Numbers by alignment to consensus profiles.
pub(crate) struct Kernel;

impl Numberer for Kernel {
    fn number(&self, seq: &[u8], scheme: Scheme) -> Result<Numbering, NumberingError> {
        if let Some(answer) = memory::numbered(seq, scheme) {
            return answer;
        }
        let reads = read(seq);
        if let Some(error) = reads.error(0) {
            return Err(error.clone());
        }
        let first = || {
            let found = search(&reads, true);
            let domain = *found.domains.first().ok_or_else(|| found.miss(&reads, 0))?;
            let insertions = found.insertions_of(&domain).to_vec();
            Ok(Remembered { domain, insertions })
        };
        let remembered = RECENT.with(|recent| Recent::of(recent, reads.codes(0), first))?;
        number(&reads, &remembered.domain, &remembered.insertions, scheme)
    }

    fn domains(&self, seq: &[u8], scheme: Scheme) -> Result<Vec<Numbering>, NumberingError> {
        let reads = read(seq);
        let found = search(&reads, false);
        if found.domains.is_empty() {
            return Err(found.miss(&reads, 0));
        }
        let numbered = found
            .domains
            .iter()
            .map(|domain| number(&reads, domain, found.insertions_of(domain), scheme));
        numbered.collect()
    }
}

fn read(seq: &[u8]) -> Reads {
    let mut reads = Reads::default();
    reads.push(seq);
    reads
}

fn search(reads: &Reads, first_only: bool) -> Found {
    let query = Query {
        loci: &Locus::ALL,
        first_only,
        screened: true,
    };
    let mut found = Found::default();
    with_searcher(|searcher| searcher.search(reads, query, &mut found));
    found
}

fn number(
    reads: &Reads,
    domain: &Domain,
    insertions: &[Insertions],
    scheme: Scheme,
) -> Result<Numbering, NumberingError> {
    let imgt = Imgt {
        locus: domain.locus,
        occupied: domain.occupied,
        insertions,
        followed: domain.end < domain.limit,
    };
    let mut positions = Vec::with_capacity((domain.end - domain.start) as usize + 1);
    let behind = convert::positions(imgt, scheme, &mut positions)
        .map_err(|unnamed| unnamed.error(scheme, domain.locus))?;
    Ok(Numbering {
        locus: domain.locus,
        scheme,
        confidence: domain.confidence,
        start: reads.offset(0, domain.start) as usize + 1,
        end: reads.offset(0, domain.end + behind - 1) as usize + 1,
        positions,
    })
}

impl Unnamed {
    pub(crate) const fn error(self, scheme: Scheme, locus: Locus) -> NumberingError {
        match self {
            Unnamed::Locus => NumberingError::SchemeUnsupported { scheme, locus },
            Unnamed::Insertions => NumberingError::TooManyInsertions { scheme },
        }
    }
}
