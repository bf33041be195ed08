//! Groups of parameters.

use burn::lr_scheduler::LrSchedulerConfig;
use burn::lr_scheduler::composed::ComposedLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrSchedulerConfig;
use burn::module::{ModuleVisitor, Param, ParamGroup};
use burn::optim::{ModuleOptimizer, Optimizer};
use burn::tensor::Tensor;

use crate::groups::layered::Layered;

/// Names of tokens, tables and factors that do not decay, whatever their shape, and of modules that hold such.
const NO_DECAY: &[&str] = &[
    "cls_token",
    "dist_token",
    "reg_token",
    "mask_token",
    "position",
    "position_within",
    "logit_scale",
];

/// A parameter, and the group that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupedParam {
    /// Its path, as Burn's optimizers see it.
    pub path: String,
    /// Its layer, from 0.
    pub layer: usize,
    /// Whether it decays.
    pub decays: bool,
}

/// The parameters of a model in groups: what decays, and how much of the learning rate each layer has.
///
/// `timm/optim/_param_groups.py` of timm 1.0.31 (`param_groups_weight_decay`, `param_groups_layer_decay`) with
/// `no_weight_decay` and `group_matcher` of its models; layer-wise rates are those of Bao et al.,
/// [BEiT](https://arxiv.org/abs/2106.08254), and Clark et al., [ELECTRA](https://arxiv.org/abs/2003.10555).
///
/// Vectors (biases, norms, LayerScale), class, register, distillation and mask tokens, and all that positions hold do
/// not decay. What a model around this one has besides decays and has the whole rate.
///
/// # Equation
///
/// A parameter of layer `l` has the rate `η · layer_decay^(last − l)`.
///
/// # Departures
///
/// timm lets the mask token of a BEiT decay; here it does not, as in BEiT's own code. There is no smallest scale.
/// Burn clips gradients by group, so clipping asked of the optimizer that comes out meets only what decays.
///
/// ```
/// use burn::lr_scheduler::linear::LinearLrSchedulerConfig;
/// use burn::optim::GradientsParams;
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::LinearPatchEmbedConfig;
/// use burn_patch::ops::FusedAdamWConfig;
/// use burn_vit::{EncoderConfig, HeadConfig, ParamGroups, VitConfig};
///
/// let device = Device::flex().autodiff();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
/// let vit = VitConfig::new([8, 8], EncoderConfig::new(2, 2))
///     .with_head(HeadConfig::classes(3))
///     .init(embed, &device);
///
/// let groups = ParamGroups::of(&vit).with_weight_decay(0.05).with_layer_decay(0.5);
/// let class_token = groups.find("prefix.cls_token").unwrap();
/// assert_eq!((class_token.layer, class_token.decays), (0, false));
/// assert_eq!(groups.scale(class_token), 0.125); // two blocks and the head come after it
///
/// let adamw = FusedAdamWConfig::new();
/// let mut optimizer = groups.optimizer(|decay| adamw.clone().with_weight_decay(decay).build());
/// let mut rates = groups.rates(LinearLrSchedulerConfig::new(1e-3, 1e-5, 100)).init()?;
/// let loss = vit.forward(Tensor::ones([2, 1, 8, 8], &device)).square().sum();
/// let grads = GradientsParams::from_grads(loss.backward(), &vit);
/// let vit = optimizer.step(rates.step(), vit, grads);
/// # assert_eq!(vit.encoder.blocks.len(), 2);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ParamGroups {
    params: Vec<GroupedParam>,
    weight_decay: f32,
    layer_decay: f64,
    last: usize,
}

impl ParamGroups {
    /// The parameters of `model`, without any decay yet.
    pub fn of(model: &impl Layered) -> Self {
        let mut ranks = Ranks::default();
        model.visit(&mut ranks);
        let params: Vec<_> = ranks
            .found
            .into_iter()
            .map(|(path, rank)| GroupedParam {
                layer: model.layer(&path),
                decays: rank > 1 && !path.split('.').any(|name| NO_DECAY.contains(&name)),
                path,
            })
            .collect();
        Self {
            last: params.iter().map(|param| param.layer).max().unwrap_or(0),
            params,
            weight_decay: 0.0,
            layer_decay: 1.0,
        }
    }

