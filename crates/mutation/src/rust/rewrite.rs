//! Puts every mutant of a file behind its number: where `a + b` was, there is a choice between `a + b`
//! and `a - b`.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::Span;
use quote::format_ident;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{BinOp, Expr, ExprBinary, Lit, Stmt, UnOp, parse_quote};

use super::constants::{self, Constants};
use crate::mutant::{Change, Edit};
use crate::numbers;

/// A place of a file, what would change it, and the number that does.
#[derive(Clone, Debug)]
pub struct Site {
    pub number: u32,
    pub file: String,
    pub edit: Edit,
    pub kernels: BTreeSet<String>,
}

/// Methods of one argument that take each other's place.
const METHODS: &[(&str, &str)] =
    &[("min", "max"), ("max", "min"), ("wrapping_add", "wrapping_sub"), ("wrapping_sub", "wrapping_add")];
/// Methods and functions whose call becomes its operand.
const LEFT_OUT: &[&str] = &["sqrt", "ln", "exp", "tanh", "clamp", "abs"];

/// Rewrites a file, and keeps what can be changed in it.
pub struct Rewriter<'a> {
    file: &'a str,
    text: &'a str,
    functions: &'a BTreeMap<String, BTreeSet<String>>,
    constants: &'a Constants,
    dropped: &'a BTreeSet<u32>,
    next: u32,
    sites: Vec<Site>,
    /// The numbers of constants that were met.
    numbers: BTreeMap<(String, String), u32>,
    /// The kernels of the function at hand; none outside of CPU bodies.
    kernels: Option<BTreeSet<String>>,
}

impl<'a> Rewriter<'a> {
    /// For a file with these functions in CPU bodies; numbers start at `next`.
    pub fn new(
        file: &'a str,
        text: &'a str,
        functions: &'a BTreeMap<String, BTreeSet<String>>,
        constants: &'a Constants,
        dropped: &'a BTreeSet<u32>,
        next: u32,
    ) -> Self {
        Self {
            file,
            text,
            functions,
            constants,
            dropped,
            next,
            sites: Vec::new(),
            numbers: BTreeMap::new(),
            kernels: None,
        }
    }

    /// The file with a choice at every site.
    pub fn file(&mut self, mut syntax: syn::File) -> syn::File {
        self.visit_file_mut(&mut syntax);
        syntax
    }

    /// The first number that is free.
    pub fn next(&self) -> u32 {
        self.next
    }

    /// What can be changed.
    pub fn sites(self) -> Vec<Site> {
        self.sites
    }

    fn enter(&mut self, name: &syn::Ident, visit: impl FnOnce(&mut Self)) {
        let Some(kernels) = self.functions.get(&name.to_string()) else { return };
        let outer = self.kernels.replace(kernels.clone());
        visit(self);
        self.kernels = outer;
    }

    /// A number for a change, unless it was dropped.
    fn site(&mut self, span: Span, text: impl Into<String>, change: Change) -> Option<u32> {
        let edit = Edit { range: span.byte_range(), text: text.into(), change };
        self.site_of(self.file.to_owned(), edit)
    }

    fn site_of(&mut self, file: String, edit: Edit) -> Option<u32> {
        let kernels = self.kernels.clone()?;
        let number = self.next;
        self.next += 1;
        if self.dropped.contains(&number) {
            return None;
        }
        self.sites.push(Site { number, file, edit, kernels });
        Some(number)
    }

