//! Which functions CPU bodies are made of, and of which kernels.

use std::collections::{BTreeMap, BTreeSet};

use quote::ToTokens;
use syn::visit::{self, Visit};

use super::{SOURCES, Sources};

/// Kernels by file and function.
pub type Reach = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// What a function is called and what it names.
struct Function {
    file: String,
    name: String,
    words: BTreeSet<String>,
}

/// The functions that each kernel's `cpu` reaches: those of its own file and of what CPU bodies share
/// that are named on the way. A name that stands for something else too gives a function too many,
/// which costs time, not mutants.
pub fn of(sources: &Sources) -> Reach {
    let mut functions = Vec::new();
    let mut roots = Vec::new();
    for (file, source) in &sources.files {
        let mut found = Found::default();
        found.visit_file(&source.syntax);
        functions.extend(found.functions.into_iter().map(|(name, words)| Function { file: file.clone(), name, words }));
        roots.extend(found.kernels.into_iter().map(|kernel| (file.clone(), kernel)));
    }
    let mut reach = Reach::new();
    for (file, kernel) in roots {
        for function in reached(&functions, &file) {
            let kernels = reach.entry(function.file.clone()).or_default().entry(function.name.clone()).or_default();
            kernels.insert(kernel.clone());
        }
    }
    reach
}

fn reached<'a>(functions: &'a [Function], file: &str) -> Vec<&'a Function> {
    let shared = [format!("{SOURCES}/cpu/"), format!("{SOURCES}/heads.rs")];
    let is_shared = |file: &str| shared.iter().any(|prefix| file.starts_with(prefix));
    let mut open: Vec<usize> =
        (0..functions.len()).filter(|i| functions[*i].file == file && functions[*i].name == "cpu").collect();
    let mut reached: BTreeSet<usize> = open.iter().copied().collect();
    while let Some(caller) = open.pop().map(|i| &functions[i]) {
        for (i, callee) in functions.iter().enumerate() {
            let near = callee.file == caller.file || is_shared(&callee.file);
            if near && caller.words.contains(&callee.name) && reached.insert(i) {
                open.push(i);
            }
        }
    }
    reached.into_iter().map(|i| &functions[i]).collect()
}

/// The functions of a file outside its tests, and the kernels it declares.
#[derive(Default)]
struct Found {
    functions: Vec<(String, BTreeSet<String>)>,
    kernels: Vec<String>,
}

impl Found {
    fn function(&mut self, name: &syn::Ident, body: &syn::Block) {
        let mut words = BTreeSet::new();
        collect(body.to_token_stream(), &mut words);
        self.functions.push((name.to_string(), words));
    }
}

impl<'ast> Visit<'ast> for Found {
    fn visit_item_mod(&mut self, _: &'ast syn::ItemMod) {}

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig.ident, &item.block);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig.ident, &item.block);
    }

    fn visit_field_value(&mut self, field: &'ast syn::FieldValue) {
        if let (syn::Member::Named(name), syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. })) =
            (&field.member, &field.expr)
            && name == "name"
        {
            self.kernels.push(text.value());
        }
        visit::visit_field_value(self, field);
    }
}

fn collect(tokens: proc_macro2::TokenStream, words: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            proc_macro2::TokenTree::Group(group) => collect(group.stream(), words),
            proc_macro2::TokenTree::Ident(word) => {
                words.insert(word.to_string());
            }
            proc_macro2::TokenTree::Punct(_) | proc_macro2::TokenTree::Literal(_) => {}
        }
    }
}
