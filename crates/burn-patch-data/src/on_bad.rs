//! Pictures that cannot be used.

/// What to do with a picture that cannot be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnBad {
    /// Refuse the set, naming file and reason.
    #[default]
    Stop,
    /// Leave the picture out and count it.
    Skip,
}
