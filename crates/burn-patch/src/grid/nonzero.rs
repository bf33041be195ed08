//! The check that nothing is zero.

use crate::Error;

pub(crate) fn nonzero(what: &'static str, got: &[usize]) -> Result<(), Error> {
    if got.contains(&0) {
        return Err(Error::Zero {
            what,
            got: got.to_vec(),
        });
    }
    Ok(())
}
