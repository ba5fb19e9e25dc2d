// Opens digits.html in a headless Chromium, on the CPU and on a software GPU, and compares what it draws with a picture that the
// sampler drew: node test.mjs NATIVE.png, the picture being that of
// `sampler --prompt 0123456789 --seed 3 --steps 8 --scale 1`. CHROMIUM is the browser, /usr/bin/chromium by default.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [native, modules, screenshot] = process.argv.slice(2);
const { chromium } = createRequire(pathToFileURL(`${modules}/`))("playwright-core");
const page_url = new URL("digits.html", import.meta.url).href;
const wanted = `data:image/png;base64,${readFileSync(native).toString("base64")}`;

/** Grey levels, of 255, by which a pixel may differ: sums are in another order, and roundings fall the other way. */
const TOLERANCE = 2;
const SECOND = 1000;

const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--disable-background-networking"],
});

function expect(condition, message) {
    if (!condition) throw new Error(message);
}

async function settled(page) {
    await page.waitForFunction(() => document.body.dataset.state !== "busy", null, { timeout: 300 * SECOND });
    return page.evaluate(() => ({ state: document.body.dataset.state, status: document.getElementById("status").textContent }));
}

async function fill(page, values) {
    for (const [id, value] of Object.entries(values)) {
        await page.evaluate(([id, value]) => { document.getElementById(id).value = value; }, [id, value]);
    }
    await page.click("#draw");
    return settled(page);
}

for (const device of ["cpu", "gpu"]) {
    const page = await browser.newPage();
    page.on("pageerror", (error) => console.error("page error:", error.message));
    page.on("console", (message) => { if (message.type() === "error") console.error("console:", message.text()); });
    await page.goto(`${page_url}#${device}`);
    const opened = await settled(page);
    expect(opened.state === "idle", `${device}: ${opened.status}`);
    const drawn = await fill(page, { labels: "0123456789", seed: "3", steps: "8" });
    expect(drawn.state === "idle", `${device}: ${drawn.status}`);
    expect(drawn.status.includes(device === "cpu" ? "the CPU" : "GPU"), `${device}: ${drawn.status}`);
    const [largest, mean] = await page.evaluate(async (wanted) => {
        const image = await createImageBitmap(await (await fetch(wanted)).blob());
        const canvas = document.getElementById("canvas");
        const pixels = (source) => {
            const context = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
            context.drawImage(source, 0, 0);
            return context.getImageData(0, 0, canvas.width, canvas.height).data;
        };
        if (image.width !== canvas.width || image.height !== canvas.height) return [Infinity, Infinity];
        const [ours, theirs] = [pixels(canvas), pixels(image)];
        const differences = ours.map((value, at) => Math.abs(value - theirs[at]));
        return [Math.max(...differences), differences.reduce((sum, value) => sum + value, 0) / differences.length];
    }, wanted);
    console.log(`${device}: ${drawn.status}; differs from the sampler's by ${largest} of 255 at most, ${mean.toFixed(4)} on average`);
    if (screenshot) writeFileSync(`${screenshot}-${device}.png`, await page.screenshot({ fullPage: true }));
    expect(largest <= TOLERANCE, `${device}: another picture than the sampler's`);
    const refused = await fill(page, { labels: "3, 12" });
    expect(refused.state === "failed" && refused.status.includes("12 is no class"), `${device}: ${refused.status}`);
    await page.setInputFiles("#weights", { name: "cut.safetensors", mimeType: "", buffer: Buffer.from("not weights") });
    const broken = await settled(page);
    expect(broken.state === "failed" && broken.status.includes("the file"), `${device}: ${broken.status}`);
    await page.setInputFiles("#weights", []);
    const again = await fill(page, { labels: "2026", steps: "4" });
    expect(again.state === "idle", `${device}, after errors: ${again.status}`);
    if (screenshot) writeFileSync(`${screenshot}-${device}.png`, await page.screenshot({ fullPage: true }));
    await page.close();
}
await browser.close();
