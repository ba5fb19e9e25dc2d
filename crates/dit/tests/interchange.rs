//! Weights under other libraries' names: what is written is read again bit for bit, and what cannot be meant is
//! refused with a sentence.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::collections::BTreeMap;

use dit::{Config, FlowPath, Imported, InterchangeError, Layout, Names, Unsaid, Variant, Weights, sine_cosine};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};

const LAYOUTS: [Layout; 4] = [
    Layout { names: Names::Dit, learn_sigma: false },
    Layout { names: Names::Dit, learn_sigma: true },
    Layout { names: Names::Diffusers, learn_sigma: false },
    Layout { names: Names::Diffusers, learn_sigma: true },
];

/// Odd sizes, and each another.
const CONFIG: Config = Config {
    side: 15,
    channels: 2,
    patch: 3,
    width: 12,
    depth: 2,
    heads: 3,
    classes: 4,
    time_scale: 1000.0,
    path: FlowPath::CondOt,
    variant: Variant::DIT,
};

/// As small as a model can be.
const SMALLEST: Config =
    Config { side: 1, channels: 1, patch: 1, width: 4, depth: 1, heads: 1, classes: 1, time_scale: 1.0, ..CONFIG };

/// Every element another number, so that none can be in another's place.
fn weights(config: Config) -> Weights {
    let mut number = 0.0;
    let mut next = || {
        number += 1.0;
        number
    };
    let values = config.parameters().iter().map(|spec| (0..spec.len()).map(|_| next()).collect()).collect();
    Weights { config, values, positions: sine_cosine(config.side / config.patch, config.width) }
}

fn bits(weights: &Weights) -> Vec<u32> {
    weights.values.iter().flatten().chain(&weights.positions).map(|value| value.to_bits()).collect()
}

/// A tensor: its type, its shape, its bytes.
type Tensor = (Dtype, Vec<usize>, Vec<u8>);

/// A file without metadata, as other libraries write it, for tests to change.
struct Foreign(BTreeMap<String, Tensor>);

impl Foreign {
    fn new(layout: Layout) -> Self {
        let bytes = weights(CONFIG).export(layout).unwrap().tensors;
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = |(name, view): (&str, TensorView<'_>)| {
            (name.to_owned(), (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        };
        Self(tensors.iter().map(tensor).collect())
    }

    fn bytes(&self) -> Vec<u8> {
        let views = self
            .0
            .iter()
            .map(|(name, (dtype, shape, data))| (name.as_str(), TensorView::new(*dtype, shape.clone(), data).unwrap()));
        serialize(views, None).unwrap()
    }

    fn import(&self, unsaid: &Unsaid<'_>) -> Result<Imported, InterchangeError> {
        Weights::import(&self.bytes(), "w", unsaid)
    }

    /// Reads it, which must fail with a sentence that has the words.
    fn refuse(&self, unsaid: &Unsaid<'_>, words: &[&str]) {
        let message = match self.import(unsaid) {
            Ok(_) => String::from("no error"),
            Err(error) => error.to_string(),
        };
        for word in words {
            assert!(message.contains(word), "no `{word}` in: {message}");
        }
    }

    fn f32s(&mut self, name: &str, change: impl FnOnce(&mut [f32])) {
        let (_, _, data) = self.0.get_mut(name).unwrap();
        let mut values: Vec<f32> = data.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
        change(&mut values);
        *data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    }
}

/// All that shapes do not tell of [`CONFIG`].
const SAID: Unsaid<'_> = Unsaid {
    names: None,
    config_json: None,
    heads: Some(3),
    side: Some(15),
    time_scale: Some(1000.0),
    path: None,
    frequency_steps: Some(128),
};

#[test]
fn every_layout_is_read_again_bit_for_bit() {
    let other = Variant { mlp_epsilon: 0.5, frequency_steps: 127 };
    for config in [CONFIG, SMALLEST, Config { variant: other, path: FlowPath::Cosine, ..CONFIG }] {
        config.validate().unwrap();
        let weights = weights(config);
        for layout in LAYOUTS {
            let exported = weights.export(layout).unwrap();
            let unsaid = Unsaid { config_json: exported.config_json.as_deref(), ..Unsaid::default() };
            let imported = Weights::import(&exported.tensors, "w", &unsaid).unwrap();
            assert_eq!((imported.layout, imported.weights.config), (layout, config));
            assert_eq!(bits(&imported.weights), bits(&weights), "{layout}");
            assert!(imported.notes.is_empty(), "{layout}: its own metadata say all: {:?}", imported.notes);
        }
    }
}

#[test]
fn the_own_layout_is_this_projects_file() {
    let weights = weights(CONFIG);
    let exported = weights.export(Layout::OWN).unwrap();
    assert!(exported.tensors == weights.to_bytes().unwrap());
    assert_eq!(Weights::from_bytes(&exported.tensors, "w").unwrap(), weights);
}

#[test]
fn without_metadata_sizes_come_from_the_shapes_and_from_what_is_said() {
    let weights = weights(CONFIG);
    for layout in LAYOUTS {
        let imported = Foreign::new(layout).import(&SAID).unwrap();
        let expected = match layout.names {
            Names::Dit => CONFIG,
            Names::Diffusers => Config { variant: Variant { frequency_steps: 128, ..Variant::DIFFUSERS }, ..CONFIG },
        };
        assert_eq!((imported.layout, imported.weights.config), (layout, expected));
        assert_eq!(bits(&imported.weights), bits(&weights), "{layout}");
        assert!(imported.notes[0].contains("velocity"), "what the network predicts is to be mentioned");
    }
}

#[test]
fn a_class_computes_its_own_way_unless_it_is_said_otherwise() {
    let variant = |names, unsaid: &Unsaid<'_>| {
        let foreign = Foreign::new(Layout { names, learn_sigma: false });
        foreign.import(unsaid).unwrap().weights.config.variant
    };
    let silent = Unsaid { frequency_steps: None, ..SAID };
    assert_eq!(variant(Names::Dit, &silent), Variant::DIT);
    assert_eq!(variant(Names::Diffusers, &silent), Variant::DIFFUSERS);
    let json = weights(CONFIG).export(LAYOUTS[2]).unwrap().config_json.unwrap();
    let json = Unsaid { config_json: Some(&json), ..silent };
    assert_eq!(variant(Names::Diffusers, &json), Variant { mlp_epsilon: 1e-6, ..Variant::DIFFUSERS });
}

