//! No positions.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Device;

use crate::Error;
use crate::position::position::Position;
use crate::position::site::Site;
use crate::tokens::{Layout, PlaceKind};

/// Configuration of [`NoPosition`].
#[derive(Config, Debug)]
pub struct NoPositionConfig {}

/// Adds nothing: for embeddings whose tokens know their place already (a padded convolution tells it), or as a
/// baseline.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{FlatOrder, patchify};
/// use burn_patch::position::{NoPositionConfig, Position, Site};
///
/// let device = Device::flex();
/// let position = NoPositionConfig::new().init(&Site::new([2, 2], 1), &device);
/// let tokens = patchify(Tensor::ones([1, 1, 2, 2], &device), [1, 1], FlatOrder::default()).unwrap();
/// let placed = position.add(tokens.clone(), 0);
/// placed.embeddings().into_data().assert_eq(&tokens.embeddings().into_data(), true);
/// ```
#[derive(Module, Debug)]
pub struct NoPosition {}

impl NoPositionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// None.
    pub fn try_init(&self, _: &Site, _: &Device) -> Result<NoPosition, Error> {
        Ok(NoPosition {})
    }

    /// Builds the module.
    pub fn init(&self, _: &Site, _: &Device) -> NoPosition {
        NoPosition {}
    }
}

impl Position for NoPosition {
    fn check(&self, _: &Layout, _: PlaceKind, _: usize) -> Result<(), Error> {
        Ok(())
    }

    fn packs(&self) -> bool {
        true
    }
}
