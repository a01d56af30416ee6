//! Versions by number or by time.

use chrono::Utc;
use deltalake::kernel::EagerSnapshot;

use crate::error::{Error, Result};
use crate::tables::log::Log;
use crate::tables::{Moment, Table};

/// How moments are shown.
const FORMAT: &str = "%Y-%m-%d %H:%M:%S%.3f UTC";

/// The number of a version of `table` whose state can be told.
///
/// # Errors
/// `NotFound` where there is no such version or its log entries are gone; `Invalid` for a time in
/// the future.
pub async fn resolve(table: &Table, at: Moment) -> Result<u64> {
    resolve_in(&Log::list(table).await?, table, at).await
}

/// The state of `table` at a version.
///
/// # Errors
/// As [`resolve`].
pub async fn snapshot_at(table: &Table, at: Moment) -> Result<EagerSnapshot> {
    let version = resolve(table, at).await?;
    Ok(EagerSnapshot::try_new(table.log_store().as_ref(), Some(version)).await?)
}

/// As [`resolve`], from a listing of the log.
pub async fn resolve_in(log: &Log, table: &Table, at: Moment) -> Result<u64> {
    let time = match at {
        Moment::Version(version) => {
            log.check(version)?;
            return Ok(version);
        }
        Moment::Timestamp(time) => time,
    };
    if time > Utc::now() {
        return Err(Error::Invalid(format!(
            "{} lies in the future",
            time.format(FORMAT)
        )));
    }
    let newest = log.newest()?;
    let oldest = log.oldest().unwrap_or(newest);
    // Of versions low and high, low was made by then and high later: times of neighbours may be out
    // of order by the difference of two clocks, and any such pair is an answer.
    let made_by =
        async |version: u64| -> Result<bool> { Ok(log.provenance(version).await?.at <= time) };
    if made_by(newest).await? {
        return Ok(newest);
    }
    if !made_by(oldest).await? {
        let first = log.provenance(oldest).await?.at;
        return Err(Error::NotFound(format!(
            "{} cannot be read {at}: the oldest version left, {oldest}, is of {}",
            table.name(),
            first.format(FORMAT)
        )));
    }
    let (mut low, mut high) = (oldest, newest);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match made_by(middle).await? {
            true => low = middle,
            false => high = middle,
        }
    }
    Ok(low)
}
