//! Types of stored values.

/// Type of the values of a stored tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// 64-bit float.
    F64,
    /// 32-bit float.
    F32,
    /// 16-bit float.
    F16,
    /// 16-bit float with the exponent of `F32`.
    Bf16,
    /// Something else, such as an index, with its size in bytes.
    Other(usize),
}

impl Dtype {
    /// By its name in a safetensors header; none if there is no such type.
    pub fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "F64" => Self::F64,
            "F32" => Self::F32,
            "F16" => Self::F16,
            "BF16" => Self::Bf16,
            "I64" | "U64" => Self::Other(8),
            "I32" | "U32" => Self::Other(4),
            "I16" | "U16" => Self::Other(2),
            "I8" | "U8" | "BOOL" | "F8_E4M3" | "F8_E5M2" => Self::Other(1),
            _ => return None,
        })
    }

    /// Bytes of one value.
    pub fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Other(size) => size,
        }
    }

    /// Whether values are floats that a parameter can hold.
    pub fn is_float(self) -> bool {
        !matches!(self, Self::Other(_))
    }
}
