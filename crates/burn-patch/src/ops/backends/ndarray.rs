//! NdArray (deprecated upstream): the composed defaults.

use burn::backend::NdArray;

use crate::ops::{GeluOps, PatchOps};

impl PatchOps for NdArray {}

impl GeluOps for NdArray {}
