//! The layers of an encoder on a device of candle: a GPU with the feature `cuda`, and candle's own CPU path as a reference for tests.
//!
//! A batch is a rectangle here, as wide as its longest sequence; what is padded is masked in the attention and never handed on. Embeddings
//! of tokens are made on the CPU and sent, the wanted rows come back.

use candle_core::{D, DType, Device, Tensor};

use crate::{Family, ModelError, Precision, attention::Tokens, config::Config, weights::Reader};

type Result<T> = std::result::Result<T, ModelError>;

impl From<candle_core::Error> for ModelError {
    fn from(error: candle_core::Error) -> Self {
        Self::Device(error.to_string())
    }
}

/// Where a model computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Place {
    /// On the calling thread, by the kernels of this crate.
    #[default]
    Cpu,
    /// On the calling thread, by candle: slow, for comparison.
    Reference,
    /// On a CUDA device, by its number. Needs the feature `cuda`.
    Cuda(usize),
}

impl Place {
    /// The CUDA devices that this build can use: none without the feature `cuda`.
    pub fn cuda_devices() -> Vec<Self> {
        let found = (0..64)
            .take_while(|number| cfg!(feature = "cuda") && Device::new_cuda(*number).is_ok());
        found.map(Self::Cuda).collect()
    }

    fn device(self) -> Result<Device> {
        match self {
            Self::Cpu | Self::Reference => Ok(Device::Cpu),
            Self::Cuda(number) => Ok(Device::new_cuda(number)?),
        }
    }
}

/// A layer with weights as inputs × outputs.
struct Linear {
    weight: Tensor,
    bias: Tensor,
}

struct Norm {
    weight: Tensor,
    bias: Tensor,
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    attention_norm: Norm,
    intermediate: Linear,
    output: Linear,
    output_norm: Norm,
}

/// Layers on a device.
pub(crate) struct Accelerator {
    device: Device,
    kind: DType,
    config: Config,
    layers: Vec<Layer>,
    last_norm: Option<Norm>,
}

/// Reads tensors to a device.
struct Loader<'a, 'b> {
    reader: &'a mut Reader<'b>,
    device: &'a Device,
    kind: DType,
}

impl Loader<'_, '_> {
    fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let numbers = self.reader.floats(name)?;
        Ok(Tensor::from_vec(numbers, shape, self.device)?.to_dtype(self.kind)?)
    }

    fn linear(&mut self, name: &str, inputs: usize, outputs: usize) -> Result<Linear> {
        let weight = self.tensor(&format!("{name}.weight"), &[outputs, inputs])?;
        Ok(Linear {
            weight: weight.t()?.contiguous()?,
            bias: self.tensor(&format!("{name}.bias"), &[outputs])?,
        })
    }

    fn norm(&mut self, name: &str, width: usize) -> Result<Norm> {
        Ok(Norm {
            weight: self.tensor(&format!("{name}.weight"), &[width])?,
            bias: self.tensor(&format!("{name}.bias"), &[width])?,
        })
    }
}

impl Linear {
    fn apply(&self, rows: &Tensor) -> Result<Tensor> {
        Ok(rows
            .broadcast_matmul(&self.weight)?
            .broadcast_add(&self.bias)?)
    }
}

impl Accelerator {
    pub fn load(
        config: &Config,
        reader: &mut Reader<'_>,
        precision: Precision,
        place: Place,
    ) -> Result<Self> {
        let kind = match precision {
            Precision::F32 => DType::F32,
            Precision::Bf16 => DType::BF16,
            Precision::Int8 => {
                return Err(ModelError::Unsupported {
                    family: config.family,
                    what: "8-bit integers on a device",
                });
            }
        };
        let device = place.device()?;
        let mut loader = Loader {
            reader,
            device: &device,
            kind,
        };
        let (width, wide) = (config.dimension, config.intermediate);
        let mut layers = Vec::new();
        for index in 0..config.layers {
            let name = config.layer(index);
            layers.push(Layer {
                query: loader.linear(&name.query, width, width)?,
                key: loader.linear(&name.key, width, width)?,
                value: loader.linear(&name.value, width, width)?,
                attention_output: loader.linear(&name.attention_output, width, width)?,
                attention_norm: loader.norm(&name.attention_norm, width)?,
                intermediate: loader.linear(&name.intermediate, width, wide)?,
                output: loader.linear(&name.output, wide, width)?,
                output_norm: loader.norm(&name.output_norm, width)?,
            });
        }
        let last_norm = match config.family {
            Family::AntiBerty => None,
            Family::Esm2 => Some(loader.norm(config.outer_norm(), width)?),
        };
        Ok(Self {
            device,
            kind,
            config: config.clone(),
            layers,
            last_norm,
        })
    }

    pub fn resident_bytes(&self) -> usize {
        let (width, wide) = (self.config.dimension, self.config.intermediate);
        let numbers = self.layers.len() * (4 * width * width + 2 * width * wide);
        numbers * self.kind.size_in_bytes()
    }

