//! What the levels of a hierarchical backbone are made of, and what they cost.

use burn_vit::{PvtConfig, PvtPreset, SwinConfig, SwinPreset, SwinVersion};

use crate::model::cost::whole;

/// Width in the network that gives Swin v2's continuous bias.
const BIAS_HIDDEN: u128 = 512;

/// Bytes of a value.
const SINGLE: u128 = 4;

/// Settings of a hierarchical backbone.
#[derive(Debug, Clone)]
pub(crate) enum Backbone {
    Swin(SwinConfig),
    Pvt {
        config: PvtConfig,
        /// `[height, width]` of the images.
        image: [usize; 2],
    },
}

/// One level.
#[derive(Debug, Clone, Default)]
pub(crate) struct Level {
    pub(crate) grid: [usize; 2],
    pub(crate) dim: usize,
    pub(crate) depth: usize,
    pub(crate) heads: usize,
    pub(crate) hidden: usize,
    parameters: u128,
    multiply_adds: u128,
}

/// All levels, and their sums.
#[derive(Debug, Clone)]
pub(crate) struct Levels {
    pub(crate) family: &'static str,
    pub(crate) image: [usize; 2],
    pub(crate) channels: usize,
    pub(crate) patch: usize,
    pub(crate) classes: Option<usize>,
    pub(crate) levels: Vec<Level>,
}

impl Backbone {
    /// A published one by timm's name, with 1,000 classes; none if there is none.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        let swin = |preset: SwinPreset| Some(Self::Swin(preset.config().with_classes(Some(1000))));
        let pvt = |preset: PvtPreset| {
            Some(Self::Pvt {
                config: preset.config().with_classes(Some(1000)),
                image: [224, 224],
            })
        };
        match name.split('.').next()? {
            "swin_tiny_patch4_window7_224" => swin(SwinPreset::Tiny),
            "swin_small_patch4_window7_224" => swin(SwinPreset::Small),
            "swin_base_patch4_window7_224" => swin(SwinPreset::Base),
            "swin_large_patch4_window7_224" => swin(SwinPreset::Large),
            "swinv2_tiny_window8_256" => swin(SwinPreset::V2Tiny),
            "swinv2_small_window8_256" => swin(SwinPreset::V2Small),
            "swinv2_base_window8_256" => swin(SwinPreset::V2Base),
            "pvt_v2_b0" => pvt(PvtPreset::B0),
            "pvt_v2_b1" => pvt(PvtPreset::B1),
            "pvt_v2_b2" => pvt(PvtPreset::B2),
            "pvt_v2_b3" => pvt(PvtPreset::B3),
            "pvt_v2_b4" => pvt(PvtPreset::B4),
            "pvt_v2_b5" => pvt(PvtPreset::B5),
            _ => None,
        }
    }

    /// `[height, width]` of the images.
    pub(crate) fn image(&self) -> [usize; 2] {
        match self {
            Self::Swin(config) => config.image,
            Self::Pvt { image, .. } => *image,
        }
    }

    /// Channels of the images.
    pub(crate) fn channels(&self) -> usize {
        match self {
            Self::Swin(config) => config.channels,
            Self::Pvt { config, .. } => config.channels,
        }
    }

    pub(crate) fn set_channels(&mut self, channels: usize) {
        match self {
            Self::Swin(config) => config.channels = channels,
            Self::Pvt { config, .. } => config.channels = channels,
        }
    }

    pub(crate) fn set_image(&mut self, size: [usize; 2]) {
        match self {
            Self::Swin(config) => config.image = size,
            Self::Pvt { image, .. } => *image = size,
        }
    }
}

/// A number whose products do not overflow, whatever a file claims.
fn wide(size: usize) -> u128 {
    size as u128
}

fn area(sides: [usize; 2]) -> u128 {
    wide(sides[0]) * wide(sides[1])
}

/// Parameters of a linear layer with a bias.
fn linear(from: u128, to: u128) -> u128 {
    from * to + to
}

fn norm(width: u128) -> u128 {
    2 * width
}

