//! The trainer as a user runs it: a run and what it leaves, resuming, stopping, and bad input.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{fs, thread, time};

use tempfile::TempDir;
use tests::harness::devices;

/// A folder with a small data set: 40 images of 8 × 8 in two classes, in MNIST's format.
fn data() -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, count) in [("train", 40_u32), ("t10k", 4)] {
        let labels: Vec<u8> = (0..count).map(|i| (i % 2) as u8).collect();
        let pixels =
            labels.iter().flat_map(|label| (0..64).map(move |i| if (i % 8 < 4) == (*label == 0) { 230 } else { 20 }));
        let images = header(3, &[count, 8, 8]).into_iter().chain(pixels).collect::<Vec<u8>>();
        fs::write(folder.path().join(format!("{name}-images-idx3-ubyte")), images).unwrap();
        let labels = header(1, &[count]).into_iter().chain(labels).collect::<Vec<u8>>();
        fs::write(folder.path().join(format!("{name}-labels-idx1-ubyte")), labels).unwrap();
    }
    folder
}

fn header(dimensions: u8, sizes: &[u32]) -> Vec<u8> {
    [0, 0, 8, dimensions].into_iter().chain(sizes.iter().flat_map(|size| size.to_be_bytes())).collect()
}

fn trainer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    command.args(["--device", "cpu"]).args(arguments);
    command
}

/// Flags that stand alone.
fn trainer_alone(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    command.args(arguments);
    command
}

/// A run of the tiny preset on the small data set.
fn tiny(data: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = trainer(&["--preset", "tiny", "--batch", "8", "--data"]);
    command.arg(data).arg("--out").arg(out).args(more);
    command
}

fn resume(out: &Path, more: &[&str]) -> Command {
    let mut command = trainer(&["--resume"]);
    command.arg(out).args(more);
    command
}

