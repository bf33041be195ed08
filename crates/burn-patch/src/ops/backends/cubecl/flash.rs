//! Attention in one pass over the keys, by CubeCL's flash kernel, where it is the faster way.
//!
//! Dao et al., [FlashAttention](https://arxiv.org/abs/2205.14135): the scores are never written. But each unit of the
//! kernel keeps eight queries and their results, which a processor has room for and a GPU's registers may not. So both ways
//! are measured, once for each kind of shape on each device, where products are tuned at all.

use burn::backend::ops::{AttentionModuleOptions, FloatTensorOps};
use burn_cubecl::cubecl;
use burn_cubecl::kernel::attention::{AttentionStrategy, attention};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeBackend, CubeTuneId};
use cubecl::tune::{LocalTuner, Tunable, TunableSet, local_tuner};

use crate::ops::PartOps;
use crate::ops::parts::composed;

/// Query, key and value, `[batch, heads, tokens, width]`, and the scale.
type Inputs = (CubeTensor, CubeTensor, CubeTensor, f64);

/// `softmax(scale·Q·Kᵀ)·V` by the way that was measured to be the faster one.
pub(super) fn fastest(inputs: Inputs) -> CubeTensor {
    static TUNER: LocalTuner<String, CubeTuneId> = local_tuner!("attend");
    let client = inputs.0.client.clone();
    let device = CubeTuneId::new(&client, &inputs.0.device);
    let ways = TUNER.init(&device, || {
        TunableSet::<String, Inputs, _>::new_cloning_inputs(kind)
            .with(Tunable::new("composed", |inputs| {
                Ok::<_, String>(composed(inputs))
            }))
            .with(Tunable::new("flash", flash))
    });
    TUNER.execute(&device, &client, ways, inputs)
}

/// Shapes of one kind have the same fastest way: numbers of images and tokens up to the next power of two.
fn kind((query, key, _, _): &Inputs) -> String {
    let [batch, heads, queries, width] = query.meta.shape().dims();
    let [_, _, keys, _] = key.meta.shape().dims::<4>();
    let [images, queries, keys] = [batch * heads, queries, keys].map(usize::next_power_of_two);
    format!("{:?} {images}x{queries}x{keys}x{width}", query.dtype)
}

/// By two products and a softmax, with the scores between them.
pub(super) fn composed((query, key, value, scale): Inputs) -> CubeTensor {
    let (product, softmax) = (CubeBackend::product, CubeBackend::softmax_rows);
    composed::attend::<CubeBackend>([query, key, value], scale, product, softmax)
}

/// The kernel scales by `width^(−1/2)`; the query carries what another scale has beyond that.
fn flash((query, key, value, scale): Inputs) -> Result<CubeTensor, String> {
    let [.., width] = query.meta.shape().dims::<4>();
    let beyond = scale * (width as f64).sqrt();
    let query = match (beyond - 1.0).abs() < f64::from(f32::EPSILON) {
        true => query,
        false => CubeBackend::float_mul_scalar(query, beyond.into()),
    };
    let [query, key, value] = [query, key, value].map(into_contiguous);
    let (mask, bias, options) = (None, None, AttentionModuleOptions::default());
    let strategy = AttentionStrategy::FlashUnit;
    attention(query, key, value, mask, bias, options, strategy)
        .map_err(|refusal| format!("{refusal:?}"))
}
