// Opens the pages in a headless Chromium, on the CPU and on the browser's software GPU; compares what is drawn with the sampler's
// picture and losses with the trainer's, draws with what was trained, and does what users get wrong. tests/backends.sh browser runs it.
//
//   node check.mjs PICTURE METRICS MODULES [SCREENSHOT]
//
//   PICTURE      what `sampler --prompt 0123456789 --seed 3 --steps 8 --scale 1 --out PICTURE` drew
//   METRICS      metrics.csv of `trainer --preset tiny --steps 8`
//   MODULES      the folder node_modules with `playwright-core` in it
//   SCREENSHOT   where to put screenshots: SCREENSHOT-digits-cpu.png and so on
//   CHROMIUM     the browser; by default /usr/bin/chromium

import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [picture, metrics, modules, screenshot] = process.argv.slice(2);
if (!modules) {
  console.error('usage: node check.mjs PICTURE METRICS MODULES [SCREENSHOT]');
  process.exit(2);
}
const { chromium } = await import(pathToFileURL(resolve(modules, 'playwright-core/index.mjs')));
const [digits, training] = ['digits', 'training'].map((name) => new URL(`../${name}.html`, import.meta.url).href);
const wanted = `data:image/png;base64,${readFileSync(picture).toString('base64')}`;

// Grey levels, of 255, by which a pixel may differ: sums are in another order, and a rounding may fall the other way.
const TOLERANCE = 1;
// By which losses may differ, as a share: some roundings of f32, grown over the steps; 3e-7 was found.
const LOSS_TOLERANCE = 1e-5;
const wantedLosses = readFileSync(metrics, 'utf8').trim().split('\n').slice(1).map((line) => Number(line.split(',')[1]));
const STEPS = wantedLosses.length;
const PATIENCE = 300_000; // milliseconds

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--disable-background-networking'],
});

function expect(condition, message) {
  if (!condition) throw new Error(message);
}

/** A page that is open, and what it has to say for itself. */
class Opened {
  /** With values in its fields before it begins by itself. */
  static async at(url, device, values = {}) {
    const opened = new Opened();
    opened.page = await browser.newPage();
    opened.name = `${url.split('/').at(-1)}#${device}`;
    opened.complaints = [];
    opened.page.on('pageerror', (error) => opened.complaints.push(error.message));
    opened.page.on('console', (message) => message.type() === 'error' && opened.complaints.push(message.text()));
    await opened.page.addInitScript((values) => {
      document.addEventListener('DOMContentLoaded', () => {
        for (const [id, value] of Object.entries(values)) document.getElementById(id).value = value;
      });
    }, values);
    await opened.page.goto(`${url}#${device}`);
    return opened;
  }

  /** Waits until the page is in a state, with this in its status line, which it gives. */
  async settles(state, part) {
    const ended = () => ['idle', 'failed'].includes(document.body.dataset.state);
    await this.page.waitForFunction(ended, null, { timeout: PATIENCE });
    const [is, status] = await this.page.evaluate(() => [document.body.dataset.state, element('status').textContent]);
    expect(is === state && status.includes(part), `${this.name}: ${is}, ${status} ${this.complaints}`);
    return status;
  }

  async fill(values) {
    for (const [id, value] of Object.entries(values)) {
      await this.page.evaluate(([id, value]) => {
        element(id).value = value;
        element(id).dispatchEvent(new Event('change'));
      }, [id, value]);
    }
  }

  choose(id, name, bytes) {
    return this.page.setInputFiles(`#${id}`, name ? { name, mimeType: '', buffer: Buffer.from(bytes) } : []);
  }

  async leave() {
    if (screenshot) {
      const path = `${screenshot}-${this.name.replace('.html#', '-')}.png`;
      writeFileSync(path, await this.page.screenshot({ fullPage: true }));
    }
    await this.page.close();
  }
}

/** By how much the canvas differs from the wanted picture: the most, and the mean. */
async function difference(wanted) {
  const image = await createImageBitmap(await (await fetch(wanted)).blob());
  const pixels = (source) => {
    const context = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');
    context.drawImage(source, 0, 0);
    return context.getImageData(0, 0, canvas.width, canvas.height).data;
  };
  if (image.width !== canvas.width || image.height !== canvas.height) return [Infinity, Infinity];
  const [ours, theirs] = [pixels(canvas), pixels(image)];
  const differences = ours.map((value, at) => Math.abs(value - theirs[at]));
  return [Math.max(...differences), differences.reduce((sum, value) => sum + value, 0) / differences.length];
}

