//! What the tests share: naive f64 oracles of every kernel, written from the contract and not from
//! either body, the harness that holds both bodies to them, and the compilers that take the shaders.

pub mod harness;
pub mod languages;
pub mod oracle;
