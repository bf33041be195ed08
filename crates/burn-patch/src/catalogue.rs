//! The one macro behind every catalogue: of embeddings, positions and reducers.

/// A line of a catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// What command lines and reports call it.
    pub name: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
}

/// Lists the variants of a kind of module. From one line per variant it makes re-exports of the variant's module and
/// config, the list of names, an enum of configs, an enum of modules, and the trait's implementation for the latter.
///
/// The line is `"name" => path: Variant(Config, Module), "summary";`, where `path` is seen from the parent folder.
/// The trait's methods that are to be handed on are listed: those that start with `remake` take the module and give
/// another of its variant, or an error.
macro_rules! catalogue {
    (
        $(#[$list_doc:meta])* list $list:ident;
        $(#[$config_doc:meta])* config $any_config:ident;
        $(#[$module_doc:meta])* module $any:ident;
        $(#[$named_doc:meta])* named $named:ident = $each:ident($($named_arg:ident: $named_type:ty),*);
        init($($init_arg:ident: $init_type:ty),*);
        trait $trait:ident {
            $(fn $method:ident(&self $(, $arg:ident: $type:ty)*) -> $result:ty;)*
            $(remake $remake:ident(self $(, $remake_arg:ident: $remake_type:ty)*);)*
        }
        $($name:literal => $($path:ident)::+: $variant:ident($config:ident, $module:ident), $summary:literal;)*
    ) => {
        $(pub use super::$($path)::+::{$config, $module};)*

        $(#[$list_doc])*
        pub const $list: &[$crate::CatalogueEntry] =
            &[$($crate::CatalogueEntry { name: $name, summary: $summary }),*];

        $(#[$config_doc])*
        #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
        pub enum $any_config {
            $(#[doc = $summary] $variant($config),)*
        }

        $(#[$module_doc])*
        #[derive(burn::module::Module, Debug)]
        #[allow(clippy::large_enum_variant)] // One per model; a box would be no Module.
        pub enum $any {
            $(#[doc = $summary] $variant($module),)*
        }

        impl $any_config {
            $(#[$named_doc])*
            pub fn $named(name: &str, $($named_arg: $named_type),*) -> Option<Self> {
                $crate::catalogue::catalogue!(@named name, [$(($name, $variant, $config))*],
                    $each($($named_arg),*))
            }

            /// Builds the module.
            ///
            /// # Errors
            ///
            /// Those of the variant.
            pub fn try_init(
                &self,
                $($init_arg: $init_type,)*
                device: &burn::tensor::Device,
            ) -> Result<$any, $crate::Error> {
                $crate::catalogue::catalogue!(@init self, $any, [$($variant)*], ($($init_arg,)* device))
            }

            /// Builds the module.
            ///
            /// # Panics
            ///
            /// With the text of [`try_init`](Self::try_init)'s error.
            #[track_caller]
            pub fn init(&self, $($init_arg: $init_type,)* device: &burn::tensor::Device) -> $any {
                $crate::or_panic::OrPanic::or_panic(self.try_init($($init_arg,)* device))
            }
        }

        $crate::catalogue::catalogue! {
            @trait $trait for $any, [$($variant)*],
            $(fn $method(&self $(, $arg: $type)*) -> $result;)*
            $(remake $remake(self $(, $remake_arg: $remake_type)*);)*
        }
    };

    (@init $self:ident, $any:ident, [$($variant:ident)*], $args:tt) => {
        match $self {
            $(Self::$variant(config) => config.try_init $args.map($any::$variant),)*
        }
    };

    (@named $name:ident, [$(($literal:literal, $variant:ident, $config:ident))*],
        $each:ident $args:tt) => {
        match $name {
            $($literal => Some(Self::$variant($crate::catalogue::catalogue!(@call $config, $each $args))),)*
            _ => None,
        }
    };
    (@call $config:ident, $each:ident ($($arg:ident),*)) => {
        $config::$each($($arg),*)
    };

    (@trait $trait:ident for $any:ident, $variants:tt,
        $(fn $method:ident(&self $(, $arg:ident: $type:ty)*) -> $result:ty;)*
        $(remake $remake:ident(self $(, $remake_arg:ident: $remake_type:ty)*);)*) => {
        impl $trait for $any {
            $($crate::catalogue::catalogue! {
                @method $variants, $method ($(, $arg: $type)*) ($($arg),*) $result
            })*
            $($crate::catalogue::catalogue! {
                @remake $variants, $remake ($(, $remake_arg: $remake_type)*) ($($remake_arg),*)
            })*
        }
    };
    (@remake [$($variant:ident)*], $method:ident ($(, $arg:ident: $type:ty)*) $args:tt) => {
        fn $method(self $(, $arg: $type)*) -> Result<Self, $crate::Error> {
            match self {
                $(Self::$variant(module) => module.$method $args.map(Self::$variant),)*
            }
        }
    };
    (@method [$($variant:ident)*], $method:ident ($(, $arg:ident: $type:ty)*) $args:tt $result:ty) => {
        fn $method(&self $(, $arg: $type)*) -> $result {
            match self {
                $(Self::$variant(module) => module.$method $args,)*
            }
        }
    };
}

pub(crate) use catalogue;
