//! Stopping, and going on from a checkpoint or from another run's weights.

use super::*;

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
