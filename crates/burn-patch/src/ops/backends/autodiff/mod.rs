//! Hand-written gradients, first order.

mod layers;
mod patches;
