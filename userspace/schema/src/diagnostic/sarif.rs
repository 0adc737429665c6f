//! Writes a report as sarif.
