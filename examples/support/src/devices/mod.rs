//! Where the programs run: one device, several, or some that other processes serve.

mod devices;
mod serve;
mod served;

pub use devices::Devices;
pub use serve::serve;
pub(crate) use served::lost;
