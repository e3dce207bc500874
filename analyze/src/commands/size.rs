//! Sizes on the command line.

/// The bytes that a text such as `1000`, `4K`, `1.5M` or `2GiB` names. A K is 1024, as everywhere in these programs.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let digits = trimmed
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let factor: u64 = match unit.trim_end_matches("ib").trim_end_matches('b') {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => {
            return Err(format!(
                "'{text}' is no size: expected such as 1000, 4K, 1.5M or 2G"
            ));
        }
    };
    let bytes = number
        .parse::<f64>()
        .map_err(|_| format!("'{text}' is no size: expected such as 1000, 4K, 1.5M or 2G"))?
        * factor as f64;
    // Whatever is more than any memory means just that.
    Ok(bytes as u64)
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
