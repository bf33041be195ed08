//! Signals that ask the program to stop, and the terminal view's wish to.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};

use burn::train::Interrupter;

use crate::error::Error;

/// The signal that asked first, 0 for none.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// What stops the training that runs now.
static TRAINING: Mutex<Option<Interrupter>> = Mutex::new(None);

/// The number of SIGINT, which Ctrl-C sends.
pub(crate) const SIGINT: i32 = 2;

/// Listens for Ctrl-C, SIGINT, SIGTERM and SIGHUP from now on. The first lets the running step end; the second ends
/// the program at once.
pub(crate) fn listen() {
    #[cfg(unix)]
    unix::listen();
}

/// Asks the program to stop, as `signal` would.
pub(crate) fn request(signal: i32) {
    let _ = SIGNAL.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
    let training = TRAINING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(interrupter) = training.as_ref() {
        interrupter.stop(Some("asked to stop"));
    }
}

/// Lets a request stop what `interrupter` belongs to; one that came before counts too.
pub(crate) fn interrupts(interrupter: &Interrupter) {
    *TRAINING.lock().unwrap_or_else(PoisonError::into_inner) = Some(interrupter.clone());
    if SIGNAL.load(Ordering::SeqCst) != 0 {
        interrupter.stop(Some("asked to stop"));
    }
}

/// Whether to go on.
///
/// # Errors
///
/// [`Error::Stopped`] if the program was asked to stop.
pub fn check() -> Result<(), Error> {
    match SIGNAL.load(Ordering::SeqCst) {
        0 => Ok(()),
        signal => Err(Error::Stopped { signal }),
    }
}

/// What people call a signal.
pub(crate) fn name(signal: i32) -> &'static str {
    match signal {
        1 => "SIGHUP",
        SIGINT => "SIGINT (Ctrl-C)",
        15 => "SIGTERM",
        _ => "a signal",
    }
}

/// What a shell makes of a program that a signal ended.
pub(crate) fn exit_code(signal: i32) -> u8 {
    128 + signal as u8
}

#[cfg(unix)]
mod unix {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    use signal_hook::iterator::Signals;

    use super::{SIGNAL, exit_code, request};
    use crate::terminal;

    pub(super) fn listen() {
        // Without a handler, a file over the limit of its size ends the process; with one, writing it is an error.
        let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
        // Where signals cannot be caught, they end the program as they always did.
        let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else {
            return;
        };
        std::thread::spawn(move || {
            for signal in signals.forever() {
                if SIGNAL.load(Ordering::SeqCst) != 0 {
                    terminal::restore();
                    std::process::exit(exit_code(signal).into());
                }
                request(signal);
            }
        });
    }
}
