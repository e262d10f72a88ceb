// The front end's drawing code on a recording context: `node --test tests/live/front.test.mjs` (pytest runs it too).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

// As a data address: whether Node takes a .js file for a module depends on its version and on files around it.
const source = readFileSync(new URL("../../gan_tutorial/live/front/renderer.js", import.meta.url));
const lab = await import(`data:text/javascript;base64,${source.toString("base64")}`);
const { DARK, LIGHT } = lab;
const BOX = { x: 0, y: 0, width: 346, height: 331 };

/** A 2-D context that writes down what it is told, with the state that it was told it in. */
function recorder(scale = 1) {
  const calls = [], stack = [];
  let state = { globalAlpha: 1 };
  const own = {
    calls,
    of: (name) => calls.filter((call) => call.name === name),
    save: () => stack.push({ ...state }),
    restore: () => { state = stack.pop(); },
    getTransform: () => ({ a: scale, d: scale, e: 0, f: 0 }),
    measureText: (text) => ({ width: 7 * text.length }),
    createImageData: (width, height) => ({ width, height, data: new Uint8ClampedArray(4 * width * height) }),
  };
  return new Proxy(own, {
    get: (_, name) => own[name] ?? ((...args) => {
      for (const arg of args) assert.ok(typeof arg !== "number" || Number.isFinite(arg), `${String(name)}(${args})`);
      calls.push({ name, args, ...state });
    }),
    set: (_, name, value) => { state[name] = value; return true; },
  });
}

const base64 = (array) => Buffer.from(array.buffer).toString("base64");
const points = (changes = {}) => ({
  step: 7, extent: 2, probability: true, modes: null,
  real: new Float32Array([0, 0]), fake: new Float32Array([1, 1]), heat: null,
  d_curve: new Float32Array(), g_curve: new Float32Array(), ...changes,
});
// Where dots of a colour are, the legend's (radius 4) left out.
const centres = (context, colour) =>
  context.of("arc").filter((c) => c.fillStyle === colour && c.args[2] !== 4).map((c) => c.args.slice(0, 2));
const labels = (context) => context.of("fillText").map((c) => c.args[0]);

test("packed arrays come back, as base64 and as buffers", () => {
  const fake = new Int16Array([8192, -4096, -32768, 0]), heat = new Uint8Array([0, 127, 254, 255]);
  const curve = new Float32Array([1, 0.5, 2, NaN]);
  for (const wrap of [base64, (a) => a, (a) => a.buffer, (a) => new DataView(a.buffer)]) {
    const packed = { real: fake, fake, heat, d_curve: curve, g_curve: curve };
    const wrapped = Object.fromEntries(Object.entries(packed).map(([name, array]) => [name, wrap(array)]));
    const frame = lab.decode({ extent: 2, ...wrapped });
    assert.deepEqual([...frame.fake], [2, -1, NaN, 0]);
    assert.deepEqual([...frame.heat], [0, 0.5, 1, NaN]);
    assert.deepEqual([...frame.d_curve], [1, 0.5, 2, NaN]);
  }
  const sheet = { url: "data:,", n: 1 };
  assert.equal(lab.decode({ fake: sheet, real: sheet }).fake, sheet);
});

test("points stand where they belong, y upwards", () => {
  const { plane } = lab.pointsLayout(BOX), context = recorder();
  assert.equal(plane.width, plane.height);
  const e = 2 * (1 - 1e-7);
  lab.drawPoints(context, points({ fake: new Float64Array([-e, -e, e, e, 1, -1]) }), LIGHT, BOX);
  const { x, y, width, height } = plane;
  const wanted = [[x, y + height], [x + width, y], [x + 0.75 * width, y + 0.75 * height]];
  const got = centres(context, LIGHT.fake);
  assert.equal(got.length, 3);
  for (const [i, at] of got.entries()) {
    for (const k of [0, 1]) assert.ok(Math.abs(at[k] - wanted[i][k]) < 1e-3, `${at} is not ${wanted[i]}`);
  }
  assert.deepEqual(centres(context, LIGHT.real), [[x + width / 2, y + height / 2]]);
  const clip = context.of("rect")[0].args;
  assert.deepEqual(clip, [x, y, width, height]);
});

