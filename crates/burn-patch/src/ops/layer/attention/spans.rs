//! Segments on the host.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::Error;

/// One segment of an image: its queries, and the keys that they reach.
///
/// Ranges are half-open, ascending, and neither empty nor adjacent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    queries: Vec<Range<usize>>,
    keys: Vec<Range<usize>>,
}

impl Span {
    /// Joins what touches or overlaps, in any order.
    pub fn new(queries: Vec<Range<usize>>, keys: Vec<Range<usize>>) -> Self {
        Self {
            queries: joined(queries),
            keys: joined(keys),
        }
    }

    /// The queries.
    pub fn queries(&self) -> &[Range<usize>] {
        &self.queries
    }

    /// The keys.
    pub fn keys(&self) -> &[Range<usize>] {
        &self.keys
    }
}

/// The segments of every image of a batch, on the host.
///
/// They say the same as the numbers of [`Reach::Segments`](crate::ops::Reach::Segments), for a kernel that wants
/// to know them before it runs. Segments without queries or without keys are left out; the others are in the order of
/// their first query.
///
/// ```
/// use burn_patch::ops::Spans;
///
/// let packed = Spans::packed(&[vec![2, 3]]);
/// assert_eq!(packed, Spans::from_numbers(&[[0, 0, 7, 7, 7, -1]], &[[0, 0, 7, 7, 7, -1]]));
/// assert_eq!(packed.images()[0][1].keys(), [2..5]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spans {
    images: Vec<Vec<Span>>,
}

impl Spans {
    /// The segments of each image. One segment is one span, however many ranges it has: attention refuses spans that
    /// share a query or a key.
    pub fn new(images: Vec<Vec<Span>>) -> Self {
        let images = images.into_iter().map(|mut spans| {
            spans.retain(|span| !span.queries.is_empty() && !span.keys.is_empty());
            spans.sort_by_key(|span| span.queries[0].start);
            spans
        });
        Self {
            images: images.collect(),
        }
    }

    /// Self-attention within segments of these lengths that lie one after another.
    pub fn packed(lengths: &[Vec<usize>]) -> Self {
        let images = lengths.iter().map(|lengths| {
            let spans = lengths.iter().scan(0, |end, len| {
                let range = *end..*end + len;
                *end = range.end;
                Some(Span::new(vec![range.clone()], vec![range]))
            });
            spans.collect()
        });
        Self::new(images.collect())
    }

    /// From the segment numbers of each image's queries and keys; a negative number is padding.
    pub fn from_numbers<N: AsRef<[i64]>>(queries: &[N], keys: &[N]) -> Self {
        let images = queries.iter().zip(keys).map(|(queries, keys)| {
            let mut spans: BTreeMap<i64, [Vec<Range<usize>>; 2]> = BTreeMap::new();
            for (side, numbers) in [queries, keys].into_iter().enumerate() {
                for (index, number) in numbers.as_ref().iter().enumerate() {
                    if *number >= 0 {
                        push(&mut spans.entry(*number).or_default()[side], index);
                    }
                }
            }
            let spans = spans.into_values();
            spans
                .map(|[queries, keys]| Span { queries, keys })
                .collect()
        });
        Self::new(images.collect())
    }

    /// The segments of each image.
    pub fn images(&self) -> &[Vec<Span>] {
        &self.images
    }

    /// Whether these are spans of so many images, queries and keys.
    pub(crate) fn check(&self, [batch, queries, keys]: [usize; 3]) -> Result<(), Error> {
        let end = |side: fn(&Span) -> &[Range<usize>]| {
            let spans = self.images.iter().flatten();
            let ends = spans.filter_map(|span| Some(side(span).last()?.end));
            ends.max().unwrap_or(0)
        };
        let got = [self.images.len(), end(Span::queries), end(Span::keys)];
        if got[0] != batch || got[1] > queries || got[2] > keys {
            return Err(Error::Shape {
                what: "spans",
                expected: vec![batch, queries, keys],
                got: got.to_vec(),
            });
        }
        for (image, spans) in self.images.iter().enumerate() {
            let queries = shared(spans.iter().flat_map(Span::queries)).map(|got| ("query", got));
            let keys = || shared(spans.iter().flat_map(Span::keys)).map(|got| ("key", got));
            if let Some((what, got)) = queries.or_else(keys) {
                return Err(Error::Overlap { what, image, got });
            }
        }
        Ok(())
    }
}

/// An index that lies in several ranges, none of which is empty.
fn shared<'a>(ranges: impl Iterator<Item = &'a Range<usize>>) -> Option<usize> {
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort_unstable_by_key(|range| range.start);
    let mut pairs = ranges.windows(2);
    let pair = pairs.find(|pair| pair[1].start < pair[0].end)?;
    Some(pair[1].start)
}

/// Adds an index that is larger than all before.
fn push(ranges: &mut Vec<Range<usize>>, index: usize) {
    match ranges.last_mut() {
        Some(last) if last.end == index => last.end = index + 1,
        _ => ranges.push(index..index + 1),
    }
}

fn joined(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let touches = next.start <= last.end;
        if touches {
            last.end = last.end.max(next.end);
        }
        touches
    });
    ranges
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)] // A list of ranges may hold one.
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_or_overlap_are_one() {
        let span = Span::new(vec![4..6, 0..2, 2..3, 9..9], vec![5..8, 1..6]);
        assert_eq!(span.queries(), [0..3, 4..6]);
        assert_eq!(span.keys(), [1..8]);
    }

    #[test]
    fn numbers_in_any_order_make_segments_by_their_first_query() {
        let spans = Spans::from_numbers(&[[5, 2, 2, 5, -1, 8]], &[[2, 2, 5, -1, 2, 3]]);
        let want = vec![
            Span::new(vec![0..1, 3..4], vec![2..3]),
            Span::new(vec![1..3], vec![0..2, 4..5]),
        ];
        assert_eq!(spans.images(), [want]);
    }
}