fn succeed(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Expects a failure with this status, and returns the one sentence that it says.
fn fail(mut command: Command, status: i32) -> String {
    let Output { status: got, stderr, .. } = command.output().unwrap();
    let text = String::from_utf8(stderr).unwrap();
    assert_eq!(got.code(), Some(status), "{command:?}: {text}");
    assert!(!text.contains("panicked") && !text.contains("RUST_BACKTRACE"), "{command:?}: {text}");
    let first = text.lines().next().unwrap_or_default().to_owned();
    assert!(first.starts_with("error: "), "{command:?}: {text}");
    // clap adds a line that points to --help; everything else is one line.
    assert!(status == 2 || text.lines().count() == 1, "{command:?}: {text}");
    first
}

/// The two bodies' gradients differ by roundings, which three steps barely show.
const DEVICES_AGREE: f64 = 1e-3;

#[test]
fn an_adapter_trains_as_the_cpu_does_even_with_default_limits() {
    let (data, folder) = (data(), TempDir::new().unwrap());
    let losses = |out: &Path| -> Vec<f64> {
        rows(out)[1..].iter().map(|row| row.split(',').nth(1).unwrap().parse().unwrap()).collect()
    };
    let run = ["--steps", "3", "--sample-every", "0", "--log-every", "1"];
    let cpu = folder.path().join("cpu");
    succeed(tiny(data.path(), &cpu, &run));
    let cpu = losses(&cpu);
    assert_eq!(cpu.len(), 3);
    for adapter in devices().iter().filter_map(|device| device.adapter()) {
        let out = folder.path().join("adapter");
        let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
        command.args(["--adapter", &adapter.name, "--default-limits", "--preset", "tiny", "--batch", "8", "--data"]);
        command.arg(data.path()).arg("--out").arg(&out).args(run);
        assert!(succeed(command).contains(&adapter.name));
        for (step, (got, want)) in losses(&out).iter().zip(&cpu).enumerate() {
            assert!((got - want).abs() <= DEVICES_AGREE * want, "{adapter}, step {step}: {got}, the CPU has {want}");
        }
    }
}

fn rows(out: &Path) -> Vec<String> {
    lines(&out.join("metrics.csv"))
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

/// The first column of a file, without its header.
fn steps(path: &Path) -> Vec<u32> {
    lines(path)[1..].iter().map(|row| row.split(',').next().unwrap().parse().unwrap()).collect()
}

/// All numbers of a safetensors file of f32, which begins with the length of its header.
fn numbers(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header..].chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

/// The records of a run's event file, by the lengths that they say they have.
fn events(out: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(out.join("events.out.tfevents")).unwrap();
    let (mut records, mut rest) = (Vec::new(), &bytes[..]);
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        records.push(rest[12..][..length].to_vec());
        rest = &rest[length + 16..];
    }
    records
}

fn contains(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

fn page(out: &Path) -> String {
    fs::read_to_string(out.join("index.html")).unwrap()
}

fn checkpoint(out: &Path) -> PathBuf {
    out.join("checkpoint.safetensors")
}

#[test]
fn a_run_leaves_samples_metrics_a_checkpoint_and_weights() {
    let (data, folder) = (data(), TempDir::new().unwrap());
    let out = folder.path().join("run");
    let said = succeed(tiny(data.path(), &out, &["--steps", "6", "--sample-every", "3"]));
    assert!(said.starts_with("Training on CPU"), "{said}");
    assert_eq!(rows(&out).len(), 7, "a header and a row a step");
    assert_eq!(rows(&out)[0], "step,loss,gradient_norm,learning_rate");
    for step in [3, 6] {
        let picture = fs::read(out.join(format!("samples/step-{step:06}.png"))).unwrap();
        assert!(picture.starts_with(b"\x89PNG"));
    }
    let weights = dit::Weights::load(out.join("weights.safetensors")).unwrap();
    assert_eq!((weights.config.side, weights.config.classes), (8, 2));
    assert!(checkpoint(&out).is_file());

    let held_out = lines(&out.join("heldout.csv"));
    assert!(held_out[0].starts_with("step,loss,0.0..0.1,") && held_out[0].ends_with(",0.9..1.0"), "{}", held_out[0]);
    assert_eq!(steps(&out.join("heldout.csv")), [3, 6]);
    for row in &held_out[1..] {
        let numbers: Vec<f64> = row.split(',').map(|number| number.parse().unwrap()).collect();
        let mean = numbers[2..].iter().sum::<f64>() / 10.0;
        // Each is rounded to an f32.
        assert!((numbers[1] - mean).abs() < 1e-6 * mean && numbers[2..].iter().all(|loss| *loss > 0.0), "{row}");
    }
    let events = events(&out);
    assert_eq!(events.len(), 1 + 6 + 2 + 2, "the version, steps, pictures, held-out losses");
    for (tag, count) in [("train/loss", 6), ("heldout/loss", 2), ("heldout_by_time/0.9..1.0", 2)] {
        assert_eq!(events.iter().filter(|event| contains(event, tag)).count(), count, "{tag}");
    }
    assert_eq!(events.iter().filter(|event| contains(event, "IHDR")).count(), 2);
    for picture in ["loss.svg", "loss-by-time.svg"] {
        let svg = fs::read_to_string(out.join(picture)).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{picture}");
    }
}

#[test]
fn a_page_shows_the_run_and_needs_nothing_from_elsewhere() {
    let (data, folder) = (data(), TempDir::new().unwrap());
    let out = folder.path().join("a <b> & \"c\"");
    succeed(tiny(data.path(), &out, &["--steps", "5", "--sample-every", "2", "--lr", "0.0025"]));
    let page = page(&out).replace("&#x2f;", "/");
    assert!(page.contains("a &lt;b&gt; &amp; &quot;c&quot;") && !page.contains("<b>"), "names are escaped");
    assert!(page.contains("A row for each class, ") && page.contains(" in 20 steps at guidance 2."), "{page}");
    assert!(page.contains(">complete<") && page.contains("Step 5 of 5") && page.contains("0.0025"), "{page}");
    let places: Vec<_> = (1..=5).map(|step| page.find(&format!("samples/step-{step:06}.png\" data-step"))).collect();
    let shown = [false, true, false, true, true];
    assert_eq!(places.iter().map(Option::is_some).collect::<Vec<_>>(), shown, "grids of steps 2, 4 and 5: {page}");
    assert!(places.iter().flatten().is_sorted(), "grids are in order");
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("src=\"//"), "{page}");
    for link in page.split("src=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(out.join(link).is_file(), "{link} is not there");
    }
    assert!(!page.contains("location.reload"), "a page of a run that is over does not change");
}

#[test]
fn flags_of_the_model_go_before_the_preset() {
    let (data, folder) = (data(), TempDir::new().unwrap());
    let sizes = ["--patch", "2", "--width", "24", "--depth", "1", "--heads", "3", "--time-scale", "1"];
    let out = folder.path().join("run");
    succeed(tiny(data.path(), &out, &[&sizes[..], &["--steps", "1"]].concat()));
    let model = dit::Weights::load(out.join("weights.safetensors")).unwrap().config;
    assert_eq!((model.patch, model.width, model.depth, model.heads, model.time_scale), (2, 24, 1, 3, 1.0));
    let said = fail(tiny(data.path(), &folder.path().join("none"), &["--width", "50"]), 1);
    assert!(said.contains("a width of 50 is no multiple of 4 times the heads, 2"), "{said}");
    let said = fail(tiny(data.path(), &folder.path().join("none"), &["--time-scale", "0"]), 2);
    assert!(said.contains("--time-scale") && said.contains("above 0"), "{said}");
}

#[test]
fn a_trace_has_the_kernels_of_the_first_steps_and_changes_no_loss() {
    let (data, folder) = (data(), TempDir::new().unwrap());
    let run = ["--steps", "2", "--sample-every", "0", "--log-every", "1"];
    let plain = folder.path().join("plain");
    succeed(tiny(data.path(), &plain, &run));
    let path = folder.path().join("trace.json");
    let flags = ["--trace", path.to_str().unwrap(), "--trace-kernels", "200"];
    let traced = folder.path().join("traced");
    let said = succeed(tiny(data.path(), &traced, &[&run[..], &flags].concat()));
    assert!(said.contains("trace.json (200 kernels"), "{said}");
    assert!(said.contains("Training takes") && said.contains("MiB of device memory"), "{said}");
    assert_eq!(rows(&traced), rows(&plain));
    let trace: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let kernels: Vec<_> = events.iter().filter(|event| event["ph"] == "X" && event["tid"] == 2).collect();
    assert_eq!(kernels.len(), 200);
    assert_eq!(kernels[0]["name"], "gather_batch");
    assert_eq!(kernels[0]["args"]["batch"], 8);
    assert!(kernels.iter().all(|kernel| kernel["dur"].as_f64().unwrap() > 0.0));
}

#[test]
fn a_trace_that_cannot_be_written_is_refused_before_training() {
    let (data, folder) = (data(), TempDir::new().unwrap());
    let out = folder.path().join("run");
    let missing = folder.path().join("missing/trace.json");
    let said = fail(tiny(data.path(), &out, &["--trace", missing.to_str().unwrap()]), 1);
    assert!(said.contains("--trace") && said.contains("does not exist"), "{said}");
    assert!(!out.exists());
    let said = fail(tiny(data.path(), &out, &["--trace-kernels", "5"]), 2);
    assert!(said.contains("required"), "{said}");
}

#[test]
fn a_configuration_repeats_a_run_and_flags_win() {
    let (data, folder) = (data(), TempDir::new().unwrap());
    let [first, second, third] = ["first", "second", "third"].map(|name| folder.path().join(name));
    let settings = [
        "--steps",
        "3",
        "--sample-every",
        "0",
        "--seed",
        "18446744073709551615",
        "--weight-decay",
        "0.01",
        "--path",
        "polynomial:3",
    ];
    succeed(tiny(data.path(), &first, &settings));
    let config = first.join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    let with = |more: &[&str]| {
        let mut command = trainer(&["--config"]);
        command.arg(&config).args(more);
        command
    };
    succeed(with(&["--out", second.to_str().unwrap()]));
    assert_eq!(fs::read_to_string(second.join("config.toml")).unwrap(), text);
    assert_eq!(rows(&second), rows(&first));
    assert_eq!(succeed(with(&["--print-config"])), text, "what is printed is what is written");
    let printed = succeed(with(&[
        "--print-config",
        "--epochs",
        "2",
        "--lr",
        "1e-9",
        "--time-sampling",
        "logit-normal:0,1",
        "--schedule",
        "cooldown",
    ]));
    for line in [
        "steps = 10",
        "lr = 1e-9",
        "time-sampling = \"logit-normal:0,1\"",
        "schedule = \"cooldown\"",
        "path = \"polynomial:3\"",
        "batch = 8",
        "weight-decay = 0.01",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line} is not in:\n{printed}");
    }
    let small = succeed(with(&["--print-config", "--preset", "small", "--heads", "2"]));
    for line in ["width = 128", "depth = 4", "heads = 2", "batch = 8"] {
        assert!(small.lines().any(|printed| printed == line), "a preset in place of sizes: {line} is not in:\n{small}");
    }
    fs::write(&third, printed).unwrap();
    let mut again = trainer(&["--print-config", "--config"]);
    again.arg(&third);
    assert_eq!(succeed(again), fs::read_to_string(&third).unwrap(), "what is printed can be read");
}

