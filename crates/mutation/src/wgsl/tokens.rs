//! The words of a WGSL text.

use super::templates;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name or a keyword.
    Word,
    /// A number.
    Number,
    /// An operator, a bracket or another sign.
    Sign,
    /// `<` or `>` around template parameters.
    Template,
}

/// A piece of a text.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its text.
    pub text: &'a str,
    /// Where it starts.
    pub start: usize,
}

impl Token<'_> {
    /// Where it ends.
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// Signs of more than one character, the longest first.
const SIGNS: &[&str] = &[
    "<<=", ">>=", "->", "++", "--", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<", ">>", "<=", ">=", "==", "!=",
    "&&", "||",
];

/// The tokens of a text without comments.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let templates = templates::delimiters(text);
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(first) = text[start..].chars().next() {
        let rest = &text[start..];
        let (kind, length) = match first {
            _ if first.is_whitespace() => {
                start += first.len_utf8();
                continue;
            }
            '<' | '>' if templates.contains(&start) => (Kind::Template, 1),
            'a'..='z' | 'A'..='Z' | '_' => (Kind::Word, word(rest)),
            '0'..='9' => (Kind::Number, number(rest)),
            _ => (Kind::Sign, SIGNS.iter().find(|sign| rest.starts_with(**sign)).map_or(first.len_utf8(), |s| s.len())),
        };
        tokens.push(Token { kind, text: &rest[..length], start });
        start += length;
    }
    tokens
}

fn word(text: &str) -> usize {
    text.find(|part: char| !part.is_ascii_alphanumeric() && part != '_').unwrap_or(text.len())
}

fn number(text: &str) -> usize {
    let hexadecimal = text.starts_with("0x");
    let mut previous = ' ';
    let end = text.find(|part: char| {
        let exponent = !hexadecimal && matches!(previous, 'e' | 'E') && matches!(part, '+' | '-');
        previous = part;
        !(part.is_ascii_alphanumeric() || part == '.' || exponent)
    });
    end.unwrap_or(text.len())
}

/// The text with spaces in place of comments; what remains keeps its place.
pub fn without_comments(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let (mut nesting, mut in_line) = (0_usize, false);
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let (opens, closes) = (rest.starts_with("/*"), rest.starts_with("*/"));
        let length = if !in_line && (opens || closes && nesting > 0) { 2 } else { first.len_utf8() };
        let mut comment = in_line || nesting > 0;
        if in_line {
            in_line = first != '\n';
        } else if opens {
            (nesting, comment) = (nesting + 1, true);
        } else if closes && nesting > 0 {
            nesting -= 1;
        } else if nesting == 0 && rest.starts_with("//") {
            (in_line, comment) = (true, true);
        }
        if comment && first != '\n' {
            text.extend(std::iter::repeat_n(' ', length));
        } else {
            text.push_str(&rest[..length]);
        }
        rest = &rest[length..];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        tokens(text).iter().map(|token| token.text).collect()
    }

    #[test]
    fn odd_tokens_stay_whole() {
        assert_eq!(texts("x+=1.5e-8*y;"), ["x", "+=", "1.5e-8", "*", "y", ";"]);
        assert_eq!(texts("0x1fu-1u>>=2"), ["0x1fu", "-", "1u", ">>=", "2"]);
        assert_eq!(texts("fn f()->vec2<f32>{"), ["fn", "f", "(", ")", "->", "vec2", "<", "f32", ">", "{"]);
        assert_eq!(texts("array<vec4<f32>>=x"), ["array", "<", "vec4", "<", "f32", ">", ">", "=", "x"]);
    }

    #[test]
    fn comments_become_spaces() {
        let source = "a // b ⊙ c\n/* d /* e */ f */ g // */\nh";
        let text = without_comments(source);
        assert_eq!(text.len(), source.len());
        assert_eq!(texts(&text), ["a", "g", "h"]);
        assert_eq!(text.find('h'), source.rfind('h'));
    }
}