/// diffusers' file has the embedders once for each block, and query, key and value apart.
#[test]
fn parameters_are_where_diffusers_has_them() {
    let mut foreign = Foreign::new(LAYOUTS[2]);
    let weights = weights(CONFIG);
    let ours = |name: &str| {
        let index = CONFIG.parameters().iter().position(|spec| spec.name == name).unwrap();
        weights.values[index].clone()
    };
    let mut theirs = |name: &str| {
        let mut found = Vec::new();
        foreign.f32s(name, |values| found = values.to_vec());
        found
    };
    let third = CONFIG.width * CONFIG.width;
    let qkv = ours("blocks.1.attn.qkv.weight");
    assert_eq!(theirs("transformer_blocks.1.attn1.to_k.weight"), qkv[third..2 * third]);
    assert_eq!(theirs("transformer_blocks.1.attn1.to_v.weight"), qkv[2 * third..]);
    let time = ours("t_embedder.mlp.2.bias");
    for block in 0..2 {
        assert_eq!(theirs(&format!("transformer_blocks.{block}.norm1.emb.timestep_embedder.linear_2.bias")), time);
    }
    assert_eq!(theirs("proj_out_2.weight"), ours("final_layer.linear.weight"));
    assert!(!foreign.0.keys().any(|name| name == "pos_embed.pos_embed"), "its class computes positions");
}

/// Numbers that a 16-bit float has exactly come through as they are.
#[test]
fn weights_of_16_bits_become_f32() {
    for (dtype, ones) in [(Dtype::F16, 0x3c00u16), (Dtype::BF16, 0x3f80)] {
        let mut foreign = Foreign::new(Layout::OWN);
        for (name, tensor) in &mut foreign.0 {
            if name != "pos_embed" {
                let elements: usize = tensor.1.iter().product();
                let half = |index: usize| if index == 1 { ones | 0x8000 } else { ones };
                *tensor = (dtype, tensor.1.clone(), (0..elements).flat_map(|i| half(i).to_le_bytes()).collect());
            }
        }
        let values = foreign.import(&SAID).unwrap().weights.values;
        assert!(values.iter().all(|v| v[0] == 1.0 && v[1] == -1.0 && v[2..].iter().all(|v| *v == 1.0)), "{dtype:?}");
    }
}

