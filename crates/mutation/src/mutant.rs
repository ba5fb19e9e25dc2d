//! A mutant: one change of one source file.

use std::ops::Range;

use serde::Serialize;

/// Which of a kernel's two bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// The shader.
    Wgsl,
    /// The function over slices.
    Cpu,
}

/// What a change does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Another operator, or none where it has one operand.
    Operator,
    /// Another number or truth value.
    Constant,
    /// Another function, other arguments, or none.
    Function,
    /// The next element.
    Index,
    /// A condition's opposite.
    Condition,
    /// No barrier.
    Barrier,
    /// A statement less.
    Statement,
}

/// A replacement of a piece of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The bytes that are replaced.
    pub range: Range<usize>,
    /// What stands there instead.
    pub text: String,
    /// What the change does.
    pub change: Change,
}

impl Edit {
    /// The text with this edit.
    pub fn apply(&self, source: &str) -> String {
        format!("{}{}{}", &source[..self.range.start], self.text, &source[self.range.end..])
    }

    /// The number of the line that the edit starts in, and the line before and after, without indentation.
    pub fn line(&self, source: &str) -> (usize, String, String) {
        let start = source[..self.range.start].rfind('\n').map_or(0, |newline| newline + 1);
        let end_of_line = |from: usize| source[from..].find('\n').map_or(source.len(), |length| from + length);
        let after = format!(
            "{}{}{}",
            &source[start..self.range.start],
            self.text,
            &source[self.range.end..end_of_line(self.range.end)]
        );
        let number = 1 + source[..start].matches('\n').count();
        (number, source[start..end_of_line(start)].trim().to_owned(), after.trim().to_owned())
    }
}

/// One change of one source file, and the kernels that it may concern.
#[derive(Clone, Debug, Serialize)]
pub struct Mutant {
    /// Which body it changes.
    pub body: Body,
    /// The file, from the root of the repository on.
    pub file: String,
    /// The line that the change starts in.
    pub line: usize,
    /// What the change does.
    pub change: Change,
    /// The line before, without indentation.
    pub before: String,
    /// The line after.
    pub after: String,
    /// The kernels that have it; the tests of these are run.
    pub kernels: Vec<String>,
    /// How it gets into a test.
    #[serde(skip)]
    pub means: Means,
}

/// How a mutant gets into a test.
#[derive(Clone, Debug)]
pub enum Means {
    /// The text of a shader or of what shaders share.
    Shader(String),
    /// Its number in the tests that were built with all of them.
    Number(u32),
}

impl Mutant {
    /// The mutant that an edit of a file makes.
    pub fn new(body: Body, file: &str, source: &str, edit: &Edit, kernels: Vec<String>, means: Means) -> Self {
        let (line, before, after) = edit.line(source);
        Self { body, file: file.to_owned(), line, change: edit.change, before, after, kernels, means }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_shown_before_and_after() {
        let source = "one\n    two + three;\nfour\n";
        let edit = Edit { range: 12..13, text: "-".into(), change: Change::Operator };
        assert_eq!(edit.line(source), (2, "two + three;".into(), "two - three;".into()));
        assert_eq!(edit.apply(source), "one\n    two - three;\nfour\n");
    }

    #[test]
    fn a_statement_of_two_lines_goes_as_a_whole() {
        let source = "a =\n  b;\nc";
        let edit = Edit { range: 0..8, text: String::new(), change: Change::Statement };
        assert_eq!(edit.line(source), (1, "a =".into(), String::new()));
    }
}
