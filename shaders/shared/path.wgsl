// The paths from noise to data: x = α · data + σ · noise.

import package::shared::trigonometry::cos_sin;

const POLYNOMIAL = 1u;
const VARIANCE_PRESERVING = 2u;
const LINEAR_VP = 3u;
const COSINE = 4u;

// Where σ' is infinite at the data, coefficients at later times are those at this one.
const LAST = 0.99999;

// (α, σ, α', σ') at a time within [0, 1], each to 1e-7 and 4e-6 of itself.
fn coefficients(kind: u32, degree: u32, time: f32) -> vec4f {
    if kind == POLYNOMIAL {
        var below = 1.0;
        for (var power = 1u; power < degree; power++) {
            below *= time;
        }
        let rate = f32(degree) * below;
        return vec4f(below * time, 1.0 - below * time, rate, -rate);
    }
    if kind == VARIANCE_PRESERVING {
        let rest = 1.0 - select(time, LAST, time > LAST);
        let beta = 0.1 + 19.9 * rest;
        let integral = rest * (0.1 + 9.95 * rest);
        let alpha = exp(-0.5 * integral);
        let sigma = sqrt(one_minus_exp(integral));
        return vec4f(alpha, sigma, 0.5 * beta * alpha, -0.5 * beta * alpha * alpha / sigma);
    }
    if kind == LINEAR_VP {
        let before = select(time, LAST, time > LAST);
        let sigma = sqrt((1.0 - before) * (1.0 + before));
        return vec4f(before, sigma, 1.0, -before / sigma);
    }
    if kind == COSINE {
        const QUARTER_TURN = 1.5707963267948966;
        let turned = cos_sin(u32(time * 1073741824.0)); // 2³⁰, a quarter of 2³²
        return vec4f(turned.y, turned.x, QUARTER_TURN * turned.x, -QUARTER_TURN * turned.y);
    }
    return vec4f(time, 1.0 - time, 1.0, -1.0);
}

// 1 - e⁻ˣ for x of at least 0. Near 0 the difference would lose its digits: there by Taylor's series.
fn one_minus_exp(x: f32) -> f32 {
    if x > 1.0 {
        return 1.0 - exp(-x);
    }
    var series = 1.0;
    for (var n = 10.0; n > 1.5; n -= 1.0) {
        series = 1.0 - series * x / n;
    }
    return x * series;
}
