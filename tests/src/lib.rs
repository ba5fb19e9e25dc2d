//! What the tests share: naive f64 oracles of every kernel, written from the contract and not from
//! either body, and the harness that holds both bodies to them.

pub mod harness;
pub mod oracle;