    fn source(&self, span: Span) -> &'a str {
        &self.text[span.byte_range()]
    }

    fn binary(&mut self, binary: &mut ExprBinary) -> Option<Expr> {
        let span = binary.op.span();
        visit_mut::visit_expr_binary_mut(self, binary);
        let other = other_operator(&binary.op)?;
        let number = self.site(span, quote::quote!(#other).to_string(), Change::Operator)?;
        let (left, operator, right) = (&binary.left, &binary.op, &binary.right);
        Some(match operator {
            // The right operand may not be worked out, or only after the left one.
            BinOp::And(_) | BinOp::Or(_) => parse_quote!(
                (if crate::mutant::on(#number) { #left #other #right } else { #left #operator #right })
            ),
            BinOp::AddAssign(_) | BinOp::SubAssign(_) | BinOp::MulAssign(_) | BinOp::DivAssign(_) => parse_quote!({
                let right = #right;
                if crate::mutant::on(#number) { #left #other right } else { #left #operator right }
            }),
            _ => parse_quote!({
                let (left, right) = (#left, #right);
                if crate::mutant::on(#number) { left #other right } else { left #operator right }
            }),
        })
    }

    fn literal(&mut self, literal: &syn::ExprLit) -> Option<Expr> {
        let text = match &literal.lit {
            Lit::Int(number) => numbers::other(&number.to_string())?,
            Lit::Float(number) => numbers::other(&number.to_string())?,
            Lit::Bool(truth) => (!truth.value).to_string(),
            _ => return None,
        };
        let other: Expr = syn::parse_str(&text).ok()?;
        let number = self.site(literal.span(), text, Change::Constant)?;
        Some(parse_quote!((if crate::mutant::on(#number) { #other } else { #literal })))
    }

    /// A constant is changed wherever it is used, by one number.
    fn path(&mut self, path: &syn::ExprPath) -> Option<Expr> {
        let mut names = path.path.segments.iter().rev().map(|segment| segment.ident.to_string());
        let name = names.next()?;
        let key = (names.next().unwrap_or_else(|| constants::module(self.file)), name);
        let constant = self.constants.get(&key)?;
        let number = match self.numbers.get(&key) {
            Some(number) => *number,
            None => self.site_of(constant.file.clone(), constant.edit.clone())?,
        };
        self.numbers.insert(key, number);
        if let (Some(site), Some(kernels)) = (self.sites.iter_mut().find(|site| site.number == number), &self.kernels) {
            site.kernels.extend(kernels.iter().cloned());
        }
        Some(if constant.float {
            parse_quote!((if crate::mutant::on(#number) { #path * 1.01 } else { #path }))
        } else {
            parse_quote!((if crate::mutant::on(#number) { #path + 1 } else { #path }))
        })
    }

    fn unary(&mut self, unary: &mut syn::ExprUnary) -> Option<Expr> {
        let span = unary.op.span();
        visit_mut::visit_expr_unary_mut(self, unary);
        if matches!(unary.op, UnOp::Deref(_)) {
            return None;
        }
        let number = self.site(span, "", Change::Operator)?;
        let (operator, operand) = (&unary.op, &unary.expr);
        Some(parse_quote!({
            let value = #operand;
            if crate::mutant::on(#number) { value } else { #operator value }
        }))
    }

    fn index(&mut self, index: &mut syn::ExprIndex) {
        let plain = matches!(*index.index, Expr::Lit(_));
        let span = match &*index.index {
            Expr::Range(syn::ExprRange { start: Some(start), .. }) => Some(start.span()),
            Expr::Range(_) => None,
            other => Some(other.span()),
        };
        visit_mut::visit_expr_index_mut(self, index);
        let Some(span) = span.filter(|_| !plain) else { return };
        let text = format!("({}) + 1", self.source(span));
        let Some(number) = self.site(span, text, Change::Index) else { return };
        let place = match &mut *index.index {
            Expr::Range(syn::ExprRange { start: Some(start), .. }) => start,
            _ => &mut index.index,
        };
        **place = parse_quote!(crate::mutant::next(#number, #place));
    }

    fn method(&mut self, call: &mut syn::ExprMethodCall) -> Option<Expr> {
        let (whole, span) = (call.span(), call.method.span());
        let receiver = self.source(call.receiver.span()).to_owned();
        let name = call.method.to_string();
        visit_mut::visit_expr_method_call_mut(self, call);
        let operand = &call.receiver;
        if let Some((_, other)) = METHODS.iter().find(|(method, _)| *method == name) {
            let argument = call.args.first().filter(|_| call.args.len() == 1)?;
            let (method, other) = (&call.method, format_ident!("{other}"));
            let number = self.site(span, other.to_string(), Change::Function)?;
            return Some(parse_quote!({
                let (value, argument) = (#operand, #argument);
                if crate::mutant::on(#number) { value.#other(argument) } else { value.#method(argument) }
            }));
        }
        LEFT_OUT.contains(&name.as_str()).then_some(())?;
        let number = self.site(whole, receiver, Change::Function)?;
        let (method, arguments) = (&call.method, &call.args);
        Some(parse_quote!({
            let value = #operand;
            if crate::mutant::on(#number) { value } else { value.#method(#arguments) }
        }))
    }

    fn call(&mut self, call: &mut syn::ExprCall) -> Option<Expr> {
        let whole = call.span();
        let argument = call.args.first().map(|argument| self.source(argument.span()).to_owned());
        // The name of a function is no constant.
        call.args.iter_mut().for_each(|argument| self.visit_expr_mut(argument));
        let Expr::Path(path) = &*call.func else { return None };
        let name = path.path.segments.last()?.ident.to_string();
        LEFT_OUT.contains(&name.as_str()).then_some(())?;
        let number = self.site(whole, argument?, Change::Function)?;
        let (function, operand) = (&call.func, call.args.first()?);
        Some(parse_quote!({
            let value = #operand;
            if crate::mutant::on(#number) { value } else { #function(value) }
        }))
    }

    /// A condition that is a name becomes its opposite.
    fn condition(&mut self, condition: &mut Expr) {
        if let Expr::Path(path) = condition {
            let text = format!("!{}", self.source(path.span()));
            if let Some(number) = self.site(path.span(), text, Change::Condition) {
                *condition = parse_quote!((#path != crate::mutant::on(#number)));
            }
        }
    }
}

impl VisitMut for Rewriter<'_> {
    fn visit_item_mod_mut(&mut self, _: &mut syn::ItemMod) {}
    fn visit_item_const_mut(&mut self, _: &mut syn::ItemConst) {}
    fn visit_item_static_mut(&mut self, _: &mut syn::ItemStatic) {}
    fn visit_attribute_mut(&mut self, _: &mut syn::Attribute) {}
    fn visit_type_mut(&mut self, _: &mut syn::Type) {}
    fn visit_pat_mut(&mut self, _: &mut syn::Pat) {}
    fn visit_expr_const_mut(&mut self, _: &mut syn::ExprConst) {}
    fn visit_angle_bracketed_generic_arguments_mut(&mut self, _: &mut syn::AngleBracketedGenericArguments) {}

    fn visit_item_fn_mut(&mut self, item: &mut syn::ItemFn) {
        let name = item.sig.ident.clone();
        self.enter(&name, |this| this.visit_block_mut(&mut item.block));
    }

    fn visit_impl_item_fn_mut(&mut self, item: &mut syn::ImplItemFn) {
        let name = item.sig.ident.clone();
        self.enter(&name, |this| this.visit_block_mut(&mut item.block));
    }

    /// The length of an array is a constant.
    fn visit_expr_repeat_mut(&mut self, repeat: &mut syn::ExprRepeat) {
        self.visit_expr_mut(&mut repeat.expr);
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let changed = match expr {
            Expr::Binary(binary) => self.binary(binary),
            Expr::Lit(literal) => self.literal(&literal.clone()),
            Expr::Path(path) => self.path(&path.clone()),
            Expr::Unary(unary) => self.unary(unary),
            Expr::MethodCall(call) => self.method(call),
            Expr::Call(call) => self.call(call),
            Expr::Index(index) => {
                self.index(index);
                None
            }
            Expr::If(branch) => {
                self.condition(&mut branch.cond);
                visit_mut::visit_expr_if_mut(self, branch);
                None
            }
            _ => {
                visit_mut::visit_expr_mut(self, expr);
                None
            }
        };
        if let Some(changed) = changed {
            *expr = changed;
        }
    }

    fn visit_stmt_mut(&mut self, statement: &mut Stmt) {
        let span = statement.span();
        let goes = match statement {
            Stmt::Expr(Expr::Assign(_) | Expr::Call(_) | Expr::MethodCall(_), Some(_)) => true,
            Stmt::Expr(Expr::Binary(binary), Some(_)) => other_operator(&binary.op).is_some(),
            _ => false,
        };
        visit_mut::visit_stmt_mut(self, statement);
        if goes && let Some(number) = self.site(span, "", Change::Statement) {
            *statement = parse_quote!(if !crate::mutant::on(#number) { #statement });
        }
    }
}

fn other_operator(operator: &BinOp) -> Option<BinOp> {
    Some(match operator {
        BinOp::Add(_) => parse_quote!(-),
        BinOp::Sub(_) => parse_quote!(+),
        BinOp::Mul(_) => parse_quote!(/),
        BinOp::Div(_) | BinOp::Rem(_) => parse_quote!(*),
        BinOp::Lt(_) => parse_quote!(<=),
        BinOp::Le(_) => parse_quote!(<),
        BinOp::Gt(_) => parse_quote!(>=),
        BinOp::Ge(_) => parse_quote!(>),
        BinOp::Eq(_) => parse_quote!(!=),
        BinOp::Ne(_) => parse_quote!(==),
        BinOp::And(_) => parse_quote!(||),
        BinOp::Or(_) => parse_quote!(&&),
        BinOp::BitAnd(_) | BinOp::BitXor(_) => parse_quote!(|),
        BinOp::BitOr(_) => parse_quote!(&),
        BinOp::Shl(_) => parse_quote!(>>),
        BinOp::Shr(_) => parse_quote!(<<),
        BinOp::AddAssign(_) => parse_quote!(-=),
        BinOp::SubAssign(_) => parse_quote!(+=),
        BinOp::MulAssign(_) => parse_quote!(/=),
        BinOp::DivAssign(_) => parse_quote!(*=),
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test fails by panicking
mod tests {
    use super::*;

    /// Each change of a function as what stands there, and what comes instead.
    fn changes(source: &str) -> Vec<(String, String)> {
        let functions = BTreeMap::from([("f".to_owned(), BTreeSet::from(["silu".to_owned()]))]);
        let (constants, dropped) = (Constants::new(), BTreeSet::new());
        let mut rewriter = Rewriter::new("f.rs", source, &functions, &constants, &dropped, 1);
        let syntax = rewriter.file(syn::parse_file(source).unwrap());
        assert!(syn::parse_file(&prettyplease::unparse(&syntax)).is_ok());
        let site = |site: Site| (source[site.edit.range.clone()].to_owned(), site.edit.text);
        rewriter.sites().into_iter().map(site).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(before, after)| ((*before).to_owned(), (*after).to_owned())).collect()
    }

    #[test]
    fn what_is_constant_or_no_expression_stays() {
        for source in [
            "fn f(x: [u8; 3]) -> Vec<[u8; 4]> { const N: u32 = 1; let y: [u8; 2]; g::<5>(); match x { 7..=8 => {} _ => {} } }",
            "fn g() { x = y + 1; }",
            "#[cfg(test)] mod tests { fn f() { x = y + 1; } }",
        ] {
            let without_calls: Vec<_> =
                changes(source).into_iter().filter(|(before, _)| before != "g::<5>();").collect();
            assert_eq!(without_calls, []);
        }
    }

    #[test]
    fn operators_and_constants_change() {
        assert_eq!(
            changes("fn f(a: f32) -> f32 { -a + a * 2.0 }"),
            pairs(&[("-", ""), ("2.0", "4.0"), ("*", "/"), ("+", "-")])
        );
    }

    #[test]
    fn statements_indices_and_functions_change() {
        assert_eq!(
            changes("fn f() { *out = x[i..][j]; }"),
            pairs(&[("i", "(i) + 1"), ("j", "(j) + 1"), ("*out = x[i..][j];", "")])
        );
        assert_eq!(
            changes("fn f() -> f32 { math::exp(x.min(y)) }"),
            pairs(&[("min", "max"), ("math::exp(x.min(y))", "x.min(y)")])
        );
    }
}
