//! Files in which something is wrong: nothing panics, what can be read is read, what cannot is told.

use super::*;
use crate::formats::structure::assembly::MOST_RESIDUES;
use crate::formats::{Format, Mmcif, Pdb};

/// A sequence of numbers that is the same in every run (Marsaglia's xorshift64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// Reads a text as both formats, row by row, and checks what always holds.
pub(super) fn survives(text: &[u8]) {
    for format in [&Pdb as &dyn Format, &Mmcif] {
        let input = decompress(Box::new(Cursor::new(text.to_vec())));
        let Ok(mut records) =
            input.and_then(|input| format.open(input, "x", &ReadOptions::default()))
        else {
            continue;
        };
        while let Some(batch) = records.next_batch().unwrap() {
            assert_eq!(batch.consumed, batch.records.num_rows() as u64);
            assert!(batch.rejects.len() <= 102, "{}", batch.rejects.len());
        }
    }
    for entry in [entry::<pdb::Reader>(text).0, entry::<mmcif::Reader>(text).0]
        .into_iter()
        .flatten()
    {
        for chain in entry.models.iter().flat_map(|model| &model.chains) {
            assert_eq!(chain.sequence.len(), chain.residues.len());
            assert_eq!(chain.sequence_source.is_none(), chain.sequence.is_empty());
            let is_true = |residue: &crate::formats::structure::entry::Residue| {
                residue.is_observed || residue.ca.is_none()
            };
            assert!(chain.residues.iter().all(is_true));
        }
    }
}

/// Damage from a seed.
pub(super) struct Damage(Numbers);

impl Damage {
    pub(super) fn new(seed: u64) -> Self {
        Self(Numbers(seed))
    }

    /// Changes, moves, doubles or takes out some bytes.
    pub(super) fn apply(&mut self, text: &[u8]) -> Vec<u8> {
        let numbers = &mut self.0;
        let mut text = text.to_vec();
        for _ in 0..=numbers.below(20) {
            let at = numbers.below(text.len());
            let end = (at + numbers.below(120)).min(text.len());
            match numbers.below(5) {
                0 => text[at] = numbers.below(256) as u8,
                1 => {
                    text.drain(at..end);
                }
                2 => {
                    let part = text[at..end].to_vec();
                    let to = numbers.below(text.len());
                    text.splice(to..to, part);
                }
                3 => text[at..end].fill(b" \n;'\"_#9\xff"[numbers.below(9)]),
                _ => text.insert(at, b"\n\r'\";?.-"[numbers.below(8)]),
            }
            if text.is_empty() {
                break;
            }
        }
        text
    }
}

#[test]
fn random_bytes_are_survived() {
    let mut numbers = Numbers(0x5eed);
    for round in 0..400 {
        let length = numbers.below(2_000);
        let mut text: Vec<u8> = (0..length).map(|_| numbers.below(256) as u8).collect();
        // Half of them begin like structures.
        let start: &[u8] = match round % 4 {
            0 => b"HEADER\nATOM  ",
            1 => b"data_x\nloop_\n_atom_site.id\n_atom_site.Cartn_x\n",
            _ => b"",
        };
        text.splice(0..0, start.iter().copied());
        survives(&text);
    }
}

#[test]
fn files_that_end_anywhere_are_survived() {
    for text in [PDB, CIF] {
        for end in (0..text.len()).step_by(397) {
            survives(&text.as_bytes()[..end]);
        }
    }
}

#[test]
fn damaged_files_are_survived() {
    let mut damage = Damage::new(7);
    for _ in 0..150 {
        for text in [PDB, CIF] {
            survives(&damage.apply(text.as_bytes()));
        }
    }
}

#[test]
fn a_line_that_cannot_be_read_is_told_with_its_number_and_the_entry_goes_on() {
    let good = strand('A', "GA", 0.0);
    let text = format!(
        "{good}ATOM      1  CA  GLY A   x       1.000   2.000   3.000\nATOM      1  CA  GLY A   4       1.000   NaN     3.000\nHETATM\n{}",
        strand('B', "S", 0.0)
    );
    let (entry, rejects) = entry::<pdb::Reader>(text.as_bytes());
    let reasons: Vec<&str> = rejects
        .iter()
        .map(|reject| reject.reason.as_str())
        .collect();
    assert_eq!(
        reasons,
        [
            "line 3: 'x' is no number of a residue",
            "line 4: y 'NaN' is not a number",
            "line 5: '' is no name of a residue"
        ]
    );
    assert!(rejects[0].text.starts_with("ATOM      1  CA"));
    assert_eq!(entry.unwrap().models[0].chains.len(), 2);
}

