#!/usr/bin/env python3
"""Weights in other libraries' own classes: makes what the Rust tests read, and checks what the Rust side writes.

    git clone https://github.com/facebookresearch/DiT SOURCES/DiT
    git clone https://github.com/willisma/SiT SOURCES/SiT
    pip install torch==2.6.0 diffusers==0.42.1 timm numpy safetensors
    python3 tests/goldens/interchange.py make --sources SOURCES
    python3 tests/goldens/interchange.py check weights/mnist.safetensors --sources SOURCES

`make` fills tests/goldens/interchange: for each class a file of random weights as the library saves it, and
points with the velocities that the class computes. `check` has the program `convert` write the given weights for
each class, loads them there with strict=True, and compares velocities with the evaluator's.
"""
import argparse
import importlib.util
import json
import math
import pathlib
import subprocess
import sys
import tempfile
from unittest import mock

import torch
from diffusers import DiTTransformer2DModel
from diffusers.models.embeddings import get_timestep_embedding
from safetensors import safe_open
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).parent
FOLDER = HERE / "interchange"
# As in make.py: how much further off than PyTorch's f32 another order of sums may be, and the least that is.
MARGIN = 16
FLOOR = 2 * 2.0**-23
# What `check` allows between two implementations in f32, of velocities up to some ten: a time of 1000 is good
# to 6e-5 there, it is the angle of a sine, and random weights are steep.
TOLERANCE = 3e-4

# What the models that `make` makes are: the library, its sizes, what t in [0, 1] is multiplied with.
# `dit` keeps its positions and has learn_sigma, `sit` has neither; an epsilon as large as that of the last shows.
MODELS = {
    "dit": dict(side=6, patch=2, channels=3, width=24, depth=2, heads=3, classes=5, learn_sigma=True, scale=1000.0),
    "sit": dict(side=9, patch=3, channels=1, width=20, depth=3, heads=1, classes=1, learn_sigma=False, scale=1.0),
    "diffusers": dict(side=10, patch=2, channels=2, width=16, depth=2, heads=2, classes=4, learn_sigma=True, scale=1000.0),
    "diffusers-epsilon": dict(side=3, patch=1, channels=1, width=12, depth=1, heads=3, classes=2, learn_sigma=False, scale=1.0, epsilon=0.25),
}


def load_class(sources, name):
    path = sources / name / "models.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


def build(library, sources, *, side, patch, channels, width, depth, heads, classes, learn_sigma, epsilon=None, **_):
    """A model of a library's own class."""
    if library.startswith("diffusers"):
        return DiTTransformer2DModel(
            num_attention_heads=heads,
            attention_head_dim=width // heads,
            in_channels=channels,
            out_channels=2 * channels if learn_sigma else None,
            num_layers=depth,
            sample_size=side,
            patch_size=patch,
            num_embeds_ada_norm=classes,
            **({} if epsilon is None else {"norm_eps": epsilon}),
        ).eval()
    kind = load_class(sources, {"dit": "DiT", "sit": "SiT"}[library])
    model = kind(
        input_size=side,
        patch_size=patch,
        in_channels=channels,
        hidden_size=width,
        depth=depth,
        num_heads=heads,
        num_classes=classes,
        learn_sigma=learn_sigma,
    ).eval()
    # Its sines and cosines are f32 whatever the model is.
    first = model.t_embedder.mlp[0]
    model.t_embedder.mlp.register_forward_pre_hook(lambda _, inputs: (inputs[0].to(first.weight.dtype),))
    return model


@torch.no_grad()
def velocity(model, x, t, y):
    """The first C channels of what the class computes, for times as it takes them."""
    kind = next(model.parameters()).dtype
    out = model(x.to(kind), t, y)
    return getattr(out, "sample", out)[:, : x.shape[1]].double()


def exact_exp(x, exp=torch.exp):
    return exp(x.double()).to(x.dtype)


