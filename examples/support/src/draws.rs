//! Randomness that depends on seed, phase and epoch alone, so that a run that was killed goes on as if it had not been.

use rand::SeedableRng;
use rand::rngs::StdRng;

/// Where the random numbers of one training come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    seed: u64,
    phase: u64,
}

/// What numbers are drawn for.
#[derive(Clone, Copy)]
enum Purpose {
    Device = 1,
    Order = 2,
    Picture = 3,
}

impl Draws {
    /// Those of the training that `phase` tells apart from others with the same seed.
    pub fn new(seed: u64, phase: u64) -> Self {
        Self { seed, phase }
    }

    /// Seeds the device's generator: before epoch 1 for initial weights (`epoch` 0), then for each epoch.
    pub fn device(self, epoch: usize) -> u64 {
        self.mixed(Purpose::Device, epoch, 0)
    }

    /// Shuffles the pictures of an epoch.
    pub(crate) fn order(self, epoch: usize) -> StdRng {
        StdRng::seed_from_u64(self.mixed(Purpose::Order, epoch, 0))
    }

    /// Flips and masks one picture in an epoch, whatever batch and device it is in.
    pub(crate) fn picture(self, epoch: usize, index: usize) -> StdRng {
        StdRng::seed_from_u64(self.mixed(Purpose::Picture, epoch, index))
    }

    fn mixed(self, purpose: Purpose, epoch: usize, index: usize) -> u64 {
        [self.phase, purpose as u64, epoch as u64, index as u64]
            .into_iter()
            .fold(scrambled(self.seed), |sum, part| {
                scrambled(sum.wrapping_add(part))
            })
    }
}

/// The output function of SplitMix64 (Steele, Lea and Flood 2014), one to one.
fn scrambled(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_of_seed_phase_epoch_and_picture_draw_the_same() {
        let mut seen = HashSet::new();
        for seed in 0..4 {
            for phase in 0..4 {
                let draws = Draws::new(seed, phase);
                for epoch in 0..8 {
                    assert!(seen.insert(draws.device(epoch)));
                    assert!(seen.insert(draws.mixed(Purpose::Order, epoch, 0)));
                    for index in 0..8 {
                        assert!(seen.insert(draws.mixed(Purpose::Picture, epoch, index)));
                    }
                }
            }
        }
    }

    /// SplitMix64's first output from state 0, as its authors' `splitmix64.c` gives it.
    #[test]
    fn the_scrambling_is_that_of_splitmix64() {
        assert_eq!(scrambled(0), 0xE220_A839_7B1D_CDAF);
    }
}
