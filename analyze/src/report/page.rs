//! The page around the document: one file that needs no other, and does nothing but what was built in.

use base64_simd::STANDARD;
use sha2::{Digest, Sha256};

/// Made by `cargo xtask assets`.
const SCRIPT: &str = include_str!("../../assets/report/report.min.js");
const STYLE: &str = include_str!("../../assets/report/report.min.css");

/// A page that shows a document. `document` is JSON that [`harmless`] has seen.
///
/// The policy names the script and the style by their hashes: whatever a name in the heap may look like, nothing else runs,
/// nothing is loaded, and nothing can be sent anywhere.
pub(crate) fn page(title: &str, document: &str) -> String {
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    let title = escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <noscript><p>This report draws itself by a script that is part of it. It loads and sends nothing; please allow it.</p></noscript>\n\
         <div id=\"report\"></div>\n\
         <script type=\"application/json\" id=\"document\">{document}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

/// JSON that can stand in a page: it cannot end the element that it is in, nor begin a comment.
pub(crate) fn harmless(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + json.len() / 16);
    for character in json.chars() {
        match character {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            _ => text.push(character),
        }
    }
    text
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// As a policy names a script or a style.
fn hash(text: &str) -> String {
    format!(
        "sha256-{}",
        STANDARD.encode_to_string(Sha256::digest(text.as_bytes()))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_document_ends_its_element() {
        let json =
            serde_json::json!({ "</script><!--<script>": "<img src=x onerror=alert(1)>\u{2028}" });
        let text = harmless(&json.to_string());
        assert!(!text.contains(['<', '>', '&', '\u{2028}']));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).ok(),
            Some(json)
        );
        let page = page("</title><script>", &text);
        assert_eq!(page.matches("</script>").count(), 2, "ours alone");
        assert!(page.contains("<title>&lt;/title&gt;&lt;script&gt;</title>"));
    }

    #[test]
    fn what_is_built_in_cannot_end_its_element() {
        assert!(!SCRIPT.contains("</script") && !SCRIPT.contains("<!--"));
        assert!(!STYLE.contains("</style"));
    }
}
