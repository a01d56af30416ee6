//! What holds of the numbering of any bytes; seeded tests and the fuzz target make these checks.
#![allow(clippy::unwrap_used)] // a failed check is a finding

use antibody::{Ask, Position, Region, Scheme, number_batch};

/// Checks a batch.
pub fn check(seqs: &[&[u8]]) {
    let domains = number_batch(seqs, Ask::default());
    let first = number_batch(
        seqs,
        Ask {
            first_only: true,
            ..Ask::default()
        },
    );
    assert_eq!(domains.errors.len(), seqs.len());
    assert_eq!(domains.offsets.len(), seqs.len() + 1);
    assert_eq!(domains.offsets.last(), Some(&(domains.len() as u32)));
    let mut positions: Vec<Position> = Vec::new();
    for (index, seq) in seqs.iter().enumerate() {
        let mut end = 0;
        assert_eq!(
            domains.of(index).is_empty(),
            domains.errors[index].is_some()
        );
        assert_eq!(first.errors[index], domains.errors[index]);
        if let Ok(domain) = first.first(index) {
            assert_eq!(
                first.borders[domain],
                domains.borders[domains.of(index).start]
            );
        }
        for domain in domains.of(index) {
            let span = domains.span(domain);
            assert!(span.start >= end && span.end <= seq.len());
            end = span.end;
            assert!(domains.borders[domain].is_sorted());
            assert!((0.0..=1.0).contains(&domains.confidences[domain]));
            let count = |range: std::ops::Range<usize>| {
                let residues = seq[range].iter().filter(|byte| byte.is_ascii_alphabetic());
                residues.count()
            };
            let residues = count(span.clone());
            for region in Region::TILES {
                let whole = domains.region(domain, region);
                assert!(
                    whole.is_none_or(|range| range.start >= span.start && range.end <= span.end)
                );
            }
            let inserted: usize = domains
                .insertions_of(domain)
                .iter()
                .map(|inserted| usize::from(inserted.count))
                .sum();
            let occupied = domains.occupancies[domain].count_ones() as usize;
            assert_eq!(occupied + inserted, residues);
            for scheme in Scheme::ALL {
                positions.clear();
                match domains.positions(domain, scheme, &mut positions) {
                    Ok(end) => {
                        assert_eq!(positions.len(), count(span.start..end), "{scheme}");
                        let order = positions.iter().map(|position| position.order(scheme));
                        assert!(order.is_sorted_by(|a, b| a < b), "{scheme} {positions:?}");
                        let mut codes = positions.iter().filter_map(|position| position.insertion);
                        assert!(codes.all(|code| code.is_ascii_uppercase()));
                    }
                    Err(error) => {
                        assert!(
                            ["too_many_insertions", "scheme_unsupported"].contains(&error.code())
                        );
                        assert!(positions.is_empty());
                    }
                }
            }
        }
    }
}