async function draws(device) {
  const opened = await Opened.at(digits, device, { labels: '0123456789', seed: '3', steps: '8' });
  const status = await opened.settles('idle', { cpu: 'the CPU', gpu: 'in software', hardware: 'the GPU' }[device]);
  const [largest, mean] = await opened.page.evaluate(difference, wanted);
  console.log(`${opened.name}: ${status}; differs from the sampler's picture by ${largest} of 255 at most, ${mean} on average`);
  expect(largest <= TOLERANCE, `${opened.name}: another picture than the sampler's`);
  if (device === 'hardware') return opened;

  const draw = async (values, state, part) => {
    await opened.fill(values);
    await opened.page.click('#draw');
    return opened.settles(state, part);
  };
  await draw({ labels: '3, 12' }, 'failed', '12 is no class');
  await draw({ labels: '12,' }, 'failed', '12 is no class');
  await draw({ labels: ' ' }, 'failed', 'type some digits');
  await opened.choose('weights', 'cut.safetensors', 'not weights');
  await opened.settles('failed', 'the file');
  await opened.choose('weights');
  await draw({ labels: '2026', steps: '4' }, 'idle', 'Drawn in');
  return opened;
}

/** Trains, and gives the weights. */
async function trains(device) {
  const opened = await Opened.at(training, device);
  await opened.settles('idle', 'Ready');
  const start = () => opened.page.click('#train');
  await opened.choose('labels', 'labels.gz', [0, 0, 8, 1, 0, 0, 0, 3, 1, 2]);
  await start();
  await opened.settles('failed', 'labels.gz is no IDX file of bytes, or is cut off');
  await opened.choose('labels', 'labels', [0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3]);
  await start();
  await opened.settles('failed', 'with 3 labels');
  await opened.choose('labels');

  await opened.fill({ steps: String(STEPS), every: String(STEPS / 2) });
  await start();
  console.log(`${opened.name}: ${await opened.settles('idle', `Step ${STEPS} of ${STEPS}`)}`);
  const found = await opened.page.evaluate(() => losses);
  const apart = Math.max(...wantedLosses.map((loss, step) => Math.abs(found[step] / loss - 1)));
  console.log(`${opened.name}: its losses differ from the trainer's by ${(100 * apart).toFixed(5)} % at most`);
  expect(found.length === STEPS && apart <= LOSS_TOLERANCE, `${opened.name}: other losses than the trainer's: ${found}`);

  const [download] = await Promise.all([opened.page.waitForEvent('download'), opened.page.click('#save')]);
  const weights = readFileSync(await download.path());
  if (device === 'gpu') {
    // What follows is the page's own affair, and would take a minute there.
    await opened.leave();
    return weights;
  }
  // Another run, which is stopped on its way and goes on from there.
  await opened.fill({ steps: '1000' });
  await start();
  await opened.page.waitForFunction(() => model && losses.length > 0, null, { timeout: PATIENCE });
  await opened.page.click('#stop');
  await opened.settles('idle', 'of 1000');
  const stopped = await opened.page.evaluate(() => losses.length);
  await start();
  await opened.page.waitForFunction((stopped) => losses.length > stopped, stopped, { timeout: PATIENCE });
  expect(await opened.page.evaluate(() => element('save').matches(':disabled')), `${opened.name}: saves in between`);
  await opened.page.click('#stop');
  await opened.settles('idle', 'of 1000');
  expect(stopped < 1000, `${opened.name}: nothing stops it`);
  await opened.leave();
  return weights;
}

for (const device of ['cpu', 'gpu']) {
  const weights = await trains(device);
  const opened = await draws(device);
  await opened.choose('weights', 'trained.safetensors', weights);
  await opened.settles('idle', 'Drawn in');
  await opened.leave();
}
// The kernels that hardware gets.
await (await draws('hardware')).leave();
await browser.close();
