//! The way back through several reducers.

use burn_patch::tokens::Restore;

/// The way back to the first tokens.
#[allow(clippy::large_enum_variant)] // One at a time.
pub(crate) enum Way {
    Unchanged,
    Back(Restore),
    Lost,
}

impl Way {
    pub(crate) fn then(self, next: Option<Restore>) -> Self {
        match (self, next) {
            (Self::Unchanged, Some(next)) => Self::Back(next),
            (Self::Back(restore), Some(next)) => Self::Back(restore.then(next)),
            (_, None) | (Self::Lost, _) => Self::Lost,
        }
    }

    pub(crate) fn into_restore(self) -> Option<Restore> {
        match self {
            Self::Back(restore) => Some(restore),
            Self::Unchanged | Self::Lost => None,
        }
    }
}
