//! Typed client of the Bosun API, with watch, resume and retry.