test("points off the canvas and points that are none are not drawn", () => {
  const context = recorder();
  const off = [2, 0, -2, 0, 0, 2.5, NaN, 0, 0, NaN, Infinity, 0, 0, -Infinity, 1e30, 1e30];
  lab.drawPoints(context, points({ real: new Float32Array(off), fake: new Float32Array([...off, 0, 0]) }), LIGHT, BOX);
  assert.equal(centres(context, LIGHT.real).length, 0);
  assert.equal(centres(context, LIGHT.fake).length, 1);
});

test("D's map runs upwards and to the right, fills the plane's device pixels, and knows no belief", () => {
  for (const theme of [LIGHT, DARK]) {
    const heat = new Float32Array(2500), context = recorder(2);
    for (let row = 0; row < 50; row++) for (let column = 0; column < 50; column++) {
      heat[50 * row + column] = row < 25 ? (column < 25 ? 0 : NaN) : 1; // bottom left 0, bottom right none, top 1
    }
    lab.drawPoints(context, points({ heat }), theme, BOX);
    const { plane } = lab.pointsLayout(BOX), [image, left, top] = context.of("putImageData")[0].args;
    const pixels = [plane.x, plane.y, plane.width, plane.height].map((v) => 2 * v);
    assert.deepEqual([left, top, image.width, image.height], pixels);
    const at = (x, y) => [...image.data.slice(4 * (y * image.width + x)).slice(0, 4)];
    assert.deepEqual(at(5, image.height - 5), [...theme.map[0], 255]);
    assert.deepEqual(at(5, 5), [...theme.map[4], 255]);
    assert.deepEqual(at(image.width - 5, 5), [...theme.map[4], 255]);
    const none = at(image.width - 5, image.height - 5);
    none.slice(0, 3).forEach((v, i) => assert.ok(Math.abs(v - theme.map[2][i]) <= 2));
    const bar = context.of("putImageData")[1].args[0];
    assert.deepEqual([...bar.data.slice(0, 3)], theme.map[4]);
    assert.deepEqual([...bar.data.slice(-4, -1)], theme.map[0]);
  }
});

test("the colour bar shows numbers only for probabilities", () => {
  for (const [probability, wanted] of [[true, ["0", "0.5", "1"]], [false, ["−", "+"]]]) {
    const context = recorder();
    lab.drawPoints(context, points({ heat: new Float32Array(2500), probability }), LIGHT, BOX);
    assert.deepEqual(labels(context).filter((t) => !/[a-zA-Z]/.test(t)), wanted);
  }
});

test("each image is drawn once, from its place in the sheet to its place in the grid", () => {
  const sheet = (n, source) => ({ source, n, columns: 6, width: 8, height: 8 });
  const frame = { real: sheet(12, "real"), fake: sheet(36, "fake") }, context = recorder(2);
  const box = { x: 0, y: 0, width: 414, height: lab.pictureHeight(frame, 414) };
  lab.drawImages(context, frame, LIGHT, box);
  const { tile, fake } = lab.imagesLayout(frame, box), drawn = context.of("drawImage");
  assert.equal(tile, 50);
  assert.equal(drawn.length, 48);
  assert.ok(drawn.every((c) => c.imageSmoothingEnabled === false)); // 8 pixels fit 12 times into 96
  const [source, sx, sy, sw, sh, x, y, width, height] = drawn[12 + 13].args;
  assert.deepEqual([source, sx, sy, sw, sh, width, height], ["fake", 8, 16, 8, 8, 48, 48]);
  assert.deepEqual([x, y], [fake.x + tile + 1, 30 + 2 * tile + 1]);
  const last = drawn[47].args;
  assert.ok(last[5] + last[7] <= box.width && last[6] + last[8] <= box.height);
});

