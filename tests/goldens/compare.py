#!/usr/bin/env python3
"""Loads weights of this project into stock PyTorch with strict=True, and compares velocities.

    pip install torch numpy safetensors
    python3 tests/goldens/compare.py weights/mnist.safetensors [--device gpu ...]

Further arguments go to the evaluator, which computes the velocities.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from model import DiT

TOLERANCE = 1e-4


def main():
    weights, *device = sys.argv[1:]
    with safe_open(weights, "pt") as file:
        config = json.loads(file.metadata()["config"])
    model = DiT(**config).float()
    model.load_state_dict(load_file(weights), strict=True)
    torch.manual_seed(0)
    batch, classes = 32, config["classes"]
    x = torch.randn(batch, config["channels"], config["side"], config["side"])
    t = torch.linspace(0, 1, batch)
    y = torch.arange(batch) % (classes + 1)
    with torch.no_grad():
        want = model(x, t, y)
    with tempfile.TemporaryDirectory() as folder:
        inputs, out = (str(pathlib.Path(folder) / name) for name in ("in.safetensors", "out.safetensors"))
        save_file({"x": x, "t": t, "y": y}, inputs)
        command = ["cargo", "run", "--quiet", "--package", "evaluator", "--", "velocity"]
        subprocess.run(command + ["--weights", weights, "--inputs", inputs, "--out", out, *device], check=True)
        got = load_file(out)["v"]
    worst = (got - want).abs().max().item()
    print(f"loaded with strict=True; velocities up to {want.abs().max().item():.3f}, worst difference {worst:.2e}")
    sys.exit(worst > TOLERANCE)


if __name__ == "__main__":
    main()
