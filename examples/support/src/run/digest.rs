//! Checksums: SHA-256, as lower-case hexadecimal digits.

use burn::module::Module;
use burn::store::ModuleSnapshot;
use sha2::{Digest, Sha256};

use crate::error::Error;

/// Checksum of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Checksum of a model's tensors: their names, shapes and values.
///
/// # Errors
///
/// [`Error::Training`] if a tensor cannot be read.
pub fn model_digest<M: Module>(model: &M) -> Result<String, Error> {
    let mut tensors = model.collect(None, None, false);
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let mut sum = Sha256::new();
    for tensor in tensors {
        let bytes = tensor
            .to_bytes()
            .map_err(|error| Error::Training(format!("{}: {error}", tensor.name)))?;
        sum.update(format!("{} {:?}\n", tensor.name, tensor.shape));
        sum.update(&*bytes);
    }
    Ok(hex(&sum.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, appendix B.1.
    #[test]
    fn the_checksum_is_sha_256() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest(b"abc"), abc);
    }
}
