//! Swin and PVT v2 in timm's names.

pub(crate) mod converted;
pub(crate) mod described;
pub(crate) mod hierarchical;
pub(crate) mod kind;
pub(crate) mod settings;
