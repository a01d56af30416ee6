//! A small model in the layout of AntiBERTy: random weights, the same for the same seed. Weights of others are not shipped.

use std::io::Write as _;
use std::path::Path;

/// Numbers in an embedding: as many as AntiBERTy has.
pub const DIMENSION: usize = 512;
/// Width of the hidden layer of the feed-forward block.
const INTERMEDIATE: usize = 64;
/// Positions, two of them for special tokens.
const POSITIONS: usize = 512;
/// Tokens.
const VOCABULARY: usize = 25;

/// `config.json`.
pub const CONFIG: &str = r#"{
  "architectures": ["AntiBERTy"], "model_type": "bert", "hidden_act": "gelu", "hidden_size": 512, "intermediate_size": 64,
  "layer_norm_eps": 1e-12, "max_position_embeddings": 512, "num_attention_heads": 8, "num_hidden_layers": 1,
  "position_embedding_type": "absolute", "type_vocab_size": 2, "vocab_size": 25
}"#;

/// Name and shape of every tensor.
pub fn tensors() -> Vec<(String, Vec<usize>)> {
    let mut all: Vec<(String, Vec<usize>)> = Vec::new();
    let mut pair = |name: &str, shape: &[usize]| {
        all.push((format!("{name}.weight"), shape.to_vec()));
        all.push((format!("{name}.bias"), shape[..1].to_vec()));
    };
    let layer = "bert.encoder.layer.0";
    for part in ["self.query", "self.key", "self.value", "output.dense"] {
        pair(
            &format!("{layer}.attention.{part}"),
            &[DIMENSION, DIMENSION],
        );
    }
    pair(&format!("{layer}.attention.output.LayerNorm"), &[DIMENSION]);
    pair(
        &format!("{layer}.intermediate.dense"),
        &[INTERMEDIATE, DIMENSION],
    );
    pair(&format!("{layer}.output.dense"), &[DIMENSION, INTERMEDIATE]);
    pair(&format!("{layer}.output.LayerNorm"), &[DIMENSION]);
    pair("bert.embeddings.LayerNorm", &[DIMENSION]);
    let head = "cls.predictions";
    pair(&format!("{head}.transform.dense"), &[DIMENSION, DIMENSION]);
    pair(&format!("{head}.transform.LayerNorm"), &[DIMENSION]);
    all.push((format!("{head}.bias"), vec![VOCABULARY]));
    for (name, rows) in [
        ("word", VOCABULARY),
        ("position", POSITIONS),
        ("token_type", 2),
    ] {
        let name = format!("bert.embeddings.{name}_embeddings.weight");
        all.push((name, vec![rows, DIMENSION]));
    }
    all
}

/// Writes a model.
///
/// # Errors
/// A folder that cannot be written.
pub fn write(folder: &Path, seed: u64) -> std::io::Result<()> {
    write_with(folder, seed, &tensors())
}

/// Writes a model with these tensors.
///
/// # Errors
/// A folder that cannot be written.
pub fn write_with(
    folder: &Path,
    seed: u64,
    tensors: &[(String, Vec<usize>)],
) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("config.json"), CONFIG)?;
    let (mut entries, mut end) = (Vec::new(), 0);
    for (name, shape) in tensors {
        let start = end;
        end += 4 * shape.iter().product::<usize>();
        entries.push(format!(
            r#""{name}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{start},{end}]}}"#
        ));
    }
    let mut header = format!("{{{}}}", entries.join(","));
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let file = std::fs::File::create(folder.join("model.safetensors"))?;
    let mut file = std::io::BufWriter::new(file);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    let mut random = seed;
    for (name, shape) in tensors {
        for _ in 0..shape.iter().product::<usize>() {
            let number = match (name.contains("LayerNorm"), name.ends_with("weight")) {
                (true, is_weight) => f32::from(u8::from(is_weight)),
                (false, _) => 0.1 * uniform(&mut random),
            };
            file.write_all(&number.to_le_bytes())?;
        }
    }
    file.flush()
}

/// The next number between -1 and 1 (splitmix64).
fn uniform(state: &mut u64) -> f32 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut bits = *state;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^= bits >> 31;
    let fraction = (bits >> 40) as f32 / (1_u32 << 24) as f32;
    2.0 * fraction - 1.0
}
