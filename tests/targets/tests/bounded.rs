//! Every target, with the files of its corpus and with changed copies of them; `PROPTEST_CASES` says how many.

use std::fs;
use std::path::Path;

use burn_patch_targets::{TARGETS, Target};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};

/// What is done to a copy.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    /// A piece once more, elsewhere.
    Repeat(Index, Index, Index),
    /// Digits become others.
    Number(Index, u64),
    Cut(Index),
}

/// Numbers at which sizes overflow or memory ends.
const NUMBERS: [u64; 8] = [0, 1, 255, 65_536, 1 << 24, 1 << 31, 1 << 62, u64::MAX];

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        4 => (index(), 0..8u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        2 => (index(), select(vec![0, 1, 0x7f, 0x80, 0xff, b'"', b'[', b'9'])).prop_map(|(at, byte)| Change::Set(at, byte)),
        1 => (index(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        2 => (index(), index()).prop_map(|(from, to)| Change::Remove(from, to)),
        1 => (index(), index(), index()).prop_map(|(from, to, at)| Change::Repeat(from, to, at)),
        4 => (index(), select(NUMBERS.to_vec())).prop_map(|(at, number)| Change::Number(at, number)),
        1 => index().prop_map(Change::Cut),
    ]
}

impl Change {
    fn apply(&self, data: &mut Vec<u8>) {
        if data.is_empty() {
            return;
        }
        let length = data.len();
        let range = |from: &Index, to: &Index| {
            let ends = [from.index(length), to.index(length)];
            ends[0].min(ends[1])..ends[0].max(ends[1])
        };
        match self {
            Self::Flip(at, bit) => data[at.index(length)] ^= 1 << bit,
            Self::Set(at, byte) => data[at.index(length)] = *byte,
            Self::Insert(at, bytes) => {
                drop(data.splice(at.index(length)..at.index(length), bytes.iter().copied()))
            }
            Self::Remove(from, to) => drop(data.drain(range(from, to))),
            Self::Repeat(from, to, at) => {
                let piece = data[range(from, to)].to_vec();
                drop(data.splice(at.index(length)..at.index(length), piece));
            }
            Self::Number(at, number) => {
                let is_digit = |byte: &u8| byte.is_ascii_digit();
                let from = at.index(length);
                if let Some(start) = data[from..]
                    .iter()
                    .position(is_digit)
                    .map(|found| from + found)
                {
                    let digits = data[start..]
                        .iter()
                        .take_while(|byte| is_digit(byte))
                        .count();
                    drop(data.splice(start..start + digits, number.to_string().into_bytes()));
                }
            }
            Self::Cut(at) => data.truncate(at.index(length)),
        }
    }
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(name);
    let files =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[track_caller]
fn holds(name: &str) {
    let Some((_, target)) = TARGETS.iter().find(|(known, _)| *known == name) else {
        return;
    };
    let seeds = corpus(name);
    seeds.iter().for_each(|seed| target(seed));
    changed(*target, seeds);
}

fn changed(target: Target, seeds: Vec<Vec<u8>>) {
    let input =
        (select(seeds), prop::collection::vec(change(), 1..6)).prop_map(|(mut data, changes)| {
            changes.iter().for_each(|change| change.apply(&mut data));
            data
        });
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&input, |data| {
        target(&data);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

macro_rules! targets {
    ($($name:ident),*) => {$(
        #[test]
        fn $name() {
            holds(stringify!($name));
        }
    )*};
}

targets!(
    config, folder, header, idx, parquet, picture, plan, run, tar, weights
);
