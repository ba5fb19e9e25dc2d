// Has every kernel compiled by Tint, Chromium's WGSL compiler, in Dawn: its module, and a pipeline for
// each set of constants that it is launched with. Prints a line a kernel; fails for an error or a
// warning.
//
//   node check.mjs SHADERS MODULES
//
//   SHADERS   what `cargo run -p tests --example export-shaders -- SHADERS` wrote
//   MODULES   the folder node_modules with `webgpu` in it
//   VK_DRIVER_FILES        names SwiftShader's driver; Dawn refuses llvmpipe
//   KERNEL_OBSERVATIONS    a folder to record what was accepted in, as the tests do

import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [shaders, modules] = process.argv.slice(2);
if (!modules) {
  console.error('usage: node check.mjs SHADERS MODULES');
  process.exit(2);
}
const { create, globals } = await import(pathToFileURL(resolve(modules, 'webgpu/index.js')));
const { version } = JSON.parse(readFileSync(join(modules, 'webgpu/package.json')));
Object.assign(globalThis, globals);
// Dawn's own limits are what a browser gives a page that asks for no more.
const gpu = create(['backend=vulkan']);
const adapter = await gpu.requestAdapter();
if (!adapter) {
  console.error('Dawn found no adapter');
  process.exit(1);
}
const device = await adapter.requestDevice();
const tool = `Tint of Dawn ${version}`;
console.log(`${tool} on ${adapter.info.description || adapter.info.device}`);

// What Tint and Dawn have against a kernel.
async function complaints(name, sets) {
  const code = readFileSync(join(shaders, `${name}.wgsl`), 'utf8');
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ label: name, code });
  const { messages } = await module.getCompilationInfo();
  const error = await device.popErrorScope();
  const heard = messages.map(({ type, lineNum, linePos, message }) => `${type} at ${lineNum}:${linePos}: ${message}`);
  if (error && heard.length === 0) {
    heard.push(error.message);
  }
  if (heard.length > 0) {
    return heard;
  }
  for (const constants of sets) {
    try {
      await device.createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint: 'main', constants } });
    } catch (error) {
      heard.push(`${JSON.stringify(constants)}: ${error.message}`);
    }
  }
  return heard;
}

// As tests/src/harness/observations.rs has it.
function record(kernel, elements) {
  const folder = process.env.KERNEL_OBSERVATIONS;
  if (!folder) {
    return;
  }
  mkdirSync(folder, { recursive: true });
  const [kind, device, reason] = ['language', tool, ''];
  const observation = { kind, kernel, device, case: 'WGSL', elements, error: 0, share: 0, reason };
  appendFileSync(join(folder, `tint-${process.pid}.jsonl`), `${JSON.stringify(observation)}\n`);
}

let refused = 0;
for (const [name, sets] of Object.entries(JSON.parse(readFileSync(join(shaders, 'constants.json'))))) {
  const heard = await complaints(name, sets);
  if (heard.length > 0) {
    refused += 1;
    console.log(`${name}: REFUSED\n${heard.join('\n')}`);
  } else {
    record(name, sets.length);
    console.log(`${name}: accepted, with ${sets.length} ${sets.length === 1 ? 'set' : 'sets'} of constants`);
  }
}
device.destroy();
// Dawn's threads would keep the process.
process.exit(refused > 0 ? 1 : 0);