#[test]
fn positions_are_read_where_a_file_has_them_and_computed_where_not() {
    let mut foreign = Foreign::new(Layout::OWN);
    foreign.f32s("pos_embed", |values| values[7] = 9.0);
    let learned = foreign.import(&Unsaid { side: None, ..SAID }).unwrap().weights;
    assert_eq!(learned.positions[7], 9.0);
    let error = learned.export(LAYOUTS[2]).unwrap_err();
    assert!(matches!(error, InterchangeError::Positions), "{error}");
    assert!(learned.export(LAYOUTS[1]).is_ok());

    foreign.0.remove("pos_embed");
    foreign.refuse(&Unsaid { side: None, ..SAID }, &["how large its images are", "--side"]);
    assert_eq!(bits(&foreign.import(&SAID).unwrap().weights), bits(&weights(CONFIG)));

    // As older releases of diffusers stored them.
    let mut foreign = Foreign::new(LAYOUTS[3]);
    let shape = vec![1, CONFIG.tokens(), CONFIG.width];
    let positions = vec![0; 4 * shape.iter().product::<usize>()];
    foreign.0.insert("pos_embed.pos_embed".into(), (Dtype::F32, shape, positions));
    let stored = foreign.import(&Unsaid { side: None, ..SAID }).unwrap().weights;
    assert!(stored.positions.iter().all(|value| *value == 0.0));
}

#[test]
fn what_shapes_do_not_tell_is_asked_for() {
    let foreign = Foreign::new(LAYOUTS[1]);
    foreign.refuse(&Unsaid { heads: None, ..SAID }, &["heads", "--heads", "width of 12"]);
    foreign.refuse(&Unsaid { time_scale: None, ..SAID }, &["--time-scale", "1 for SiT"]);
    foreign.refuse(&Unsaid { heads: Some(5), ..SAID }, &["width of 12", "heads, 5"]);
    foreign.refuse(&Unsaid { time_scale: Some(f32::NAN), ..SAID }, &["time scale of NaN"]);
    foreign.refuse(&Unsaid { frequency_steps: Some(64), ..SAID }, &["64 steps"]);
    let cosine = foreign.import(&Unsaid { path: Some(FlowPath::Cosine), ..SAID }).unwrap();
    assert_eq!(cosine.weights.config, Config { path: FlowPath::Cosine, ..CONFIG });
    foreign.refuse(&Unsaid { side: Some(12), ..SAID }, &["15 by its position embedding", "12 by --side"]);
}

