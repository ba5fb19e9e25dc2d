//! The values that launches give for the `override` constants of shaders.

use runtime::Kernel;

/// A value for each `override` constant of a shader.
pub type Constants = Vec<(&'static str, f64)>;

/// Every set of constants that a kernel is launched with.
pub fn constants(kernel: &Kernel) -> Vec<Constants> {
    match kernel.name {
        "matmul"
        | "matmul_register"
        | "matmul_subgroup"
        | "matmul_f16"
        | "matmul_cooperative_8"
        | "matmul_cooperative_16" => products().collect(),
        "matmul_wide" => {
            let sides = [8.0, 16.0].map(|side| vec![("SIDE", side)]);
            products().flat_map(|product| sides.clone().map(|side| [product.clone(), side].concat())).collect()
        }
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
