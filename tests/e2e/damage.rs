//! Damaged files of each format, by a seeded random: no reader panics, hangs, or takes more than its text warrants.

use engine::formats::{all, by_name};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tests::bounds::{self, Seen};
use tests::data::chains;
use tests::formats::{airr, fasta, oas, repertoires};

/// Files made of one: damaged in a few places each.
const ROUNDS: usize = 150;
/// Bytes that mean something to one reader or another.
const TELLING: &[u8] = b"\"\n\r\t\0,;:|>{}[]#'*-. 019AX\xff\xc3";

fn data(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("data")
        .join(name);
    std::fs::read(path).unwrap()
}

/// What lies beside the annotations of contigs.
fn contigs() -> Vec<u8> {
    data("tenx/filtered_contig.fasta")
}

/// A column of a table of molecules, and the field that it is.
type Mapped = (&'static str, &'static str);

/// A sound file of each format, and the columns to map.
fn samples() -> Vec<(&'static str, Vec<u8>, Vec<Mapped>)> {
    let made = chains(31, "damage", 8);
    let molecules = vec![("INN", "name"), ("VH", "heavy"), ("VL", "chains")];
    vec![
        ("fasta", fasta(&made).into_bytes(), vec![]),
        ("airr", airr(&made).into_bytes(), vec![]),
        ("oas", oas(&made, "RUN1").into_bytes(), vec![]),
        ("10x", data("tenx/filtered_contig_annotations.csv"), vec![]),
        ("pdb", data("made.pdb"), vec![]),
        ("mmcif", data("made.cif"), vec![]),
        ("sabdab", data("sabdab_summary.tsv"), vec![]),
        ("table", data("molecules.csv"), molecules),
        (
            "airr-repertoire",
            repertoires(&["r1".into(), "r2".into()]).into_bytes(),
            vec![],
        ),
    ]
}

/// Damages a text in a few places: a byte changed, put in or taken out, a stretch doubled, the end cut off.
fn damage(sound: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut text = sound.to_vec();
    for _ in 0..random.random_range(1..6) {
        if text.is_empty() {
            break;
        }
        let at = random.random_range(0..text.len());
        let byte = TELLING[random.random_range(0..TELLING.len())];
        match random.random_range(0..6) {
            0 | 1 => text[at] = byte,
            2 => text.insert(at, byte),
            3 => {
                text.remove(at);
            }
            4 => {
                let end = (at + random.random_range(1..400)).min(text.len());
                let stretch = text[at..end].to_vec();
                let _ = text.splice(at..at, stretch);
            }
            _ if random.random_bool(0.2) => text.truncate(at),
            _ => {}
        }
    }
    text
}

#[test]
fn every_format_has_a_sound_sample_that_is_read() {
    let samples = samples();
    assert_eq!(samples.len(), all().len());
    for (name, sound, columns) in samples {
        let seen = bounds::read(by_name(name).unwrap(), &sound, &contigs(), &columns);
        assert!(
            matches!(
                seen,
                Some(Seen {
                    rows: 1..,
                    rejects: 0,
                    ..
                })
            ),
            "{name}: {seen:?}"
        );
    }
}

#[test]
fn damaged_files_are_read_within_bounds_and_twice_alike() {
    let contigs = contigs();
    for (number, (name, sound, columns)) in samples().into_iter().enumerate() {
        let format = by_name(name).unwrap();
        let mut random = StdRng::seed_from_u64(number as u64);
        let mut opened = 0;
        for _ in 0..ROUNDS {
            let text = damage(&sound, &mut random);
            let contigs = damage(&contigs, &mut random);
            let seen = bounds::read(format, &text, &contigs, &columns);
            opened += usize::from(seen.is_some());
            assert_eq!(
                seen,
                bounds::read(format, &text, &contigs, &columns),
                "{name}"
            );
        }
        assert!(opened > 0, "{name}: every damaged file was refused whole");
    }
}

#[test]
fn bytes_that_mean_nothing_are_read_within_bounds_as_any_format() {
    let mut random = StdRng::seed_from_u64(99);
    for _ in 0..ROUNDS {
        let length = random.random_range(0..600);
        let anything: Vec<u8> = (0..length)
            .map(|_| match random.random_bool(0.5) {
                true => TELLING[random.random_range(0..TELLING.len())],
                false => random.random(),
            })
            .collect();
        for format in all() {
            bounds::read(*format, &anything, &anything, &[]);
        }
    }
}

#[test]
fn a_text_that_grows_is_read_in_batches_that_grow_no_faster() {
    for (name, sound, columns) in samples() {
        // One entry or document a file: its length is bounded elsewhere.
        if matches!(name, "pdb" | "mmcif" | "airr-repertoire") {
            continue;
        }
        let format = by_name(name).unwrap();
        let heads = if name == "oas" {
            2
        } else {
            usize::from(name != "fasta")
        };
        let lines: Vec<&[u8]> = sound.split_inclusive(|byte| *byte == b'\n').collect();
        let (head, body) = lines.split_at(heads);
        let times = |times: usize| {
            let text = [head.concat(), body.concat().repeat(times)].concat();
            bounds::read(format, &text, &contigs(), &columns).unwrap()
        };
        let (few, many) = (times(10), times(100));
        assert_eq!(many.rows, 10 * few.rows, "{name}");
        assert!(many.bytes <= 11 * few.bytes, "{name}: {few:?}, {many:?}");
        assert!(
            many.batches <= 10 * few.batches,
            "{name}: {few:?}, {many:?}"
        );
    }
}