#[test]
fn a_short_run_has_a_short_warm_up_unless_told_otherwise() {
    let (data, folder) = (data(), TempDir::new().unwrap());
    let warm_up = |more: &[&str]| {
        let printed = succeed(tiny(data.path(), &folder.path().join("none"), &[more, &["--print-config"]].concat()));
        printed.lines().find(|line| line.starts_with("warmup")).unwrap().to_owned()
    };
    assert_eq!(warm_up(&["--steps", "5000"]), "warmup = 100", "the preset's");
    assert_eq!(warm_up(&["--steps", "50"]), "warmup = 12");
    assert_eq!(warm_up(&["--steps", "50", "--warmup", "40"]), "warmup = 40");
    let run = |name: &str, more: &[&str]| {
        let all = [more, &["--steps", "4", "--sample-every", "0"]].concat();
        succeed(tiny(data.path(), &folder.path().join(name), &all))
    };
    let said = run("long", &["--warmup", "2"]);
    assert!(said.contains("Note: warm-up is 2 steps long, and the whole run 4; lower --warmup"), "{said}");
    assert!(!run("usual", &[]).contains("Note: ") && !run("one", &["--warmup", "1"]).contains("Note: "));
    let first: Vec<String> = rows(&folder.path().join("usual"))[1].split(',').map(str::to_owned).collect();
    assert_eq!(first[3].parse::<f32>().unwrap(), 4e-3, "a short run begins at the full rate");
}

