//! `config.json`: how large a model is, and the tensors that it must have.

use std::path::Path;

use serde_json::Value;

use crate::{Family, MAX_WEIGHT_BYTES, ModelError};

/// The settings that decide what is computed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    pub family: Family,
    pub dimension: usize,
    /// Width of the hidden layer of the feed-forward block.
    pub intermediate: usize,
    pub layers: usize,
    pub heads: usize,
    pub vocabulary: usize,
    /// Learned positions (AntiBERTy only).
    pub positions: usize,
    pub max_residues: Option<usize>,
    pub epsilon: f32,
    /// Whether embeddings are scaled as if a share of them had been masked (ESM-2 only).
    pub token_dropout: bool,
}

/// Name and shape of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    pub name: String,
    pub shape: Vec<usize>,
}

/// Names of the two parameters of a linear or normalising layer: `name.weight`, `name.bias`.
pub(crate) struct Layer {
    pub query: String,
    pub key: String,
    pub value: String,
    pub attention_output: String,
    pub attention_norm: String,
    pub intermediate: String,
    pub output: String,
    pub output_norm: String,
}

/// A configuration is a few hundred bytes.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

impl Config {
    /// Reads `config.json` of a folder.
    pub fn read(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join("config.json");
        let length = std::fs::metadata(&path)
            .map_err(|source| ModelError::file(&path, source))?
            .len();
        if length > MAX_CONFIG_BYTES {
            return Err(ModelError::config(
                &path,
                format!("{length} bytes are too many for a configuration"),
            ));
        }
        let text = std::fs::read(&path).map_err(|source| ModelError::file(&path, source))?;
        let value: Value = serde_json::from_slice(&text)
            .map_err(|error| ModelError::config(&path, format!("no valid JSON: {error}")))?;
        let config = Settings {
            path: &path,
            value: &value,
        }
        .config()?;
        let bytes = config.stored_bytes_at_least();
        if bytes > MAX_WEIGHT_BYTES {
            return Err(ModelError::TooLarge {
                path,
                bytes,
                limit: MAX_WEIGHT_BYTES,
            });
        }
        Ok(config)
    }

    /// Width of a head of the attention.
    pub fn head(&self) -> usize {
        self.dimension / self.heads
    }

    /// Bytes of the weights if they are stored in 16 bits, the least that is read.
    fn stored_bytes_at_least(&self) -> u64 {
        let (width, wide) = (self.dimension as u64, self.intermediate as u64);
        let layer = 4 * width * width + 2 * width * wide;
        2 * (layer * self.layers as u64 + (self.vocabulary + self.positions) as u64 * width)
    }

    /// The first part of the names of the encoder's tensors.
    fn root(&self) -> &'static str {
        match self.family {
            Family::AntiBerty => "bert",
            Family::Esm2 => "esm",
        }
    }

    /// Name of the embeddings of tokens, which are also the last layer of the head.
    pub fn embeddings(&self) -> String {
        format!("{}.embeddings.word_embeddings.weight", self.root())
    }

    /// Names of the layers of the head that gives log-probabilities: linear layer, normalisation, and the bias of the tokens.
    pub fn head_names(&self) -> [&'static str; 3] {
        match self.family {
            Family::AntiBerty => [
                "cls.predictions.transform.dense",
                "cls.predictions.transform.LayerNorm",
                "cls.predictions.bias",
            ],
            Family::Esm2 => ["lm_head.dense", "lm_head.layer_norm", "lm_head.bias"],
        }
    }

    /// Name of the normalisation outside of the layers: of the embeddings (AntiBERTy), or of what the last layer gives (ESM-2).
    pub fn outer_norm(&self) -> &'static str {
        match self.family {
            Family::AntiBerty => "bert.embeddings.LayerNorm",
            Family::Esm2 => "esm.encoder.emb_layer_norm_after",
        }
    }

    /// Names of the parts of a layer.
    pub fn layer(&self, index: usize) -> Layer {
        let at = format!("{}.encoder.layer.{index}", self.root());
        // The normalisations stand after their blocks in BERT, before them in ESM-2.
        let (attention_norm, output_norm) = match self.family {
            Family::AntiBerty => ("attention.output.LayerNorm", "output.LayerNorm"),
            Family::Esm2 => ("attention.LayerNorm", "LayerNorm"),
        };
        Layer {
            query: format!("{at}.attention.self.query"),
            key: format!("{at}.attention.self.key"),
            value: format!("{at}.attention.self.value"),
            attention_output: format!("{at}.attention.output.dense"),
            attention_norm: format!("{at}.{attention_norm}"),
            intermediate: format!("{at}.intermediate.dense"),
            output: format!("{at}.output.dense"),
            output_norm: format!("{at}.{output_norm}"),
        }
    }

    /// Every tensor that is read.
    pub fn tensors(&self) -> Vec<Expected> {
        let mut all = vec![Expected::new(
            self.embeddings(),
            &[self.vocabulary, self.dimension],
        )];
        let width = self.dimension;
        let mut pair = |name: &str, shape: &[usize]| {
            all.push(Expected::new(format!("{name}.weight"), shape));
            all.push(Expected::new(format!("{name}.bias"), &shape[..1]));
        };
        pair(self.outer_norm(), &[width]);
        for index in 0..self.layers {
            let layer = self.layer(index);
            for name in [
                &layer.query,
                &layer.key,
                &layer.value,
                &layer.attention_output,
            ] {
                pair(name, &[width, width]);
            }
            pair(&layer.attention_norm, &[width]);
            pair(&layer.intermediate, &[self.intermediate, width]);
            pair(&layer.output, &[width, self.intermediate]);
            pair(&layer.output_norm, &[width]);
        }
        let [dense, norm, bias] = self.head_names();
        pair(dense, &[width, width]);
        pair(norm, &[width]);
        all.push(Expected::new(bias.to_owned(), &[self.vocabulary]));
        if self.family == Family::AntiBerty {
            for (name, rows) in [("position", self.positions), ("token_type", 2)] {
                let name = format!("bert.embeddings.{name}_embeddings.weight");
                all.push(Expected::new(name, &[rows, width]));
            }
        }
        all
    }
}