def randomise(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name != "pos_embed":
                parameter.copy_(0.25 * torch.randn_like(parameter))
        blocks = getattr(model, "transformer_blocks", [])
        for block in blocks[1:]:
            block.norm1.emb.load_state_dict(blocks[0].norm1.emb.state_dict())


def make(sources):
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    for seed, (library, sizes) in enumerate(MODELS.items()):
        torch.manual_seed(seed)
        model = build(library, sources, **sizes)
        randomise(model)
        if library.startswith("diffusers"):
            model.save_pretrained(FOLDER / library)
        else:
            state = {name: value.contiguous() for name, value in model.state_dict().items()}
            if library == "sit":
                del state["pos_embed"]
            save_file(state, FOLDER / f"{library}.safetensors")
        # Times that are the same steps in f32 whoever multiplies; every class, and none.
        t = torch.tensor([0, 0.125, 0.5, 0.875, 1])
        y = torch.arange(len(t)) % (sizes["classes"] + 1)
        x = torch.randn(len(t), sizes["channels"], sizes["side"], sizes["side"])
        steps = sizes["scale"] * t
        single = velocity(model, x, steps, y)
        exact = velocity(model.double(), x, steps, y)
        # PyTorch's f32 exp is off by the last bit in places, and with large times it shows.
        with mock.patch("torch.exp", exact_exp):
            moved = velocity(model, x, steps, y)
        rounding, frequency = ((other - exact).abs().max().item() for other in (single, moved))
        allowed = max(MARGIN * rounding + frequency, FLOOR * exact.abs().max().item())
        threshold = torch.tensor([2.0 ** math.ceil(math.log2(allowed))])
        points = {"x": x, "t": t, "y": y.float(), "v": exact.float(), "threshold/v": threshold}
        save_file(points, FOLDER / f"{library}.points.safetensors")
        print(f"{library}: velocities up to {exact.abs().max():.2f}, threshold {threshold.item():.1e}")


def cargo(program, *arguments):
    command = ["cargo", "run", "--quiet", "--package", program, "--", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr}")


def own_velocity(weights, x, t, y, folder):
    save_file({"x": x, "t": t, "y": y}, folder / "in")
    cargo("evaluator", "velocity", "--weights", weights, "--inputs", folder / "in", "--out", folder / "out", "--device", "cpu")
    return load_file(folder / "out")["v"].double()


def load(library, sources, path, sizes):
    """The class with the weights that `convert` wrote."""
    if library == "diffusers":
        # Once as users do, and once for the complaint that from_pretrained only prints.
        model = DiTTransformer2DModel.from_pretrained(path, low_cpu_mem_usage=False).eval()
        model.load_state_dict(load_file(path / "diffusion_pytorch_model.safetensors"), strict=True)
        return model
    model = build(library, sources, **sizes)
    model.load_state_dict(load_file(path), strict=True)
    return model


def use_frequencies(library, model, steps):
    """What `convert` says to do where the class has other frequencies than the weights want."""
    if library == "diffusers":
        for block in model.transformer_blocks:
            block.norm1.emb.time_proj.downscale_freq_shift = 128 - steps
    elif steps != 128:
        model.t_embedder.timestep_embedding = lambda t, dim: get_timestep_embedding(t, dim, flip_sin_to_cos=True)


def check(sources, weights):
    with safe_open(weights, "pt") as file:
        config = json.loads(file.metadata()["config"])
    variant = config.pop("variant", {"mlp_epsilon": 1e-6, "frequency_steps": 128})
    scale, worst = config.pop("time_scale"), 0.0
    torch.manual_seed(0)
    count, channels, side = 32, config["channels"], config["side"]
    x, t = torch.randn(count, channels, side, side), torch.linspace(0, 1, count)
    y = torch.arange(count) % (config["classes"] + 1)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        want = own_velocity(weights, x, t, y, folder)
        print(f"{weights}: velocities up to {want.abs().max():.3f}; worst differences:")
        for library in ("dit", "sit", "diffusers"):
            for learn_sigma in (False, True):
                path = folder / f"{library}-{learn_sigma}"
                names = "diffusers" if library == "diffusers" else "dit"
                cargo("convert", weights, path, "--to", names, *["--learn-sigma"] * learn_sigma)
                model = load(library, sources, path, config | {"learn_sigma": learn_sigma})
                for block in getattr(model, "blocks", []):
                    block.norm2.eps = variant["mlp_epsilon"]
                untouched = (velocity(model, x, scale * t, y) - want).abs().max().item()
                use_frequencies(library, model, variant["frequency_steps"])
                difference = (velocity(model, x, scale * t, y) - want).abs().max().item()
                worst = max(worst, difference)
                # And back: the same bytes, but for the positions that diffusers computes.
                cargo("convert", path, folder / "back")
                same = (folder / "back").read_bytes() == pathlib.Path(weights).read_bytes()
                print(
                    f"  {library:9} learn_sigma={learn_sigma!s:5}  strict=True; {difference:.2e}"
                    f" ({untouched:.2e} with the class's own frequencies); back again {'the same bytes' if same else 'OTHER BYTES'}"
                )
                if library == "diffusers" and not learn_sigma:
                    for block in model.transformer_blocks:
                        block.norm3.eps = 1e-5
                    other = (velocity(model, x, scale * t, y) - want).abs().max().item()
                    print(f"  {library:9} with its default norm_eps of 1e-5 in place of {variant['mlp_epsilon']}: {other:.2e}")
                worst = max(worst, 0.0 if same else math.inf)
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["make", "check"])
    parser.add_argument("weights", nargs="*", help="for check: files of this project")
    parser.add_argument("--sources", type=pathlib.Path, required=True, help="the folder that DiT and SiT were cloned into")
    args = parser.parse_intermixed_args()
    if args.mode == "make":
        make(args.sources)
    elif max(check(args.sources, weights) for weights in args.weights) > TOLERANCE:
        sys.exit("a difference is too large")


if __name__ == "__main__":
    main()
