//! The messages whose JSON form is not an object of their fields: [`Time`], [`MicroTime`], [`Quantity`], [`IntOrString`] and
//! [`FieldsV1`]. Their binary form is an ordinary message; what they mean and how JSON shows them is written here by hand.

mod fields;
mod int_or_string;
mod quantity;
mod time;

pub use crate::intstr::IntOrString;
pub use crate::meta_v1::{FieldsV1, MicroTime, Time};
pub use crate::resource::Quantity;
pub use quantity::{Amount, QuantityError};
pub use time::TimeError;
