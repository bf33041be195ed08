//! Everything that lies under one path.

use crate::check::Check;
use crate::error::Error;
use crate::left_out::LeftOut;
use crate::on_bad::OnBad;
use crate::picture_set::PictureSet;

/// Seed of the order in which pictures are held out.
const HELD_OUT_SEED: u64 = 0;

/// Pictures to learn from, pictures held out, and the names of their classes.
#[derive(Debug, Clone)]
pub struct Sets {
    /// To learn from.
    pub train: PictureSet,
    /// Held out; none if the path does not say which.
    pub test: Option<PictureSet>,
    /// Names of the classes, in the order of their labels.
    pub classes: Vec<String>,
    /// Files that are no pictures of the set.
    pub left_out: LeftOut,
    /// SHA-256 of the pictures' bytes and labels, in their order; none before they were [`checked`](Self::checked).
    pub digest: Option<String>,
}

impl Sets {
    /// Reads and decodes every picture once, on all cores and without keeping any, so that what cannot be used is known
    /// before training, and takes the [digest](Self::digest) on the way. `side` is the size in pixels that will be
    /// wanted.
    ///
    /// # Errors
    ///
    /// With [`OnBad::Stop`], the first picture that cannot be used.
    pub fn checked(self, side: u32, on_bad: OnBad) -> Result<Self, Error> {
        self.checked_while(side, on_bad, || true)
    }

    /// As [`checked`](Self::checked), for as long as `go_on`, which is asked every few hundred pictures, says so.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`] if it says no, and those of [`checked`](Self::checked).
    pub fn checked_while(
        mut self,
        side: u32,
        on_bad: OnBad,
        go_on: impl Fn() -> bool,
    ) -> Result<Self, Error> {
        let mut check = Check::new(side, on_bad, &go_on);
        for set in [Some(&mut self.train), self.test.as_mut()]
            .into_iter()
            .flatten()
        {
            self.left_out.merge(check.set(set)?);
        }
        self.digest = Some(check.digest());
        Ok(self)
    }

    /// Training pictures and held-out ones: those that the path says, or a fifth of the pictures, drawn once and for
    /// all.
    pub fn held_out(self) -> (PictureSet, PictureSet) {
        match self.test {
            Some(test) => (self.train, test),
            None => {
                let fifth = self.train.len() / 5;
                self.train.shuffled(HELD_OUT_SEED).split_last(fifth)
            }
        }
    }

    /// How many pictures and classes, and what was left out, in one line.
    pub fn summary(&self) -> String {
        let count = self.train.len() + self.test.as_ref().map_or(0, PictureSet::len);
        let found = format!("{count} pictures of {} classes", self.classes.len());
        if self.left_out.count() == 0 {
            return found;
        }
        format!("{found}; left out: {}", self.left_out)
    }
}