#[test]
fn a_run_keeps_its_precision_unless_told_otherwise() {
    let (data, folder) = (data(), TempDir::new().unwrap());
    let out = folder.path().join("run");
    let config = out.join("config.toml");
    succeed(tiny(data.path(), &out, &["--steps", "1", "--sample-every", "0"]));
    assert!(lines(&config).contains(&"precision = \"single\"".to_owned()));
    assert!(page(&out).contains("<code>precision</code>"), "{}", page(&out));
    // Few processors can do it, and the others say so: either way the file is what chose.
    let halved = lines(&config).join("\n").replace("precision = \"single\"", "precision = \"half\"");
    fs::write(&config, halved).unwrap();
    let again = folder.path().join("again");
    let mut repeat = trainer(&["--config", config.to_str().unwrap(), "--out"]);
    repeat.arg(&again);
    for mut command in [repeat, resume(&out, &["--steps", "2"])] {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let said = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        if status.success() {
            let written = if said[0].contains("Resuming") { &out } else { &again };
            assert!(lines(&written.join("config.toml")).contains(&"precision = \"half\"".to_owned()));
        } else {
            assert!(said[1].starts_with("error: --precision half "), "{}", said[1]);
        }
    }
    succeed(resume(&out, &["--steps", "3", "--precision", "single"]));
    assert!(lines(&config).contains(&"precision = \"single\"".to_owned()), "the flag wins");
}

#[test]
fn flags_stand_under_their_headings() {
    let help = succeed(trainer_alone(&["--help"]));
    let mut heading = "";
    let mut found: Vec<(&str, &str)> = Vec::new();
    for line in help.lines() {
        if let Some(name) = line.strip_suffix(':').filter(|name| name.chars().all(char::is_alphabetic)) {
            heading = name;
        }
        let flag = line.trim_start().strip_prefix("--").filter(|_| line.starts_with("      --"));
        found.extend(flag.and_then(|flag| flag.split([' ', '[']).next()).map(|flag| (flag, heading)));
    }
    for (flag, heading) in [
        ("preset", "Model"),
        ("time-scale", "Model"),
        ("from", "Training"),
        ("seed", "Training"),
        ("data", "Images"),
        ("held-out-seed", "Images"),
        ("checkpoint-every", "Output"),
        ("log-every", "Output"),
        ("out", "Run"),
        ("precision", "Device"),
    ] {
        assert!(found.contains(&(flag, heading)), "{flag} is not under {heading}: {found:?}");
    }
    let keys: Vec<_> = found
        .iter()
        .filter(|(flag, heading)| ["Model", "Training", "Images", "Output"].contains(heading) || *flag == "precision")
        .collect();
    let printed = succeed(trainer(&["--preset", "tiny", "--print-config"]));
    for (flag, _) in &keys {
        assert!(printed.contains(&format!("\n{flag} = ")) || printed.contains(&format!("\n# {flag} = ")), "{flag}");
    }
    let entries = printed.lines().filter(|line| line.contains(" = ")).count();
    assert_eq!(entries, keys.len(), "what the help says are keys of a configuration: {printed}");
}

#[test]
fn a_configuration_that_is_wrong_gets_one_sentence() {
    let (data, folder) = (data(), TempDir::new().unwrap());
    let path = folder.path().join("my.toml");
    let out = folder.path().join("run");
    let with = |text: &str| {
        fs::write(&path, text).unwrap();
        tiny(data.path(), &out, &["--config", path.to_str().unwrap()])
    };
    let said = fail(with("steps = 4\nwarm-up = 5\nlr = 2"), 1);
    assert!(said.contains("my.toml, line 2: there is no key `warm-up`; the nearest is `warmup`"), "{said}");
    assert!(fail(with("\nsteps = 'many'"), 1).contains("my.toml, line 2: `steps` is to be a whole number"));
    assert!(fail(with("steps = 4 lr = 2"), 1).contains("my.toml, line 1: this is no TOML"));
    fs::write(&path, [0xff, 0xfe]).unwrap();
    let said = fail(tiny(data.path(), &out, &["--config", path.to_str().unwrap()]), 1);
    assert!(said.contains("cannot read") && said.contains("my.toml"), "{said}");
    assert!(fail(trainer(&["--config", "/nowhere.toml"]), 1).contains("cannot read /nowhere.toml"));
    assert!(!out.exists(), "nothing is left by a run that did not start");
}

