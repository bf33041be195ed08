//! The program as its user meets it.

mod converting;
mod describing;
mod embedding;
mod hub;
mod program;
mod reducing;
mod refusals;
mod seeing;
