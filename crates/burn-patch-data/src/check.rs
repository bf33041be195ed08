//! Every picture read once, before any is used.

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::decode::{Why, decode};
use crate::entry::Entry;
use crate::error::Error;
use crate::left_out::LeftOut;
use crate::on_bad::OnBad;
use crate::picture_set::PictureSet;

/// Pictures that are looked at before it is asked whether to go on.
const AT_ONCE: usize = 512;

/// A pass over the pictures of all parts: leaves out what cannot be used, and sums up the rest. Of each picture it keeps
/// nothing.
pub(crate) struct Check<'a> {
    side: u32,
    on_bad: OnBad,
    go_on: &'a dyn Fn() -> bool,
    sum: Sha256,
}

impl<'a> Check<'a> {
    pub(crate) fn new(side: u32, on_bad: OnBad, go_on: &'a dyn Fn() -> bool) -> Self {
        Self {
            side,
            on_bad,
            go_on,
            sum: Sha256::new(),
        }
    }

    /// Leaves out of `set` what cannot be used.
    pub(crate) fn set(&mut self, set: &mut PictureSet) -> Result<LeftOut, Error> {
        let mut left_out = LeftOut::default();
        let mut bad = vec![false; set.len()];
        for (chunk, entries) in set.entries.chunks(AT_ONCE).enumerate() {
            if !(self.go_on)() {
                return Err(Error::Interrupted);
            }
            let side = self.side;
            let found = entries.par_iter().map(|entry| content(entry, side));
            let found: Vec<_> = found.collect();
            for (index, (entry, found)) in entries.iter().zip(found).enumerate() {
                match (found, self.on_bad) {
                    (Ok(content), _) => {
                        self.sum.update(content);
                        self.sum.update(entry.label.to_le_bytes());
                    }
                    (Err(why), OnBad::Stop) => {
                        let picture = entry.place.name();
                        return Err(Error::Picture { picture, why });
                    }
                    (Err(why), OnBad::Skip) => {
                        left_out.add(|| entry.place.name(), &why);
                        bad[chunk * AT_ONCE + index] = true;
                    }
                }
            }
        }
        let mut bad = bad.into_iter();
        set.entries.retain(|_| bad.next() != Some(true));
        self.sum.update((set.len() as u64).to_le_bytes());
        Ok(left_out)
    }

    /// Of the parts so far, as lower-case hexadecimal digits.
    pub(crate) fn digest(self) -> String {
        let sum = self.sum.finalize();
        sum.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Checksum of a picture's bytes, if it can be decoded.
fn content(entry: &Entry, side: u32) -> Result<[u8; 32], Why> {
    let bytes = entry.place.read()?;
    decode(&bytes, side)?;
    Ok(Sha256::digest(&bytes).into())
}
