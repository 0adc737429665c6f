//! Loads the XDP program, keeps its tables true, reads its events and probes the host.
