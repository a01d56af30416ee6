//! Which files are put together.

use super::files::DataFile;

/// Files smaller than this share of the target are put together with others.
const SMALL: (u64, u64) = (3, 4);

/// Puts small files of one partition together up to `target` bytes. Large files, and a small one
/// that fits no other, stay as they are.
pub fn pack(files: Vec<DataFile>, target: u64) -> Vec<Vec<DataFile>> {
    let limit = target / SMALL.1 * SMALL.0;
    let mut small: Vec<DataFile> = files
        .into_iter()
        .filter(|file| file.bytes < limit)
        .collect();
    small.sort_by(|a, b| (a.bytes, &a.path).cmp(&(b.bytes, &b.path)));
    let mut bins: Vec<Vec<DataFile>> = Vec::new();
    let mut room = 0;
    for file in small {
        match bins.last_mut() {
            Some(bin) if file.bytes <= room => {
                room -= file.bytes;
                bin.push(file);
            }
            _ => {
                room = target.saturating_sub(file.bytes);
                bins.push(vec![file]);
            }
        }
    }
    bins.retain(|bin| bin.len() > 1);
    bins
}
