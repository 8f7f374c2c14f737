//! Amounts of resources: `500m`, `1.5Gi`, `2e3`. A [`Quantity`] is the text; an [`Amount`] is what it means, exactly, in units
//! of 10^-9. The rules (suffixes, rounding away from zero below 10^-9, the cap at 2^63 - 1, the canonical form) are those of
//! the Kubernetes API.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::Quantity;
use crate::json::{ReadJson, SchemaError, implement_deserialize};

const NANO: i128 = 1_000_000_000;
const NANOS_MAX: i128 = i64::MAX as i128 * NANO;
const NANOS_PER_MILLI: i128 = 1_000_000;

/// Suffixes of powers of ten, with the power.
const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
/// Suffixes of powers of two; each is 2^10 times the one before.
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// More digits than these cannot matter: they are below 10^-9 or the amount is over the cap. With them all products fit u128.
const DIGITS_MAX_DECIMAL: usize = 30;
const DIGITS_MAX_BINARY: usize = 20;

/// The text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a quantity; write it like 2, 500m, 1.5Gi or 2e3")]
pub struct QuantityError(String);

/// How an amount was written; the canonical form keeps the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Decimal,
    Binary,
    Exponent,
}

/// An exact amount. Equality and order look at the amount only, not at how it was written.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    nanos: i128,
    form: Form,
}

impl Amount {
    /// An amount in thousandths, shown with decimal suffixes: 1500 is `1500m`.
    pub fn from_milli(milli: i64) -> Self {
        Self {
            nanos: i128::from(milli) * NANOS_PER_MILLI,
            form: Form::Decimal,
        }
    }

    /// A whole amount, shown with decimal suffixes.
    pub fn from_value(value: i64) -> Self {
        Self {
            nanos: i128::from(value) * NANO,
            form: Form::Decimal,
        }
    }

    /// A whole amount, shown with binary suffixes where they are exact: 2048 is `2Ki`.
    pub fn from_bytes(bytes: i64) -> Self {
        Self {
            nanos: i128::from(bytes) * NANO,
            form: Form::Binary,
        }
    }

    /// In units of 10^-9.
    pub fn nanos(self) -> i128 {
        self.nanos
    }

    /// In thousandths, rounded away from zero; saturating.
    pub fn milli(self) -> i64 {
        saturate(divide_away_from_zero(self.nanos, NANOS_PER_MILLI))
    }

    /// In whole units, rounded away from zero.
    pub fn value(self) -> i64 {
        saturate(divide_away_from_zero(self.nanos, NANO))
    }

    /// The sum, at most 2^63 - 1 in size, in the form of `self`.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            nanos: (self.nanos + other.nanos).clamp(-NANOS_MAX, NANOS_MAX),
            form: self.form,
        }
    }
}

fn divide_away_from_zero(nanos: i128, unit: i128) -> i128 {
    (nanos.abs() + unit - 1) / unit * nanos.signum()
}

