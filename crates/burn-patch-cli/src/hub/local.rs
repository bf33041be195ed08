//! Where weights lie on this machine.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::hub::address::Address;

/// The file itself, or the one that was fetched from the Hub for an address `hf://org/model@revision`.
pub(crate) fn local(weights: &Path) -> Result<PathBuf, Failure> {
    match weights.to_str().and_then(Address::parse) {
        None => Ok(weights.to_owned()),
        Some(address) => fetched(&address.map_err(Failure::usage)?),
    }
}

#[cfg(feature = "hub")]
fn fetched(address: &Address) -> Result<PathBuf, Failure> {
    crate::hub::fetch::fetch(address)
}

#[cfg(not(feature = "hub"))]
fn fetched(address: &Address) -> Result<PathBuf, Failure> {
    Err(Failure::failed(format_args!(
        "{address}: this program was built without the Hub; build it with `--features hub`"
    )))
}
