//! The program as its user meets it.

mod converting;
mod describing;
mod embedding;
mod program;
mod reducing;
mod refusals;
mod seeing;
