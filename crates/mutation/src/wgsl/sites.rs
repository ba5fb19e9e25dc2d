//! Where a shader can be changed, and into what.

use std::ops::Range;

use super::tokens::{Kind, Token, tokens, without_comments};
use crate::mutant::{Change, Edit};
use crate::numbers;

/// Operators of two operands, and what takes their place.
const OPERATORS: &[(&str, &str)] = &[
    ("+", "-"),
    ("-", "+"),
    ("*", "/"),
    ("/", "*"),
    ("%", "*"),
    ("<", "<="),
    ("<=", "<"),
    (">", ">="),
    (">=", ">"),
    ("==", "!="),
    ("!=", "=="),
    ("&&", "||"),
    ("||", "&&"),
    ("&", "|"),
    ("|", "&"),
    ("^", "|"),
    ("<<", ">>"),
    (">>", "<<"),
    ("+=", "-="),
    ("-=", "+="),
    ("*=", "/="),
    ("/=", "*="),
];

/// Functions whose call becomes its argument.
const LEFT_OUT: &[&str] =
    &["exp", "exp2", "log", "log2", "sqrt", "inverseSqrt", "tanh", "sin", "cos", "abs", "transpose"];

/// Every change of a shader's text, in order.
pub fn edits(source: &str) -> Vec<Edit> {
    let text = without_comments(source);
    let tokens = tokens(&text);
    let sites = Sites { text: &text, tokens: &tokens };
    let kept = sites.untouched();
    let mut edits = Vec::new();
    for i in (0..tokens.len()).filter(|i| !kept.iter().any(|range| range.contains(i))) {
        edits.extend(sites.at(i));
    }
    edits.extend(sites.statements());
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    edits
}

struct Sites<'a> {
    text: &'a str,
    tokens: &'a [Token<'a>],
}