#[test]
fn resuming_with_another_configuration_says_what_differs() {
    let (data, folder) = (data(), TempDir::new().unwrap());
    let out = folder.path().join("run");
    succeed(tiny(data.path(), &out, &["--steps", "2", "--sample-every", "0", "--checkpoint-every", "7"]));
    let before = fs::read(checkpoint(&out)).unwrap();
    let said = fail(resume(&out, &["--steps", "4", "--batch", "9", "--lr", "0.5", "--seed", "0"]), 1);
    assert!(said.contains("began with batch = 8, not 9, and lr = 0.004, not 0.5; "), "{said}");
    let said = fail(resume(&out, &["--steps", "4", "--preset", "small"]), 1);
    assert!(said.contains("began with width = 64, not 128, and depth = 3, not 4, and heads = 2, not 4; "), "{said}");
    let config = out.join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("ema = 0.995", "ema = 0.5")).unwrap();
    assert!(
        fail(resume(&out, &["--steps", "4"]), 1).contains("ema = 0.995, not 0.5"),
        "a configuration that was edited"
    );
    assert!(fs::read(checkpoint(&out)).unwrap() == before, "a run that was not resumed is as it was");

    // What is as it was may be said again, and how often to write is kept.
    fs::write(&config, &text).unwrap();
    succeed(resume(&out, &["--steps", "4", "--batch", "8", "--lr", "4e-3"]));
    let resumed = fs::read_to_string(&config).unwrap();
    assert_eq!(resumed, text.replace("steps = 2", "steps = 4"));
    assert!(resumed.contains("checkpoint-every = 7\n"));
}

#[test]
fn a_run_begins_with_the_weights_of_another_and_resumes_as_itself() {
    let (data, folder) = (data(), TempDir::new().unwrap());
    let [first, second, third] = ["first", "second", "third"].map(|name| folder.path().join(name));
    succeed(tiny(data.path(), &first, &["--steps", "3", "--sample-every", "0"]));
    let from = first.join("weights.safetensors");
    // Steps of no length, which leave what it began with.
    let still = ["--steps", "2", "--sample-every", "0", "--lr", "1e-30", "--from", from.to_str().unwrap()];
    let said = succeed(tiny(data.path(), &second, &still));
    assert!(said.contains("2 steps into ") && said.contains(&format!(", from {}", from.display())), "{said}");
    let [before, after] = [&from, &second.join("weights.safetensors")].map(|path| numbers(path));
    assert_eq!(before.len(), after.len());
    // The average of equal numbers is rounded.
    let worst = before.iter().zip(&after).map(|(a, b)| (a - b).abs() / a.abs().max(1e-3)).fold(0.0, f32::max);
    assert!(worst <= 4.0 * f32::EPSILON, "{worst}");
    let config = fs::read_to_string(second.join("config.toml")).unwrap();
    assert!(config.contains(&format!("\nfrom = {:?}\n", from.display().to_string())), "{config}");
    // Its own checkpoint is what it goes on with.
    succeed(resume(&second, &["--steps", "4"]));
    assert_eq!(steps(&second.join("metrics.csv")), [1, 2, 3, 4]);
    // What it did not begin with cannot be given later, and is all that differs.
    let said = fail(resume(&first, &["--steps", "4", "--from", from.to_str().unwrap()]), 1);
    let difference = format!("began with from = nothing, not {:?}; ", from.display().to_string());
    assert!(said.contains(&difference), "{said}");

    let with = |more: &[&str]| tiny(data.path(), &third, &[&["--from", from.to_str().unwrap()], more].concat());
    assert!(fail(with(&["--width", "32"]), 1).contains("has weights of another model: {"), "another width");
    let cut = folder.path().join("cut.safetensors");
    let bytes = fs::read(&from).unwrap();
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    assert!(fail(tiny(data.path(), &third, &["--from", cut.to_str().unwrap()]), 1).contains("cut.safetensors"));
    assert!(fail(trainer(&["--from", cut.to_str().unwrap(), "--out", third.to_str().unwrap()]), 1).contains("cut"));
    let digits = fail(trainer(&["--from", from.to_str().unwrap(), "--out", third.to_str().unwrap()]), 1);
    assert!(digits.contains("take images of that kind"), "weights of 8 × 8 images, and MNIST: {digits}");
    assert!(!third.exists(), "nothing is left by a run that did not start");
}