fn saturate(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Amount {}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Amount {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl FromStr for Amount {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        parse(text).ok_or_else(|| QuantityError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Amount> {
    let (sign, unsigned) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let end = unsigned
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || fraction.contains('.') {
        return None;
    }
    let (form, power_of_ten, power_of_two) = parse_suffix(suffix)?;

    let digits_max = if form == Form::Binary {
        DIGITS_MAX_BINARY
    } else {
        DIGITS_MAX_DECIMAL
    };
    let mut mantissa: u128 = 0;
    let mut dropped: i64 = 0;
    let mut inexact = false;
    for digit in whole
        .bytes()
        .chain(fraction.bytes())
        .map(|byte| u128::from(byte - b'0'))
    {
        if mantissa >= 10_u128.pow(u32::try_from(digits_max).ok()? - 1) {
            dropped += 1;
            inexact |= digit != 0;
        } else {
            mantissa = mantissa * 10 + digit;
        }
    }
    // In units of 10^-9, hence the nine.
    let power_of_ten = i64::from(power_of_ten) + 9 + dropped - i64::try_from(fraction.len()).ok()?;
    let magnitude = scale(mantissa << power_of_two, power_of_ten, inexact);
    Some(Amount {
        nanos: sign * magnitude.min(NANOS_MAX),
        form,
    })
}

/// The family, the power of ten and the power of two of a suffix.
fn parse_suffix(suffix: &str) -> Option<(Form, i32, u32)> {
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((Form::Decimal, *power, 0));
    }
    if let Some((_, power)) = BINARY
        .iter()
        .zip((10..).step_by(10))
        .find(|(name, _)| **name == suffix)
    {
        return Some((Form::Binary, 0, power));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    Some((Form::Exponent, exponent.parse().ok()?, 0))
}

/// `mantissa` times a power of ten, rounded up, saturating.
fn scale(mantissa: u128, power_of_ten: i64, inexact: bool) -> i128 {
    if mantissa == 0 {
        return 0;
    }
    let factor = u32::try_from(power_of_ten.unsigned_abs())
        .ok()
        .and_then(|power| 10_u128.checked_pow(power));
    let scaled = match (factor, power_of_ten < 0) {
        (Some(factor), true) => {
            let exact = !inexact && mantissa.is_multiple_of(factor);
            mantissa / factor + u128::from(!exact)
        }
        (None, true) => 1,
        (Some(factor), false) => mantissa.saturating_mul(factor),
        (None, false) => u128::MAX,
    };
    i128::try_from(scaled).unwrap_or(i128::MAX)
}

impl fmt::Display for Amount {
    /// The canonical form: no fraction, the largest suffix that allows that.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.nanos / NANO;
        if self.form == Form::Binary && self.nanos % NANO == 0 && whole.abs() >= 1024 {
            let (mut number, mut steps) = (whole, 0);
            while number % 1024 == 0 && steps < BINARY.len() {
                number /= 1024;
                steps += 1;
            }
            return write!(
                formatter,
                "{number}{}",
                if steps == 0 { "" } else { BINARY[steps - 1] }
            );
        }
        let (mut number, mut power) = (self.nanos, -9);
        while number != 0 && number % 1_000 == 0 && power < 18 {
            number /= 1_000;
            power += 3;
        }
        match (number, power) {
            (0, _) => formatter.write_str("0"),
            (_, 0) => write!(formatter, "{number}"),
            _ if self.form == Form::Exponent => write!(formatter, "{number}e{power}"),
            _ => {
                let suffix = DECIMAL
                    .iter()
                    .find(|(_, of)| *of == power)
                    .map_or("", |(name, _)| *name);
                write!(formatter, "{number}{suffix}")
            }
        }
    }
}

impl Quantity {
    /// What the text means.
    pub fn amount(&self) -> Result<Amount, QuantityError> {
        self.string.parse()
    }

    /// In thousandths, rounded up; 0 when the text is no quantity, which admission refuses.
    pub fn milli(&self) -> i64 {
        self.amount().map_or(0, Amount::milli)
    }

    /// In whole units, rounded up; 0 when the text is no quantity, which admission refuses.
    pub fn value(&self) -> i64 {
        self.amount().map_or(0, Amount::value)
    }
}

impl From<Amount> for Quantity {
    fn from(amount: Amount) -> Self {
        Self {
            string: amount.to_string(),
        }
    }
}

impl From<&str> for Quantity {
    /// The text as it is, checked or not.
    fn from(text: &str) -> Self {
        Self {
            string: text.to_owned(),
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.string)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.string)
    }
}

impl ReadJson for Quantity {
    /// Checks the text and brings it into canonical form, as Kubernetes does on entry. A bare number is fine: `cpu: 2`.
    fn read(value: Value, _unknown: &mut Vec<String>) -> Result<Self, SchemaError> {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Null => return Ok(Self::from("0")),
            other => return Err(SchemaError::mismatch("a quantity", &other)),
        };
        match text.parse::<Amount>() {
            Ok(amount) => Ok(amount.into()),
            Err(error) => Err(SchemaError::new(error.to_string())),
        }
    }
}

implement_deserialize!(Quantity);

#[cfg(test)]
#[path = "quantity_tests.rs"]
mod tests;
