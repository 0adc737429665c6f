//! Properties of every table.
