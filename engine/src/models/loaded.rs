//! Models in memory: each once a process, within a limit. What was not asked for longest goes first.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::OnceCell;
use udfs::models::{Model, Place, Precision};

use super::library::Library;
use super::manifest::Manifest;
use crate::config::ModelsConfig;
use crate::error::{Error, Result};
use crate::measures;

/// By digest.
#[derive(Debug)]
pub(super) struct Loaded {
    limit: u64,
    /// Devices that compute models; the processor where there are none.
    devices: Vec<Place>,
    /// Models given to devices so far.
    given: AtomicUsize,
    slots: Mutex<HashMap<String, Slot>>,
}

#[derive(Debug)]
struct Slot {
    /// Whoever comes while it is loaded waits for it.
    model: Arc<OnceCell<Arc<Model>>>,
    used: Instant,
}

impl Loaded {
    pub fn new(config: &ModelsConfig) -> Self {
        Self {
            limit: config.memory_bytes,
            devices: match config.devices {
                true => Place::cuda_devices(),
                false => Vec::new(),
            },
            given: AtomicUsize::new(0),
            slots: Mutex::default(),
        }
    }

    /// How many devices there are.
    pub fn devices(&self) -> usize {
        self.devices.len()
    }

    /// Where the next model computes: on the devices in turn.
    fn place(&self) -> Place {
        match self.devices.as_slice() {
            [] => Place::Cpu,
            devices => devices[self.given.fetch_add(1, Ordering::Relaxed) % devices.len()],
        }
    }

    /// A model that is here.
    pub fn get(&self, digest: &str) -> Option<Arc<Model>> {
        let mut slots = self.slots();
        let slot = slots.get_mut(digest)?;
        let model = slot.model.get().cloned()?;
        slot.used = Instant::now();
        Some(model)
    }

    /// Memory that a model takes; none where it is not here.
    pub fn resident_bytes(&self, digest: &str) -> Option<usize> {
        let slots = self.slots();
        Some(slots.get(digest)?.model.get()?.resident_bytes())
    }

    /// Loads a model, once however many ask for it.
    pub async fn load(&self, library: &Library, manifest: &Arc<Manifest>) -> Result<Arc<Model>> {
        self.check(manifest)?;
        let cell = {
            let mut slots = self.slots();
            let slot = slots
                .entry(manifest.digest.clone())
                .or_insert_with(|| Slot {
                    model: Arc::default(),
                    used: Instant::now(),
                });
            Arc::clone(&slot.model)
        };
        let model = cell
            .get_or_try_init(|| read(library, manifest, self.place()))
            .await
            .map(Arc::clone)?;
        self.make_room(&manifest.digest);
        Ok(model)
    }

    /// Refuses what cannot fit, before anything is read.
    fn check(&self, manifest: &Manifest) -> Result<()> {
        let bytes = match manifest.is_full_precision() {
            true => manifest.parameters.saturating_mul(4),
            false => manifest.parameters,
        };
        match bytes > self.limit {
            false => Ok(()),
            true => Err(Error::Exhausted(format!(
                "model {}@{} takes at least {bytes} bytes of memory, and models may take {} in a process (models.memory_bytes)",
                manifest.name, manifest.version, self.limit
            ))),
        }
    }

    /// Forgets models beyond the limit, but `newest`. Those that a query computes with live as long as it does.
    fn make_room(&self, newest: &str) {
        let mut slots = self.slots();
        loop {
            let taken = |slot: &Slot| slot.model.get().map_or(0, |it| it.resident_bytes() as u64);
            let total: u64 = slots.values().map(taken).sum();
            if total <= self.limit {
                return;
            }
            let oldest = slots
                .iter()
                .filter(|(digest, slot)| *digest != newest && slot.model.get().is_some())
                .min_by_key(|(_, slot)| slot.used)
                .map(|(digest, _)| digest.clone());
            let Some(oldest) = oldest else {
                return;
            };
            tracing::info!(digest = oldest, "a model was forgotten for want of memory");
            slots.remove(&oldest);
        }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<String, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(library: &Library, manifest: &Arc<Manifest>, place: Place) -> Result<Arc<Model>> {
    let start = Instant::now();
    let folder = library.on_this_machine(manifest).await?;
    let precision = manifest.precision()?;
    // Devices have no kernels for 8 bits.
    let place = match precision {
        Precision::Int8 => Place::Cpu,
        _ => place,
    };
    let loading = tokio::task::spawn_blocking(move || Model::load_on(&folder, precision, place));
    let loaded = loading
        .await
        .map_err(|error| Error::Internal(format!("loading a model: {error}")))?;
    let model = loaded.map_err(|error| {
        Error::Invalid(format!(
            "model {}@{}: {error}",
            manifest.name, manifest.version
        ))
    })?;
    let elapsed = start.elapsed();
    measures::model_loaded(elapsed);
    tracing::info!(
        model = %manifest.pin(),
        ?place,
        resident_bytes = model.resident_bytes(),
        elapsed_s = elapsed.as_secs_f64(),
        "a model was loaded"
    );
    Ok(Arc::new(model))
}
