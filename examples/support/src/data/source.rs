//! Which pictures, and how they are loaded.

use std::path::{Path, PathBuf};

use burn_patch_data::OnBad;
use clap::ValueEnum;

use crate::data::dataset_name::DatasetName;
use crate::data::split::Split;
use crate::data::{bundled, folder, idx};
use crate::error::Error;

/// Side to which pictures of a folder are resized, in pixels.
const FOLDER_SIDE: u32 = 32;

/// Which pictures, on the command line.
#[derive(clap::Args, Debug, Clone)]
#[command(about = None, long_about = None)] // or it would replace that of the program
pub struct Source {
    /// Bundled pictures: Fashion-MNIST (28×28 grey, 10 classes) or emoji (32×32 RGB, 10 categories)
    #[arg(long, value_enum, default_value_t = DatasetName::Fashion)]
    pub dataset: DatasetName,

    /// Your own pictures instead: a folder with the four Fashion-MNIST idx.gz files; a folder with one folder of pictures
    /// per class, optionally under train/ and test/ or val/; or tar shards (WebDataset) in a folder or alone
    #[arg(long, value_name = "PATH", conflicts_with = "dataset")]
    pub data: Option<PathBuf>,

    /// What to do with a picture that cannot be read: stop, naming it, or skip it and count it
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = OnBadPicture::Stop)]
    pub on_bad_picture: OnBadPicture,
}

/// What to do with a picture that cannot be read.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnBadPicture {
    /// Stop, naming the file and the reason
    Stop,
    /// Leave it out and count it
    Skip,
}

impl Source {
    /// Loads them.
    ///
    /// # Errors
    ///
    /// If files are missing or broken.
    pub fn load(&self) -> Result<Split, Error> {
        match (&self.data, self.dataset) {
            (Some(path), _) => from_path(path, self.on_bad()),
            (None, DatasetName::Fashion) => bundled::fashion(),
            (None, DatasetName::Emoji) => bundled::emoji(),
        }
    }

    fn on_bad(&self) -> OnBad {
        match self.on_bad_picture {
            OnBadPicture::Stop => OnBad::Stop,
            OnBadPicture::Skip => OnBad::Skip,
        }
    }
}

fn from_path(path: &Path, on_bad: OnBad) -> Result<Split, Error> {
    if !path.exists() {
        return Err(Error::DataMissing(path.to_owned()));
    }
    if path.join(idx::TRAIN.images).exists() {
        let train = idx::read(path, &idx::TRAIN)?;
        let test = idx::read(path, &idx::TEST)?;
        if train.size != test.size {
            let why = format!(
                "training pictures of {:?} px, test pictures of {:?} px",
                train.size, test.size
            );
            return Err(Error::DataFolder {
                path: path.to_owned(),
                why,
            });
        }
        return Ok(Split::numbered(&path.display().to_string(), train, test));
    }
    folder::read(path, FOLDER_SIDE, on_bad)
}
