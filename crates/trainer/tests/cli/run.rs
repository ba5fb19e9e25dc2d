//! What a run leaves, on every device.

use super::*;

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
