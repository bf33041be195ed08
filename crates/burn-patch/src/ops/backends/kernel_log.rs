//! What a GPU's backend compiles, as records of the `log` crate.

/// The target of a record for each kernel that is compiled.
pub const KERNEL_TARGET: &str = "cubecl::compilation";

/// Has CubeCL write a record of level `Info` to the `log` crate for each kernel that it compiles, besides what its own
/// settings (`cubecl.toml`) say. False where there is no CubeCL in this build, and once it has read its settings: call
/// this before the first device is made.
pub fn log_kernels() -> bool {
    #[cfg(feature = "cubecl")]
    {
        use burn_cubecl::cubecl::config::compilation::CompilationLogLevel;
        use burn_cubecl::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};

        let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
        let logger = &mut config.compilation.logger;
        logger.log = Some(Default::default());
        if matches!(logger.level, CompilationLogLevel::Disabled) {
            logger.level = CompilationLogLevel::Basic;
        }
        CubeClRuntimeConfig::try_set(config)
    }
    #[cfg(not(feature = "cubecl"))]
    false
}
