//! Positions of zero: shows what a new encoding needs.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Device;

use crate::Error;
use crate::position::position::Position;
use crate::position::site::Site;
use crate::tokens::{Layout, PlaceKind};

/// Configuration of [`ZeroPosition`].
#[derive(Config, Debug)]
pub struct ZeroPositionConfig {}

/// Adds nothing.
///
/// ```
/// use burn::tensor::Device;
/// use burn_patch::position::{Position, Site, ZeroPositionConfig};
///
/// let position = ZeroPositionConfig::new().init(&Site::new([2, 2], 1), &Device::flex());
/// assert!(!position.per_block());
/// ```
#[derive(Module, Debug)]
pub struct ZeroPosition {
    dim: usize,
}

impl ZeroPositionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// None.
    pub fn try_init(&self, site: &Site, _: &Device) -> Result<ZeroPosition, Error> {
        Ok(ZeroPosition { dim: site.dim })
    }

    /// Builds the module.
    pub fn init(&self, site: &Site, _: &Device) -> ZeroPosition {
        ZeroPosition { dim: site.dim }
    }
}

impl Position for ZeroPosition {
    fn check(&self, _: &Layout, _: PlaceKind, _: usize) -> Result<(), Error> {
        Ok(())
    }
}
