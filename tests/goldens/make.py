#!/usr/bin/env python3
"""Makes what the Rust model answers to, beside this script:

    dit.safetensors       random weights, velocities for some inputs, the loss, every parameter's gradient
    training.safetensors  ten steps of AdamW from there, with clipping, decay and a moving average
    sampling.safetensors  Euler's method from given noise, with guidance

    pip install torch==2.6.0 numpy safetensors
    python3 tests/goldens/make.py

Everything is computed in f64 and stored in f32. It is computed once more in f32, the precision of the
kernels, and how far that is off says how far they may be: `threshold/NAME` is the allowed difference of
any element of NAME, MARGIN times PyTorch's own largest, plus what the last bits of the times' frequencies do. The same versions make the same files, byte for byte.
"""
import copy
import json
import math
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from model import DiT

CONFIG = dict(side=8, channels=2, patch=2, width=24, depth=2, heads=3, classes=3, time_scale=1000.0)
IMAGE = (CONFIG["channels"], CONFIG["side"], CONFIG["side"])
NULL = CONFIG["classes"]
BATCH = 5

# How much further off than PyTorch's f32 another order of sums, and a driver's exp, may be.
MARGIN = 16
# Where PyTorch's f32 happens to be exact: two units in the last place of the largest element.
FLOOR = 2 * 2.0**-23


def f32(value):
    """A number as the kernels get it."""
    return torch.tensor(value, dtype=torch.float32).item()


def rounded_frequencies():
    """The frequencies of times as an exact exp rounds them. PyTorch's f32 exp, which the model has, is off by
    the last bit in places, and at the thousandfold of a time it shows."""
    return (-math.log(10000) * torch.arange(128, dtype=torch.float32) / 128).double().exp().float()


def threshold(exact, single, moved):
    """The difference allowed, rounded up to a power of two: the last bits of f32 depend on the processor."""
    exact, single, moved = (value.detach().double() for value in (exact, single, moved))
    rounding, frequency = ((other - exact).abs().max().item() for other in (single, moved))
    allowed = max(MARGIN * rounding + frequency, FLOOR * exact.abs().max().item())
    return torch.tensor([2.0 ** math.ceil(math.log2(allowed))])


def with_thresholds(compute, model):
    """What `compute` makes of the model in f64, with the differences that f32 makes."""
    exact, single, moved = copy.deepcopy(model).double(), copy.deepcopy(model).float(), copy.deepcopy(model).double()
    moved.frequencies = rounded_frequencies().double()
    exact, single, moved = compute(exact), compute(single), compute(moved)
    return exact | {f"threshold/{name}": threshold(exact[name], single[name], moved[name]) for name in exact}


def save(name, tensors):
    # A single entry of metadata: several would be written in random order.
    path = pathlib.Path(__file__).with_name(name)
    tensors = {name: value.detach().float().contiguous() for name, value in tensors.items()}
    save_file(tensors, path, {"config": json.dumps(CONFIG)})
    print(f"{path}: {path.stat().st_size} bytes")


def make_model():
    torch.manual_seed(2026)
    model = DiT(**CONFIG).double()
    with torch.no_grad():
        for parameter in model.parameters():
            # Not zero anywhere, and through f32, so that both sides start from the same numbers.
            parameter.copy_((0.25 * torch.randn_like(parameter)).float())
    return model


def make_gradients(model):
    x, target = torch.randn(BATCH, *IMAGE), torch.randn(BATCH, *IMAGE)
    t = torch.tensor([0.0, 0.013, 0.5, 0.87, 1.0])
    y = torch.tensor([0, 1, 2, 3, 1])

    def compute(model):
        kind = model.pos_embed.dtype
        velocity = model(x.to(kind), t.to(kind), y)
        loss = F.mse_loss(velocity, target.to(kind))
        loss.backward()
        gradients = {f"gradient/{name}": p.grad for name, p in model.named_parameters()}
        return gradients | {"velocity": velocity, "loss": loss[None]}

    inputs = {"input/x": x, "input/t": t, "input/y": y, "target": target}
    save("dit.safetensors", model.state_dict() | inputs | with_thresholds(compute, model))


STEPS = 10
# An epsilon that counts: where it stands is tested, and noise in gradients near zero stays noise, where a
# small one would make whole steps of it.
OPTIONS = dict(beta1=0.9, beta2=0.99, epsilon=1e-3, weight_decay=0.3, max_norm=20.0, average_decay=0.5)


