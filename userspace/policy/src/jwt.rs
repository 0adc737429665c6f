//! JSON Web Tokens: strict verification on aws-lc, and the policy that asks for one.

pub mod base64;
pub mod json;

mod algorithm;
mod claims;
mod compile;
mod der;
mod key;
mod keyset;
mod policy;
mod refusal;
mod rules;
mod scan;
mod token;
mod tokens;
mod verifier;

pub use algorithm::Algorithm;
pub use claims::{ClaimPath, Claims};
pub use key::{Key, KeyError};
pub use keyset::{KeySet, Origin};
pub use policy::{Jwt, Source};
pub use refusal::Refusal;
pub use rules::{ClaimRule, ClaimTest, Rules};
pub use tokens::{Memory, Tokens};
pub use verifier::Verifier;

#[cfg(test)]
mod tests;
