//! What reads other people's files, as functions of any bytes: each must come to an end, take little memory, and keep
//! what it promises of whatever it accepts.
//!
//! `tests/bounded.rs` calls them with the files below `fuzz/corpus` and with changed copies of these; `fuzz/` makes them
//! targets of libFuzzer. Features leave out what needs much to be compiled.

#[cfg(feature = "weights")]
mod config;
mod folder;
#[cfg(feature = "weights")]
mod header;
#[cfg(feature = "runs")]
mod idx;
#[cfg(feature = "parquet")]
mod parquet;
mod picture;
#[cfg(feature = "weights")]
mod plan;
#[cfg(feature = "runs")]
mod run;
mod scratch;
mod sets;
mod tar;
#[cfg(feature = "weights")]
mod weights;

#[cfg(feature = "weights")]
pub use config::config;
pub use folder::folder;
#[cfg(feature = "weights")]
pub use header::header;
#[cfg(feature = "runs")]
pub use idx::idx;
#[cfg(feature = "parquet")]
pub use parquet::parquet;
pub use picture::picture;
#[cfg(feature = "weights")]
pub use plan::plan;
#[cfg(feature = "runs")]
pub use run::run;
pub use tar::tar;
#[cfg(feature = "weights")]
pub use weights::weights;

/// A target: what must take any bytes.
pub type Target = fn(&[u8]);

/// Every target of this build, by the name of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("folder", folder),
    ("picture", picture),
    ("tar", tar),
    #[cfg(feature = "parquet")]
    ("parquet", parquet),
    #[cfg(feature = "weights")]
    ("config", config),
    #[cfg(feature = "weights")]
    ("header", header),
    #[cfg(feature = "weights")]
    ("plan", plan),
    #[cfg(feature = "weights")]
    ("weights", weights),
    #[cfg(feature = "runs")]
    ("idx", idx),
    #[cfg(feature = "runs")]
    ("run", run),
];
