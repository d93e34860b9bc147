//! The store from outside: what it decides, what it remembers, and what a kill takes from it.
#![cfg(test)]

mod answers;
mod conformance;
#[cfg(unix)]
mod kill;
mod owners;
mod registry;
mod restart;
mod stand;