test("curves run from the first step to the last, and the cursor stands at the step", () => {
  const curves = { d_curve: new Float32Array([0, 1, 100, 3]), g_curve: new Float32Array([0, 2, 100, 2]) };
  const frame = points({ ...curves, last: 100 });
  const { plot, low, high, x, y } = lab.curvesLayout(frame, BOX), context = recorder();
  assert.ok(low < 1.1 && high > 2.9);
  assert.deepEqual([x(0), x(100)], [plot.x, plot.x + plot.width]);
  assert.ok(Math.abs(y(low) - plot.y - plot.height) < 1e-9 && y(high) === plot.y);
  lab.drawCurves(context, frame, LIGHT, BOX, 50);
  const moves = context.of("moveTo").filter((c) => c.strokeStyle === LIGHT.discriminator).map((c) => c.args);
  assert.deepEqual(moves[0], [x(0), y(1)]);
  assert.deepEqual([...new Set(context.of("stroke").map((c) => c.globalAlpha))].sort(), [0.28, 1]);
  const clips = context.of("rect").map((c) => c.args);
  assert.equal(clips[0][0] + clips[0][2], x(50));
  assert.equal(clips[1][0], x(50));
  assert.deepEqual(context.of("moveTo").at(-1).args, [x(50), plot.y - 3]);
  for (const tick of ["0", "50", "100"]) assert.ok(labels(context).includes(tick), tick);
});

test("a loss that is none breaks the line", () => {
  const context = recorder();
  const curve = new Float32Array([0, 1, 1, NaN, 2, 1, 3, Infinity, 4, 1, 5, 2]);
  lab.drawCurves(context, points({ d_curve: curve }), LIGHT, BOX);
  const inks = context.calls.filter((c) => c.strokeStyle === LIGHT.discriminator && /To$/.test(c.name));
  assert.deepEqual(inks.slice(0, 4).map((c) => c.name), ["moveTo", "moveTo", "moveTo", "lineTo"]);
});

test("no curve yet, and a single point, still have sensible axes", () => {
  for (const [curve, wanted] of [[[], ["0", "0.5", "1", "1.5", "2"]], [[1, 0.7], ["0.66", "0.7", "0.74"]]]) {
    const context = recorder(), frame = points({ step: 1, d_curve: new Float32Array(curve) });
    lab.drawCurves(context, frame, LIGHT, BOX, 1);
    const got = labels(context).filter((t) => !/[a-zA-Z]/.test(t));
    for (const tick of [...wanted, "10"]) assert.ok(got.includes(tick), `${tick} is not in ${got}`);
    const drawn = context.of("arc").filter((c) => c.fillStyle === LIGHT.discriminator);
    const dots = new Set(drawn.map((c) => String(c.args))); // once before the cursor, once after it
    assert.equal(dots.size, curve.length / 2);
  }
});

test("ticks are round numbers within the axis", () => {
  assert.deepEqual(lab.ticks(0, 1500, 5), [0, 500, 1000, 1500]);
  assert.deepEqual(lab.ticks(-0.05, 2.05, 6), [0, 0.5, 1, 1.5, 2]);
  assert.deepEqual(lab.ticks(-0.3, 0.3, 6), [-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3]);
  assert.deepEqual(lab.ticks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(lab.ticks(1, 1, 5), []);
  assert.deepEqual(lab.ticks(NaN, 1, 5), []);
});

test("the axis of losses leaves out the wildest hundredth", () => {
  const values = Array.from({ length: 1000 }, (_, i) => i / 1000);
  const [low, high] = lab.range([...values, 1e9, -1e9, NaN, Infinity]);
  assert.ok(low > -0.1 && high < 1.1, `${low} ${high}`);
  assert.deepEqual(lab.range([]), [-0.12, 2.12]);
});

test("both themes have the same parts", () => {
  assert.deepEqual(Object.keys(DARK).sort(), Object.keys(LIGHT).sort());
});
