//! The order of axes in Flax, and in PyTorch.

/// How the axes of a tensor of Flax become those of PyTorch's tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FlaxOrder {
    /// Its shape with the axes of heads joined.
    pub(crate) joined: Vec<usize>,
    /// For each of PyTorch's axes, which of those it is.
    pub(crate) axes: Vec<usize>,
}

impl FlaxOrder {
    /// Of the tensor called `name`. Kernels are turned: `[input, output]`, `[height, width, channels, dim]`, and in
    /// attention `[dim, heads, width]` or, where the heads come together, `[heads, width, dim]`.
    pub(crate) fn of(name: &str, shape: &[usize]) -> Self {
        let product = |sides: &[usize]| {
            sides
                .iter()
                .fold(1usize, |product, side| product.saturating_mul(*side))
        };
        let kernel = name.ends_with("/kernel");
        let joined = match *shape {
            [heads, width, dim] if name.ends_with("/out/kernel") => {
                vec![product(&[heads, width]), dim]
            }
            [dim, heads, width] if kernel => vec![dim, product(&[heads, width])],
            [heads, width] if name.ends_with("/bias") => vec![product(&[heads, width])],
            _ => shape.to_vec(),
        };
        let axes = match joined.len() {
            2 if kernel => vec![1, 0],
            4 if kernel => vec![3, 2, 0, 1],
            axes => (0..axes).collect(),
        };
        Self { joined, axes }
    }

    /// PyTorch's shape.
    pub(crate) fn shape(&self) -> Vec<usize> {
        self.axes.iter().map(|axis| self.joined[*axis]).collect()
    }
}
