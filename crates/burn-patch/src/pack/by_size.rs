//! Tokens of images by their size.

use burn::tensor::Tensor;

use crate::embed::PatchEmbed;
use crate::grid::{PatchGrid, nonzero};
use crate::{Error, Tokens};

/// Tokens of a list of images, those of one size together, so that each size is embedded once.
///
/// From here they go into a [padded batch](Self::padded) or into [packs](crate::pack::Packer::pack). Class tokens and
/// added positions come before, by [`map`](Self::map): then they are those of each image's own grid.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::LinearPatchEmbedConfig;
/// use burn_patch::pack::BySize;
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 3, 16).init(&device);
/// let images = [[8, 12], [16, 4], [8, 12]].map(|[height, width]| Tensor::zeros([3, height, width], &device));
/// let tokens = BySize::embed(&embed, &images)?;
/// assert_eq!(tokens.lengths(), [6, 4, 6]);
/// assert_eq!(tokens.padded().embeddings().dims(), [3, 6, 16]);
/// # Ok::<(), burn_patch::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct BySize {
    groups: Vec<Group>,
}

/// Images of one size.
#[derive(Debug, Clone)]
struct Group {
    /// Their indices in the list.
    images: Vec<usize>,
    tokens: Tokens,
}

impl BySize {
    /// Embeds images, each `[channels, height, width]`.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty list, [`Error::Channels`], and what the embedding's
    /// [`layout`](PatchEmbed::layout) says of a size.
    pub fn embed(embed: &impl PatchEmbed, images: &[Tensor<3>]) -> Result<Self, Error> {
        nonzero("images", &[images.len()])?;
        let mut sizes: Vec<([usize; 3], Vec<usize>)> = Vec::new();
        for (index, image) in images.iter().enumerate() {
            let size = image.dims();
            let [channels, height, width] = size;
            if channels != embed.channels() {
                return Err(Error::Channels {
                    expected: embed.channels(),
                    got: channels,
                });
            }
            match sizes.iter_mut().find(|(other, _)| *other == size) {
                Some((_, images)) => images.push(index),
                None => {
                    embed.layout([height, width])?;
                    sizes.push((size, vec![index]));
                }
            }
        }
        let groups = sizes.into_iter().map(|(_, indices)| {
            let alike = indices.iter().map(|&index| images[index].clone());
            Group {
                tokens: embed.forward(Tensor::stack(alike.collect(), 0)),
                images: indices,
            }
        });
        Self::checked(groups.collect())
    }

    /// From batches of tokens; their images are counted through.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no images, [`Error::Irregular`] for a batch whose images have grids of their own,
    /// [`Error::Shape`] for batches of another width or with another prefix than the first.
    pub fn new(batches: Vec<Tokens>) -> Result<Self, Error> {
        let mut next = 0;
        let groups = batches.into_iter().map(|tokens| {
            let first = next;
            next += tokens.batch();
            Group {
                images: (first..next).collect(),
                tokens,
            }
        });
        Self::checked(groups.collect())
    }

    fn checked(groups: Vec<Group>) -> Result<Self, Error> {
        nonzero(
            "images",
            &[groups.iter().map(|group| group.images.len()).sum()],
        )?;
        let shape = |group: &Group| vec![group.tokens.prefix(), group.tokens.dim()];
        for group in &groups {
            if group.tokens.layout().shared().is_none() || group.tokens.placed().is_some() {
                return Err(Error::Irregular {
                    what: "a list of images by size",
                    because: "padded or packed",
                });
            }
            if shape(group) != shape(&groups[0]) {
                return Err(Error::Shape {
                    what: "prefix and width of the tokens of images",
                    expected: shape(&groups[0]),
                    got: shape(group),
                });
            }
        }
        Ok(Self { groups })
    }

    /// Changes the tokens of each size: adds a prefix, or positions.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    ///
    /// # Panics
    ///
    /// If `change` gives another batch.
    #[track_caller]
    pub fn map(self, mut change: impl FnMut(Tokens) -> Tokens) -> Result<Self, Error> {
        let mut groups = self.groups;
        for group in &mut groups {
            group.tokens = change(group.tokens.clone());
            assert_eq!(
                group.tokens.batch(),
                group.images.len(),
                "images of one size"
            );
        }
        Self::checked(groups)
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.groups.iter().map(|group| group.images.len()).sum()
    }

    /// Prefix tokens of each image.
    pub fn prefix(&self) -> usize {
        self.groups[0].tokens.prefix()
    }

    /// Tokens of each image in the order of the list, prefix and padding of their own included.
    pub fn lengths(&self) -> Vec<usize> {
        let prefix = self.prefix();
        self.in_order(|tokens| prefix + tokens.tokens())
    }

    /// The grid of each image in the order of the list.
    pub(super) fn grids(&self) -> Vec<PatchGrid> {
        self.in_order(|tokens| *tokens.grid())
    }

    /// Where the tokens of each image begin when all are laid end to end, in the order of the list.
    pub(super) fn starts(&self) -> Vec<usize> {
        let mut next = 0;
        let mut starts = vec![0; self.images()];
        for group in &self.groups {
            for &image in &group.images {
                starts[image] = next;
                next += group.tokens.prefix() + group.tokens.tokens();
            }
        }
        starts
    }

    /// The tokens of each size.
    pub fn batches(&self) -> impl Iterator<Item = &Tokens> {
        self.groups.iter().map(|group| &group.tokens)
    }

    /// What `of` says of each image, in the order of the list.
    fn in_order<T>(&self, of: impl Fn(&Tokens) -> T) -> Vec<T> {
        let groups = self.groups.iter();
        let mut found: Vec<(usize, T)> = groups
            .flat_map(|group| group.images.iter().map(|&image| (image, &group.tokens)))
            .map(|(image, tokens)| (image, of(tokens)))
            .collect();
        found.sort_by_key(|(image, _)| *image);
        found.into_iter().map(|(_, value)| value).collect()
    }
}
