//! The router against a model.
