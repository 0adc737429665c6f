//! JSON Web Tokens: strict verification on aws-lc.

pub mod base64;
pub mod json;

mod algorithm;
mod claims;
mod der;
mod key;
mod keyset;
mod refusal;
mod rules;
mod token;
mod tokens;
mod verifier;

pub use algorithm::Algorithm;
pub use claims::{ClaimPath, Claims};
pub use key::{Key, KeyError};
pub use keyset::{KeySet, Origin};
pub use refusal::Refusal;
pub use rules::{ClaimRule, ClaimTest, Rules};
pub use tokens::Tokens;
pub use verifier::Verifier;

#[cfg(test)]
mod tests;
