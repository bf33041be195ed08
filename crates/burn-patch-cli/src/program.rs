//! From the command line to an exit code: whatever goes wrong becomes one line on standard error and a code.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use clap::Parser;

use crate::failure::Failure;
use crate::output::complain;

/// The first panic's message: a worker's panic makes its caller panic with a less telling one.
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// Parses the command line and runs `work` on it.
pub(crate) fn program<A: Parser>(work: impl FnOnce(&A) -> Result<(), Failure>) -> ExitCode {
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(answer) => {
            // Help and version come this way too. If the terminal is gone, nobody reads either.
            let _ = answer.print();
            return ExitCode::from(answer.exit_code() as u8);
        }
    };
    let (code, text) = match catch(|| work(&args)) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Failed(text)) => (1, text),
        Err(Failure::Usage(text)) => (2, text),
    };
    let line: Vec<&str> = text.split_whitespace().collect();
    complain(format_args!("error: {}", line.join(" ")));
    ExitCode::from(code)
}

/// Runs `work`; a panic in it, or in a thread that it waits for, becomes a failure.
fn catch(work: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    set_hook(Box::new(|info| {
        let message = match info.payload_as_str() {
            Some(message) => message.to_owned(),
            None => info.to_string(),
        };
        let mut first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(message);
    }));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let first = FIRST.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(Failure::Failed(
            first.unwrap_or_else(|| "unknown failure".to_owned()),
        ))
    })
}
