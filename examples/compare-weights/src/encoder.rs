//! What is compared.

use burn::tensor::Tensor;

/// Something that gives features of pictures.
pub(crate) struct Encoder {
    /// What the table calls it.
    pub(crate) name: String,
    /// Which features.
    pub(crate) what: String,
    /// From pictures in −1..1, `[batch, channels, height, width]`, to `[batch, features]`.
    pub(crate) encode: Box<dyn Fn(Tensor<4>) -> Tensor<2>>,
}

impl Encoder {
    /// The pixels themselves, in 0..1.
    pub(crate) fn pixels() -> Self {
        Self {
            name: "pixels".to_owned(),
            what: "values in 0..1".to_owned(),
            encode: Box::new(|images| (images.flatten::<2>(1, 3) + 1.0) / 2.0),
        }
    }
}
