// The page that draws with trained weights: WEIGHTS, in base 64, unless a file is chosen.
let model; // what the open sampler says of itself

/** Labels from what was typed: digits, or numbers with anything but digits between or after them. */
function labelsOf(text) {
  const typed = text.trim();
  return /^\d*$/.test(typed) ? [...typed].map(Number) : typed.split(/\D+/).filter((part) => part).map(Number);
}

async function open() {
  const [file] = element('weights').files;
  status.textContent = 'Putting the weights in place …';
  model = undefined;
  model = await openOnDevice('openSampler', {
    weights: file ? new Uint8Array(await file.arrayBuffer()) : bytesOf(WEIGHTS),
  });
}

async function draw() {
  const labels = labelsOf(element('labels').value);
  if (!labels.length) throw new Error('type some digits first');
  const [steps, guidance, seed] = ['steps', 'guidance', 'seed'].map((id) => Number(element(id).value));
  let frames = 0;
  onFrame = (bytes) => {
    paint(bytes, labels.length, model);
    status.textContent = `Step ${Math.min(frames, steps)} of ${steps} on ${model.device}`;
    frames++;
  };
  const { seconds } = await work('draw', { labels, steps, guidance, seed }).catch((error) => {
    model = undefined; // the device may be lost
    throw error;
  });
  status.textContent = `Drawn in ${seconds.toFixed(1)} s on ${model.device}`;
}

for (const id of ['guidance', 'steps']) {
  const show = () => (element(`${id}-value`).textContent = element(id).value);
  element(id).addEventListener('input', show);
  show();
}
for (const id of ['device', 'weights']) {
  element(id).addEventListener('change', () => exclusively(async () => (await open(), await draw())));
}
element('other').addEventListener('click', () => {
  element('seed').value = Math.floor(Math.random() * 1e6);
  element('form').requestSubmit();
});
element('form').addEventListener('submit', (event) => {
  event.preventDefault();
  exclusively(async () => (model || (await open()), await draw()));
});

exclusively(async () => (await load(), await open(), await draw()));