impl Level {
    fn tokens(&self) -> u128 {
        area(self.grid)
    }

    /// Width of the tokens, and in the MLPs.
    fn widths(&self) -> [u128; 2] {
        [wide(self.dim), wide(self.hidden)]
    }

    /// A Swin block: windows of `window`, attention within each.
    fn add_swin_blocks(&mut self, window: [usize; 2], second: bool) {
        let ([dim, hidden], depth) = (self.widths(), wide(self.depth));
        let heads = wide(self.heads);
        let window = [0, 1].map(|axis| window[axis].min(self.grid[axis]));
        let offsets = area(window.map(|side| 2 * side - 1));
        let positions = match second {
            // The network, a scale for each head, and no bias of the keys.
            true => (linear(2, BIAS_HIDDEN) + BIAS_HIDDEN * heads + heads) - dim,
            false => offsets * heads,
        };
        let block = 2 * norm(dim) + linear(dim, 3 * dim) + linear(dim, dim);
        let mlp = linear(dim, hidden) + linear(hidden, dim);
        self.parameters += depth * (block + mlp) + depth * positions;
        // Windows that reach beyond the grid are filled up.
        let windows = [0, 1].map(|axis| self.grid[axis].div_ceil(window[axis]));
        let cells = area(window);
        let within = area(windows) * cells * (4 * dim * dim + 2 * cells * dim);
        self.multiply_adds += depth * (within + 2 * self.tokens() * dim * hidden);
    }

    /// A PVT v2 block: keys and values of cells joined by `ratio` along each axis.
    fn add_pvt_blocks(&mut self, ratio: usize) {
        let ([dim, hidden], tokens) = (self.widths(), self.tokens());
        let (depth, square) = (wide(self.depth), area([ratio; 2]));
        let reduce = match ratio {
            1 => 0,
            _ => linear(dim * square, dim) + norm(dim),
        };
        let attention = 2 * linear(dim, dim) + linear(dim, 2 * dim) + reduce;
        let mlp = linear(dim, hidden) + 10 * hidden + linear(hidden, dim);
        self.parameters += depth * (2 * norm(dim) + attention + mlp) + norm(dim);
        let keys = area(self.grid.map(|side| (side / ratio).max(1)));
        let joined = if ratio > 1 {
            keys * square * dim * dim
        } else {
            0
        };
        let attention = 2 * tokens * dim * dim + 2 * keys * dim * dim + 2 * tokens * keys * dim;
        let mlp = tokens * hidden * (2 * dim + 9);
        self.multiply_adds += depth * (joined + attention + mlp);
    }
}

impl Levels {
    /// The levels of a backbone.
    pub(crate) fn of(backbone: &Backbone) -> Result<Self, String> {
        let levels = match backbone {
            Backbone::Swin(config) => Self::of_swin(config),
            Backbone::Pvt { config, image } => Self::of_pvt(config, *image),
        };
        let empty = |level: &Level| level.tokens() == 0;
        match levels.levels.is_empty() || levels.levels.iter().any(empty) {
            true => Err(format!("images of {:?} pixels are too small", levels.image)),
            false => Ok(levels),
        }
    }

    fn of_swin(config: &SwinConfig) -> Self {
        let second = matches!(config.version, SwinVersion::V2 { .. });
        let mut grid = config.image.map(|side| side / config.patch);
        let mut levels: Vec<Level> = Vec::new();
        for (stage, (depth, heads)) in config.depths.iter().zip(&config.heads).enumerate() {
            let dim = config.dim << stage;
            let mut level = Level {
                dim,
                depth: *depth,
                heads: *heads,
                hidden: (dim as f64 * config.mlp_ratio) as usize,
                ..Level::default()
            };
            if let Some(before) = levels.last() {
                grid = grid.map(|side| side.div_ceil(2));
                let (joined, dim) = (4 * wide(before.dim), wide(dim));
                let normed = if second { dim } else { joined };
                level.parameters = joined * dim + norm(normed);
                level.multiply_adds = area(grid) * joined * dim;
            } else {
                let values = wide(config.channels) * area([config.patch; 2]);
                level.parameters = linear(values, wide(dim)) + norm(wide(dim));
                level.multiply_adds = area(grid) * values * wide(dim);
            }
            level.grid = grid;
            if level.tokens() > 0 {
                level.add_swin_blocks(config.window, second);
            }
            levels.push(level);
        }
        if let Some(last) = levels.last_mut() {
            last.parameters += norm(wide(last.dim));
        }
        Self {
            family: if second { "swinv2" } else { "swin" },
            image: config.image,
            channels: config.channels,
            patch: config.patch,
            classes: config.classes,
            levels,
        }
    }

