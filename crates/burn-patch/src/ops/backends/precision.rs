//! How precisely numbers are multiplied.

/// How precisely a backend multiplies numbers of 32 bits, in products and convolutions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Precision {
    /// As numbers of 32 bits.
    #[default]
    Single,
    /// As TF32: rounded to 10 bits of fraction before they are multiplied, which NVIDIA's matrix units do several times
    /// as fast. Relative errors are up to some 10⁻³.
    Tf32,
}

impl Precision {
    /// The type's usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "f32",
            Self::Tf32 => "TF32",
        }
    }
}
