// Has every kernel without subgroups compiled by Tint, Chromium's WGSL compiler, in Dawn. Prints a line a kernel; fails for
// an error or a warning.
//
// On Dawn's null backend, which needs no adapter, Tint reads the module and puts in each set of
// constants that the kernel is launched with. Where SwiftShader is named, pipelines of the first and the
// last set are made there too: what Tint writes for Vulkan. All of them would take minutes.
//
//   node check.mjs SHADERS MODULES
//
//   SHADERS   what `cargo run -p tests --example export-shaders -- SHADERS` wrote
//   MODULES   the folder node_modules with `webgpu` in it
//   VK_DRIVER_FILES        SwiftShader's driver; Dawn refuses llvmpipe
//   KERNEL_OBSERVATIONS    a folder to record what was accepted in, as the tests do

import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [shaders, modules] = process.argv.slice(2);
if (!modules) {
  console.error('usage: node check.mjs SHADERS MODULES');
  process.exit(2);
}
const { create, globals } = await import(pathToFileURL(resolve(modules, 'webgpu/index.js')));
const { version } = JSON.parse(readFileSync(join(modules, 'webgpu/package.json')));
Object.assign(globalThis, globals);
const { VK_DRIVER_FILES: driver, KERNEL_OBSERVATIONS: folder } = process.env;
if (driver) {
  // The name that the Vulkan loader in Dawn knows.
  process.env.VK_ICD_FILENAMES = driver;
}

// A device has WebGPU's default limits unless more is asked for.
async function open(backend) {
  const gpu = create([`backend=${backend}`]);
  const adapter = await gpu.requestAdapter();
  if (!adapter) {
    console.error(`Dawn has no adapter on the backend ${backend}`);
    process.exit(1);
  }
  const device = await adapter.requestDevice();
  // The device lives as long as what made it.
  return { gpu, device, backend };
}

// What Tint and Dawn have against a kernel.
async function complaints({ device, backend }, name, code, sets) {
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
      heard.push(`${backend}: ${JSON.stringify(constants)}: ${error.message}`);
    }
  }
  return heard;
}

// As tests/src/harness/observations.rs has it.
function record(kernel, elements) {
  if (!folder) {
    return;
  }
  mkdirSync(folder, { recursive: true });
  const [kind, device, reason] = ['language', tool, ''];
  const observation = { kind, kernel, device, case: 'WGSL', elements, error: 0, share: 0, reason };
  appendFileSync(join(folder, `tint-${process.pid}.jsonl`), `${JSON.stringify(observation)}\n`);
}

const tool = `Tint (Dawn ${version})`;
const reader = await open('null');
const writer = driver ? await open('vulkan') : undefined;
const where = writer ? `and pipelines on ${writer.device.adapterInfo.description}` : 'and no pipelines: no driver is named';
console.log(`${tool}: modules with all constants, ${where}`);
let refused = 0;
for (const [name, sets] of Object.entries(JSON.parse(readFileSync(join(shaders, 'constants.json'))))) {
  const code = readFileSync(join(shaders, `${name}.wgsl`), 'utf8');
  const heard = await complaints(reader, name, code, sets);
  if (writer && heard.length === 0) {
    const ends = sets.length > 1 ? [sets.at(0), sets.at(-1)] : sets;
    heard.push(...(await complaints(writer, name, code, ends)));
  }
  if (heard.length > 0) {
    refused += 1;
    console.log(`${name}: REFUSED\n${heard.join('\n')}`);
  } else {
    record(name, sets.length);
    console.log(`${name}: accepted, with ${sets.length} ${sets.length === 1 ? 'set' : 'sets'} of constants`);
  }
}
// Dawn's threads would keep the process.
process.exit(refused > 0 ? 1 : 0);
