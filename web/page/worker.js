// Draws beside the page, so that it stays alive. Before this comes what wasm-bindgen made, which defines `wasm_bindgen`.
let sampler;

const tasks = {
    async load({ wasm }) {
        await wasm_bindgen({ module_or_path: wasm });
    },
    async open({ gpu, weights }) {
        const opened = await wasm_bindgen.Sampler.open(gpu, weights);
        sampler?.free();
        sampler = opened;
        const [device, classes, side, channels] = [opened.device(), opened.classes(), opened.side(), opened.channels()];
        return { device, classes, side, channels };
    },
    async draw({ labels, guidance, steps, seed }) {
        const start = performance.now();
        await sampler.draw(new Uint32Array(labels), guidance, steps, seed, (bytes) => postMessage({ frame: bytes }));
        return { seconds: (performance.now() - start) / 1000 };
    },
};

onmessage = async ({ data: { task, ...settings } }) => {
    try {
        postMessage({ done: await tasks[task](settings) });
    } catch (error) {
        postMessage({ failed: error.message ?? String(error) });
    }
};
