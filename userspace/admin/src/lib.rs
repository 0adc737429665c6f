//! The admin interface as a pure function of request and state, and its client.
