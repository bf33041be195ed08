//! Signals that ask the program to stop, and the terminal view's wish to.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use burn::train::Interrupter;

use crate::error::Error;
use crate::signal::exit_code;
use crate::terminal;

/// The signal that asked first, 0 for none.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// What stops the training that runs now.
static TRAINING: Mutex<Option<Interrupter>> = Mutex::new(None);

/// Listens for Ctrl-C, SIGINT, SIGTERM and SIGHUP from now on. The first lets the running step end; the second ends
/// the program at once.
pub(crate) fn listen() {
    #[cfg(unix)]
    listen_on_unix();
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

#[cfg(unix)]
fn listen_on_unix() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

    // Without a handler, a file over the limit of its size ends the process; with one, writing it is an error.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
    // Where signals cannot be caught, they end the program as they always did.
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]) else {
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
