//! Label embeddings.

use tests::harness::{Values, on_each_device};

use crate::graph::Graph;

pub const KERNELS: &[&str] = &["label_embedding_backward"];

/// B, D, rows of the table. Where rows outnumber items, some have no gradient.
const SHAPES: [[usize; 3]; 5] = [[1, 1, 1], [3, 5, 2], [7, 33, 4], [2, 13, 11], [65, 4, 11]];

#[test]
pub fn label_embedding() {
    on_each_device(|bench| {
        for ([batch, width, rows], seed) in SHAPES.into_iter().zip(1..) {
            let graph = || Graph::polynomial(seed).input("x", batch, width).parameter("table", &[rows, width], 1.0);
            let [first, second] = [1, 2].map(|seed| Values::new(seed).below(rows as u32, batch));
            let case = format!("label_embedding ({batch}, {width}), {rows} rows");
            graph().check(bench, KERNELS, &case, |nodes| {
                let (x, labels, table) = (nodes.input("x"), upload_labels(nodes, &first), nodes.parameter("table"));
                nodes.tape.label_embedding(&x, &labels, table).unwrap()
            });
            let twice = graph().linear("join", width, width);
            twice.check(bench, KERNELS, format_args!("{case}, twice"), |nodes| {
                let (x, table) = (nodes.input("x"), nodes.parameter("table"));
                let [a, b] = [&first, &second].map(|labels| {
                    let labels = upload_labels(nodes, labels);
                    nodes.tape.label_embedding(&x, &labels, table).unwrap()
                });
                nodes.join(&a, &b, "join")
            });
        }
    });
}

fn upload_labels(nodes: &mut crate::graph::Nodes<'_, '_>, labels: &[u32]) -> runtime::Buffer {
    nodes.tape.stream().upload(labels).unwrap()
}