impl Expected {
    fn new(name: String, shape: &[usize]) -> Self {
        Self {
            name,
            shape: shape.to_vec(),
        }
    }
}

/// A parsed configuration and where it came from.
struct Settings<'a> {
    path: &'a Path,
    value: &'a Value,
}

impl Settings<'_> {
    fn config(&self) -> Result<Config, ModelError> {
        let family = self.family()?;
        self.word("hidden_act", "gelu")?;
        let dimension = self.number("hidden_size", 1 << 16)?;
        let heads = self.number("num_attention_heads", 1 << 10)?;
        if !dimension.is_multiple_of(heads) {
            return self.refuse(format!(
                "hidden_size {dimension} is no multiple of num_attention_heads {heads}"
            ));
        }
        let positions = self.number("max_position_embeddings", 1 << 20)?;
        let vocabulary = self.number("vocab_size", 1 << 16)?;
        let tokens = match family {
            Family::AntiBerty => 25,
            Family::Esm2 => 33,
        };
        if vocabulary != tokens {
            return self.refuse(format!(
                "vocab_size is {vocabulary}, but {family} has {tokens} tokens"
            ));
        }
        let mut token_dropout = false;
        match family {
            Family::AntiBerty => self.word("position_embedding_type", "absolute")?,
            Family::Esm2 => {
                self.word("position_embedding_type", "rotary")?;
                for unsupported in ["emb_layer_norm_before", "is_folding_model"] {
                    if self.flag(unsupported) {
                        return self.refuse(format!("{unsupported} is not supported"));
                    }
                }
                token_dropout = self.flag("token_dropout");
                if !(dimension / heads).is_multiple_of(2) {
                    return self.refuse(format!(
                        "heads of odd width {} cannot be rotated",
                        dimension / heads
                    ));
                }
            }
        }
        // Two special tokens; ESM-2 also leaves two positions out, for its padding index.
        let special = match family {
            Family::AntiBerty => 2,
            Family::Esm2 => 4,
        };
        if positions <= special {
            return self.refuse(format!(
                "max_position_embeddings {positions} leaves no residues"
            ));
        }
        Ok(Config {
            family,
            dimension,
            intermediate: self.number("intermediate_size", 1 << 18)?,
            layers: self.number("num_hidden_layers", 1 << 10)?,
            heads,
            vocabulary,
            positions: if family == Family::AntiBerty {
                positions
            } else {
                0
            },
            max_residues: Some(positions - special),
            epsilon: self.epsilon()?,
            token_dropout,
        })
    }

    fn family(&self) -> Result<Family, ModelError> {
        let found = self.value["model_type"].as_str().unwrap_or("(none)");
        let architectures: Vec<&str> = self.value["architectures"]
            .as_array()
            .map(|all| all.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        match found {
            "bert" if architectures.contains(&"AntiBERTy") => Ok(Family::AntiBerty),
            "esm" => Ok(Family::Esm2),
            _ => Err(ModelError::UnknownFamily {
                path: self.path.to_owned(),
                found: match architectures.first() {
                    Some(architecture) => format!("{found} ({architecture})"),
                    None => found.to_owned(),
                },
            }),
        }
    }

    fn number(&self, name: &str, most: usize) -> Result<usize, ModelError> {
        let found = &self.value[name];
        match found
            .as_u64()
            .and_then(|number| usize::try_from(number).ok())
        {
            Some(number) if (1..=most).contains(&number) => Ok(number),
            _ => self.refuse(format!(
                "{name} is {found}, but must be a number from 1 to {most}"
            )),
        }
    }

    fn epsilon(&self) -> Result<f32, ModelError> {
        match self.value["layer_norm_eps"].as_f64() {
            Some(epsilon) if (0.0..=0.1).contains(&epsilon) => Ok(epsilon as f32),
            _ => self.refuse("layer_norm_eps must be a number from 0 to 0.1".to_owned()),
        }
    }

    /// A setting that must be one word where it is given.
    fn word(&self, name: &str, wanted: &str) -> Result<(), ModelError> {
        match &self.value[name] {
            Value::Null => Ok(()),
            Value::String(found) if found == wanted => Ok(()),
            found => self.refuse(format!(
                "{name} is {found}, but only \"{wanted}\" is supported"
            )),
        }
    }

    fn flag(&self, name: &str) -> bool {
        self.value[name].as_bool().unwrap_or(false)
    }

    fn refuse<T>(&self, reason: String) -> Result<T, ModelError> {
        Err(ModelError::config(self.path, reason))
    }
}