#[test]
fn what_was_written_after_the_checkpoint_is_not_there_twice() {
    let (data, folder) = (data(), TempDir::new().unwrap());
    let out = folder.path().join("run");
    succeed(tiny(data.path(), &out, &["--steps", "4", "--sample-every", "2"]));
    let at_four = fs::read(checkpoint(&out)).unwrap();
    succeed(resume(&out, &["--steps", "7"]));
    let whole = ["metrics.csv", "heldout.csv"].map(|name| lines(&out.join(name)));
    let recorded = events(&out).len();
    // As after a crash: the files are further than the checkpoint.
    fs::write(checkpoint(&out), at_four).unwrap();
    succeed(resume(&out, &["--steps", "7"]));
    assert_eq!(["metrics.csv", "heldout.csv"].map(|name| lines(&out.join(name))), whole);
    assert_eq!(steps(&out.join("metrics.csv")), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(steps(&out.join("heldout.csv")), [2, 4, 6, 7]);
    assert_eq!((events(&out).len(), recorded), (1 + 7 + 4 + 4, 1 + 7 + 4 + 4));
}

#[test]
fn completions_and_a_manual_page_know_the_flags() {
    let completions = |shell: &str| succeed(trainer_alone(&["--completions", shell]));
    for shell in ["bash", "zsh", "fish"] {
        assert!(completions(shell).contains("print-config"), "{shell}");
    }
    let manual = succeed(trainer_alone(&["--man"]));
    assert!(manual.contains(".TH trainer 1") && manual.contains("print\\-config"), "{manual}");
}

#[test]
fn a_resumed_run_is_the_run() {
    let (data, folder) = (data(), TempDir::new().unwrap());
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let long = ["--steps", "600", "--sample-every", "0", "--checkpoint-every", "4"];
    succeed(tiny(data.path(), &whole, &long));

    // Killed as by a power cut, after some checkpoint.
    let mut child = tiny(data.path(), &parts, &long).stdout(std::process::Stdio::null()).spawn().unwrap();
    wait_for(|| checkpoint(&parts).is_file());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(rows(&parts).len() < rows(&whole).len(), "the run was over before it could be killed");
    succeed(resume(&parts, &[]));
    assert_eq!(rows(&parts), rows(&whole), "the losses of a resumed run");
    let states = [&parts, &whole].map(|out| fs::read(checkpoint(out)).unwrap());
    assert!(states[0] == states[1], "the state at the end of a resumed run differs");

    let complete = fail(resume(&whole, &[]), 1);
    assert!(complete.contains("complete after 600 steps"), "{complete}");
    succeed(resume(&whole, &["--steps", "602"]));
    assert_eq!(rows(&whole).len(), 603);
}

fn wait_for(mut condition: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if condition() {
            return;
        }
        thread::sleep(time::Duration::from_millis(10));
    }
    panic!("waited a minute in vain");
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_saves_and_leaves() {
    let (data, folder) = (data(), TempDir::new().unwrap());
    let out = folder.path().join("run");
    let mut command = tiny(data.path(), &out, &["--steps", "1000000", "--sample-every", "0", "--log-every", "1"]);
    let child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    wait_for(|| out.join("metrics.csv").is_file() && rows(&out).len() > 3);
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("and saved; go on with --resume"), "{said}");
    let done = rows(&out).len() - 1;
    assert!(page(&out).contains(">interrupted<") && page(&out).contains(&format!("Step {done} of 1000000")));
    let said = succeed(resume(&out, &["--steps", &(done + 2).to_string()]));
    assert!(said.contains(&format!("after step {done} of {}", done + 2)), "{said}");
    assert_eq!(rows(&out).len() - 1, done + 2);
}

#[test]
fn a_run_that_diverges_names_the_step_and_keeps_the_checkpoint() {
    let (data, folder) = (data(), TempDir::new().unwrap());
    let out = folder.path().join("run");
    let more = ["--steps", "60", "--lr", "1e30", "--warmup", "1", "--sample-every", "0", "--log-every", "5"];
    let said = fail(tiny(data.path(), &out, &more), 1);
    assert!(said.contains("training diverged at step "), "{said}");
    assert!(said.ends_with("lower --lr, or undo other unusual settings"), "{said}");
    assert!(!checkpoint(&out).exists(), "a state that is not finite must not be saved");
    assert!(page(&out).contains(">failed<") && page(&out).contains("training diverged at step "), "{}", page(&out));
}

#[cfg(unix)]
#[test]
fn a_full_disk_keeps_the_last_good_checkpoint() {
    let (data, folder) = (data(), TempDir::new().unwrap());
    let out = folder.path().join("run");
    succeed(tiny(data.path(), &out, &["--steps", "2", "--sample-every", "0"]));
    let before = fs::read(checkpoint(&out)).unwrap();
    // A limit on the size of files stands in for a full disk: writing fails in the middle of a file.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_trainer")]);
    command.args(["--device", "cpu", "--sample-every", "0", "--steps", "4", "--resume"]).arg(&out);
    let said = fail(command, 1);
    assert!(said.contains("checkpoint.safetensors"), "{said}");
    assert!(fs::read(checkpoint(&out)).unwrap() == before, "the good checkpoint was touched");
    let names: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 10, "no half-written file is left: {names:?}");
}

