"""A diffusion transformer on PyTorch's own operations, so that the Rust one has something to answer to."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def positions(width, side):
    frequencies = 10000.0 ** (-torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    rows = []
    for row in range(side):
        for column in range(side):
            halves = [torch.cat([(p * frequencies).sin(), (p * frequencies).cos()]) for p in (column, row)]
            rows.append(torch.cat(halves))
    return torch.stack(rows)[None]


def modules(**named):
    box = nn.Module()
    for name, module in named.items():
        box.add_module(name, module)
    return box


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.attn = modules(qkv=nn.Linear(width, 3 * width), proj=nn.Linear(width, width))
        self.mlp = modules(fc1=nn.Linear(width, 4 * width), fc2=nn.Linear(4 * width, width))
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, x, condition):
        batch, tokens, width = x.shape
        m = [part[:, None] for part in self.adaLN_modulation(condition).chunk(6, dim=1)]
        h = F.layer_norm(x, (width,), eps=1e-6) * (1 + m[1]) + m[0]
        qkv = self.attn.qkv(h).reshape(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        h = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, tokens, width)
        x = x + m[2] * self.attn.proj(h)
        h = F.layer_norm(x, (width,), eps=1e-6) * (1 + m[4]) + m[3]
        return x + m[5] * self.mlp.fc2(F.gelu(self.mlp.fc1(h), approximate="tanh"))


class DiT(nn.Module):
    def __init__(self, side, channels, patch, width, depth, heads, classes, time_scale):
        super().__init__()
        self.side, self.channels, self.patch, self.time_scale = side, channels, patch, time_scale
        self.x_embedder = modules(proj=nn.Conv2d(channels, width, patch, patch))
        self.t_embedder = modules(mlp=nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width)))
        self.y_embedder = modules(embedding_table=nn.Embedding(classes + 1, width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.final_layer = modules(
            linear=nn.Linear(width, patch * patch * channels),
            adaLN_modulation=nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width)),
        )
        self.register_buffer("pos_embed", positions(width, side // patch))
        # f32, as DiT has it: with times scaled by 1000 its last bit shows.
        frequencies = torch.exp(-math.log(10000) * torch.arange(128, dtype=torch.float32) / 128)
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, x, t, y):
        h = self.x_embedder.proj(x).flatten(2).transpose(1, 2) + self.pos_embed
        angles = ((self.time_scale * t.float())[:, None] * self.frequencies.float()).to(x.dtype)
        condition = self.t_embedder.mlp(torch.cat([angles.cos(), angles.sin()], 1)) + self.y_embedder.embedding_table(y)
        for block in self.blocks:
            h = block(h, condition)
        shift, scale = self.final_layer.adaLN_modulation(condition)[:, None].chunk(2, dim=2)
        h = self.final_layer.linear(F.layer_norm(h, h.shape[-1:], eps=1e-6) * (1 + scale) + shift)
        n, p, c = self.side // self.patch, self.patch, self.channels
        return h.reshape(-1, n, n, p, p, c).permute(0, 5, 1, 3, 2, 4).reshape(-1, c, self.side, self.side)
