//! Quantities: canonical forms, refusals, rounding, order.

use super::*;

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

#[test]
fn canonical_forms() {
    let cases = [
        ("0", "0"),
        ("-0.0", "0"),
        ("0Gi", "0"),
        ("1", "1"),
        ("+1.", "1"),
        (".5", "500m"),
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("100000", "100k"),
        ("1.5k", "1500"),
        ("1024", "1024"),
        ("1024Ki", "1Mi"),
        ("1Ki", "1Ki"),
        ("1023Mi", "1023Mi"),
        ("0.5Gi", "512Mi"),
        ("0.5Ki", "512"),
        ("0.1Gi", "107374182400m"),
        ("1e3", "1e3"),
        ("1500e-3", "1500e-3"),
        ("2E", "2E"),
        ("1E3", "1e3"),
        ("12E-6", "12e-6"),
        ("-3Gi", "-3Gi"),
        ("0.1n", "1n"),
        ("-0.1n", "-1n"),
        ("1.0000000001", "1000000001n"),
        ("9Ei", "9223372036854775807"),
        ("1e1000", "9223372036854775807"),
        ("1e-1000", "1e-9"),
        ("0.000000000000000000000000000000000000001E", "1n"),
        ("00000000000000000000000000000000000000000000007", "7"),
        ("9223372036854775807.123456789", "9223372036854775807"),
        ("1234567890123456789.123456789", "1234567890123456789123456789n"),
    ];
    for (text, canonical) in cases {
        assert_eq!(amount(text).to_string(), canonical, "{text}");
        assert_eq!(amount(canonical).to_string(), canonical, "{canonical} is stable");
        assert_eq!(amount(canonical), amount(text), "{text}");
    }
}

#[test]
fn what_is_refused() {
    for wrong in [
        "",
        " ",
        "-",
        ".",
        "1 ",
        " 1",
        "1.2.3",
        "1ki",
        "1K",
        "1e",
        "1e+",
        "1i",
        "--1",
        "1Kii",
        "0x10",
        "ä",
        "1e99999999999",
    ] {
        assert!(wrong.parse::<Amount>().is_err(), "{wrong:?}");
    }
}

#[test]
fn rounding_is_away_from_zero() {
    assert_eq!(amount("1m").value(), 1);
    assert_eq!(amount("-1m").value(), -1);
    assert_eq!(amount("100u").milli(), 1);
    assert_eq!(amount("1.5").milli(), 1_500);
    assert_eq!(amount("9E").milli(), i64::MAX);
    assert_eq!(Quantity::from("nonsense").milli(), 0);
    assert_eq!(Quantity::from("64Mi").value(), 64 << 20);
}

#[test]
fn order_sum_and_constructors() {
    assert!(amount("999m") < amount("1"));
    assert_eq!(amount("1000m"), amount("1e0"));
    assert_eq!(amount("1Gi").plus(amount("1024Mi")).to_string(), "2Gi");
    assert_eq!(amount("9E").plus(amount("9E")).value(), i64::MAX);
    assert_eq!(Quantity::from(Amount::from_milli(250)).string, "250m");
    assert_eq!(Quantity::from(Amount::from_value(2_000)).string, "2k");
    assert_eq!(Quantity::from(Amount::from_bytes(8 << 30)).string, "8Gi");
}

#[test]
fn json_is_checked_and_canonical() {
    for (json, canonical) in [
        ("\"0.5\"", "500m"),
        ("2", "2"),
        ("0.25", "250m"),
        ("1e3", "1k"),
        ("null", "0"),
    ] {
        assert_eq!(
            serde_json::from_str::<Quantity>(json).unwrap().string,
            canonical,
            "{json}"
        );
    }
    let error = serde_json::from_str::<Quantity>("\"64mb\"")
        .unwrap_err()
        .to_string();
    assert!(error.contains("64mb") && error.contains("500m"), "{error}");
    assert!(serde_json::from_str::<Quantity>("true").is_err());
}
