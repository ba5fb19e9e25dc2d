//! The values that launches give for the `override` constants of shaders.

use kernels::MAX_TOKENS;
use runtime::Kernel;

/// A value for each `override` constant of a shader.
pub type Constants = Vec<(&'static str, f64)>;

/// Every set of constants that a kernel is launched with, attention's for the tokens of square images.
pub fn constants(kernel: &Kernel) -> Vec<Constants> {
    match kernel.name {
        "matmul"
        | "matmul_register"
        | "matmul_subgroup"
        | "matmul_f16"
        | "matmul_cooperative_8"
        | "matmul_cooperative_16" => [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0)]
            .into_iter()
            .flat_map(|layout| (0..=5).map(move |epilogue| product(layout, epilogue)))
            .collect(),
        "matmul_wide" => [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0)]
            .into_iter()
            .flat_map(|layout| [8.0, 16.0].map(|side| (layout, side)))
            .flat_map(|(layout, side)| {
                (0..=5).map(move |epilogue| [product(layout, epilogue), vec![("SIDE", side)]].concat())
            })
            .collect(),
        "attention" => attention(|tokens| 4096 / tokens),
        "attention_backward" => attention(|tokens| (4096 - tokens.next_multiple_of(4)) / 2 / 4 * 4 / tokens),
        "attention_subgroup" => (1..=8).map(|eights| vec![("EIGHTS", f64::from(eights))]).collect(),
        _ => vec![Constants::new()],
    }
}

/// Whether a and b are transposed, and the epilogue.
fn product((a, b): (f64, f64), epilogue: u32) -> Constants {
    vec![("A_TRANSPOSED", a), ("B_TRANSPOSED", b), ("EPILOGUE", f64::from(epilogue))]
}

/// ROWS as `Heads::rows_a_workgroup` has it: `rows` fit the memory of a workgroup, but 16 are enough.
fn attention(rows: fn(usize) -> usize) -> Vec<Constants> {
    let squares = (1..).map(|side| side * side).take_while(|tokens| *tokens <= MAX_TOKENS);
    // And some whose rows do not fill the memory evenly.
    squares
        .chain([178, 315, 819, MAX_TOKENS])
        .map(|tokens| vec![("ROWS", rows(tokens).min(16) as f64), ("TOKENS", tokens as f64)])
        .collect()
}
