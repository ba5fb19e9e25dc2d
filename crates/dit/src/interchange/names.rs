//! Which tensors of a file hold a parameter.

use super::Names;

/// Where the elements of a parameter are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In these tensors, one after the other along the first dimension.
    Parts(Vec<String>),
    /// In each of these tensors, the same.
    Copies(Vec<String>),
}

/// diffusers' name of a module that is outside of the blocks.
const OUTSIDE: [(&str, &str); 3] = [
    ("x_embedder.proj", "pos_embed.proj"),
    ("final_layer.adaLN_modulation.1", "proj_out_1"),
    ("final_layer.linear", "proj_out_2"),
];

/// diffusers' name of an embedder in a block: every block has its own.
const EMBEDDERS: [(&str, &str); 3] = [
    ("t_embedder.mlp.0", "norm1.emb.timestep_embedder.linear_1"),
    ("t_embedder.mlp.2", "norm1.emb.timestep_embedder.linear_2"),
    ("y_embedder.embedding_table", "norm1.emb.class_embedder.embedding_table"),
];

/// diffusers' names of what a module in a block is made of.
const INSIDE: [(&str, &[&str]); 5] = [
    ("attn.qkv", &["attn1.to_q", "attn1.to_k", "attn1.to_v"]),
    ("attn.proj", &["attn1.to_out.0"]),
    ("mlp.fc1", &["ff.net.0.proj"]),
    ("mlp.fc2", &["ff.net.2"]),
    ("adaLN_modulation.1", &["norm1.linear"]),
];

impl Names {
    /// Whose the names are, if anybody's.
    pub(super) fn detect<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<Self> {
        names.find_map(|name| {
            let starts = |parts: [&str; 3]| parts.iter().any(|part| name.starts_with(part));
            if starts(["transformer_blocks.", "pos_embed.proj.", "proj_out_1."]) {
                Some(Self::Diffusers)
            } else if starts(["blocks.", "x_embedder.proj.", "final_layer."]) {
                Some(Self::Dit)
            } else {
                None
            }
        })
    }

    /// What the name of every tensor in a block begins with, before its number and a dot.
    pub(super) fn block(self) -> &'static str {
        match self {
            Self::Dit => "blocks.",
            Self::Diffusers => "transformer_blocks.",
        }
    }

    /// The tensor of positions. diffusers computes them, and only its older releases stored them.
    pub(super) fn positions(self) -> &'static str {
        match self {
            Self::Dit => "pos_embed",
            Self::Diffusers => "pos_embed.pos_embed",
        }
    }

    /// Where a parameter of ours is, in a model of `depth` blocks.
    pub(super) fn place(self, parameter: &str, depth: usize) -> Place {
        match self {
            Self::Dit => Place::Parts(vec![parameter.to_owned()]),
            Self::Diffusers => in_diffusers(parameter, depth),
        }
    }

    /// A tensor that holds the parameter, or the first part of it.
    pub(super) fn first(self, parameter: &str) -> String {
        let (Place::Parts(names) | Place::Copies(names)) = self.place(parameter, 1);
        names.into_iter().next().unwrap_or_default()
    }
}

fn in_diffusers(parameter: &str, depth: usize) -> Place {
    let (module, part) = parameter.rsplit_once('.').unwrap_or((parameter, ""));
    if let Some(place) = module.strip_prefix("blocks.").and_then(|rest| {
        let (block, module) = rest.split_once('.')?;
        let (_, modules) = INSIDE.iter().find(|(ours, _)| *ours == module)?;
        Some(modules.iter().map(|theirs| format!("transformer_blocks.{block}.{theirs}.{part}")).collect())
    }) {
        return Place::Parts(place);
    }
    if let Some((_, theirs)) = EMBEDDERS.iter().find(|(ours, _)| *ours == module) {
        return Place::Copies((0..depth).map(|block| format!("transformer_blocks.{block}.{theirs}.{part}")).collect());
    }
    let theirs = OUTSIDE.iter().find(|(ours, _)| *ours == module).map_or(module, |(_, theirs)| theirs);
    Place::Parts(vec![format!("{theirs}.{part}")])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(names: &[&str]) -> Place {
        Place::Parts(names.iter().map(|&name| name.into()).collect())
    }

    #[test]
    fn parameters_have_their_names_in_diffusers() {
        let place = |parameter| Names::Diffusers.place(parameter, 2);
        assert_eq!(place("x_embedder.proj.weight"), parts(&["pos_embed.proj.weight"]));
        assert_eq!(place("final_layer.linear.bias"), parts(&["proj_out_2.bias"]));
        let qkv = ["q", "k", "v"].map(|which| format!("transformer_blocks.12.attn1.to_{which}.weight"));
        assert_eq!(place("blocks.12.attn.qkv.weight"), Place::Parts(qkv.into()));
        assert_eq!(place("blocks.0.mlp.fc1.bias"), parts(&["transformer_blocks.0.ff.net.0.proj.bias"]));
        let tables = [0, 1].map(|n| format!("transformer_blocks.{n}.norm1.emb.class_embedder.embedding_table.weight"));
        assert_eq!(place("y_embedder.embedding_table.weight"), Place::Copies(tables.into()));
        assert_eq!(Names::Dit.place("blocks.0.mlp.fc1.bias", 2), parts(&["blocks.0.mlp.fc1.bias"]));
    }

    #[test]
    fn names_show_whose_they_are() {
        let detect = |names: &[&str]| Names::detect(names.iter().copied());
        assert_eq!(detect(&["pos_embed", "blocks.0.attn.qkv.weight"]), Some(Names::Dit));
        assert_eq!(detect(&["pos_embed.pos_embed", "proj_out_1.bias"]), Some(Names::Diffusers));
        assert_eq!(detect(&["model.blocks.0.attn.qkv.weight", "pos_embed"]), None);
        assert_eq!(detect(&[]), None);
    }
}
