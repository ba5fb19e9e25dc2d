// The page that trains: on MNIST, IMAGES and LABELS (IDX files, gzipped, in base 64), unless other files are chosen.
let drawn = []; // the classes that are drawn
let model; // what the open trainer says of itself
let losses = []; // of every step
let going = false;

/** The contents of an IDX file, unpacked where it is gzipped: the sizes of its dimensions, and its bytes. */
async function idx(bytes, name) {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
    bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const count = bytes.length >= 4 && bytes[0] === 0 && bytes[1] === 0 && bytes[2] === 8 ? bytes[3] : 0;
  const sizes = Array.from({ length: count }, (_, i) => (bytes.length >= 8 + 4 * i ? view.getUint32(4 + 4 * i) : 0));
  const data = bytes.subarray(4 + 4 * count);
  if (!count || data.length !== sizes.reduce((product, size) => product * size, 1)) {
    throw new Error(`${name} is no IDX file of bytes, or is cut off`);
  }
  return { sizes, data };
}

async function open() {
  status.textContent = 'Unpacking the images …';
  const [images, labels] = await Promise.all(
    [['images', IMAGES], ['labels', LABELS]].map(async ([id, embedded]) => {
      const [file] = element(id).files;
      return idx(file ? new Uint8Array(await file.arrayBuffer()) : bytesOf(embedded), file?.name ?? id);
    }),
  );
  if (images.sizes.length !== 3 || labels.sizes.length !== 1) {
    throw new Error('images are an IDX file of three dimensions, labels one of one');
  }
  if (images.sizes[1] !== images.sizes[2] || images.sizes[0] !== labels.sizes[0]) {
    throw new Error(`images must be square, with a label each; these are ${images.sizes.join(' × ')} with ${labels.sizes[0]} labels`);
  }
  const classes = labels.data.reduce((most, label) => Math.max(most, label), 0) + 1;
  drawn = Array.from({ length: Math.min(10, classes) }, (_, label) => label);
  [model, losses] = [undefined, []];
  model = await openOnDevice('openTrainer', {
    images: images.data,
    labels: labels.data,
    small: element('preset').value === 'small',
    steps: Number(element('steps').value),
    seed: Number(element('seed').value),
  });
}

/** The mean of the last losses, of which one is as much luck as learning. */
function recent(end = losses.length, count = 50) {
  const last = losses.slice(Math.max(0, end - count), end);
  return last.reduce((sum, loss) => sum + loss, 0) / last.length;
}

/** Draws the curve of the losses, smoothed, on a logarithmic scale. */
function plot() {
  const chart = element('chart'), context = chart.getContext('2d');
  const [width, height] = [(chart.width = chart.clientWidth), (chart.height = chart.clientHeight)];
  const steps = Number(element('steps').value);
  const [lowest, highest] = [0.1, 2].map(Math.log);
  const y = (loss) => height - ((Math.log(loss) - lowest) / (highest - lowest)) * height;
  context.strokeStyle = context.fillStyle = getComputedStyle(document.body).color;
  context.globalAlpha = 0.4;
  context.font = '12px system-ui';
  for (const loss of [0.2, 0.5, 1]) {
    context.fillRect(0, y(loss), width, 1);
    context.fillText(`loss ${loss}`, 2, y(loss) - 3);
  }
  context.globalAlpha = 1;
  context.beginPath();
  for (let end = 1; end <= losses.length; end += Math.max(1, Math.floor(losses.length / 400))) {
    context.lineTo((end / steps) * width, y(recent(end, Math.min(50, Math.ceil(end / 4)))));
  }
  context.stroke();
}

async function draw() {
  onFrame = (bytes) => paint(bytes, drawn.length, model);
  await work('drawInTraining', { labels: drawn, guidance: 1.7, steps: 12, seed: 0 });
}

/** Trains until there are as many steps as were asked for, or someone says stop; draws every now and then. */
async function train() {
  const steps = Number(element('steps').value), every = Number(element('every').value);
  let [count, seconds] = [1, 0];
  while (going && losses.length < steps) {
    const start = performance.now();
    const until = Math.min(steps, (Math.floor(losses.length / every) + 1) * every);
    const taken = Math.min(count, until - losses.length);
    const latest = await work('train', { count: taken });
    losses.push(...latest);
    seconds = (performance.now() - start) / 1000 / taken;
    if (!latest.every(Number.isFinite)) throw new Error('the loss is no number any more; start again with another seed');
    // As many at a time as take half a second: the page shows them as they come.
    count = Math.max(1, Math.min(64, Math.round(0.5 / seconds)));
    plot();
    const speed = seconds < 1 ? `${(1 / seconds).toFixed(1)} steps a second` : `${seconds.toFixed(1)} s a step`;
    status.textContent = `Step ${losses.length} of ${steps}: loss ${recent().toFixed(3)}; ${speed} on ${model.device}`;
    if (losses.length === until) await draw();
  }
  if (!losses.length) status.textContent = 'Stopped before the first step.';
}

async function run() {
  going = true;
  element('stop').disabled = false;
  await exclusively(async () => {
    if (!model || losses.length >= Number(element('steps').value)) await open();
    // Twice a second would be too much for who has it read aloud.
    status.ariaLive = 'off';
    try {
      await train();
    } catch (error) {
      model = undefined; // what failed cannot go on
      throw error;
    } finally {
      status.ariaLive = 'polite';
    }
  });
  element('stop').disabled = true;
  element('save').disabled = !(model && losses.length);
}

async function save() {
  const file = new Blob([await work('weights', {})]);
  const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(file), download: 'weights.safetensors' });
  link.click();
  // Not at once: some browsers have not begun to read it.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

for (const id of ['preset', 'steps', 'seed', 'device', 'images', 'labels']) {
  // Another run.
  element(id).addEventListener('change', () => (model = undefined));
}
element('stop').addEventListener('click', () => (going = false));
element('save').addEventListener('click', () => exclusively(save));
element('form').addEventListener('submit', (event) => {
  event.preventDefault();
  run();
});

exclusively(async () => (await load(), (status.textContent = 'Ready.')));
