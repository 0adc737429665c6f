//! The operations, one file each. Every one is a future that owns what it needs; dropping it cancels the operation.

pub(crate) mod accept;
pub(crate) mod connect;
pub(crate) mod once;
pub(crate) mod poll;
pub(crate) mod post;
pub(crate) mod recv;
pub(crate) mod send;
pub(crate) mod send_vectored;
pub(crate) mod send_zc;
pub(crate) mod shutdown;
