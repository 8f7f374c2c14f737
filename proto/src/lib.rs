//! The one schema of Bosun: Kubernetes kinds, client and node services, log records.
