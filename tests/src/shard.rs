//! A part of the subjects, so that several processes, each of which compiles kernels on one core, share them.

use crate::subject::Subject;

/// The part of `subjects` that `BURN_PATCH_SHARD` names: `1/2` is the first of two, and unset is all of them.
///
/// Each subject is in one part. Subjects that only differ behind a comma in their names (`embed::linear` and
/// `embed::linear, visible only`) are in the same one, since they need the same kernels.
///
/// # Panics
///
/// If the variable is set to something else.
pub(crate) fn of_this_process(subjects: Vec<Subject>) -> Vec<Subject> {
    let Ok(asked) = std::env::var("BURN_PATCH_SHARD") else {
        return subjects;
    };
    let part = Shard::parse(&asked).unwrap_or_else(|| {
        panic!("BURN_PATCH_SHARD: expected 1/2, 2/2 or the like, got '{asked}'")
    });
    let names: Vec<String> = subjects.iter().map(|one| one.name.clone()).collect();
    let kept = part.keeps(&names);
    let kept = subjects.into_iter().zip(kept).filter(|(_, kept)| *kept);
    kept.map(|(subject, _)| subject).collect()
}

/// One of so many parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// `k/n` with 1 ≤ k ≤ n.
    fn parse(text: &str) -> Option<Self> {
        let (number, count) = text.split_once('/')?;
        let (number, count): (usize, usize) = (number.parse().ok()?, count.parse().ok()?);
        let index = number.checked_sub(1)?;
        (index < count).then_some(Self { index, count })
    }

    /// Which of the subjects of these names are in it: groups of names take turns.
    fn keeps(self, names: &[String]) -> Vec<bool> {
        let mut groups: Vec<&str> = Vec::new();
        let mut kept = Vec::new();
        for name in names {
            let group = name.split(',').next().unwrap_or(name);
            let known = groups.iter().position(|other| *other == group);
            let turn = known.unwrap_or_else(|| {
                groups.push(group);
                groups.len() - 1
            });
            kept.push(turn % self.count == self.index);
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subjects::every_subject;

    #[test]
    fn a_shard_is_a_number_of_a_count() {
        let half = |index| Some(Shard { index, count: 2 });
        assert_eq!(Shard::parse("1/2"), half(0));
        assert_eq!(Shard::parse("2/2"), half(1));
        for wrong in ["", "1", "0/2", "3/2", "1/0", "a/b", "1/2/3", "-1/2"] {
            assert_eq!(Shard::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn each_subject_is_in_one_part_and_none_is_empty() {
        let names: Vec<String> = every_subject().into_iter().map(|one| one.name).collect();
        for count in 1..=4 {
            let parts: Vec<Vec<bool>> = (0..count)
                .map(|index| Shard { index, count }.keeps(&names))
                .collect();
            for (at, name) in names.iter().enumerate() {
                let owners = parts.iter().filter(|part| part[at]).count();
                assert_eq!(owners, 1, "{name} of {count} parts");
            }
            assert!(parts.iter().all(|part| part.contains(&true)));
        }
    }

    #[test]
    fn what_shares_kernels_stays_together() {
        let names = ["a", "a, visible only", "b", "a, video", "c"].map(String::from);
        let kept = Shard { index: 0, count: 2 }.keeps(&names);
        assert_eq!(kept, [true, true, false, true, true]);
    }
}
