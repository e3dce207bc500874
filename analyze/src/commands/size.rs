//! Sizes on the command line.

/// The bytes that a text such as `1000`, `4K`, `1.5M` or `2GiB` names. A K is 1024, as everywhere in these programs.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let number = text
        .trim()
        .trim_end_matches(['b', 'B'])
        .trim_end_matches(['i', 'I']);
    let (unit, factor) = match number.chars().last() {
        Some('k' | 'K') => (1, 1_u64 << 10),
        Some('m' | 'M') => (1, 1 << 20),
        Some('g' | 'G') => (1, 1 << 30),
        Some('t' | 'T') => (1, 1 << 40),
        _ => (0, 1),
    };
    let digits = number.get(..number.len() - unit).unwrap_or(number);
    let value: f64 = digits
        .trim()
        .parse()
        .ok()
        .filter(|value: &f64| value.is_finite() && *value >= 0.0)
        .ok_or_else(|| {
            format!("'{text}' is no size: expected a number of bytes, such as 4096, 64k or 1.5M")
        })?;
    // Whatever is more than any memory means just that.
    Ok((value * factor as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse("1000"), Ok(1000));
        assert_eq!(parse("4K"), Ok(4096));
        assert_eq!(parse("1.5 MiB"), Ok(3 << 19));
        assert_eq!(parse("2gb"), Ok(2 << 30));
        for nonsense in ["", "K", "1X", "1.2.3", "-1"] {
            assert!(parse(nonsense).is_err(), "{nonsense}");
        }
    }
}