def make_training(model):
    generator = torch.Generator().manual_seed(1)
    rand = lambda draw, *shape: draw(shape, generator=generator)
    data = rand(torch.randn, STEPS, BATCH, *IMAGE).clamp(-1, 1)
    # Batches of several sizes of error, so that some gradients are clipped and others are not.
    data = data * torch.tensor([1.0, 2.0, 0.5, 3.0, 1.0])[torch.arange(STEPS) % 5].reshape(-1, 1, 1, 1, 1)
    noise, t = rand(torch.randn, STEPS, BATCH, *IMAGE), rand(torch.rand, STEPS, BATCH)
    y = torch.randint(NULL + 1, (STEPS, BATCH), generator=generator)
    rates = torch.tensor([1e-3 * (step + 1) for step in range(5)] + [5e-3, 4e-3, 3e-3, 2e-3, 1e-3])
    options = {name: f32(value) for name, value in OPTIONS.items()}

    def compute(model):
        kind = model.pos_embed.dtype
        # Decay for every parameter, and an epsilon beside the root of the corrected second moment.
        optimizer = torch.optim.AdamW(
            model.parameters(),
            betas=(options["beta1"], options["beta2"]),
            eps=options["epsilon"],
            weight_decay=options["weight_decay"],
        )
        average = {name: p.detach().clone() for name, p in model.named_parameters()}
        losses, norms = [], []
        for step in range(STEPS):
            time = t[step].to(kind)
            share = time.reshape(-1, 1, 1, 1)
            x1, x0 = data[step].to(kind), noise[step].to(kind)
            loss = F.mse_loss(model(share * x1 + (1 - share) * x0, time, y[step]), x1 - x0)
            optimizer.zero_grad()
            loss.backward()
            norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), options["max_norm"]))
            optimizer.param_groups[0]["lr"] = rates[step].item()
            optimizer.step()
            decay = min(options["average_decay"], (2 + step) / (11 + step))
            for name, p in model.named_parameters():
                average[name] = decay * average[name] + (1 - decay) * p.detach()
            losses.append(loss.detach())
        state = {name: optimizer.state[p] for name, p in model.named_parameters()}
        result = {"losses": torch.stack(losses), "norms": torch.stack(norms)}
        result |= {f"trained/{name}": p for name, p in model.named_parameters()}
        result |= {f"average/{name}": value for name, value in average.items()}
        result |= {f"first/{name}": value["exp_avg"] for name, value in state.items()}
        return result | {f"second/{name}": value["exp_avg_sq"] for name, value in state.items()}

    result = with_thresholds(compute, model)
    norms = result["norms"]
    print("losses", *result["losses"].tolist())
    print("norms", *norms.tolist())
    clipped = (norms > 1.05 * OPTIONS["max_norm"]).sum()
    free = (norms < 0.95 * OPTIONS["max_norm"]).sum()
    assert clipped >= 3 and free >= 3 and clipped + free == STEPS, "clipping is to be active in some steps, clearly"
    inputs = {"data": data, "noise": noise, "time": t, "labels": y, "rates": rates}
    inputs |= {f"option/{name}": torch.tensor([value]) for name, value in OPTIONS.items()}
    save("training.safetensors", inputs | result)


def make_sampling(model):
    steps, guidance = 20, 3.0
    labels = torch.tensor([0, 1, 2, 1, 0])
    noise = torch.randn(len(labels), *IMAGE, generator=torch.Generator().manual_seed(2))

    def integrate(model, scale):
        kind = model.pos_embed.dtype
        x = noise.to(kind)
        for step in range(steps):
            t = torch.full((len(labels),), step / steps, dtype=kind)
            v = model(x, t, labels)
            if scale != 1:
                null = model(x, t, torch.full_like(labels, NULL))
                v = null + scale * (v - null)
            x = x + v / steps
        return x

    @torch.no_grad()
    def compute(model):
        return {"guided": integrate(model, guidance), "unguided": integrate(model, 1.0)}

    inputs = {"noise": noise, "labels": labels, "steps": torch.tensor([steps]), "guidance": torch.tensor([guidance])}
    save("sampling.safetensors", inputs | with_thresholds(compute, model))


def main():
    # One thread, so that sums have one order.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    model = make_model()
    make_gradients(model)
    make_training(model)
    make_sampling(model)


if __name__ == "__main__":
    main()
