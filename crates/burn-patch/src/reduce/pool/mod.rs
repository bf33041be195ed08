//! Reducers whose tokens are weighted sums over the whole image.

pub(crate) mod layers;
pub(crate) mod patch_merger;
pub(crate) mod pooling;
pub(crate) mod query_pool;
pub(crate) mod slot_attention;
pub(crate) mod token_fuser;
pub(crate) mod token_learner;
pub(crate) mod token_learner_v1;
pub(crate) mod token_pool;

pub use layers::GruCell;
pub use patch_merger::{PatchMerger, PatchMergerConfig};
pub use query_pool::{QueryPool, QueryPoolConfig, QueryScale};
pub use slot_attention::{SlotAttention, SlotAttentionConfig, SlotInit};
pub use token_fuser::{TokenFuser, TokenFuserConfig};
pub use token_learner::{TokenLearner, TokenLearnerConfig};
pub use token_learner_v1::{TokenLearnerV1, TokenLearnerV1Config};
pub use token_pool::TokenPool;
