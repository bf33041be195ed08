//! Where labels go so that none covers another, a point or the frame.

/// A rectangle in pixels: right and bottom are just outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) right: i32,
    pub(super) bottom: i32,
}

/// A disc with a label.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) center: (i32, i32),
    pub(super) radius: i32,
    /// `(width, height)` of the label's text.
    pub(super) label: (i32, i32),
}

/// Between disc and label, tried in turn.
const DISTANCES_PX: [i32; 8] = [3, 8, 14, 22, 34, 50, 70, 95];
/// Between a label and the discs of others, so that it is plain whose it is; less where it is crowded.
const CLEARANCES_PX: [i32; 3] = [8, 4, 0];
/// Towards right, left, above, below and the corners.
const DIRECTIONS: [(i32, i32); 8] = [
    (1, 0),
    (-1, 0),
    (0, -1),
    (0, 1),
    (1, -1),
    (1, 1),
    (-1, -1),
    (-1, 1),
];

impl Rect {
    fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn grown(&self, by: i32) -> Self {
        Self {
            left: self.left - by,
            top: self.top - by,
            right: self.right + by,
            bottom: self.bottom + by,
        }
    }

    fn inside(&self, frame: &Self) -> bool {
        self.left >= frame.left
            && self.top >= frame.top
            && self.right <= frame.right
            && self.bottom <= frame.bottom
    }

    /// The place in it that is next to `point`.
    pub(super) fn nearest(&self, point: (i32, i32)) -> (i32, i32) {
        (
            point.0.clamp(self.left, self.right),
            point.1.clamp(self.top, self.bottom),
        )
    }
}

impl Point {
    fn bounds(&self) -> Rect {
        let ((x, y), r) = (self.center, self.radius);
        Rect {
            left: x - r,
            top: y - r,
            right: x + r + 1,
            bottom: y + r + 1,
        }
    }

    /// Its label in one direction.
    fn label_at(&self, distance: i32, direction: (i32, i32)) -> Rect {
        let gap = self.radius + distance;
        let (width, height) = self.label;
        let start = |center: i32, side: i32, extent: i32| match side {
            1 => center + gap,
            -1 => center - gap - extent,
            _ => center - extent / 2,
        };
        let left = start(self.center.0, direction.0, width);
        let top = start(self.center.1, direction.1, height);
        Rect {
            left,
            top,
            right: left + width,
            bottom: top + height,
        }
    }
}

/// The nearest free place for each label, in the order of the points, clear of `bars` too; where there is
/// none, right of its point.
pub(super) fn place(points: &[Point], bars: &[Rect], frame: Rect) -> Vec<Rect> {
    let mut placed: Vec<Rect> = Vec::new();
    for (index, point) in points.iter().enumerate() {
        let others = points
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index);
        let others: Vec<Rect> = others.map(|(_, other)| other.bounds()).collect();
        let taken: Vec<Rect> = bars.iter().chain(&placed).copied().collect();
        let free = |label: &Rect, clearance: i32| {
            let roomy = label.grown(clearance);
            let overlaps = |label: &Rect, all: &[Rect]| all.iter().any(|one| label.overlaps(one));
            label.inside(&frame) && !overlaps(&roomy, &others) && !overlaps(label, &taken)
        };
        let label = CLEARANCES_PX.iter().find_map(|clearance| {
            let distances = DISTANCES_PX.iter();
            distances
                .flat_map(|distance| DIRECTIONS.iter().map(move |side| (*distance, *side)))
                .map(|(distance, side)| point.label_at(distance, side))
                .find(|label| free(label, *clearance))
        });
        placed.push(label.unwrap_or_else(|| point.label_at(DISTANCES_PX[0], DIRECTIONS[0])));
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_a_crowd_overlap_neither_each_other_nor_a_point_nor_the_frame() {
        let points: Vec<Point> = (0..18)
            .map(|index| Point {
                center: (300 + index * 7 % 60, 200 + index * 11 % 50),
                radius: 5,
                label: (80, 14),
            })
            .collect();
        let frame = Rect {
            left: 0,
            top: 0,
            right: 600,
            bottom: 400,
        };
        let bar = Rect {
            left: 330,
            top: 100,
            right: 333,
            bottom: 300,
        };
        let labels = place(&points, &[bar], frame);
        for (index, label) in labels.iter().enumerate() {
            assert!(label.inside(&frame) && !label.overlaps(&bar), "{label:?}");
            assert!(!labels[..index].iter().any(|other| label.overlaps(other)));
            assert!(!points.iter().any(|point| label.overlaps(&point.bounds())));
        }
    }
}
