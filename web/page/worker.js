// Draws and trains beside the page, so that it stays alive. Before this comes what wasm-bindgen made, which defines `wasm_bindgen`.
let sampler, trainer;

const onFrame = (bytes) => postMessage({ frame: bytes });

const tasks = {
  async load({ wasm }) {
    await wasm_bindgen({ module_or_path: wasm });
  },

  async openSampler({ device, weights }) {
    // First, so that there is memory for the next.
    sampler?.free();
    sampler = undefined;
    sampler = await wasm_bindgen.Sampler.open(device, weights);
    return { device: sampler.device(), side: sampler.side(), channels: sampler.channels() };
  },

  async draw({ labels, guidance, steps, seed }) {
    const start = performance.now();
    await sampler.draw(new Uint32Array(labels), guidance, steps, seed, onFrame);
    return { seconds: (performance.now() - start) / 1000 };
  },

  async openTrainer({ device, images, labels, small, steps, seed }) {
    trainer?.free();
    trainer = undefined;
    trainer = await wasm_bindgen.Trainer.open(device, images, labels, small, steps, seed);
    return { device: trainer.device(), side: trainer.side(), channels: 1 };
  },

  async train({ count }) {
    return trainer.train(count);
  },

  async drawInTraining({ labels, guidance, steps, seed }) {
    await trainer.draw(new Uint32Array(labels), guidance, steps, seed, onFrame);
  },

  async weights() {
    return trainer.weights();
  },
};

onmessage = async ({ data: { task, ...settings } }) => {
  try {
    postMessage({ done: await tasks[task](settings) });
  } catch (error) {
    postMessage({ failed: error.message ?? String(error) });
  }
};