impl Sites<'_> {
    fn is(&self, i: usize, text: &str) -> bool {
        self.tokens.get(i).is_some_and(|token| token.text == text)
    }

    /// Attributes, template parameters, imports, and `override` constants, which launches set.
    fn untouched(&self) -> Vec<Range<usize>> {
        let mut ranges = Vec::new();
        for (i, token) in self.tokens.iter().enumerate() {
            let end = match (token.kind, token.text) {
                (Kind::Sign, "@") if self.is(i + 2, "(") => self.close(i + 2),
                (Kind::Word, "override" | "import" | "enable" | "requires" | "diagnostic") => {
                    (i..self.tokens.len()).find(|j| self.is(*j, ";"))
                }
                (Kind::Template, "<") => self.close(i),
                _ => None,
            };
            ranges.extend(end.map(|end| i..end + 1));
        }
        ranges
    }

    /// The bracket that closes the one at `open`.
    fn close(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for (i, token) in self.tokens.iter().enumerate().skip(open) {
            match (token.kind, token.text) {
                (Kind::Template, "<") | (Kind::Sign, "(" | "[" | "{") => depth += 1,
                (Kind::Template, ">") | (Kind::Sign, ")" | "]" | "}") => depth = depth.checked_sub(1)?,
                _ => {}
            }
            if depth == 0 {
                return Some(i);
            }
        }
        None
    }

    /// Whether an operand ends before this token, so that an operator here has two.
    fn after_operand(&self, i: usize) -> bool {
        let Some(before) = i.checked_sub(1).map(|before| self.tokens[before]) else { return false };
        match before.kind {
            Kind::Word => !matches!(before.text, "return" | "if" | "else" | "while" | "case"),
            Kind::Number => true,
            Kind::Sign => matches!(before.text, ")" | "]"),
            Kind::Template => false,
        }
    }

    fn edit(&self, i: usize, text: impl Into<String>, change: Change) -> Edit {
        Edit { range: self.tokens[i].start..self.tokens[i].end(), text: text.into(), change }
    }

    fn at(&self, i: usize) -> Option<Edit> {
        let token = self.tokens[i];
        match token.kind {
            Kind::Number => Some(self.edit(i, numbers::other(token.text)?, Change::Constant)),
            Kind::Sign if token.text == "[" => self.index(i),
            Kind::Sign if self.after_operand(i) => {
                let (_, other) = OPERATORS.iter().find(|(operator, _)| *operator == token.text)?;
                Some(self.edit(i, *other, Change::Operator))
            }
            Kind::Sign if matches!(token.text, "-" | "!" | "~") => Some(self.edit(i, "", Change::Operator)),
            Kind::Word if token.text == "true" => Some(self.edit(i, "false", Change::Constant)),
            Kind::Word if token.text == "false" => Some(self.edit(i, "true", Change::Constant)),
            Kind::Word if token.text == "if" && self.is(i + 2, "{") => {
                let condition = self.tokens[i + 1];
                Some(self.edit(i + 1, format!("!{}", condition.text), Change::Condition))
            }
            Kind::Word if self.is(i + 1, "(") && !(i > 0 && self.is(i - 1, "fn")) => self.call(i),
            Kind::Sign | Kind::Word | Kind::Template => None,
        }
    }

    /// The element after the one that is meant. A number is changed as a number.
    fn index(&self, open: usize) -> Option<Edit> {
        let close = self.close(open)?;
        if !self.after_operand(open) || close == open + 2 && self.tokens[open + 1].kind == Kind::Number {
            return None;
        }
        let range = self.tokens[open].end()..self.tokens[close].start;
        let text = format!("({}) + 1", &self.text[range.clone()]);
        Some(Edit { range, text, change: Change::Index })
    }

    fn call(&self, i: usize) -> Option<Edit> {
        let name = self.tokens[i].text;
        let change = Change::Function;
        match name {
            "min" => Some(self.edit(i, "max", change)),
            "max" => Some(self.edit(i, "min", change)),
            _ if LEFT_OUT.contains(&name) => Some(self.edit(i, "", change)),
            "clamp" => {
                let [first, ..] = self.arguments(i + 1)?[..] else { return None };
                let range = self.tokens[i].start..self.tokens[self.close(i + 1)?].end();
                Some(Edit { range, text: format!("({first})"), change })
            }
            "select" => {
                let [first, second, condition] = self.arguments(i + 1)?[..] else { return None };
                let range = self.tokens[i].start..self.tokens[self.close(i + 1)?].end();
                Some(Edit { range, text: format!("select({second}, {first}, {condition})"), change })
            }
            _ => None,
        }
    }

    /// The texts between the commas of a call.
    fn arguments(&self, open: usize) -> Option<Vec<&str>> {
        let close = self.close(open)?;
        let (mut arguments, mut start, mut i) = (Vec::new(), self.tokens[open].end(), open + 1);
        while i <= close {
            if i == close || self.is(i, ",") {
                arguments.push(self.text[start..self.tokens[i].start].trim());
                start = self.tokens[i].end();
            }
            let inner = self.tokens[i].kind == Kind::Template || matches!(self.tokens[i].text, "(" | "[");
            i = if inner { self.close(i)? } else { i } + 1;
        }
        Some(arguments)
    }

    /// Assignments, calls, barriers and bare returns that are left out.
    fn statements(&self) -> Vec<Edit> {
        let (mut edits, mut first, mut depth, mut body) = (Vec::new(), 0, 0_usize, 0_usize);
        for (i, token) in self.tokens.iter().enumerate() {
            match token.text {
                "(" | "[" => depth += 1,
                ")" | "]" => depth = depth.saturating_sub(1),
                "{" => (body, first) = (body + 1, i + 1),
                "}" => (body, first) = (body.saturating_sub(1), i + 1),
                ";" if depth == 0 => {
                    edits.extend((body > 0).then(|| self.statement(first, i)).flatten());
                    first = i + 1;
                }
                _ => {}
            }
        }
        edits
    }

    fn statement(&self, first: usize, semicolon: usize) -> Option<Edit> {
        let change = match self.tokens[first].text {
            "workgroupBarrier" | "storageBarrier" => Change::Barrier,
            "return" if semicolon > first + 1 => return None,
            // Without its end a loop would not end.
            "let" | "var" | "const" | "break" | "continue" | "discard" => return None,
            _ => Change::Statement,
        };
        let range = self.tokens[first].start..self.tokens[semicolon].end();
        Some(Edit { range, text: String::new(), change })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each change as what stands there, and what comes instead.
    fn changes(source: &str) -> Vec<(String, String)> {
        edits(source).into_iter().map(|edit| (source[edit.range.clone()].to_owned(), edit.text)).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(before, after)| ((*before).to_owned(), (*after).to_owned())).collect()
    }

    #[test]
    fn declarations_stay() {
        for source in [
            "@group(0) @binding(1) var<storage, read> a: array<vec4<f32>, 4>;",
            "override ROWS: u32 = 16u;",
            "import package::shared::gelu::gelu;",
            "@compute @workgroup_size(8, 8) fn main(@builtin(global_invocation_id) id: vec3u) -> f32 {}",
            "// a + 1\n/* b - 2 /* c * 3 */ */",
        ] {
            assert_eq!(changes(source), []);
        }
    }

    #[test]
    fn operators_change() {
        assert_eq!(
            changes("fn f() { let x = a + -b >> c; if a < b && d {} }"),
            pairs(&[("+", "-"), ("-", ""), (">>", "<<"), ("<", "<="), ("&&", "||")])
        );
        assert_eq!(changes("fn f() -> f32 { return -bitcast<f32>(x); }"), pairs(&[("-", "")]));
    }

    #[test]
    fn indices_and_constants_change() {
        assert_eq!(changes("const N = 8u;"), pairs(&[("8u", "9u")]));
        assert_eq!(changes("fn f() { let y = x[i]; let z = x[0]; }"), pairs(&[("i", "(i) + 1"), ("0", "1")]));
    }

    #[test]
    fn functions_change() {
        assert_eq!(
            changes("fn min(a: f32) { let x = exp(min(select(a, f(b, c), d), clamp(e, g, h))); }"),
            pairs(&[
                ("exp", ""),
                ("min", "max"),
                ("select(a, f(b, c), d)", "select(f(b, c), a, d)"),
                ("clamp(e, g, h)", "(e)")
            ])
        );
    }

    #[test]
    fn statements_go() {
        assert_eq!(
            changes(
                "fn f() { workgroupBarrier(); for (var i = a; c; i++) { x = y; break; } if q { return; } return x; }"
            ),
            pairs(&[("workgroupBarrier();", ""), ("x = y;", ""), ("q", "!q"), ("return;", "")])
        );
    }
}
