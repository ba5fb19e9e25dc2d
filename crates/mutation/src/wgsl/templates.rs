//! Which `<` and `>` of WGSL enclose template parameters, as the language's specification finds them
//! (section 3.9, "Template Lists").

use std::collections::BTreeSet;

/// The places of the `<` and `>` around template parameters in a text without comments.
pub fn delimiters(text: &str) -> BTreeSet<usize> {
    let bytes = text.as_bytes();
    let (mut found, mut pending, mut depth) = (BTreeSet::new(), Vec::<(usize, usize)>::new(), 0_usize);
    let mut i = 0;
    while i < bytes.len() {
        let next = bytes.get(i + 1).copied().unwrap_or_default();
        match bytes[i] {
            byte if byte.is_ascii_alphabetic() || byte == b'_' => {
                while bytes.get(i).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
                    i += 1;
                }
                while bytes.get(i).is_some_and(u8::is_ascii_whitespace) {
                    i += 1;
                }
                if bytes.get(i) == Some(&b'<') {
                    let shift_or_comparison = matches!(bytes.get(i + 1), Some(b'<' | b'='));
                    if !shift_or_comparison {
                        pending.push((i, depth));
                    }
                    i += 1 + usize::from(shift_or_comparison);
                }
                continue;
            }
            b'>' => match pending.last() {
                Some((start, at)) if *at == depth => {
                    found.extend([*start, i]);
                    pending.pop();
                }
                _ if next == b'=' => i += 1,
                _ => {}
            },
            b'(' | b'[' => depth += 1,
            b')' | b']' => {
                pending.retain(|(_, at)| *at < depth);
                depth = depth.saturating_sub(1);
            }
            b'!' | b'=' if next == b'=' => i += 1,
            b'=' | b';' | b'{' | b':' => (depth, pending) = (0, Vec::new()),
            b'&' | b'|' if next == bytes[i] => {
                pending.retain(|(_, at)| *at < depth);
                i += 1;
            }
            _ => {}
        }
        i += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(text: &str) -> String {
        let delimiters = delimiters(text);
        text.char_indices().map(|(i, character)| if delimiters.contains(&i) { '#' } else { character }).collect()
    }

    #[test]
    fn types_have_templates() {
        assert_eq!(marked("var<workgroup> x: array<vec4<f32>, 4>;"), "var#workgroup# x: array#vec4#f32#, 4#;");
        assert_eq!(marked("a >= bitcast<u32>(x) >> 8u"), "a >= bitcast#u32#(x) >> 8u");
        assert_eq!(marked("array<f32, ROWS * TOKENS>"), "array#f32, ROWS * TOKENS#");
        assert_eq!(marked("array<f32, (A > B)>"), "array#f32, (A > B)#");
    }

    #[test]
    fn comparisons_have_none() {
        for text in
            ["if a < b && c > d {", "for (i = 0; i < n; i++) { x = y > z; }", "a<=b", "a<<b>>c", "f(a < b), c > d"]
        {
            assert_eq!(marked(text), text);
        }
    }
}
