//! Weights of a linear layer, packed once for the tiles, and the product with packed activations.

use crate::{
    Precision,
    kernels::{
        COLUMNS, ColumnWords, Level, Multiplier, ROWS, Tile, Work, pack, pack::Panels, real,
    },
};

/// A linear layer: y = x Wᵀ + b.
pub(crate) struct Matrix {
    precision: Precision,
    outputs: usize,
    steps: usize,
    panels: Vec<ColumnWords>,
    /// A number an output, filled up to whole panels.
    bias: Vec<f32>,
    /// For 8-bit integers: what a step of each output is worth, and what the sum of its weights adds because rows are moved by 128.
    scales: Vec<f32>,
    moved: Vec<f32>,
}

/// What happens to the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    /// They are stored.
    Store,
    /// Their GELU is stored.
    Gelu,
    /// They are added to what is there.
    Add,
}

impl Matrix {
    /// Packs weights given output by output (each `inputs` numbers), and a bias an output.
    pub fn new(precision: Precision, inputs: usize, weights: &[f32], bias: &[f32]) -> Self {
        let outputs = bias.len();
        let steps = pack::steps(precision, inputs);
        let padded = outputs.next_multiple_of(COLUMNS);
        let mut matrix = Self {
            precision,
            outputs,
            steps,
            panels: vec![[0; COLUMNS]; padded / COLUMNS * steps],
            bias: bias.to_vec(),
            scales: Vec::new(),
            moved: Vec::new(),
        };
        matrix.bias.resize(padded, 0.0);
        if precision == Precision::Int8 {
            matrix.scales.resize(padded, 0.0);
            matrix.moved.resize(padded, 0.0);
        }
        let mut line = vec![0; steps];
        for (output, weights) in weights.chunks_exact(inputs).take(outputs).enumerate() {
            match precision {
                Precision::F32 => {
                    for (word, weight) in line.iter_mut().zip(weights) {
                        *word = weight.to_bits();
                    }
                }
                Precision::Bf16 => pack::bf16_line(weights, &mut line),
                Precision::Int8 => {
                    matrix.scales[output] = pack::int8_line::<false>(weights, &mut line, 0);
                    let bytes = line.iter().flat_map(|word| word.to_le_bytes());
                    let sum: i32 = bytes.map(|byte| i32::from(byte as i8)).sum();
                    matrix.moved[output] = pack::MIDDLE * sum as f32;
                }
            }
            let first = output / COLUMNS * steps;
            let panel = &mut matrix.panels[first..first + steps];
            for (step, word) in panel.iter_mut().zip(&line) {
                step[output % COLUMNS] = *word;
            }
        }
        matrix
    }

    pub fn precision(&self) -> Precision {
        self.precision
    }

    pub fn outputs(&self) -> usize {
        self.outputs
    }

    pub fn resident_bytes(&self) -> usize {
        size_of_val(self.panels.as_slice())
            + 4 * (self.bias.len() + self.scales.len() + self.moved.len())
    }

    /// Multiplies each packed row with the weights. Results go to `out`, a row of [`Matrix::outputs`] numbers each.
    pub fn multiply(&self, level: Level, rows: &Panels, finish: Finish, out: &mut [f32]) {
        level.run(Multiply {
            matrix: self,
            multiplier: Multiplier::of(level, self.precision),
            rows,
            finish,
            out,
        });
    }
}

struct Multiply<'a> {
    matrix: &'a Matrix,
    multiplier: Multiplier,
    rows: &'a Panels,
    finish: Finish,
    out: &'a mut [f32],
}

impl Work for Multiply<'_> {
    // A panel of weights is used for all rows before the next one is fetched.
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let (matrix, steps) = (self.matrix, self.matrix.steps);
        let mut tile: Tile = [[0.0; COLUMNS]; ROWS];
        for (panel, columns) in matrix.panels.chunks_exact(steps).enumerate() {
            let first = panel * COLUMNS;
            let bias = array(&matrix.bias, first);
            let (scales, moved) = match matrix.precision {
                Precision::Int8 => (array(&matrix.scales, first), array(&matrix.moved, first)),
                _ => ([1.0; COLUMNS], [0.0; COLUMNS]),
            };
            let width = COLUMNS.min(matrix.outputs - first);
            for (block, rows) in self.rows.words.chunks_exact(steps).enumerate() {
                self.multiplier.multiply(rows, columns, &mut tile);
                let valid = ROWS.min(self.rows.rows - block * ROWS);
                for (r, sums) in tile.iter().enumerate().take(valid) {
                    let row = block * ROWS + r;
                    let mut results = [0.0; COLUMNS];
                    if matrix.precision == Precision::Int8 {
                        let scale = self.rows.scales[row];
                        for c in 0..COLUMNS {
                            results[c] = real::fused::<FMA>(
                                (sums[c] - moved[c]) * scale,
                                scales[c],
                                bias[c],
                            );
                        }
                    } else {
                        for c in 0..COLUMNS {
                            results[c] = sums[c] + bias[c];
                        }
                    }
                    let out = &mut self.out[row * matrix.outputs + first..][..width];
                    put::<FMA>(self.finish, &mut results, out);
                }
            }
        }
    }
}

/// Finishes a row of a tile and stores as many numbers as there is place for.
#[inline(always)]
fn put<const FMA: bool>(finish: Finish, results: &mut [f32; COLUMNS], out: &mut [f32]) {
    if finish == Finish::Gelu {
        for result in results.iter_mut() {
            *result = real::gelu::<FMA>(*result);
        }
    }
    let Some(whole) = out.as_mut_array::<COLUMNS>() else {
        let kept = if finish == Finish::Add { 1.0 } else { 0.0 };
        for (out, result) in out.iter_mut().zip(results) {
            *out = kept * *out + *result;
        }
        return;
    };
    if finish == Finish::Add {
        let before = *whole;
        for c in 0..COLUMNS {
            results[c] += before[c];
        }
    }
    *whole = *results;
}

/// The 32 numbers of a panel. The slice is filled up to whole panels.
#[inline(always)]
fn array(numbers: &[f32], first: usize) -> [f32; COLUMNS] {
    let mut found = [0.0; COLUMNS];
    found.copy_from_slice(&numbers[first..first + COLUMNS]);
    found
}