#[test]
fn bad_input_gets_one_sentence() {
    let (data, folder) = (data(), TempDir::new().unwrap());
    let out = folder.path().join("run");
    let tiny = |more: &[&str]| tiny(data.path(), &out, more);
    for usage in [
        ["--steps", "0"],
        ["--epochs", "nan"],
        ["--epochs", "0"],
        ["--batch", "0"],
        ["--lr", "inf"],
        ["--lr", "-1"],
        ["--ema", "1"],
        ["--log-every", "65"],
        ["--backend", "glide"],
        ["--device", "tpu"],
        ["--resume", "elsewhere"],
        ["--lr", "1e39"],
    ] {
        let said = fail(tiny(&usage), 2);
        assert!(said.contains(usage[0]), "{said}");
    }
    assert!(fail(tiny(&["--batch", "41"]), 2).contains("--batch"), "given twice");
    assert!(!out.exists(), "nothing is left by a run that did not start");

    let mut too_many = trainer(&["--preset", "tiny", "--batch", "41", "--out", "unused", "--data"]);
    too_many.arg(data.path());
    assert!(fail(too_many, 1).contains("exceeds the 40 training images"));

    let mut adapter = Command::new(env!("CARGO_BIN_EXE_trainer"));
    adapter
        .args(["--adapter", "no such adapter", "--steps", "1", "--out"])
        .arg(&out)
        .env("VK_DRIVER_FILES", "/dev/null");
    assert!(fail(adapter, 1).contains("no such adapter"));

    fs::write(data.path().join("train-images-idx3-ubyte"), b"garbage").unwrap();
    assert!(fail(tiny(&["--steps", "1"]), 1).contains("train-images-idx3-ubyte"));
    let nowhere = trainer(&["--data", "/nowhere"]);
    assert!(fail(nowhere, 1).contains("/nowhere"));
    assert!(fail(resume(folder.path(), &[]), 1).contains("holds no run to resume"));

    let occupied = folder.path().join("file");
    fs::write(&occupied, b"").unwrap();
    let blocked = trainer(&["--steps", "1", "--out", occupied.to_str().unwrap()]);
    assert!(fail(blocked, 1).contains("choose another --out"));
}

#[test]
fn a_run_is_not_overwritten_and_a_broken_checkpoint_is_named() {
    let (data, folder) = (data(), TempDir::new().unwrap());
    let out = folder.path().join("run");
    let said = succeed(tiny(data.path(), &out, &["--steps", "1"]));
    assert!(said.contains("\n1 step into ") && said.contains("\nTrained 1 step, "), "{said}");
    assert!(fail(tiny(data.path(), &out, &["--steps", "1"]), 1).contains("--resume"));
    assert!(fail(resume(&out, &[]), 1).contains("complete after 1 step; "));
    let bytes = fs::read(checkpoint(&out)).unwrap();
    fs::write(checkpoint(&out), &bytes[..bytes.len() / 2]).unwrap();
    let said = fail(resume(&out, &["--steps", "2"]), 1);
    let advice = format!("--from {} in the place of --resume", out.join("weights.safetensors").display());
    assert!(said.contains("checkpoint.safetensors is no usable checkpoint (") && said.ends_with(&advice), "{said}");
}

#[test]
fn a_run_goes_on_with_its_own_images_wherever_they_are() {
    let (first, folder) = (data(), TempDir::new().unwrap());
    let out = folder.path().join("run");
    succeed(tiny(first.path(), &out, &["--steps", "2", "--sample-every", "0"]));
    let labels = first.path().join("train-labels-idx1-ubyte");
    let good = fs::read(&labels).unwrap();
    let mut other = good.clone();
    other[8] ^= 1;
    fs::write(&labels, &other).unwrap();
    assert!(fail(resume(&out, &["--steps", "4"]), 1).contains("began with other images"));
    fs::write(&labels, &good).unwrap();
    let moved = folder.path().join("moved");
    fs::rename(first.path(), &moved).unwrap();
    assert!(fail(resume(&out, &["--steps", "4"]), 1).contains("there is nothing at"));
    succeed(resume(&out, &["--steps", "4", "--data", moved.to_str().unwrap()]));
}

#[test]
fn a_picture_that_cannot_be_written_does_not_end_the_run() {
    let (data, folder) = (data(), TempDir::new().unwrap());
    let out = folder.path().join("run");
    succeed(tiny(data.path(), &out, &["--steps", "1"]));
    fs::remove_dir_all(out.join("samples")).unwrap();
    let said = succeed(resume(&out, &["--steps", "3", "--sample-every", "2"]));
    assert!(
        said.contains("step 2  held out ") && said.contains("  no samples: ") && said.contains("Trained 3 steps"),
        "{said}"
    );
}

/// A folder with a subfolder for each of three classes: flat colour images of 9 × 12 pixels, in as many formats.
fn photographs(folder: &Path) {
    let colours = [("blue", [20, 40, 220], "png"), ("green", [30, 200, 60], "bmp"), ("red", [220, 30, 30], "gif")];
    for (class, colour, format) in colours {
        fs::create_dir(folder.join(class)).unwrap();
        for index in 0..10_u8 {
            let pixel = image::Rgb(colour.map(|value| value + index));
            let image = image::RgbImage::from_pixel(9, 12, pixel);
            image.save(folder.join(class).join(format!("{index}.{format}"))).unwrap();
        }
    }
}

