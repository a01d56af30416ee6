//! The alignment stated plainly, one sequence against one profile: the reference for the vector code, and what runs where
//! the processor has none of its instructions.

use crate::fill::{CLIP, End};
use crate::path::Path;
use crate::profile::{COLUMNS, Profile};

/// How the best alignment reaches a cell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Match,
    Skip,
    Insert,
}

/// Steps of all cells, scores of all cells, with a row and a column of zeros before the first.
struct Matrix {
    scores: Vec<[i16; COLUMNS + 1]>,
    steps: Vec<[Step; COLUMNS + 1]>,
}

impl Matrix {
    fn fill(profile: &Profile, codes: &[u8]) -> Self {
        let mut scores = vec![[0i16; COLUMNS + 1]; codes.len() + 1];
        let mut steps = vec![[Step::Match; COLUMNS + 1]; codes.len() + 1];
        for (row, code) in (1..).zip(codes) {
            for columns in 1..=COLUMNS {
                let column = columns - 1;
                let score = profile.scores[column].whole[usize::from(*code)];
                let matched = scores[row - 1][column].saturating_add(score);
                let skipped = scores[row][column].saturating_add(profile.gap[column]);
                let inserted = scores[row - 1][columns].saturating_add(profile.insertion[column]);
                let (score, step) = if matched >= skipped && matched >= inserted {
                    (matched, Step::Match)
                } else if skipped >= inserted {
                    (skipped, Step::Skip)
                } else {
                    (inserted, Step::Insert)
                };
                scores[row][columns] = score;
                steps[row][columns] = step;
            }
        }
        Self { scores, steps }
    }

    /// The best column of a row, the first of equal ones.
    fn best(&self, row: usize) -> usize {
        let better = |best, next| {
            if self.scores[row][next] > self.scores[row][best] {
                next
            } else {
                best
            }
        };
        (1..=COLUMNS).reduce(better).unwrap_or(1)
    }

    fn end(&self) -> End {
        let rows = self.scores.len() - 1;
        let score = |row: usize| self.scores[row][self.best(row)];
        if rows == 0 {
            return End {
                rows: 0,
                score: i16::MIN,
            };
        }
        let mut end = rows;
        for row in 1..rows {
            let beats_whole = i32::from(score(row)) > i32::from(score(rows)) + CLIP;
            if beats_whole && score(row) > score(end) {
                end = row;
            }
        }
        End {
            rows: end as u16,
            score: score(end),
        }
    }
}

/// Where the best alignment ends and what it scores.
pub(crate) fn end(profile: &Profile, codes: &[u8]) -> End {
    Matrix::fill(profile, codes).end()
}

/// The best alignment, tail clipped; `None` of no residues.
pub(crate) fn path(profile: &Profile, codes: &[u8]) -> Option<Path> {
    let matrix = Matrix::fill(profile, codes);
    let end = matrix.end();
    if end.rows == 0 {
        return None;
    }
    let mut path = Path {
        end: u32::from(end.rows),
        score: i32::from(end.score),
        ..Path::default()
    };
    let mut columns = matrix.best(usize::from(end.rows));
    while path.end > 0 && columns > 0 {
        let unoccupied = profile.unoccupied >> (columns - 1) & 1 == 1;
        match matrix.steps[path.end as usize][columns] {
            Step::Match if unoccupied => {
                path.end -= 1;
                columns -= 1;
                path.score -= profile.score(columns, codes[path.end as usize]);
            }
            Step::Skip if unoccupied => columns -= 1,
            Step::Insert if columns >= profile.last as usize => {
                path.end -= 1;
                path.score -= i32::from(profile.insertion[columns - 1]);
            }
            _ => break,
        }
    }
    let mut row = path.end as usize;
    while row > 0 && columns > 0 {
        let column = columns - 1;
        let counts = profile.counted >> column & 1 == 1;
        let best = profile.highest[columns] - profile.highest[column];
        match matrix.steps[row][columns] {
            Step::Match => {
                row -= 1;
                columns -= 1;
                path.occupied |= 1 << column;
                if counts {
                    path.matched += profile.score(column, codes[row]);
                    path.highest += best;
                }
            }
            Step::Skip => {
                columns -= 1;
                if counts {
                    path.matched += i32::from(profile.gap[column]);
                    path.highest += best;
                }
            }
            Step::Insert => {
                row -= 1;
                match path.insertions.first_mut() {
                    Some((behind, count)) if usize::from(*behind) == columns => *count += 1,
                    _ => path.insertions.insert(0, (columns as u8, 1)),
                }
            }
        }
    }
    path.start = row as u32;
    Some(path)
}