#[test]
fn broken_loops_and_items_of_mmcif_are_told() {
    let atoms = "loop_\n_atom_site.label_comp_id\n_atom_site.label_asym_id\n_atom_site.label_seq_id\n_atom_site.Cartn_x\n_atom_site.Cartn_y\n_atom_site.Cartn_z\n";
    let good = "GLY A 1 0 0 0\n";
    for (text, reason) in [
        (
            format!("data_x\n{atoms}{good}GLY A 2\n#\nloop_\n_a.b\n1\n"),
            "line 12: a loop ends within a row, after 3 of 6 values",
        ),
        (
            format!("data_x\n_struct.title\n{atoms}{good}"),
            "line 3: an item without a value",
        ),
        (
            format!("data_x\nvalue\n{atoms}{good}"),
            "line 2: a value without a name",
        ),
        (
            format!("data_x\n{atoms}{good}GLY A 2 x 0 0\n"),
            "line 10: x 'x' is not a number",
        ),
        (
            format!("data_x\n{atoms}{good}data_y\n{atoms}GLY B 1 0 0 0"),
            "line 10: another data block: one file is one entry, what follows is not read",
        ),
        (
            format!("data_x\n{atoms}{good}_struct.title\n;without\nend"),
            "line 12: the file ends within a text that started with ;",
        ),
        (
            format!("data_x\nloop_\n1\n{atoms}{good}"),
            "line 3: a loop without names",
        ),
    ] {
        let (entry, rejects) = entry::<mmcif::Reader>(text.as_bytes());
        assert_eq!(rejects[0].reason, reason, "{text}");
        let chains = &entry.unwrap().models[0].chains;
        assert_eq!(
            (chains.len(), chains[0].sequence.as_str()),
            (1, "G"),
            "{text}"
        );
    }
}

#[test]
fn of_many_broken_lines_the_first_are_told_and_the_others_counted() {
    let text = "ATOM\n".repeat(1_000);
    let (entry, rejects) = entry::<pdb::Reader>(text.as_bytes());
    assert_eq!(rejects.len(), 101);
    assert_eq!(rejects[100].reason, "900 more lines cannot be read");
    assert_eq!(entry.unwrap().models, []);
}

#[test]
fn a_file_without_atoms_is_refused() {
    for (format, text) in [
        (&Pdb as &dyn Format, "HEADER\nSEQRES   1 A    1  GLY\n"),
        (&Mmcif, "data_x\n_entry.id x\n"),
    ] {
        let input = decompress(Box::new(Cursor::new(text.as_bytes().to_vec()))).unwrap();
        let error = format
            .open(input, "a.file", &ReadOptions::default())
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("a.file") && error.contains("no structure"),
            "{error}"
        );
    }
}

#[test]
fn an_entry_beyond_the_limit_is_one_reject() {
    let line = "SEQRES   1 A 9999  GLY GLY GLY GLY GLY GLY GLY GLY GLY GLY GLY GLY GLY\n";
    let text = strand('A', "GG", 0.0) + &line.repeat(MOST_RESIDUES / 13 + 1);
    let (entry, rejects) = entry::<pdb::Reader>(text.as_bytes());
    assert_eq!(entry, None);
    assert!(
        rejects[0].reason.contains("more than 1000000 residues"),
        "{rejects:?}"
    );
}

#[test]
fn models_that_repeat_a_long_sequence_do_not_multiply_it_without_limit() {
    let line = "SEQRES   1 A 9999  GLY GLY GLY GLY GLY GLY GLY GLY GLY GLY GLY GLY GLY\n";
    let mut text = line.repeat(1_000);
    for model in 1..200 {
        text += &format!("MODEL     {model:4}\n{}ENDMDL\n", strand('A', "G", 0.0));
    }
    let (entry, rejects) = entry::<pdb::Reader>(text.as_bytes());
    assert_eq!((entry, rejects.len()), (None, 1));
}
