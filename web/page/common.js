'use strict';
// What both pages do: talk to the worker, show images, and say what goes wrong. WORKER is the worker's text, WASM the code that
// it runs, in base 64.
const element = (id) => document.getElementById(id);
const canvas = element('canvas'), status = element('status');
const worker = new Worker(URL.createObjectURL(new Blob([WORKER], { type: 'text/javascript' })));
let onFrame = () => {};
// Whether kernels are those that hardware gets, also on a GPU imitated in software: for tests.
const asHardware = location.hash === '#hardware';

/** Has the worker do something; one thing at a time. */
function work(task, settings) {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => {
      if (data.frame) onFrame(data.frame);
      else if ('failed' in data) reject(new Error(data.failed));
      else resolve(data.done);
    };
    worker.onerror = (event) => reject(new Error(`${event.message || 'the worker stopped'}; reload the page`));
    worker.postMessage({ task, ...settings });
  });
}

/** Opens something on the device that was chosen; `auto` is the GPU, and the CPU where there is none. */
async function openOnDevice(task, settings) {
  const wanted = element('device').value;
  if (wanted === 'gpu' && !navigator.gpu) {
    throw new Error('this browser has no WebGPU, or none for pages from this place; choose the CPU');
  }
  if (wanted !== 'cpu' && navigator.gpu) {
    try {
      return await work(task, { device: asHardware ? 'hardware' : 'gpu', ...settings });
    } catch (error) {
      if (wanted === 'gpu') throw error;
    }
  }
  return work(task, { device: 'cpu', ...settings });
}

/** Shows images, (N, C, S, S) in bytes, side by side. */
function paint(bytes, count, { side, channels }) {
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
  canvas.getContext('2d').putImageData(picture, 0, 0);
}

/** Does something that can fail, with the form locked until it is done. */
async function exclusively(action) {
  const focused = document.activeElement;
  element('controls').disabled = true;
  document.body.dataset.state = 'busy';
  try {
    await action();
    document.body.dataset.state = 'idle';
  } catch (error) {
    status.textContent = `This did not work: ${error.message}`;
    document.body.dataset.state = 'failed';
  }
  element('controls').disabled = false;
  if (document.activeElement === document.body) focused?.focus({ preventScroll: true });
}

/** Bytes from base 64. */
const bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

/** Has the worker unpack the code. */
async function load() {
  // `#cpu` and `#gpu` choose where to work.
  if (location.hash) element('device').value = location.hash === '#cpu' ? 'cpu' : 'gpu';
  status.textContent = 'Unpacking …';
  await work('load', { wasm: bytesOf(WASM) });
}
