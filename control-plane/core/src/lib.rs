//! The pure heart of the control plane: state machine, admission, controllers, scheduler.
