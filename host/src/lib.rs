//! The only place that touches clock, entropy, sockets and files.
