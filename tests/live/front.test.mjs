// The front end's drawing code on a recording context: `node --test tests/live/front.test.mjs` (pytest runs it too).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

// As a data address: whether Node takes a .js file for a module depends on its version and on files around it.
const source = readFileSync(new URL("../../gan_tutorial/live/front/renderer.js", import.meta.url));
const lab = await import(`data:text/javascript;base64,${source.toString("base64")}`);
const { DARK, LIGHT } = lab;

// The only thing asked of a page: a canvas to paint D's map on, once.
globalThis.document = {
  createElement() {
    const canvas = { getContext: () => ({
      createImageData: (width, height) => ({ width, height, data: new Uint8ClampedArray(4 * width * height) }),
      putImageData: (image) => { canvas.image = image; },
    }) };
    return canvas;
  },
};
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

test("all that a live frame holds comes back", () => {
  const points = new Int16Array([8192, -32768]), floats = new Float32Array([1, -2, NaN]);
  const packed = { extent: 4, loss: 3, floors: { kl: 0.1 }, heat: null, manifold_shape: [1, 1] };
  for (const name of ["manifold", "batch_real", "batch_fake"]) packed[name] = points;
  const names = ["arrows", "latents", "manifold_latents", "batch_latents", "real_logits", "fake_logits"];
  // Where a message's parts lie one behind the other, an array may begin anywhere.
  for (const name of names) packed[name] = new DataView(Uint8Array.of(7, ...new Uint8Array(floats.buffer)).buffer, 1);
  packed.objective = Object.fromEntries(["logit", "loss", "slope"].map((name) => [name, base64(floats)]));
  packed.series = { d_loss: floats.buffer, kl: base64(floats) };
  const frame = lab.decode(packed);
  for (const name of ["manifold", "batch_real", "batch_fake"]) assert.deepEqual([...frame[name]], [4, NaN], name);
  const parts = [frame.objective, frame.series].flatMap((part) => Object.values(part));
  for (const array of [...names.map((name) => frame[name]), ...parts]) {
    assert.ok(array instanceof Float32Array);
    assert.deepEqual([...array], [...floats]);
  }
  assert.deepEqual([frame.loss, frame.floors, frame.heat, frame.manifold_shape], [3, { kl: 0.1 }, null, [1, 1]]);
  assert.equal(typeof packed.series.kl, "string"); // what was given stays
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

test("D's map runs upwards and to the right, fills the plane, and knows no belief", () => {
  for (const theme of [LIGHT, DARK]) {
    const heat = new Float32Array(2500), context = recorder(2);
    for (let row = 0; row < 50; row++) for (let column = 0; column < 50; column++) {
      heat[50 * row + column] = row < 25 ? (column < 25 ? 0 : NaN) : 1; // bottom left 0, bottom right none, top 1
    }
    lab.drawPoints(context, points({ heat }), theme, BOX);
    const { plane } = lab.pointsLayout(BOX), [{ image }, ...place] = context.of("drawImage")[0].args;
    assert.deepEqual(place, [plane.x, plane.y, plane.width, plane.height]);
    assert.deepEqual([image.width, image.height], [200, 200]);
    const at = (x, y) => [...image.data.slice(4 * (y * image.width + x)).slice(0, 4)];
    assert.deepEqual(at(5, image.height - 5), [...theme.map[0], 255]);
    assert.deepEqual(at(5, 5), [...theme.map[4], 255]);
    assert.deepEqual(at(image.width - 5, 5), [...theme.map[4], 255]);
    const none = at(image.width - 5, image.height - 5);
    none.slice(0, 3).forEach((v, i) => assert.ok(Math.abs(v - theme.map[2][i]) <= 2));
    const bar = context.of("drawImage")[1].args[0].image;
    assert.deepEqual([...bar.data.slice(0, 3)], theme.map[4]);
    assert.deepEqual([...bar.data.slice(-4, -1)], theme.map[0]);
  }
});

test("D's map is painted once for a theme, however often it is drawn", () => {
  const heat = new Float32Array(2500), context = recorder();
  for (const theme of [LIGHT, LIGHT, DARK]) lab.drawPoints(context, points({ heat }), theme, BOX, { bare: true });
  const [first, again, dark] = context.of("drawImage").map((c) => c.args[0]);
  assert.equal(first, again);
  assert.notDeepEqual(first.image.data.slice(0, 4), dark.image.data.slice(0, 4));
});

test("the colour bar shows numbers only for probabilities", () => {
  for (const [probability, wanted] of [[true, ["0", "0.5", "1"]], [false, ["−", "+"]]]) {
    const context = recorder();
    lab.drawPoints(context, points({ heat: new Float32Array(2500), probability }), LIGHT, BOX);
    assert.deepEqual(labels(context).filter((t) => !/[a-zA-Z]/.test(t)), wanted);
  }
});

test("only the layers asked for are drawn, and a bare plane has no head", () => {
  const frame = points({ heat: new Float32Array(2500), arrows: new Float32Array([1, 0]) });
  const seen = (options) => {
    const context = recorder();
    lab.drawPoints(context, frame, LIGHT, BOX, options);
    return [centres(context, LIGHT.real), centres(context, LIGHT.fake), context.of("drawImage"), context.of("fillText")]
      .map(({ length }) => length);
  };
  assert.deepEqual(seen(), [1, 1, 2, 6]);
  assert.deepEqual(seen({ layers: ["real"] }), [1, 0, 0, 1]);
  assert.deepEqual(seen({ layers: new Set(["heat", "fake"]), bare: true }), [0, 1, 1, 0]);
  const { plane } = lab.pointsLayout({ x: 5, y: 7, width: 100, height: 140 }, { bare: true });
  assert.deepEqual(plane, { x: 6, y: 8, width: 98, height: 98 });
  lab.drawPoints(recorder(), { extent: 1, real: undefined, fake: undefined }, LIGHT, BOX);
});

test("points travel from their latents to where G takes them", () => {
  const { plane } = lab.pointsLayout(BOX), middle = [plane.x + plane.width / 2, plane.y + plane.height / 2];
  const at = (x, y) => [middle[0] + (x / 4) * plane.width, middle[1] - (y / 4) * plane.height]; // the extent is 2
  const frame = points({ fake: new Float32Array([1, 1]) });
  for (const [options, z, wanted] of [
    [{ noise: "uniform", dims: 2 }, [1, -1], [1.7, -1.7]],
    [{ noise: "normal", dims: 2 }, [1.5, -3 / 4], [1, -0.5]],
    [{ noise: "normal", dims: 1 }, [-1.5], [-1, 0]],
    [{ noise: "uniform", dims: 3 }, [0.5, -0.5, 9], [0.85, -0.85]],
  ]) {
    for (const t of [0, 0.25, 1]) {
      const context = recorder();
      lab.drawPoints(context, frame, LIGHT, BOX, { ...options, morph: t, latents: Float32Array.from(z) });
      const [[x, y]] = centres(context, LIGHT.fake), [wx, wy] = at(...wanted.map((v) => (1 - t) * v + t));
      assert.ok(Math.abs(x - wx) + Math.abs(y - wy) < 1e-3, `${[x, y]} is not ${[wx, wy]}`);
    }
  }
  const context = recorder(); // out of sight on the way: not drawn
  lab.drawPoints(context, frame, LIGHT, BOX, { morph: 0, latents: Float32Array.of(3.1, 0), dims: 2, noise: "normal" });
  assert.equal(centres(context, LIGHT.fake).length, 0);
});

test("where G squeezes the noise its grid is fuller", () => {
  // Three columns, two rows: the right cell is a hundredth as wide as the left one.
  const manifold = new Float32Array([-1, -1, 0, -1, 0.01, -1, -1, 1, 0, 1, 0.01, 1]);
  const latents = (x) => new Float32Array([-1, -1, x, -1, 1, -1, -1, 1, x, 1, 1, 1]);
  const fills = (manifoldLatents) => {
    const context = recorder(), options = { layers: ["manifold"], bare: true, dims: 2, noise: "uniform" };
    const frame = points({ manifold, manifold_shape: [2, 3] });
    lab.drawPoints(context, frame, LIGHT, BOX, { ...options, manifoldLatents });
    const cells = [];
    let from = 0;
    for (const [i, call] of context.calls.entries()) {
      if (call.name === "beginPath") from = i;
      if (call.name !== "fill") continue;
      for (let k = from + 1; k + 3 < i; k += 4) cells.push([context.calls[k].args[0], call.globalAlpha]);
    }
    return cells.sort((a, b) => a[0] - b[0]).map(([, alpha]) => alpha);
  };
  const [left, right] = fills(latents(0));
  assert.ok(right > 2 * left, `${right} is not much fuller than ${left}`);
  const even = fills(latents(99 / 101)); // the right cell holds a hundredth of the left one's noise, too
  assert.equal(even[0], even[1]);
  assert.equal(fills(undefined).length, 2);
  manifold.set([-0.5, -1], 4);
  manifold.set([-0.5, 1], 10); // folded back over the left cell: turned round, or the two would cancel out
  const context = recorder(), options = { layers: ["manifold"], bare: true };
  lab.drawPoints(context, points({ manifold, manifold_shape: [2, 3] }), LIGHT, BOX, options);
  const corners = context.calls.filter((c) => /To$/.test(c.name)).map((c) => c.args);
  const areas = [corners.slice(0, 4), corners.slice(4, 8)].map(([a, b, c, d]) =>
    (c[0] - a[0]) * (d[1] - b[1]) - (d[0] - b[0]) * (c[1] - a[1]));
  assert.ok(areas[0] * areas[1] > 0, `${areas}`);
  manifold[0] = NaN;
  assert.equal(fills(latents(0)).length, 1); // a cell that has lost a corner is not there
});

test("a manifold of one number is a line", () => {
  const context = recorder(), manifold = new Float32Array([-1, 0, 0, 1, NaN, 0, 1, 0, 1, 1]);
  const options = { layers: ["manifold"], bare: true, dims: 1, noise: "normal" };
  const manifoldLatents = new Float32Array([-2, -1, 0, 1, 2]);
  lab.drawPoints(context, points({ manifold, manifold_shape: [1, 5] }), LIGHT, BOX, { ...options, manifoldLatents });
  const last = context.calls.findLastIndex((c) => c.name === "stroke"); // of the line itself
  const begin = context.calls.slice(0, last).findLastIndex((c) => c.name === "beginPath");
  assert.deepEqual(context.calls.slice(begin + 1, last).map((c) => c.name), ["moveTo", "lineTo", "moveTo", "lineTo"]);
});

test("arrows run along the push, are as long as it, but not endless, and none is a speck", () => {
  const fake = new Float32Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 5]);
  const arrows = new Float32Array([1, 0, 0, 1, 100, 0, 1e-9, 0, NaN, Infinity, 1, 0]);
  const context = recorder(), { plane } = lab.pointsLayout(BOX, { bare: true }), perUnit = plane.width / 4;
  const frame = points({ fake, arrows });
  lab.drawPoints(context, frame, LIGHT, BOX, { layers: ["arrows"], bare: true, arrowScale: 0.25 });
  const heads = context.of("moveTo").slice(-3).map((c) => c.args); // the heads begin at their tips
  const middle = [plane.x + plane.width / 2, plane.y + plane.height / 2];
  for (const [i, [dx, dy]] of [[0.25, 0], [0, -0.25], [0.6, 0]].entries()) { // at most 0.3 of the extent 2
    assert.ok(Math.abs(heads[i][0] - middle[0] - dx * perUnit) < 1e-6, `${heads[i]}`);
    assert.ok(Math.abs(heads[i][1] - middle[1] - dy * perUnit) < 1e-6, `${heads[i]}`);
  }
  assert.equal(context.of("moveTo").length, 2 * 2 * 3); // shafts and heads, with halos
  const many = points({ fake: new Float32Array(1024), arrows: new Float32Array(1024).fill(1) }), few = recorder();
  lab.drawPoints(few, many, LIGHT, BOX, { layers: ["arrows"], bare: true });
  assert.equal(few.of("moveTo").length, 4 * 64);
  const half = recorder();
  const options = { layers: ["arrows"], bare: true, morph: 0.5, latents: new Float32Array(1024) };
  lab.drawPoints(half, many, LIGHT, BOX, options);
  assert.equal(half.of("moveTo").length, 0);
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

test("the image under the pointer is found, and the chosen one is outlined where it stands", () => {
  const sheet = (n) => ({ source: "", n, columns: 6, width: 8, height: 8 });
  const frame = { real: sheet(11), fake: sheet(36) };
  const box = { x: 20, y: 10, width: 414, height: lab.pictureHeight(frame, 414) };
  const { tile, real, fake } = lab.imagesLayout(frame, box), top = box.y + 30;
  for (const [set, index, x, y] of [
    ["real", 3, real.x + 1.5 * tile, top + 1.5 * tile], ["fake", 0, fake.x + 1, top + 1],
    ["fake", 35, fake.x + 6 * tile - 1, top + 6 * tile - 1],
  ]) {
    const chosen = lab.imageAt(frame, box, x, y), context = recorder();
    assert.deepEqual(chosen, { set, index });
    lab.drawImages(context, frame, LIGHT, box, { chosen });
    const [left, above, width, height] = context.of("strokeRect").at(-1).args;
    assert.ok(left <= x && x <= left + width && above <= y && y <= above + height);
    assert.deepEqual([width, height], [tile, tile]);
  }
  const gap = (real.x + 2 * tile + fake.x) / 2, beyond = fake.x + 6 * tile + 1;
  const twelfth = [real.x + 1.5 * tile, top + 5.5 * tile]; // of eleven
  const outside = [[gap, top + 1], [real.x + 1, top - 1], [beyond, top + 1], [fake.x + 1, top + 6 * tile + 1]];
  for (const place of [...outside, twelfth]) assert.equal(lab.imageAt(frame, box, ...place), null);
  const context = recorder();
  lab.drawImages(context, frame, LIGHT, box, { chosen: { set: "real", index: 11 } });
  assert.equal(context.of("strokeRect").length, 0);
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
  const cursor = context.of("moveTo").filter((c) => c.strokeStyle === LIGHT.cursor).at(-1);
  assert.deepEqual(cursor.args, [x(50), plot.y - 3]);
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

test("a chart holds its curves, floors and cursor, from small to large", () => {
  const chart = { curves: [
    { points: new Float32Array([0, 4, 50, 1, 100, 0.5]), colour: "generator" },
    { points: new Float32Array([0, 4, 100, 2]), colour: "#123456", dash: true },
  ], floors: [{ value: 0.2, colour: "floor" }, { value: NaN }], step: 50, last: 200, unit: "%" };
  for (const [width, height] of [[140, 70], [300, 160], [600, 300]]) {
    const box = { x: 3, y: 4, width, height }, context = recorder();
    const { plot, low, high, x, y } = lab.chartLayout(chart, box);
    assert.ok(plot.x >= 3 && plot.y >= 4 && plot.x + plot.width <= 3 + width && plot.y + plot.height <= 4 + height);
    assert.ok(plot.width > 0.6 * width && plot.height > 0.6 * height);
    assert.ok(low >= 0 && low <= 0.2 && high > 3.9); // the floor is seen, and no room is wasted below 0
    assert.equal(x(200), plot.x + plot.width);
    lab.drawChart(context, chart, DARK, box);
    const strokes = context.of("stroke"), dashes = context.of("setLineDash").map((c) => c.args[0].length);
    for (const colour of [DARK.generator, "#123456"]) assert.ok(strokes.some((c) => c.strokeStyle === colour), colour);
    assert.equal(context.of("moveTo").filter((c) => c.strokeStyle === DARK.floor && c.args[1] === y(0.2)).length, 1);
    assert.ok(dashes.some(Boolean) && dashes.at(-1) === 0);
    assert.ok(context.of("arc").some((c) => c.fillStyle === DARK.cursor && c.args[0] === x(50)));
    const numbers = labels(context);
    assert.ok(numbers.includes("0%") && numbers.includes("0"), `${numbers}`);
    assert.ok(numbers.every((label) => /^[−\d.]+%?$/.test(label)), `${numbers}`);
  }
  lab.drawChart(recorder(), { curves: [] }, LIGHT, { x: 0, y: 0, width: 10, height: 10 });
});

test("a chart's axis takes what it is told, and small values have short labels", () => {
  const curves = [{ points: new Float32Array([0, 0.2, 1, 0.4]), colour: "generator" }];
  const { low, high, y, plot } = lab.chartLayout({ curves, low: 0, high: 1 }, BOX);
  assert.deepEqual([low, high, y(1)], [0, 1, plot.y]);
  const context = recorder(), tiny = [{ points: new Float32Array([0, 1e-4, 9, 3e-4]), colour: "generator" }];
  lab.drawChart(context, { curves: tiny, step: null }, LIGHT, BOX);
  assert.ok(labels(context).includes("2e−4"), `${labels(context)}`);
  const constant = lab.chartLayout({ curves: [{ points: new Float32Array([0, 8, 9, 8]) }] }, BOX);
  assert.ok(constant.low < 8 && constant.high > 8 && constant.low > 6);
});

test("logits: each set's shares, on one axis with 0 between two bins", () => {
  const real = new Float32Array([0.5, 0.6, 0.7, 3]), fake = Float32Array.from({ length: 40 }, () => -2);
  const context = recorder();
  lab.drawLogits(context, { real, fake }, LIGHT, BOX);
  // All fakes in one bin, as high as it gets; three of four real ones reach three quarters of that.
  const ys = (colour) => context.of("lineTo").filter((c) => c.fillStyle === colour).map((c) => c.args[1])
    .filter((y) => y > 29); // the legend is above
  const bottom = Math.max(...ys(LIGHT.real)), top = (colour) => Math.min(...ys(colour));
  assert.ok(Math.abs((bottom - top(LIGHT.real)) / (bottom - top(LIGHT.fake)) - 0.75) < 1e-9);
  const zero = context.of("moveTo").find((c) => c.strokeStyle === LIGHT.grey && c.args[1] === 28).args[0];
  const xs = context.of("lineTo").filter((c) => c.fillStyle === LIGHT.real && c.args[1] > 31).map((c) => c.args[0]);
  assert.ok(xs.length && xs.every((x) => x > zero - 1e-9 && x < BOX.width));
  assert.ok(labels(context).includes("0"));
  for (const n of [0, 12, 512]) {
    for (const [width, height] of [[140, 70], [600, 300]]) {
      const real = Float32Array.from({ length: n }, (_, i) => [NaN, Infinity][i] ?? Math.sin(i) * 1e3);
      lab.drawLogits(recorder(), { real, fake: real.map((v) => -v) }, DARK, { x: 0, y: 0, width, height });
    }
  }
});

test("the hatching is drawn for generated samples only", () => {
  const clips = (real, fake) => {
    const context = recorder();
    lab.drawBars(context, { real, fake }, LIGHT, BOX);
    return context.of("clip").length;
  };
  assert.equal(clips([0.5, 0.5], [0, 0]), 0);
  assert.equal(clips([0, 0], [0.5, 0.5]), 2);
});

test("G's objective: the tangent at the batch's mean logit shows how much G can learn", () => {
  const logit = Float32Array.from({ length: 121 }, (_, i) => i / 5 - 12);
  const softplus = (v) => Math.log1p(Math.exp(v)), sigmoid = (v) => 1 / (1 + Math.exp(-v));
  const saturating = { logit, loss: logit.map((v) => -softplus(v)), slope: logit.map((v) => -sigmoid(v)) };
  const linear = { logit, loss: logit.map((v) => -v), slope: logit.map(() => -1) };
  const seen = (objective, logits) => {
    const context = recorder();
    lab.drawObjective(context, objective, Float32Array.from(logits), LIGHT, BOX);
    const tangent = context.calls.findLastIndex((c) => c.name === "lineTo" && c.strokeStyle === LIGHT.ink);
    const [from, to] = tangent < 0 ? [] : context.calls.slice(tangent - 1, tangent + 1).map((c) => c.args);
    return { context, slope: from && (to[1] - from[1]) / (to[0] - from[0]), labels: labels(context) };
  };
  const flat = seen(saturating, [-9, -8, -7, NaN]), steep = seen(linear, [-9, -8, -7]);
  assert.ok(Math.abs(flat.slope) < 0.01 && steep.slope > 0.3, `${flat.slope} ${steep.slope}`); // y runs downwards
  assert.ok(flat.labels.includes("−3.4e−4") && steep.labels.includes("−1"), `${flat.labels} ${steep.labels}`);
  const dots = flat.context.of("arc").filter((c) => c.fillStyle === LIGHT.fake);
  assert.equal(dots.length, 3);
  const mean = flat.context.of("arc").find((c) => c.fillStyle === LIGHT.ink), xs = dots.map((c) => c.args[0]);
  assert.ok(mean.args[0] > Math.min(...xs) && mean.args[0] < Math.max(...xs));
  const none = seen(linear, []);
  assert.equal(none.slope, undefined);
  assert.ok(none.context.of("lineTo").some((c) => c.strokeStyle === LIGHT.generator));
  lab.drawObjective(recorder(), null, null, LIGHT, BOX);
});

test("the stability map: row 0 at the bottom, numbers and crosses, and the cell under the pointer", () => {
  const map = { x: { name: "lr_d", values: [1e-4, 0.01, 1] }, y: { name: "lr_g", values: [3e-4, 2] }, all: 8,
    modes: [0, 8, 3, 1, null, 5], diverged: [0, 0, 0, 7, 0, 0] };
  const context = recorder(), { plot, cell } = lab.mapLayout(map, BOX);
  lab.drawMap(context, map, LIGHT, BOX);
  const fills = context.of("fillRect").slice(0, 6), css = (stop) => `rgb(${stop})`;
  assert.deepEqual([0, 1, 3, 4].map((i) => fills[i].fillStyle),
    [css(LIGHT.ramp[0]), css(LIGHT.ramp[4]), LIGHT.faint, LIGHT.faint]);
  assert.ok(fills[0].args[1] > fills[3].args[1] && fills[1].args[0] > fills[0].args[0]);
  const numbers = labels(context);
  for (const label of ["0", "8", "3", "5", "1e−4", "0.01", "1", "3e−4", "2"]) assert.ok(numbers.includes(label), label);
  assert.equal(context.of("moveTo").filter((c) => c.strokeStyle === LIGHT.grey).length, 2); // one cross
  for (const row of [0, 1]) for (const column of [0, 1, 2]) {
    const { x, y, width, height } = cell(row, column);
    assert.deepEqual(lab.mapCell(map, BOX, x + width / 2, y + height / 2), { row, column });
  }
  for (const [x, y] of [[plot.x - 1, plot.y + 1], [plot.x + 1, plot.y - 1], [plot.x + plot.width + 1, plot.y + 1],
    [plot.x + 1, plot.y + plot.height + 1]]) assert.equal(lab.mapCell(map, BOX, x, y), null);
  assert.equal(lab.mapCell({}, BOX, 50, 50), null);
  assert.equal(context.of("strokeRect").length, 0);
  lab.drawMap(context, { ...map, chosen: { row: 1, column: 2 } }, LIGHT, BOX);
  const [x, y] = context.of("strokeRect").at(-1).args;
  assert.deepEqual(lab.mapCell(map, BOX, x + 5, y + 5), { row: 1, column: 2 });
  lab.drawMap(recorder(), { ...map, all: 0 }, DARK, { x: 0, y: 0, width: 90, height: 60 });
});

test("class shares stand side by side, as high as they are", () => {
  const context = recorder();
  lab.drawBars(context, { real: [0.5, 0.5], fake: [0.25, 0.75], names: [3, -7] }, LIGHT, BOX);
  const tops = (colour) => {
    const ys = context.of("lineTo").filter((c) => c.fillStyle === colour).map((c) => c.args[1]);
    const bottom = Math.max(...ys);
    return [...new Set(ys)].filter((y) => y < bottom).map((y) => bottom - y);
  };
  const [half] = tops(LIGHT.real), low = Math.min(...tops(LIGHT.fake)), high = Math.max(...tops(LIGHT.fake));
  assert.ok(Math.abs(low / half - 0.5) < 1e-9 && Math.abs(high / half - 1.5) < 1e-9, `${low} ${half} ${high}`);
  for (const label of ["3", "−7", "0"]) assert.ok(labels(context).includes(label), label);
  const plain = recorder();
  lab.drawBars(plain, { real: Array(10).fill(0.1), fake: [] }, LIGHT, BOX);
  assert.deepEqual(labels(plain).slice(-10), [..."0123456789"]);
  lab.drawBars(recorder(), { real: [], fake: [] }, LIGHT, BOX);
});

test("pictures need no translation", () => {
  const curve = new Float32Array([0, 1, 9, 2]), heat = new Float32Array(2500), logits = new Float32Array([1, 2]);
  const context = recorder(), all = { layers: ["heat", "manifold", "real", "fake", "arrows"] };
  lab.drawPoints(context, points({ heat, arrows: logits, manifold: curve, manifold_shape: [1, 2] }), LIGHT, BOX, all);
  lab.drawCurves(context, points({ d_curve: curve }), LIGHT, BOX, 5);
  lab.drawChart(context, { curves: [{ points: curve, colour: "real" }], floors: [], step: 3 }, LIGHT, BOX);
  lab.drawLogits(context, { real: logits, fake: logits }, LIGHT, BOX);
  lab.drawObjective(context, { logit: logits, loss: logits, slope: logits }, logits, LIGHT, BOX);
  const axis = { name: "name", values: [1] };
  lab.drawMap(context, { x: axis, y: axis, all: 8, modes: [3] }, LIGHT, BOX);
  lab.drawBars(context, { real: [1], fake: [1] }, LIGHT, BOX);
  const symbols = new Set(["x", "G(z)", "D(x)", "−∇L", "L", "L′ =", "D", "G"]);
  for (const label of labels(context)) assert.ok(symbols.has(label) || /^[−\d.e]+$/.test(label), label);
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

// What those see who lack one kind of cones: matrices over linear RGB (Machado, Oliveira and Fernandes 2009,
// severity 1).
const EYES = {
  three: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritanopia: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};
const rgb = (colour) => (Array.isArray(colour) ? colour : [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16)));
const linear = (colour) =>
  rgb(colour).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);
const luminance = (colour) => dot([0.2126, 0.7152, 0.0722], linear(colour));

/** The contrast of two colours as WCAG 2 defines it, from 1 to 21. */
function contrast(a, b) {
  const [low, high] = [luminance(a), luminance(b)].sort((p, q) => p - q);
  return (high + 0.05) / (low + 0.05);
}

/** CIE L*a*b* (D65) of what an eye sees. */
function seen(colour, eye) {
  const light = linear(colour), cones = eye.map((row) => Math.min(1, Math.max(0, dot(row, light))));
  const xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]];
  const [x, y, z] = xyz.map((row, i) => dot(row, cones) / [0.95047, 1, 1.08883][i])
    .map((t) => (t > 216 / 24389 ? Math.cbrt(t) : (24389 / 27 * t + 16) / 116));
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** How far two colours are apart (delta E 1976; about 2.3 is just noticed) to the eye to which they are nearest. */
function distance(a, b) {
  return Math.min(...Object.values(EYES).map((eye) => Math.hypot(...seen(a, eye).map((v, i) => v - seen(b, eye)[i]))));
}

for (const [name, theme] of Object.entries({ LIGHT, DARK })) {
  test(`${name}: what stands in one picture is told apart with any kind of cones`, () => {
    const layers = ["real", "fake", "arrow", "manifold"], apart = (a, b, least, what) => {
      const far = distance(theme[a] ?? a, theme[b] ?? b);
      assert.ok(far >= least, `${what ?? `${a} ${b}`}: ${far}`);
    };
    for (const [i, a] of layers.entries()) {
      for (const b of layers.slice(i + 1)) apart(a, b, 25);
      for (const ground of [...theme.map, theme.paper]) apart(a, ground, 30, `${a} on ${ground}`);
    }
    apart("discriminator", "generator", 40);
    for (const [k, stop] of theme.map.entries()) if (k) apart(stop, theme.map[k - 1], 10, `map ${k}`);
    apart(theme.map[0], theme.map[4], 40, "ends of D's map");
    apart(theme.map[0], theme.map[2], 25, "D's map, lower half");
    apart(theme.map[2], theme.map[4], 25, "D's map, upper half");
  });

  test(`${name}: marks stand out, and text can be read`, () => {
    for (const mark of ["real", "fake", "arrow", "manifold"]) {
      for (const ground of [...theme.map, theme.paper]) {
        assert.ok(contrast(theme[mark], ground) >= 3, `${mark} on ${ground}: ${contrast(theme[mark], ground)}`);
      }
    }
    for (const curve of ["discriminator", "generator", "cursor", "floor"]) {
      assert.ok(contrast(theme[curve], theme.paper) >= 3, curve);
    }
    for (const ink of ["ink", "grey"]) assert.ok(contrast(theme[ink], theme.paper) >= 4.5, ink);
  });

  test(`${name}: the map's colours rise in lightness evenly for every eye, and their numbers can be read`, () => {
    const n = 8, modes = [...Array(n + 1).keys()], context = recorder();
    const map = { x: { values: modes }, y: { values: [0] }, all: n, modes };
    lab.drawMap(context, map, theme, { x: 0, y: 0, width: 400, height: 80 });
    const colours = context.of("fillRect").slice(0, n + 1).map((c) => c.fillStyle.match(/\d+/g).map(Number));
    for (const [eye, matrix] of Object.entries(EYES)) {
      const light = colours.map((colour) => seen(colour, matrix)[0]);
      const rises = light.slice(1).map((v, i) => v - light[i]);
      assert.ok(Math.min(...rises) > 0.5 * (light[n] - light[0]) / n, `${eye}: ${rises}`);
      assert.ok(light[n] - light[0] > 55, eye);
    }
    const numbers = context.of("fillText").slice(0, n + 1);
    for (const [i, { fillStyle }] of numbers.entries()) assert.ok(contrast(fillStyle, colours[i]) >= 4.5, `${i}`);
  });
}

test("no two modules that are joined to one page have a name in common", () => {
  const names = (file) => {
    const text = readFileSync(new URL(`../../gan_tutorial/live/front/${file}`, import.meta.url), "utf-8");
    const made = /^(?:export )?(?:async )?(?:(?:function\*?|class) (\w+)|(?:const|let) (.*))/gm;
    const several = (list) => [...list.matchAll(/(?:^|, )(\w+) = /g)].map(([, name]) => name);
    return new Set([...text.matchAll(made)].flatMap(([, one, list]) => (one ? [one] : several(list))));
  };
  const ours = names("renderer.js");
  for (const name of ["decode", "symbol", "HEAD", "GAP", "LIGHT"]) assert.ok(ours.has(name), name);
  for (const file of ["replay.js", "lab.js"]) {
    assert.deepEqual([...names(file)].filter((name) => ours.has(name)), [], file);
  }
});
