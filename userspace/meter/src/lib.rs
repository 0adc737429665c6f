//! Every number weir emits: one table of names, per-worker blocks with one writer each, exposition, access-log record.
