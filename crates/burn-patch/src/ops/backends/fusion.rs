//! Fusion: the composed defaults, made of operations that its optimizer already knows, and of
//! [`PartOps`](crate::ops::PartOps). Which operations it passes to the backend below is declared at their traits.

use burn::backend::fusion::{Fusion, FusionBackend};

use crate::ops::{LayerGrads, LayerOps, PatchGrads, PatchOps};

impl<B: FusionBackend + PatchOps> PatchGrads for Fusion<B> {}

impl<B: FusionBackend + LayerOps> LayerOps for Fusion<B> {}

impl<B: FusionBackend + LayerGrads> LayerGrads for Fusion<B> {}
