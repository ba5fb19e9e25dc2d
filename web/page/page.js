"use strict";
const element = (id) => document.getElementById(id);
const canvas = element("canvas"), form = element("form"), status = element("status");
const worker = new Worker(URL.createObjectURL(new Blob([WORKER], { type: "text/javascript" })));
let model; // what the open sampler says of itself
let onFrame = () => {};

/** Has the worker do something; one thing at a time. */
function work(task, settings) {
    return new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => {
            if (data.frame) onFrame(data.frame);
            else if ("failed" in data) reject(new Error(data.failed));
            else resolve(data.done);
        };
        worker.onerror = (event) => reject(new Error(event.message || "the worker stopped"));
        worker.postMessage({ task, ...settings });
    });
}

/** Shows images, (N, C, S, S) in bytes, side by side. */
function paint(bytes, count) {
    const { side, channels } = model;
    const columns = Math.min(count, 10), rows = Math.ceil(count / columns);
    canvas.width = columns * side;
    canvas.height = rows * side;
    canvas.style.aspectRatio = `${columns} / ${rows}`;
    const picture = new ImageData(canvas.width, canvas.height);
    for (let i = 0; i < count; i++) {
        for (let at = 0; at < side * side; at++) {
            const x = (i % columns) * side + (at % side), y = Math.floor(i / columns) * side + Math.floor(at / side);
            const pixel = 4 * (y * canvas.width + x);
            for (let c = 0; c < 3; c++) {
                picture.data[pixel + c] = bytes[(i * channels + (channels === 3 ? c : 0)) * side * side + at];
            }
            picture.data[pixel + 3] = 255;
        }
    }
    canvas.getContext("2d").putImageData(picture, 0, 0);
}

/** Labels from what was typed: digits, or numbers with anything but digits between them. */
function labelsOf(text) {
    const numbers = text.trim().split(/[^0-9]+/).filter((part) => part);
    return numbers.length === 1 ? [...numbers[0]].map(Number) : numbers.map(Number);
}

async function open() {
    const [file] = element("weights").files;
    const weights = file ? new Uint8Array(await file.arrayBuffer()) : undefined;
    const wanted = element("device").value;
    status.textContent = "Putting the weights in place …";
    model = undefined;
    if (wanted !== "cpu" && navigator.gpu) {
        try {
            model = await work("open", { gpu: true, weights });
        } catch (error) {
            if (wanted === "gpu") throw error;
        }
    } else if (wanted === "gpu") {
        throw new Error("this browser has no WebGPU, or none for pages from this place; choose the CPU");
    }
    model ??= await work("open", { gpu: false, weights });
}

async function draw() {
    const labels = labelsOf(element("labels").value);
    if (!labels.length) throw new Error("type some digits first");
    const steps = Number(element("steps").value);
    let frames = 0;
    onFrame = (bytes) => {
        paint(bytes, labels.length);
        status.textContent = `Step ${Math.min(frames, steps)} of ${steps} on ${model.device}`;
        frames++;
    };
    const settings = { labels, steps, guidance: Number(element("guidance").value), seed: Number(element("seed").value) };
    const { seconds } = await work("draw", settings);
    status.textContent = `Drawn in ${seconds.toFixed(1)} s on ${model.device}`;
}

/** Does something that can fail, with the form locked until it is done. */
async function exclusively(action) {
    element("controls").disabled = true;
    document.body.dataset.state = "busy";
    try {
        await action();
        document.body.dataset.state = "idle";
    } catch (error) {
        status.textContent = `This did not work: ${error.message}`;
        document.body.dataset.state = "failed";
    }
    element("controls").disabled = false;
}

for (const id of ["guidance", "steps"]) {
    const show = () => (element(`${id}-value`).textContent = element(id).value);
    element(id).addEventListener("input", show);
    show();
}
for (const id of ["device", "weights"]) {
    element(id).addEventListener("change", () => exclusively(async () => (await open(), await draw())));
}
element("other").addEventListener("click", () => {
    element("seed").value = Math.floor(Math.random() * 1e6);
    form.requestSubmit();
});
form.addEventListener("submit", (event) => {
    event.preventDefault();
    exclusively(async () => (model || (await open()), await draw()));
});

// `#cpu` and `#gpu` choose where to draw; the page begins by itself.
if (["#cpu", "#gpu"].includes(location.hash)) element("device").value = location.hash.slice(1);
exclusively(async () => {
    status.textContent = "Unpacking …";
    await work("load", { wasm: Uint8Array.from(atob(WASM), (character) => character.charCodeAt(0)) });
    await open();
    await draw();
});
