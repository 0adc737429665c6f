//! Writes a report as json.