    fn of_pvt(config: &PvtConfig, image: [usize; 2]) -> Self {
        let mut grid = image;
        let mut levels: Vec<Level> = Vec::new();
        for (stage, &dim) in config.dims.iter().enumerate() {
            // Overlapping patches of 7 × 7 by 4, then of 3 × 3 by 2.
            let (values, stride) = match levels.last() {
                None => (49 * wide(config.channels), 4),
                Some(before) => (9 * wide(before.dim), 2),
            };
            grid = grid.map(|side| side.div_ceil(stride));
            let mut level = Level {
                grid,
                dim,
                depth: config.depths[stage],
                heads: config.heads[stage],
                hidden: dim * config.mlp_ratios[stage],
                parameters: linear(values, wide(dim)) + norm(wide(dim)),
                multiply_adds: area(grid) * values * wide(dim),
            };
            level.add_pvt_blocks(config.reductions[stage]);
            levels.push(level);
        }
        Self {
            family: "pvt_v2",
            image,
            channels: config.channels,
            patch: 4,
            classes: config.classes,
            levels,
        }
    }

    /// The last level.
    pub(crate) fn last(&self) -> &Level {
        self.levels.last().expect("there is a level")
    }

    pub(crate) fn parameters(&self) -> usize {
        let head = |classes| linear(wide(self.last().dim), wide(classes));
        let levels = self.levels.iter().map(|level| level.parameters);
        whole(self.classes.map_or(0, head) + levels.sum::<u128>())
    }

    pub(crate) fn multiply_adds(&self) -> usize {
        let head = wide(self.last().dim) * wide(self.classes.unwrap_or(0));
        let levels = self.levels.iter().map(|level| level.multiply_adds);
        whole(head + levels.sum::<u128>())
    }

    /// Bytes that the widest step needs at once, besides the weights.
    pub(crate) fn inference_bytes(&self) -> usize {
        let at_once = |level: &Level| {
            let [dim, hidden] = level.widths();
            level.tokens() * (dim + (4 * dim).max(2 * hidden))
        };
        whole(SINGLE * self.levels.iter().map(at_once).max().unwrap_or(0))
    }

    /// Bytes that all steps keep for the gradients, attention's scores left out.
    pub(crate) fn training_bytes(&self) -> usize {
        let kept = |level: &Level| {
            let [dim, hidden] = level.widths();
            wide(level.depth) * level.tokens() * (8 * dim + 2 * hidden)
        };
        whole(SINGLE * self.levels.iter().map(kept).sum::<u128>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parameters as timm counts them; multiply-adds, in billions, of the papers' tables.
    #[test]
    fn parameters_and_multiply_adds_are_those_of_published_tables() {
        for (name, parameters, published) in [
            ("swin_tiny_patch4_window7_224", 28_288_354, 4.5),
            ("swin_base_patch4_window7_224", 87_768_224, 15.4),
            ("swinv2_tiny_window8_256", 28_347_154, 5.9),
            ("pvt_v2_b0", 3_666_760, 0.6),
            ("pvt_v2_b1", 14_009_000, 2.1),
        ] {
            let levels = Levels::of(&Backbone::by_name(name).unwrap()).unwrap();
            assert_eq!(levels.parameters(), parameters, "{name}");
            let billions = levels.multiply_adds() as f64 / 1e9;
            assert!(
                (billions / published - 1.0).abs() < 0.08,
                "{name}: {billions}"
            );
        }
    }
}
