//! The program as it is used: what it writes, and what it says where it cannot.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use dit::{Config, FlowPath, Variant, Weights, sine_cosine};
use safetensors::SafeTensors;
use safetensors::tensor::serialize;
use tempfile::TempDir;

/// A model in miniature.
const CONFIG: Config = Config {
    side: 6,
    channels: 3,
    patch: 2,
    width: 12,
    depth: 2,
    heads: 3,
    classes: 5,
    time_scale: 1000.0,
    path: FlowPath::CondOt,
    variant: Variant::DIT,
};

/// A directory that the program runs in, with weights of this project in `w.safetensors`, and in
/// `foreign.safetensors` the same as another program would have saved them: without metadata.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        let element = |index: usize| 0.2 * (1.3 * index as f32).sin();
        let values =
            CONFIG.parameters().iter().map(|spec| (0..spec.shape.iter().product()).map(element).collect()).collect();
        let positions = sine_cosine(CONFIG.side / CONFIG.patch, CONFIG.width);
        let bytes = Weights { config: CONFIG, values, positions }.to_bytes().unwrap();
        fs::write(place.path("w.safetensors"), &bytes).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        fs::write(place.path("foreign.safetensors"), serialize(tensors.iter(), None).unwrap()).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn run(&self, flags: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_convert"));
        command.current_dir(self.0.path()).env_remove("RUST_BACKTRACE").args(flags.split_whitespace());
        command.output().unwrap()
    }

    /// Runs the program, and gives what it printed.
    fn convert(&self, flags: &str) -> String {
        let output = self.run(flags);
        assert!(output.status.success(), "{flags}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs the program, which must fail with `status` and one sentence that has the `words`, and write nothing.
    fn refuse(&self, flags: &str, status: i32, words: &[&str]) {
        let before = self.names();
        let output = self.run(flags);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{flags}: {said}");
        let sentences: Vec<_> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(sentences.len(), 1, "{flags}: {said}");
        for word in words {
            assert!(said.contains(word), "{flags}: no `{word}` in: {said}");
        }
        assert_eq!(self.names(), before, "{flags}: files have changed");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn to_diffusers_and_back_is_the_same_file() {
    let place = Place::new();
    for sigma in ["", "--learn-sigma"] {
        let said = place.convert(&format!("w.safetensors there --to diffusers {sigma}"));
        assert!(said.contains("3×6×6, patch 2, width 12, depth 2, heads 3, classes 5, time scale 1000"), "{said}");
        assert!(said.contains("Wrote there/diffusion_pytorch_model.safetensors and there/config.json"), "{said}");
        assert!(said.contains("downscale_freq_shift = 0") && said.contains("1000 t"), "{said}");
        let config = text(&place.read("there/config.json"));
        assert!(config.contains("\"num_embeds_ada_norm\": 5") && config.contains("\"sample_size\": 6"), "{config}");
        let channels = if sigma.is_empty() { 3 } else { 6 };
        assert!(config.contains(&format!("\"out_channels\": {channels}")), "{config}");

        let said = place.convert("there back.safetensors");
        assert!(said.starts_with("Read there/diffusion_pytorch_model.safetensors (the names of diffusers"), "{said}");
        assert!(!said.contains("Note:"), "nothing to be known about weights of this project: {said}");
        assert!(place.read("back.safetensors") == place.read("w.safetensors"));
    }
}

#[test]
fn learn_sigma_comes_and_goes() {
    let place = Place::new();
    let said = place.convert("w.safetensors sit.safetensors --to sit --learn-sigma");
    assert!(said.contains("Wrote sit.safetensors (the names of DiT and SiT, with learn_sigma)"), "{said}");
    let file = place.read("sit.safetensors");
    let tensor = |name| SafeTensors::deserialize(&file).unwrap().tensor(name).unwrap().shape().to_vec();
    assert_eq!(tensor("final_layer.linear.weight"), [24, 12]);
    place.convert("sit.safetensors back.safetensors --from dit");
    assert!(place.read("back.safetensors") == place.read("w.safetensors"));
}

#[test]
fn what_a_foreign_file_leaves_unsaid_is_asked_for_and_then_taken() {
    let place = Place::new();
    place.refuse("foreign.safetensors out", 1, &["foreign.safetensors does not tell how many heads", "--heads"]);
    place.refuse("foreign.safetensors out --heads 3", 1, &["--time-scale", "1 for SiT"]);
    place.refuse("foreign.safetensors out --heads 3 --time-scale 1 --side 8", 1, &["6 by its position", "8 by --side"]);
    let said = place.convert("foreign.safetensors out --heads 3 --time-scale 1000");
    assert!(said.contains("Note: no file says what its network predicts"), "{said}");
    assert!(place.read("out") == place.read("w.safetensors"));
}

/// Another library's folder, without this project's metadata: config.json says the rest.
#[test]
fn a_folder_of_diffusers_needs_only_the_scale_of_time() {
    let place = Place::new();
    place.convert("w.safetensors there --to diffusers");
    let file = place.read("there/diffusion_pytorch_model.safetensors");
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let bytes = serialize(tensors.iter(), None).unwrap();
    fs::write(place.path("there/diffusion_pytorch_model.safetensors"), bytes).unwrap();
    place.refuse("there out", 1, &["--time-scale"]);
    place.convert("there out --time-scale 1000 --frequency-steps 128");
    assert!(place.read("out") == place.read("w.safetensors"));
    place.convert("there/diffusion_pytorch_model.safetensors out --time-scale 1000");
    let variant = Weights::from_bytes(&place.read("out"), "out").unwrap().config.variant;
    assert_eq!(variant, Variant { mlp_epsilon: 1e-6, ..Variant::DIFFUSERS });

    fs::write(place.path("there/config.json"), "{").unwrap();
    place.refuse("there new --time-scale 1", 1, &["its config.json cannot be read"]);
    fs::remove_file(place.path("there/config.json")).unwrap();
    place.refuse("there new --time-scale 1", 1, &["--heads"]);
}

#[test]
fn files_that_are_none_and_places_that_cannot_be_are_refused() {
    let place = Place::new();
    fs::write(place.path("model.pt"), b"PK\x03\x04 and so on").unwrap();
    place.refuse("model.pt out", 1, &["model.pt is a pickle", "torch.load"]);
    place.refuse("none.safetensors out", 1, &["cannot read the weights none.safetensors"]);
    let whole = place.read("w.safetensors");
    fs::write(place.path("cut.safetensors"), &whole[..whole.len() / 2]).unwrap();
    place.refuse("cut.safetensors out", 1, &["cut.safetensors is no complete safetensors file"]);
    fs::create_dir(place.path("empty")).unwrap();
    place.refuse("empty out", 1, &["empty is a folder without diffusion_pytorch_model.safetensors"]);
    fs::write(place.path("empty/diffusion_pytorch_model.safetensors.index.json"), "{}").unwrap();
    place.refuse("empty out", 1, &["several files", "max_shard_size"]);
    place.refuse("w.safetensors none/out", 1, &["none", "does not exist"]);
    place.refuse("w.safetensors empty", 1, &["is a directory"]);
    place.refuse(
        "w.safetensors foreign.safetensors --to diffusers",
        1,
        &["cannot make the folder foreign.safetensors"],
    );
    place.refuse("w.safetensors out --from diffusers", 1, &["`pos_embed.proj.weight` is missing"]);
}

#[test]
fn flags_that_cannot_be_meant_are_refused() {
    let place = Place::new();
    place.refuse("w.safetensors ./w.safetensors", 2, &["IN and OUT are the same file"]);
    place.convert("w.safetensors there --to diffusers");
    let inside = "there/diffusion_pytorch_model.safetensors there --to diffusers";
    place.refuse(inside, 2, &["IN and OUT are the same file, there/diffusion_pytorch_model.safetensors"]);
    place.refuse("w.safetensors", 2, &["<OUT>"]);
    place.refuse("w.safetensors out --to keras", 2, &["keras", "diffusers"]);
    place.refuse("w.safetensors out --heads three", 2, &["--heads"]);
    place.refuse("w.safetensors out --heads 0", 2, &["--heads"]);
    place.refuse("w.safetensors out --time-scale nan", 2, &["--time-scale", "above zero"]);
    place.refuse("w.safetensors out --time-scale 0", 2, &["--time-scale", "above zero"]);
    place.refuse("w.safetensors out --frequency-steps 64", 2, &["--frequency-steps", "127..=128"]);
}
