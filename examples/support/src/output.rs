//! Lines for the person at the terminal. A pipe that nobody reads any more, or a full disk behind it, stops nothing.

use std::fmt::Display;
use std::io::{Write, stderr, stdout};

/// A line of progress or results, to standard output.
pub fn say(line: impl Display) {
    let mut out = stdout().lock();
    // Whoever closed the pipe wants no more lines; the run goes on.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// A line about what went wrong, to standard error.
pub(crate) fn complain(line: impl Display) {
    let _ = writeln!(stderr(), "{line}");
}
