//! Where the images of a pack lie.

use crate::pack::slot::Slot;

/// Where the images of a pack lie, on the host: several in each row, one after another from the row's first token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackPlan {
    length: usize,
    rows: Vec<Vec<Slot>>,
}

impl PackPlan {
    pub(super) fn new(length: usize, rows: Vec<Vec<Slot>>) -> Self {
        Self { length, rows }
    }

    /// Tokens of a row, padding included.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The images of each row.
    pub fn rows(&self) -> &[Vec<Slot>] {
        &self.rows
    }

    /// The images with their rows, in the order of their segments.
    pub fn slots(&self) -> impl Iterator<Item = (usize, &Slot)> {
        let rows = self.rows.iter().enumerate();
        rows.flat_map(|(row, slots)| slots.iter().map(move |slot| (row, slot)))
    }

    /// Which images of the list it holds, in ascending order.
    pub fn images(&self) -> Vec<usize> {
        let mut images: Vec<usize> = self.slots().map(|(_, slot)| slot.image).collect();
        images.sort_unstable();
        images
    }

    /// Tokens that are no padding.
    pub fn tokens(&self) -> usize {
        self.slots().map(|(_, slot)| slot.length).sum()
    }

    /// Pairs of query and key that attention within images has, `Σ n²`; without packs of their own it would be the
    /// square of [`tokens`](Self::tokens).
    pub fn pairs(&self) -> usize {
        self.slots()
            .map(|(_, slot)| slot.length * slot.length)
            .sum()
    }

    /// Lengths of the images of each row.
    pub(super) fn lengths(&self) -> Vec<Vec<usize>> {
        let lengths = |slots: &Vec<Slot>| slots.iter().map(|slot| slot.length).collect();
        self.rows.iter().map(lengths).collect()
    }
}
