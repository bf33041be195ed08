//! The one error type of this crate.

use burn::tensor::DType;

/// Why a size, a configuration or a request does not fit.
///
/// Sizes are `[height, width]` in pixels. Each variant names what was got and what was expected.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A size, stride, channel count or dimension is zero.
    #[error("{what} must be at least 1, got {got:?}")]
    Zero {
        /// What was zero.
        what: &'static str,
        /// The offending values.
        got: Vec<usize>,
    },
    /// The windows do not cover the image exactly under [`Remainder::Reject`](crate::grid::Remainder::Reject).
    #[error(
        "image of {got:?} px (height, width) leaves {left:?} px that no {kernel:?} px patch at stride \
         {stride:?} px reads; expected a size that fits, or a remainder policy of Pad or Floor"
    )]
    Remainder {
        /// The image size.
        got: [usize; 2],
        /// Rows and columns left over.
        left: [usize; 2],
        /// The window size.
        kernel: [usize; 2],
        /// The window stride.
        stride: [usize; 2],
    },
    /// The image, padding included, is smaller than one window.
    #[error(
        "image of {got:?} px (height, width) with padding is smaller than one patch of {kernel:?} px"
    )]
    SmallerThanPatch {
        /// The image size.
        got: [usize; 2],
        /// The window size.
        kernel: [usize; 2],
    },
    /// A size computation overflows `usize`.
    #[error("size overflow: {what} of {got:?}")]
    Overflow {
        /// What was being computed.
        what: &'static str,
        /// The values it was computed from.
        got: Vec<usize>,
    },
    /// The image has another number of channels than the embedding.
    #[error("expected images with {expected} channels, got {got}")]
    Channels {
        /// The embedding's channel count.
        expected: usize,
        /// The image's channel count.
        got: usize,
    },
    /// An embedding dimension is not a multiple of what its layout needs.
    #[error("{what}: expected a dimension divisible by {divisor}, got {got}")]
    Indivisible {
        /// Which dimension.
        what: &'static str,
        /// What it must be a multiple of.
        divisor: usize,
        /// Its value.
        got: usize,
    },
    /// Too few host values for something that draws.
    #[error("{what} needs {expected} values of noise, got {got}; hand some in (`forward_with`)")]
    Noise {
        /// What draws.
        what: &'static str,
        /// How many it needs.
        expected: usize,
        /// How many were left.
        got: usize,
    },
    /// Tokens that a position encoding cannot place.
    #[error("{what} cannot place {got}; expected {expected}")]
    Place {
        /// The encoding.
        what: &'static str,
        /// What it can place.
        expected: String,
        /// What it was given.
        got: String,
    },
    /// An embedding without the one projection that would have to be remade.
    #[error(
        "{got} has no projection of patches to change the {what} of; expected linear, tubelet, multires or quadtree"
    )]
    NoProjection {
        /// What was to change.
        what: &'static str,
        /// The embedding's type.
        got: String,
    },
    /// A mask ratio outside `[0, 1)`.
    #[error("expected a mask ratio in [0, 1), got {got}")]
    MaskRatio {
        /// The ratio.
        got: f64,
    },
    /// A number outside its range.
    #[error("{what}: expected {expected}, got {got}")]
    Range {
        /// Which number.
        what: &'static str,
        /// The range, in words.
        expected: String,
        /// Its value.
        got: f64,
    },
    /// Two shapes that should agree do not.
    #[error("{what}: expected {expected:?}, got {got:?}")]
    Shape {
        /// What was compared.
        what: &'static str,
        /// The shape it should have.
        expected: Vec<usize>,
        /// The shape it has.
        got: Vec<usize>,
    },
    /// A tensor of another type than one that it meets.
    #[error("{what}: expected numbers of type {expected:?}, got {got:?}")]
    Type {
        /// What was compared.
        what: &'static str,
        /// The type that it should have.
        expected: DType,
        /// The type that it has.
        got: DType,
    },
    /// An image with more tokens than a row of a pack.
    #[error(
        "image {image} of the list has {got} tokens; expected at most the {expected} of a row (resize it, as with \
         `size_for_budget`, or make rows longer)"
    )]
    LongerThanRow {
        /// Its index in the list.
        image: usize,
        /// Tokens of a row.
        expected: usize,
        /// Its tokens.
        got: usize,
    },
    /// An image that the rows of a pack have no room for, under [`Overflow::Reject`](crate::pack::Overflow::Reject).
    #[error(
        "image {image} of the list, with {got} tokens, has no room left in the pack; expected images that fit {rows} \
         rows of {length} tokens, or `Overflow::Spill`"
    )]
    PackFull {
        /// Its index in the list.
        image: usize,
        /// Rows of a pack.
        rows: usize,
        /// Tokens of a row.
        length: usize,
        /// Its tokens.
        got: usize,
    },
    /// A mask that leaves nothing of an image.
    #[error(
        "image {image}: expected at least one valid token, got a mask of {got} that are all padding"
    )]
    NothingValid {
        /// The image.
        image: usize,
        /// Its tokens.
        got: usize,
    },
    /// Segments that share a token.
    #[error("spans of image {image}: expected each {what} in one segment, got {got} in several")]
    Overlap {
        /// Query or key.
        what: &'static str,
        /// The image.
        image: usize,
        /// The token.
        got: usize,
    },
    /// An operation that needs the regular grid was given tokens that have lost it.
    #[error(
        "{what} needs one token per grid cell in row-major order, got tokens that were {because}"
    )]
    Irregular {
        /// The operation.
        what: &'static str,
        /// What happened to them.
        because: &'static str,
    },
    /// A reducer was given something else to see than what it [sees](crate::reduce::Sees).
    #[error("{what} sees {expected}, got {got}")]
    Unseen {
        /// The reducer.
        what: &'static str,
        /// What it must see.
        expected: &'static str,
        /// What it was given.
        got: &'static str,
    },
    /// Several images in one row of the batch, for something that takes one each.
    #[error("{what} needs one image per row of the batch, got several packed into one")]
    Packed {
        /// What needs that.
        what: &'static str,
    },
    /// More tokens to merge away than can be.
    #[error("expected at most half of the {tokens} tokens to be merged away at once, got {got}")]
    Merged {
        /// Tokens that are there.
        tokens: usize,
        /// How many were to go.
        got: usize,
    },
    /// A map that has no variance to train a batch norm with.
    #[error(
        "expected more than 1 value per channel while training, got a map of {got:?} (batch, channels, rows, cols)"
    )]
    SingleValue {
        /// The map's shape.
        got: Vec<usize>,
    },
    /// A box that reaches beyond the image.
    #[error(
        "expected a box inside the image of {image:?} px (height, width), got {got:?} px (y, x, height, width)"
    )]
    OutsideImage {
        /// The box: top, left, height, width.
        got: [f32; 4],
        /// The image size.
        image: [usize; 2],
    },
    /// No backend has this name.
    #[error("unknown backend '{got}'; expected one of {expected}")]
    UnknownBackend {
        /// The name.
        got: String,
        /// The known names.
        expected: String,
    },
    /// The backend exists but was not compiled in.
    #[error(
        "backend '{name}' is not compiled in; build with `--features {feature}` (compiled: {compiled})"
    )]
    BackendNotCompiled {
        /// The name.
        name: String,
        /// The cargo feature that adds it.
        feature: String,
        /// The backends that are there.
        compiled: String,
    },
    /// A device that another process serves, and that cannot be reached.
    #[error("device '{name}': {why}")]
    Unreachable {
        /// Its name.
        name: String,
        /// What is in the way.
        why: String,
    },
    /// A backend cannot compute as exactly, or as inexactly, as it was asked to.
    #[error("backend '{name}' cannot compute in {asked}: {why}")]
    Precision {
        /// The backend.
        name: String,
        /// What was asked for.
        asked: &'static str,
        /// What is in the way.
        why: String,
    },
}
