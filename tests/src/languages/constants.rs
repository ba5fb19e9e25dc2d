//! The values that launches give for the `override` constants of shaders.

use runtime::Kernel;

/// A value for each `override` constant of a shader.
pub type Constants = Vec<(&'static str, f64)>;

/// Every set of constants that a kernel is launched with.
pub fn constants(kernel: &Kernel) -> Vec<Constants> {
    match kernel.name {
        "matmul" | "matmul_register" | "matmul_subgroup" | "matmul_f16" => products().collect(),
        "matmul_wide" => products_with("SIDE", &[8.0, 16.0]),
        "matmul_cooperative_8" => products_with("SIZE", &[8.0]),
        "matmul_cooperative_16" => products_with("SIZE", &[16.0]),
        "attention" | "attention_backward" => [0.0, 1.0].map(|both| vec![("BOTH", both)]).into(),
        "attention_subgroup" => (1..=8).map(|eights| vec![("EIGHTS", f64::from(eights))]).collect(),
        _ => vec![Constants::new()],
    }
}

/// Whether a and b are transposed, and the epilogue.
fn products() -> impl Iterator<Item = Constants> {
    [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0)].into_iter().flat_map(|(a, b)| {
        (0..=5).map(move |epilogue| vec![("A_TRANSPOSED", a), ("B_TRANSPOSED", b), ("EPILOGUE", f64::from(epilogue))])
    })
}

/// The same with each value of one constant more.
fn products_with(name: &'static str, values: &[f64]) -> Vec<Constants> {
    let with = |value: &f64| products().map(|product| [product, vec![(name, *value)]].concat()).collect::<Vec<_>>();
    values.iter().flat_map(with).collect()
}