    /// The weight decay of what decays.
    #[must_use]
    pub fn with_weight_decay(mut self, weight_decay: f32) -> Self {
        self.weight_decay = weight_decay;
        self
    }

    /// What a layer's learning rate is of the next one's: 0.65 for a ViT-B of MAE, 0.75 for a ViT-L.
    #[must_use]
    pub fn with_layer_decay(mut self, layer_decay: f64) -> Self {
        self.layer_decay = layer_decay;
        self
    }

    /// The same groups for a model that has this one in its field `field`.
    #[must_use]
    pub fn under(mut self, field: &str) -> Self {
        for param in &mut self.params {
            param.path = format!("{field}.{}", param.path);
        }
        self
    }

    /// All parameters.
    pub fn params(&self) -> &[GroupedParam] {
        &self.params
    }

    /// The parameter at `path`.
    pub fn find(&self, path: &str) -> Option<&GroupedParam> {
        self.params.iter().find(|param| param.path == path)
    }

    /// What a parameter has of the learning rate.
    pub fn scale(&self, param: &GroupedParam) -> f64 {
        self.layer_decay.powi((self.last - param.layer) as i32)
    }

    /// An optimizer for the whole module: `build` makes one for a weight decay.
    pub fn optimizer<O>(&self, build: impl Fn(f32) -> O) -> ModuleOptimizer
    where
        O: Optimizer + 'static,
    {
        let without = self.group(|param| !param.decays);
        ModuleOptimizer::from(build(self.weight_decay)).with_group(without, build(0.0), None)
    }

    /// Learning rates for the whole module: `base`, and of it what each layer has.
    pub fn rates(&self, base: impl Into<LrSchedulerConfig>) -> ModuleLrSchedulerConfig {
        let base = base.into();
        let layers = 0..self.last;
        layers.fold(ModuleLrSchedulerConfig::new(base.clone()), |all, layer| {
            let scale = self.layer_decay.powi((self.last - layer) as i32);
            let scaled = ComposedLrSchedulerConfig::new()
                .with_schedulers(vec![LrSchedulerConfig::Constant(scale), base.clone()]);
            all.with_group(self.group(|param| param.layer == layer), scaled)
        })
    }

    fn group(&self, has: impl Fn(&GroupedParam) -> bool) -> ParamGroup {
        let paths = self.params.iter().filter(|param| has(param));
        ParamGroup::from_paths(paths.map(|param| param.path.clone()).collect())
    }
}

/// The path of each float parameter, and its rank.
#[derive(Default)]
struct Ranks {
    path: Vec<String>,
    found: Vec<(String, usize)>,
}

impl ModuleVisitor for Ranks {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
        self.found.push((self.path.join("."), D));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Module;
    use burn::optim::{GradientsParams, SgdConfig};
    use burn::tensor::Device;
    use burn_patch::embed::{LinearPatchEmbed, LinearPatchEmbedConfig};
    use burn_patch::ops::FusedAdamWConfig;

    use crate::encoder::EncoderConfig;
    use crate::head::HeadConfig;
    use crate::vit::Vit;
    use crate::vit_config::VitConfig;

    fn vit() -> Vit<LinearPatchEmbed> {
        let device = Device::flex().autodiff();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        VitConfig::new([8, 8], EncoderConfig::new(2, 2))
            .with_head(HeadConfig::classes(3))
            .init(embed, &device)
    }

    fn images() -> Tensor<4> {
        Tensor::ones([2, 1, 8, 8], &Device::flex().autodiff())
    }

