//! From the command line to an exit code: whatever goes wrong becomes a message on standard error and a code.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};
use std::process::{ExitCode, exit};
use std::sync::{Mutex, PoisonError};
use std::thread::{Thread, ThreadId, current};

use clap::Parser;

use crate::error::Error;
use crate::output::complain;
use crate::{stop, terminal};

/// The first panic's message: a worker's panic makes its caller panic with a less telling one.
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// Parses the command line and runs `work` on it. A wrong command line ends with code 2, a stop with that of its
/// signal, and whatever else goes wrong with 1.
pub fn program<A: Parser>(work: impl FnOnce(&A) -> Result<(), Error>) -> ExitCode {
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(answer) => {
            // Help and version come this way too. If the terminal is gone, nobody reads either.
            let _ = answer.print();
            return ExitCode::from(answer.exit_code() as u8);
        }
    };
    stop::listen();
    match catch(|| work(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Runs `work`; a panic in it, or in a thread that it waits for, becomes [`Error::Panicked`].
fn catch(work: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    let main = current().id();
    set_hook(Box::new(move |info| on_panic(info, main)));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let message = FIRST.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(Error::Panicked(
            message.unwrap_or_else(|| "unknown failure".to_owned()),
        ))
    })
}

fn on_panic(info: &PanicHookInfo<'_>, main: ThreadId) {
    let message = match info.payload_as_str() {
        Some(message) => message.to_owned(),
        None => info.to_string(),
    };
    let thread = current();
    if thread.id() != main && is_waited_for_in_vain(&thread) {
        terminal::restore();
        complain(format_args!("error: {message}"));
        exit(1);
    }
    FIRST
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert(message);
}

/// Whether the others would wait for ever for this thread's answer: burn-train's workers. The threads that a device
/// has of its own are named, and hand their panics to the caller.
fn is_waited_for_in_vain(thread: &Thread) -> bool {
    thread.name().is_none_or(|name| name.starts_with("train-"))
}
