//! Flags, presets and configuration files.

use super::*;

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
fn completions_and_a_manual_page_know_the_flags() {
    let completions = |shell: &str| succeed(trainer_alone(&["--completions", shell]));
    for shell in ["bash", "zsh", "fish"] {
        assert!(completions(shell).contains("print-config"), "{shell}");
    }
    let manual = succeed(trainer_alone(&["--man"]));
    assert!(manual.contains(".TH trainer 1") && manual.contains("print\\-config"), "{manual}");
}
