//! Terms: named parts of expressions, so that a long rule is written once and a new V8 changes only the part that changed.

use super::LayoutError;
use super::table::RawTable;

/// Terms may use terms, this deep.
const MAX_DEPTH: usize = 8;
/// The longest rule in the tables, `ScopeInfo`'s size, is about 1,000 characters when written out.
const MAX_LENGTH: usize = 16 << 10;

/// Writes out the terms in all values of a table.
pub(super) fn expand(table: &str, raw: &mut RawTable) -> Result<(), LayoutError> {
    let terms = std::mem::take(&mut raw.terms);
    let write_out = |text: &mut String| -> Result<(), LayoutError> {
        for _ in 0..MAX_DEPTH {
            if !text.contains('$') {
                return Ok(());
            }
            *text = substitute(text, |name| terms.get(name).map(String::as_str))
                .map_err(|name| LayoutError::table(table, &format!("no term is called ${name}")))?;
            if text.len() > MAX_LENGTH {
                break;
            }
        }
        Err(LayoutError::table(
            table,
            &format!("terms stand for each other without end: {text:.100}"),
        ))
    };
    for size in raw.sizes.values_mut() {
        write_out(size)?;
    }
    for value in raw.fields.values_mut().chain(raw.corrections.values_mut()) {
        if let toml::Value::String(text) = value {
            write_out(text)?;
        }
    }
    Ok(())
}

/// `text` with each `$name` replaced once; the name as error if there is no such term.
fn substitute<'a>(text: &str, term: impl Fn(&str) -> Option<&'a str>) -> Result<String, String> {
    let mut parts = text.split('$');
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        let value = term(name).ok_or_else(|| name.to_owned())?;
        result.extend(["(", value, ")", rest]);
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<RawTable, LayoutError> {
        let mut raw = toml::from_str(text).unwrap();
        expand("test", &mut raw).map(|()| raw)
    }

    #[test]
    fn terms_are_written_out_in_parentheses() {
        let raw = expanded(
            r#"
            [terms]
            count = "smi@8"
            names = "if(lt($count, 75), $count, 1)"
            [fields]
            "A.offset" = "8 * $names"
            "A.number" = 3
            [sizes]
            A_TYPE = "16+$count*8"
            "#,
        )
        .unwrap();
        assert_eq!(raw.sizes["A_TYPE"], "16+(smi@8)*8");
        assert_eq!(
            raw.fields["A.offset"].as_str().unwrap(),
            "8 * (if(lt((smi@8), 75), (smi@8), 1))"
        );
    }

    #[test]
    fn mistakes_are_told() {
        let unknown = expanded("[sizes]\nA = \"$nothing\"").unwrap_err();
        assert!(unknown.to_string().contains("$nothing"), "{unknown}");
        for circular in [
            "[terms]\na = \"$b\"\nb = \"$a\"\n[sizes]\nA = \"$a\"",
            "[terms]\na = \"$a $a $a $a\"\n[sizes]\nA = \"$a\"",
        ] {
            assert!(expanded(circular).is_err(), "{circular}");
        }
    }
}