    /// From embedded tokens (a row each, ragged) to the wanted rows of the last layer.
    pub fn hidden(&self, rows: &[f32], tokens: Tokens<'_>) -> Result<Vec<f32>> {
        let width = self.config.dimension;
        let starts = || std::iter::once(0).chain(tokens.ends.iter().copied());
        let lengths: Vec<usize> = starts()
            .zip(tokens.ends)
            .map(|(start, end)| end - start)
            .collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let (mut padded, mut mask) = (vec![0f32; lengths.len() * longest * width], Vec::new());
        let mut wanted = Vec::new();
        for (index, (start, length)) in starts().zip(&lengths).enumerate() {
            let first = index * longest * width;
            padded[first..first + length * width]
                .copy_from_slice(&rows[start * width..(start + length) * width]);
            mask.extend((0..longest).map(|at| if at < *length { 0f32 } else { -1e9 }));
            let first = if index == 0 {
                0
            } else {
                tokens.wanted_ends[index - 1]
            };
            let of_this = &tokens.wanted[first..tokens.wanted_ends[index]];
            wanted.extend(
                of_this
                    .iter()
                    .map(|token| (index * longest + token - start) as u32),
            );
        }
        let shape = (lengths.len(), longest, width);
        let mut hidden = Tensor::from_vec(padded, shape, &self.device)?.to_dtype(self.kind)?;
        let mask = Tensor::from_vec(mask, (lengths.len(), 1, 1, longest), &self.device)?
            .to_dtype(self.kind)?;
        let turns = match self.config.family {
            Family::AntiBerty => None,
            Family::Esm2 => Some(self.turns(longest)?),
        };
        for layer in &self.layers {
            hidden = self.layer(layer, &hidden, &mask, turns.as_ref())?;
        }
        if let Some(norm) = &self.last_norm {
            hidden = self.norm(norm, &hidden)?;
        }
        let wanted = Tensor::from_vec(wanted, tokens.wanted.len(), &self.device)?;
        let rows = hidden.reshape(((), width))?.index_select(&wanted, 0)?;
        Ok(rows.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
    }

    fn layer(
        &self,
        layer: &Layer,
        hidden: &Tensor,
        mask: &Tensor,
        turns: Option<&(Tensor, Tensor)>,
    ) -> Result<Tensor> {
        let before = self.config.family == Family::Esm2;
        let input = if before {
            self.norm(&layer.attention_norm, hidden)?
        } else {
            hidden.clone()
        };
        let (batch, length, width) = input.dims3()?;
        let (heads, head) = (self.config.heads, self.config.head());
        let part = |linear: &Linear| -> Result<Tensor> {
            let rows = linear
                .apply(&input)?
                .reshape((batch, length, heads, head))?;
            Ok(rows.transpose(1, 2)?.contiguous()?)
        };
        let (mut query, mut key, value) =
            (part(&layer.query)?, part(&layer.key)?, part(&layer.value)?);
        if let Some(turns) = turns {
            (query, key) = (turned(&query, turns)?, turned(&key, turns)?);
        }
        let scores = (query.matmul(&key.t()?.contiguous()?)? / (head as f64).sqrt())?;
        let chances = candle_nn::ops::softmax_last_dim(&scores.broadcast_add(mask)?)?;
        let context = chances
            .matmul(&value)?
            .transpose(1, 2)?
            .reshape((batch, length, width))?;
        let mut hidden = (hidden + layer.attention_output.apply(&context)?)?;
        if !before {
            hidden = self.norm(&layer.attention_norm, &hidden)?;
        }
        let input = if before {
            self.norm(&layer.output_norm, &hidden)?
        } else {
            hidden.clone()
        };
        let wide = layer.intermediate.apply(&input)?.gelu_erf()?;
        let hidden = (hidden + layer.output.apply(&wide)?)?;
        if before {
            Ok(hidden)
        } else {
            self.norm(&layer.output_norm, &hidden)
        }
    }

    /// Normalises in f32 whatever the layers compute in.
    fn norm(&self, norm: &Norm, rows: &Tensor) -> Result<Tensor> {
        let rows = rows.to_dtype(DType::F32)?;
        let centred = rows.broadcast_sub(&rows.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let scaled =
            centred.broadcast_div(&(variance + f64::from(self.config.epsilon))?.sqrt()?)?;
        let scaled = scaled.to_dtype(self.kind)?;
        Ok(scaled
            .broadcast_mul(&norm.weight)?
            .broadcast_add(&norm.bias)?)
    }

    /// Cosines and sines of rotary positions, positions × half a head.
    fn turns(&self, positions: usize) -> Result<(Tensor, Tensor)> {
        let (head, half) = (self.config.head(), self.config.head() / 2);
        let angles: Vec<f32> = (0..positions * half)
            .map(|at| (at / half) as f32 / 10_000f32.powf((2 * (at % half)) as f32 / head as f32))
            .collect();
        let angles = Tensor::from_vec(angles, (positions, half), &self.device)?;
        Ok((
            angles.cos()?.to_dtype(self.kind)?,
            angles.sin()?.to_dtype(self.kind)?,
        ))
    }
}

fn turned(rows: &Tensor, (cos, sin): &(Tensor, Tensor)) -> Result<Tensor> {
    let half = rows.dim(D::Minus1)? / 2;
    let (left, right) = (
        rows.narrow(D::Minus1, 0, half)?,
        rows.narrow(D::Minus1, half, half)?,
    );
    let first = (left.broadcast_mul(cos)? - right.broadcast_mul(sin)?)?;
    let second = (right.broadcast_mul(cos)? + left.broadcast_mul(sin)?)?;
    Ok(Tensor::cat(&[first, second], D::Minus1)?)
}
