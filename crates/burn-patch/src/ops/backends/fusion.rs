//! Fusion: the composed defaults, made of operations that the optimizer already knows. What [`PatchOps`] defers to the
//! backend below stands at the trait.

use burn::backend::fusion::{Fusion, FusionBackend};

use crate::ops::{LayerGrads, LayerOps, PatchGrads, PatchOps};

impl<B: FusionBackend + PatchOps> PatchGrads for Fusion<B> {}

impl<B: FusionBackend + LayerOps> LayerOps for Fusion<B> {}

impl<B: FusionBackend + LayerGrads> LayerGrads for Fusion<B> {}
