//! Pictures in shards: many in a file.

mod find;
#[cfg(feature = "parquet")]
mod parquet;
mod part;
mod tar;

pub(crate) use find::find;
