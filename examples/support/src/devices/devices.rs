//! The devices that a program trains on.

use burn::tensor::Device;
use burn_patch::ops::backends::device;

use crate::devices::served;
use crate::error::Error;

/// One device or several, by their names.
#[derive(Debug, Clone)]
pub struct Devices {
    names: Vec<String>,
    devices: Vec<Device>,
}

impl Devices {
    /// Opens each by its name, which [`device`] explains. From then on a served one that goes away ends the program with
    /// a word on which it was.
    ///
    /// # Errors
    ///
    /// [`Error::Devices`] if there are none, or more than the `batch` pictures of a step, and those of [`device`].
    pub fn open(names: &[String], batch: usize) -> Result<Self, Error> {
        if names.is_empty() || names.len() > batch {
            let count = names.len();
            return Err(Error::Devices(format!(
                "expected at least one device and at most one for each of the {batch} pictures of a step, got {count}"
            )));
        }
        let devices = names.iter().map(|name| device(name));
        let devices = devices.collect::<Result<_, _>>()?;
        served::watch(names);
        Ok(Self {
            names: names.to_vec(),
            devices,
        })
    }

    /// The one that has the model and the optimizer.
    pub fn first(&self) -> &Device {
        &self.devices[0]
    }

    /// All of them.
    pub fn all(&self) -> &[Device] {
        &self.devices
    }

    /// Their names in one line.
    pub fn names(&self) -> String {
        self.names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_at_most_as_many_devices_as_pictures_of_a_step() {
        let names = vec!["flex".to_owned(); 3];
        let devices = Devices::open(&names, 3).unwrap();
        assert_eq!(
            (devices.all().len(), devices.names()),
            (3, "flex, flex, flex".to_owned())
        );
        for (names, batch) in [(&names[..], 2), (&[], 2)] {
            let error = Devices::open(names, batch).unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with("--devices: expected at least one"),
                "{error}"
            );
        }
    }
}
