//! What of an image is attended together.

use std::ops::Range;

use crate::ops::Spans;
use crate::ops::backends::cpu::attention::rows::Rows;
use crate::ops::layer::attention::AttentionSizes;

/// Queries of an image and the keys that each of them reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) queries: Rows,
    pub(super) keys: Rows,
}

impl Part {
    /// None if there is nothing to attend.
    fn of(queries: &[Range<usize>], keys: &[Range<usize>]) -> Option<Self> {
        Some(Self {
            queries: Rows::of(queries)?,
            keys: Rows::of(keys)?,
        })
    }

    /// All of every image.
    pub(super) fn all(sizes: &AttentionSizes) -> Vec<Vec<Self>> {
        let whole = Self {
            queries: Rows::Range(0..sizes.queries),
            keys: Rows::Range(0..sizes.keys),
        };
        vec![vec![whole]; sizes.batch]
    }

    /// The valid keys, and all queries or, of a fused tensor, the same.
    pub(super) fn valid(valid: &[bool], sizes: &AttentionSizes, fused: bool) -> Vec<Vec<Self>> {
        let images = valid.chunks_exact(sizes.keys).map(|valid| {
            let keys = runs(valid);
            let part = match fused {
                true => Self::of(&keys, &keys),
                false => Self::of(std::slice::from_ref(&(0..sizes.queries)), &keys),
            };
            part.into_iter().collect()
        });
        images.collect()
    }

    /// The segments.
    pub(super) fn segments(spans: &Spans) -> Vec<Vec<Self>> {
        let images = spans.images().iter().map(|spans| {
            let parts = spans
                .iter()
                .filter_map(|span| Self::of(span.queries(), span.keys()));
            parts.collect()
        });
        images.collect()
    }
}

/// Ranges of true.
fn runs(valid: &[bool]) -> Vec<Range<usize>> {
    let mut first = 0;
    let runs = valid.chunk_by(|left, right| left == right).map(|run| {
        let range = first..first + run.len();
        first = range.end;
        (run[0], range)
    });
    runs.filter_map(|(valid, range)| valid.then_some(range))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: AttentionSizes = AttentionSizes {
        batch: 3,
        queries: 2,
        keys: 4,
        heads: 1,
        width: 1,
    };

    #[test]
    fn valid_keys_are_a_range_a_list_or_nothing() {
        let (t, f) = (true, false);
        let valid = [f, t, t, f, t, f, t, t, f, f, f, f];
        let keys = [Rows::Range(1..3), Rows::List(vec![0, 2, 3])];
        let apart = Part::valid(&valid, &SIZES, false);
        let fused = Part::valid(&valid, &SIZES, true);
        for (image, keys) in keys.iter().enumerate() {
            assert_eq!(apart[image][0].queries, Rows::Range(0..2));
            assert_eq!(apart[image][0].keys, *keys);
            assert_eq!(fused[image][0].queries, *keys);
        }
        assert!(apart[2].is_empty() && fused[2].is_empty());
    }
}
