//! The configuration as written: one file per section, every error at its line and column.
