//! From listener to upstream and back: TLS, HTTP/1, HTTP/2, exchange, pump, tunnel, upstream pools.
