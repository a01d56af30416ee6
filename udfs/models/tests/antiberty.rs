//! AntiBERTy's own weights against what PyTorch and the package `antiberty` computed with them.
//!
//! `PARATOPE_ANTIBERTY` names the folder of the weights (`AntiBERTy_md_smooth` of the wheel `antiberty==0.1.3`),
//! `PARATOPE_ANTIBERTY_REFERENCE` the folder of `antiberty_reference.json` and `.safetensors`. Without them nothing is checked here.

use std::path::{Path, PathBuf};

use models::{Model, Pooling, Precision, Reduction, Scoring};
use safetensors::SafeTensors;
use serde_json::Value;

struct Reference {
    model: PathBuf,
    json: Value,
    tensors: Vec<u8>,
}

fn reference() -> Option<Reference> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let (Some(model), Some(reference)) = (
        folder("PARATOPE_ANTIBERTY"),
        folder("PARATOPE_ANTIBERTY_REFERENCE"),
    ) else {
        eprintln!("skipped: PARATOPE_ANTIBERTY and PARATOPE_ANTIBERTY_REFERENCE are not set");
        return None;
    };
    let read = |name: &str| std::fs::read(reference.join(name)).unwrap();
    Some(Reference {
        model,
        json: serde_json::from_slice(&read("antiberty_reference.json")).unwrap(),
        tensors: read("antiberty_reference.safetensors"),
    })
}

impl Reference {
    fn load(&self, precision: Precision) -> Model {
        Model::load(&self.model, precision).unwrap()
    }

    fn sequences(&self) -> Vec<(&str, &[u8])> {
        let all = self.json["sequences"].as_array().unwrap().iter();
        all.map(|one| {
            (
                one["name"].as_str().unwrap(),
                one["sequence"].as_str().unwrap().as_bytes(),
            )
        })
        .collect()
    }

    fn number(&self, index: usize, field: &str) -> f64 {
        self.json["sequences"][index][field].as_f64().unwrap()
    }

    fn tensor(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let tensors = SafeTensors::deserialize(&self.tensors).unwrap();
        let view = tensors.tensor(name).unwrap();
        let numbers = view
            .data()
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
        (view.shape().to_vec(), numbers.collect())
    }
}

#[test]
fn names() {
    let Some(reference) = reference() else { return };
    let tensors = SafeTensors::deserialize(&reference.tensors).unwrap();
    for name in tensors.names() {
        eprintln!("{name} {:?}", tensors.tensor(name).unwrap().shape());
    }
    let model = reference.load(Precision::F32);
    eprintln!("{:?} {}", model.description(), model.resident_bytes());
    let _ = (
        reference.sequences(),
        reference.number(0, "pseudo_perplexity"),
        Path::new("."),
    );
    let mut out = Vec::new();
    model
        .embed(&[reference.sequences()[0].1], Pooling::Mean, &mut out)
        .unwrap();
    eprintln!(
        "{:?} {}",
        &out[..8],
        reference.json["sequences"][0]["mean_pooled_first8"]
    );
    let _ = (
        Scoring::Exact,
        Reduction::Mean,
        reference.tensor(tensors.names()[0]),
    );
}
