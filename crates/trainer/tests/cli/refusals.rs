//! What goes wrong: bad input, a full disk, numbers that are none.

use super::*;

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
