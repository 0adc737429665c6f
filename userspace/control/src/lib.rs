//! The control thread: reload, stores, health checks, exporters. tokio lives here only.
