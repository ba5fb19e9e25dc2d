//! Constants of CPU bodies. What a constant is cannot depend on a mutant's number, but what its uses
//! take can.

use std::collections::BTreeMap;
use std::path::Path;

use syn::spanned::Spanned;
use syn::visit::Visit;

use super::Sources;
use crate::mutant::{Change, Edit};

/// A constant of a number.
#[derive(Clone, Debug)]
pub struct Constant {
    /// Where it is declared.
    pub file: String,
    /// What changes it there.
    pub edit: Edit,
    /// Whether it is a float.
    pub float: bool,
}

/// Constants by module, which is the stem of their file, and name.
pub type Constants = BTreeMap<(String, String), Constant>;

/// Every constant of a number outside tests.
pub fn of(sources: &Sources) -> Constants {
    let mut constants = Constants::new();
    for (file, source) in &sources.files {
        let mut found = Found { text: &source.text, file, constants: &mut constants };
        found.visit_file(&source.syntax);
    }
    constants
}

/// The module that a file is.
pub fn module(file: &str) -> String {
    Path::new(file).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

struct Found<'a> {
    text: &'a str,
    file: &'a str,
    constants: &'a mut Constants,
}

impl<'ast> Visit<'ast> for Found<'_> {
    fn visit_item_mod(&mut self, _: &'ast syn::ItemMod) {}

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        let syn::Type::Path(ty) = &*item.ty else { return };
        let Some(ty) = ty.path.get_ident().map(ToString::to_string) else { return };
        let float = ty == "f32";
        if !float && !["u32", "u64", "usize"].contains(&ty.as_str()) {
            return;
        }
        let range = item.expr.span().byte_range();
        let value = &self.text[range.clone()];
        let text = if float { format!("1.01 * {value}") } else { format!("{value} + 1") };
        let edit = Edit { range, text, change: Change::Constant };
        let constant = Constant { file: self.file.to_owned(), edit, float };
        self.constants.insert((module(self.file), item.ident.to_string()), constant);
    }
}
