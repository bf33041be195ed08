//! What Burn and CubeCL say through the `log` crate, which takes one logger for a program.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use burn_patch::ops::backends::KERNEL_TARGET;
use log::{Level, LevelFilter, Log, Metadata, Record, max_level, set_logger, set_max_level};

use crate::output::complain;

static KERNELS: AtomicUsize = AtomicUsize::new(0);
static WARNINGS: AtomicBool = AtomicBool::new(false);

/// From now on kernels are counted; false where another logger is there.
pub(crate) fn count_kernels() -> bool {
    listen(LevelFilter::Info)
}

/// Kernels compiled since [`count_kernels`].
pub(crate) fn kernels() -> usize {
    KERNELS.load(Ordering::Relaxed)
}

/// From now on Burn's warnings and errors are lines on standard error.
#[cfg(feature = "remote")]
pub(crate) fn say_warnings() {
    WARNINGS.store(true, Ordering::Relaxed);
    listen(LevelFilter::Warn);
}

fn listen(level: LevelFilter) -> bool {
    static OURS: AtomicBool = AtomicBool::new(false);
    if set_logger(&Records).is_ok() {
        OURS.store(true, Ordering::Relaxed);
    }
    let ours = OURS.load(Ordering::Relaxed);
    if ours {
        set_max_level(level.max(max_level()));
    }
    ours
}

struct Records;

impl Records {
    fn is_warning(metadata: &Metadata<'_>) -> bool {
        WARNINGS.load(Ordering::Relaxed)
            && metadata.level() <= Level::Warn
            && metadata.target().starts_with("burn")
    }
}

impl Log for Records {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == KERNEL_TARGET || Self::is_warning(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if record.target() == KERNEL_TARGET {
            KERNELS.fetch_add(1, Ordering::Relaxed);
        } else if Self::is_warning(record.metadata()) {
            let level = record.level().as_str().to_lowercase();
            complain(format_args!("{level}: {}", record.args()));
        }
    }

    fn flush(&self) {}
}
