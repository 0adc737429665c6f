//! What the kernel and user space agree on: packet parser, table layouts, reasons, events.
#![no_std]
#![forbid(unsafe_code)]