    /// The values of the parameter at each path.
    fn values(model: &impl Module) -> Vec<(String, Vec<f32>)> {
        #[derive(Default)]
        struct Values(Ranks, Vec<(String, Vec<f32>)>);
        impl ModuleVisitor for Values {
            fn enter_module(&mut self, name: &str, kind: &str) {
                self.0.enter_module(name, kind);
            }

            fn exit_module(&mut self, name: &str, kind: &str) {
                self.0.exit_module(name, kind);
            }

            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let values = param.val().into_data().try_to_vec_as();
                self.1.push((self.0.path.join("."), values.unwrap()));
            }
        }
        let mut values = Values::default();
        model.visit(&mut values);
        values.1
    }

    /// Plain gradient descent moves a parameter by rate times gradient, so its way in a step is the rate.
    #[test]
    fn each_layer_moves_by_its_part_of_the_rate() {
        let mut before = vit();
        // Logits near zero would leave nothing to move.
        let fc = before.head.fc.as_mut().expect("a classifier");
        let weight = fc.weight.val().inner() * 5.0;
        fc.weight = Param::from_tensor(Tensor::from_inner(weight));
        let groups = ParamGroups::of(&before).with_layer_decay(0.5);
        let step = |mut optimizer: ModuleOptimizer, groups: &ParamGroups| {
            let loss = before.forward(images()).square().sum();
            let grads = GradientsParams::from_grads(loss.backward(), &before);
            let rates = groups.rates(0.1).init().unwrap().step();
            values(&optimizer.step(rates, before.clone(), grads))
        };
        let sgd = || SgdConfig::new().build();
        let whole = step(sgd().into(), &groups.clone().with_layer_decay(1.0));
        let scaled = step(groups.optimizer(|_| sgd()), &groups);
        let moved = |after: &[f32], before: &[f32]| -> f64 {
            let apart = after
                .iter()
                .zip(before)
                .map(|(a, b)| f64::from((a - b).abs()));
            apart.sum()
        };
        let mut seen = vec![0; 4];
        for (((path, start), whole), scaled) in values(&before).iter().zip(&whole).zip(&scaled) {
            let param = groups.find(path).unwrap();
            let [whole, scaled] = [&whole.1, &scaled.1].map(|after| moved(after, start));
            // Of each value, which is at most about 1, twice.
            let rounding = f64::from(f32::EPSILON) * start.len() as f64;
            assert!(
                (scaled - groups.scale(param) * whole).abs() <= 1e-4 * whole + rounding,
                "{path}: {scaled} of {whole}"
            );
            seen[param.layer] += usize::from(whole > 1e-3);
        }
        assert!(seen.iter().all(|&moved| moved > 0), "{seen:?}");
    }

    /// Without a gradient, AdamW moves what decays and nothing else.
    #[test]
    fn only_what_decays_decays() {
        let model = vit();
        let groups = ParamGroups::of(&model).with_weight_decay(0.5);
        let config = FusedAdamWConfig::new();
        let build = |decay| config.clone().with_weight_decay(decay).build();
        let loss = model.forward(images()).mul_scalar(0.0).sum();
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        let before = values(&model);
        let after = values(&groups.optimizer(build).step(0.1, model, grads));
        for ((path, before), (_, after)) in before.iter().zip(&after) {
            let zero = before.iter().all(|value| *value == 0.0);
            let decays = groups.find(path).unwrap().decays;
            assert_eq!(before != after, decays && !zero, "{path}");
        }
        let decaying = groups.params().iter().filter(|param| param.decays);
        assert_eq!(decaying.count(), 1 + 2 * 4 + 1);
    }

    /// The model's own field, and what is not in a group: the whole rate.
    #[test]
    fn groups_hold_within_a_larger_model() {
        #[derive(Module, Debug)]
        struct Larger {
            trunk: Vit<LinearPatchEmbed>,
            scale: Param<Tensor<1>>,
        }
        let device = Device::flex().autodiff();
        let model = Larger {
            trunk: vit(),
            scale: Param::from_tensor(Tensor::ones([1], &device)),
        };
        let groups = ParamGroups::of(&model.trunk)
            .with_layer_decay(0.0)
            .under("trunk");
        let loss = model.trunk.forward(images()).square().sum() * model.scale.val();
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        let before = values(&model);
        let mut optimizer = groups.optimizer(|_| SgdConfig::new().build());
        let rates = groups.rates(0.1).init().unwrap().step();
        let after = values(&optimizer.step(rates, model, grads));
        let moved = before.iter().zip(&after).filter(|(a, b)| a.1 != b.1);
        let moved: Vec<&str> = moved.map(|(before, _)| before.0.as_str()).collect();
        assert_eq!(
            moved,
            ["trunk.head.fc.weight", "trunk.head.fc.bias", "scale"]
        );
    }
}
