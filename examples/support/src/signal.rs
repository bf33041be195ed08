//! Signals by number.

/// The number of SIGHUP, which a terminal that goes sends.
pub(crate) const SIGHUP: i32 = 1;

/// The number of SIGINT, which Ctrl-C sends.
pub(crate) const SIGINT: i32 = 2;

/// What people call a signal.
pub(crate) fn name(signal: i32) -> &'static str {
    match signal {
        SIGHUP => "SIGHUP",
        SIGINT => "SIGINT (Ctrl-C)",
        15 => "SIGTERM",
        _ => "a signal",
    }
}

/// What a shell makes of a program that a signal ended.
pub(crate) fn exit_code(signal: i32) -> u8 {
    128 + signal as u8
}