/// How far the mean colour of a drawn image, within [0, 1], may be from that of its class. Noise, and the average of all
/// classes, are further off: two classes differ by 0.6 or more in two channels.
const COLOURS_AGREE: f32 = 0.2;

#[test]
fn a_folder_of_colour_images_is_learned_and_drawn_and_resumed_as_it_was_read() {
    let (data, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    photographs(data.path());
    let out = folder.path().join("run");
    let read = ["--image-size", "8", "--image-fit", "stretch", "--held-out", "0.2"];
    assert!(fail(tiny(data.path(), &out, &["--steps", "1"]), 1).contains("--image-size"), "the images are not square");
    let more = [&["--steps", "300", "--warmup", "10", "--sample-every", "0"], &read[..]].concat();
    let said = succeed(tiny(data.path(), &out, &more));
    assert!(said.contains("24 images of ") && said.contains("(8×8, colour, 3 classes)"), "{said}");
    assert!(said.contains("Note: there is no test split, so 6 of 30 images are held out"), "{said}");
    let picture = image::open(out.join("samples/step-000300.png")).unwrap();
    assert!(picture.color().has_color(), "the preview is grey");

    // The checkpoint and config.toml know how the images were read.
    let config = fs::read_to_string(out.join("config.toml")).unwrap();
    for line in ["image-size = 8", "image-fit = \"stretch\"", "held-out = 0.2"] {
        assert!(config.lines().any(|other| other == line), "{line} is not in {config}");
    }
    succeed(resume(&out, &["--steps", "302", "--sample-every", "0"]));
    fs::remove_file(out.join("config.toml")).unwrap();
    succeed(resume(&out, &["--steps", "304", "--sample-every", "0"]));
    let other = fail(resume(&out, &["--steps", "306", "--image-channels", "grey"]), 1);
    assert!(other.contains("began with other images"), "{other}");

    // Each class is drawn in its colour.
    let device = runtime::Device::open(&runtime::DeviceOptions::cpu()).unwrap();
    let mut stream = device.stream().unwrap();
    let weights = dit::Weights::load(out.join("weights.safetensors")).unwrap();
    let model = dit::Dit::from_weights(&mut stream, &weights).unwrap();
    let options = flow::SampleOptions { steps: 20, guidance: 1.0, ..flow::SampleOptions::default() };
    let images = flow::sample(&mut stream, &model, &[0, 1, 2], &options, |_| {}).unwrap();
    let wanted = [[24, 44, 224], [34, 204, 64], [224, 34, 34]];
    for (plane, wanted) in images.chunks(64).zip(wanted.concat()) {
        let mean = plane.iter().sum::<f32>() / 128.0 + 0.5;
        assert!((mean - wanted as f32 / 255.0).abs() < COLOURS_AGREE, "{mean} of {wanted}");
    }
}

#[test]
fn nothing_need_be_held_out_and_bad_folders_get_one_sentence() {
    let (data, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    photographs(data.path());
    let run = ["--steps", "2", "--image-size", "4", "--image-channels", "grey", "--held-out=0"];
    let said = succeed(tiny(data.path(), &folder.path().join("run"), &run));
    assert!(said.contains("30 images of ") && said.contains("none was held out"), "{said}");
    assert!(!said.contains("held out 0."), "{said}");

    // No patch of 4 pixels or more divides 7 but 7 itself.
    let seven = ["--steps", "2", "--image-size", "7"];
    let said = fail(tiny(data.path(), &folder.path().join("one-token"), &seven), 1);
    assert!(said.contains("divides images of 7×7; make them 4 or 8 pixels a side with --image-size"), "{said}");
    succeed(tiny(data.path(), &folder.path().join("one-token"), &[&seven[..], &["--patch", "7"]].concat()));

    let out = folder.path().join("other");
    fs::write(data.path().join("red/broken.jpg"), b"nothing").unwrap();
    let said = fail(tiny(data.path(), &out, &run), 1);
    assert!(said.contains("1 of 31 images") && said.contains("red/broken.jpg"), "{said}");
    let said = succeed(tiny(data.path(), &out, &[&run[..], &["--skip-unreadable"]].concat()));
    assert!(said.contains("Note: 1 of 31 images cannot be read and were left out: red/broken.jpg"), "{said}");
    fs::create_dir(data.path().join("yellow")).unwrap();
    let more = [&run[..], &["--skip-unreadable"]].concat();
    let said = fail(tiny(data.path(), &folder.path().join("third"), &more), 1);
    assert!(said.contains("without an image to train on: yellow"), "{said}");
}
