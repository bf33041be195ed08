//! Builder methods of the configs.

/// Writes `with_…` methods that set one field each.
macro_rules! setters {
    ($config:ident { $($(#[$doc:meta])* $name:ident: $field:ident, $type:ty;)* }) => {
        impl $config {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }
    };
}

pub(crate) use setters;