#[test]
fn two_sources_may_not_disagree() {
    let exported = weights(CONFIG).export(LAYOUTS[2]).unwrap();
    let json = exported.config_json.unwrap();
    let refuse = |from: &str, to: &str, words: &[&str]| {
        assert!(json.contains(from), "{json}");
        let changed = json.replace(from, to);
        let unsaid = Unsaid { config_json: Some(&changed), ..Unsaid::default() };
        let message = Weights::import(&exported.tensors, "w", &unsaid).unwrap_err().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{words:?} are not in: {message}");
        Foreign::new(LAYOUTS[2]).refuse(&Unsaid { config_json: Some(&changed), ..SAID }, &words[..1]);
    };
    refuse(r#""num_layers": 2"#, r#""num_layers": 3"#, &["blocks", "2 by its shapes", "3 by its config.json"]);
    refuse(r#""attention_head_dim": 4"#, r#""attention_head_dim": 5"#, &["the width", "12 by its shapes", "15"]);
    refuse(r#""num_embeds_ada_norm": 4"#, r#""num_embeds_ada_norm": 5"#, &["classes", "4", "5"]);
    refuse(r#""out_channels": 2"#, r#""out_channels": 4"#, &["channels of the last Linear", "2", "4"]);
    refuse(r#""sample_size": 15"#, r#""sample_size": 18"#, &["how large its images are", "15", "18"]);
    refuse("gelu-approximate", "geglu", &["config.json", "activation_fn = geglu"]);
    let unsaid = Unsaid { heads: Some(1), ..Unsaid::default() };
    let message = Weights::import(&exported.tensors, "w", &unsaid).unwrap_err().to_string();
    assert!(message.contains("3 by its metadata") && message.contains("1 by --heads"), "{message}");
}

#[test]
fn another_model_is_named_and_not_read() {
    let mut more = Foreign::new(LAYOUTS[0]);
    let tensor = more.0["final_layer.linear.bias"].clone();
    for name in ["blocks.0.attn.q_norm.weight", "blocks.7.attn.proj.bias", "x", "y", "z"] {
        more.0.insert(name.into(), tensor.clone());
    }
    more.refuse(&SAID, &["another model", "`blocks.0.attn.q_norm.weight`", "`blocks.7.attn.proj.bias`", "1 more"]);

    let mut none = Foreign(BTreeMap::new());
    none.refuse(&SAID, &["no diffusion transformer", "but no tensors"]);
    none.0.insert("model.blocks.0.attn.proj.bias".into(), tensor);
    none.refuse(&SAID, &["no diffusion transformer", "`model.blocks.0.attn.proj.bias`"]);
    let forced = Unsaid { names: Some(Names::Diffusers), ..SAID };
    Foreign::new(LAYOUTS[0]).refuse(&forced, &["the names of diffusers", "`pos_embed.proj.weight` is missing"]);
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    type Change = fn(&mut Foreign);
    fn reshape(foreign: &mut Foreign, name: &str, shape: &[usize]) {
        let data = vec![0; 4 * shape.iter().product::<usize>()];
        foreign.0.insert(name.into(), (Dtype::F32, shape.to_vec(), data));
    }
    let cases: [(Layout, Change, &[&str]); 10] = [
        (LAYOUTS[0], |f| drop(f.0.remove("blocks.1.mlp.fc2.bias")), &["`blocks.1.mlp.fc2.bias` is missing"]),
        // An MLP of twice the width, and not four times.
        (LAYOUTS[0], |f| reshape(f, "blocks.0.mlp.fc1.weight", &[24, 12]), &["fc1.weight` is [24, 12]", "[48, 12]"]),
        (LAYOUTS[0], |f| reshape(f, "x_embedder.proj.weight", &[12, 2, 3, 2]), &["no square patch"]),
        (LAYOUTS[0], |f| reshape(f, "x_embedder.proj.weight", &[12, 18]), &["expected 4 dimensions"]),
        (LAYOUTS[0], |f| reshape(f, "x_embedder.proj.weight", &[12, 0, 3, 3]), &["expected 4 dimensions"]),
        (LAYOUTS[0], |f| reshape(f, "final_layer.linear.weight", &[54, 12]), &["18 rows", "twice"]),
        (LAYOUTS[0], |f| reshape(f, "y_embedder.embedding_table.weight", &[1, 12]), &["a row for each class"]),
        (LAYOUTS[0], |f| reshape(f, "pos_embed", &[1, 24, 12]), &["one square of tokens"]),
        (LAYOUTS[1], |f| f.f32s("final_layer.linear.bias", |v| v[0] = f32::NAN), &["has NaN at element 0"]),
        (LAYOUTS[2], |f| reshape(f, "transformer_blocks.0.attn1.to_q.weight", &[36, 12]), &["[36, 12]", "[12, 12]"]),
    ];
    for (layout, change, words) in cases {
        let mut foreign = Foreign::new(layout);
        change(&mut foreign);
        foreign.refuse(&SAID, words);
    }
    let mut wide = Foreign::new(LAYOUTS[0]);
    wide.0.insert("final_layer.linear.bias".into(), (Dtype::F64, vec![18], vec![0; 8 * 18]));
    wide.refuse(&SAID, &["F64", ".float()"]);
}

#[test]
fn blocks_with_embedders_of_their_own_are_refused() {
    for name in ["timestep_embedder.linear_1.bias", "class_embedder.embedding_table.weight"] {
        let mut foreign = Foreign::new(LAYOUTS[3]);
        foreign.f32s(&format!("transformer_blocks.1.norm1.emb.{name}"), |values| values[0] += 1.0);
        let [one, other] = [0, 1].map(|block| format!("`transformer_blocks.{block}.norm1.emb.{name}`"));
        foreign.refuse(&SAID, &[&one, &other, "one for all"]);
    }
}

#[test]
fn files_that_are_none_are_refused() {
    let import = |bytes: &[u8]| Weights::import(bytes, "w.pt", &SAID).unwrap_err().to_string();
    for pickle in [b"PK\x03\x04 and so on".as_slice(), b"\x80\x02}q\x00."] {
        let message = import(pickle);
        assert!(message.contains("w.pt is a pickle") && message.contains("torch.load(\"w.pt\""), "{message}");
        assert!(message.contains("{k: v.contiguous() for k, v in state.items()}"), "{message}");
    }
    let whole = weights(CONFIG).export(LAYOUTS[3]).unwrap().tensors;
    for bytes in [&whole[..whole.len() - 1], &whole[..100], &[]] {
        assert!(import(bytes).contains("no complete safetensors file"), "{}", import(bytes));
    }
}
