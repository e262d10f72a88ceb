// What a lab knows -> a canvas. Pure functions: nothing is touched but the given 2-D context, nothing is kept (but the
// colours of D's last maps, as long as those maps live).
// The notebook's widget and the exported pages draw with this file; `live/view.py` is its twin without a browser.
//
// A box is {x, y, width, height} in CSS pixels; the context is scaled by the device's pixel ratio beforehand. Pictures
// hold the book's symbols and numbers, no words. What is told apart by colour is told apart by shape or filling too.

// Okabe and Ito's palette; generated points are darker than their generator's curve, to be seen on D's map. `map` tints
// D's belief from 0 (orange) over the middle to 1 (blue); `ramp` counts upwards. Tests hold all of it to what readers
// without one kind of cones see.
export const LIGHT = {
  ink: "#333333", grey: "#6b6b6b", faint: "#e8e8e8", line: "#bbbbbb", halo: "rgba(255,255,255,0.9)",
  real: "#000000", fake: "#B84600", discriminator: "#0072B2", generator: "#D55E00", cursor: "#333333",
  manifold: "#6A3D9A", arrow: "#00664D", floor: "#6b6b6b", paper: "#ffffff",
  map: [[250, 200, 120], [253, 233, 205], [250, 250, 250], [205, 228, 246], [152, 203, 238]],
  ramp: [[0, 34, 78], [61, 78, 107], [124, 123, 120], [188, 175, 111], [254, 232, 56]],
};
export const DARK = {
  ink: "#e3e5e8", grey: "#a0a6ae", faint: "#2c3138", line: "#4a515b", halo: "rgba(16,18,22,0.85)",
  real: "#ffffff", fake: "#E69F00", discriminator: "#56B4E9", generator: "#E69F00", cursor: "#e3e5e8",
  manifold: "#B79CED", arrow: "#4FD1A5", floor: "#a0a6ae", paper: "#15171b",
  map: [[92, 54, 14], [58, 43, 28], [34, 37, 42], [27, 53, 76], [20, 82, 126]],
  ramp: [[24, 62, 120], [72, 92, 124], [128, 128, 124], [190, 177, 112], [254, 232, 56]],
};

const HEAD = 30, BAR = 12, BAR_SPACE = 46, ROWS = 6, GAP = 14;
const FINE = 4, RISING = Float32Array.from({ length: 50 }, (_, i) => i / 49), tints = new WeakMap();
const ARROWS = 64, LONGEST = 0.3; // arrows in a picture, and the longest as a share of the extent
const SANS = "11px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif", SMALL = SANS.replace("11", "10");
const MATHS = "'STIX Two Text', STIXGeneral, 'Latin Modern Math', Cambria, 'Times New Roman', 'DejaVu Serif', serif";
const TURN = 2 * Math.PI;

// -- unpacking --------------------------------------------------------------------------------------------------------

/** A packed frame (see `live/replay.py`) with typed arrays in place of its base64 strings or buffers.
 *
 * Points become Float32Array x0 y0 x1 y1 ... in the data's units, NaN for none; `heat` Float32Array from 0 to 1, row by
 * row with y running upwards, NaN for none; curves Float32Array step, loss, step, loss ... and everything else that is
 * packed Float32Array too. Image sheets stay. */
export function decode(packed) {
  const frame = floats(packed);
  for (const name of ["real", "fake", "manifold", "batch_real", "batch_fake"]) {
    if (isPacked(packed[name])) {
      frame[name] = Float32Array.from(new Int16Array(bytes(packed[name])),
        (v) => (v === -32768 ? NaN : (v / 8192) * packed.extent));
    }
  }
  if (isPacked(packed.heat)) {
    frame.heat = Float32Array.from(new Uint8Array(bytes(packed.heat)), (v) => (v === 255 ? NaN : v / 254));
  }
  for (const name of ["objective", "series"]) if (packed[name]) frame[name] = floats(packed[name], true);
  return frame;
}

const FLOATS = ["d_curve", "g_curve", "arrows", "latents", "manifold_latents", "batch_latents", "real_logits",
  "fake_logits"];

function floats(packed, all = false) {
  const frame = { ...packed };
  for (const name of all ? Object.keys(packed) : FLOATS) {
    if (isPacked(packed[name])) frame[name] = new Float32Array(bytes(packed[name]));
  }
  return frame;
}

function isPacked(value) {
  return typeof value === "string" || value instanceof ArrayBuffer || ArrayBuffer.isView(value);
}

/** An ArrayBuffer of its own, so that it begins where an array of any type may begin. */
function bytes(packed) {
  if (typeof packed === "string") return Uint8Array.from(atob(packed), (c) => c.charCodeAt(0)).buffer;
  if (packed instanceof ArrayBuffer) return packed;
  return packed.buffer.slice(packed.byteOffset, packed.byteOffset + packed.byteLength);
}

// -- points -----------------------------------------------------------------------------------------------------------

/** How high a picture of this frame is when it is `width` wide. */
export function pictureHeight(frame, width) {
  if (!isSheet(frame.fake)) return HEAD + width - BAR_SPACE + 1;
  return HEAD + imagesLayout(frame, { x: 0, y: 0, width, height: Infinity }).tile * ROWS;
}

/** Where the square of the plane and the colour bar stand in a box; a `bare` plane stands alone. */
export function pointsLayout(box, { bare = false } = {}) {
  const [right, above] = bare ? [1, 1] : [BAR_SPACE, HEAD];
  const side = Math.floor(Math.max(0, Math.min(box.width - right, box.height - above - (bare ? 0 : 1))));
  const plane = { x: box.x + 1, y: box.y + above, width: side - 1, height: side - 1 };
  return { plane, bar: { x: plane.x + side + 11, y: plane.y, width: BAR, height: plane.height } };
}

/** D's map with the real and the generated points over it, and the map's colour bar.
 *
 * options: `layers`, which of "heat", "manifold", "real", "fake", "arrows" (default: heat, real, fake); `bare`, the
 * plane alone; `arrowScale`, the data units that an arrow of length 1 is long. With `morph` t from 0 to 1, points and
 * manifold stand at (1 - t) z + t G(z), the latents being laid out in the plane: `latents` and `manifoldLatents` of
 * `dims` numbers each, `noise` "normal" or "uniform". Arrows start at G(z), hence they are drawn at t = 1 only. */
export function drawPoints(context, frame, theme, box, options = {}) {
  const layers = new Set(options.layers ?? ["heat", "real", "fake"]), at = options.morph ?? 1;
  const { plane, bar } = pointsLayout(box, options), unit = Math.max(0.85, plane.width / 300);
  if (plane.width < 1) return;
  const heat = layers.has("heat") && frame.heat, arrows = layers.has("arrows") && at === 1 && frame.arrows;
  const fake = morphed(frame.fake ?? [], options.latents, frame.extent, options);
  if (!options.bare) pointsHead(context, layers, theme, { ...box, width: bar.x - 8 - box.x });
  if (heat) tint(context, heat, theme, plane);
  if (heat && !options.bare) beliefs(context, frame, theme, box, bar);
  context.save();
  context.beginPath();
  context.rect(plane.x, plane.y, plane.width, plane.height);
  context.clip();
  if (layers.has("manifold") && frame.manifold) {
    const points = morphed(frame.manifold, options.manifoldLatents, frame.extent, options);
    drawManifold(context, points, frame, theme, plane, options);
  }
  if (layers.has("real")) dots(context, frame.real ?? [], frame.extent, plane, theme.real, 1.4 * unit, 0.75);
  if (layers.has("fake")) {
    dots(context, fake, frame.extent, plane, theme.halo, 2.4 * unit, 1);
    dots(context, fake, frame.extent, plane, theme.fake, 1.7 * unit, 1);
  }
  if (arrows) drawArrows(context, fake, arrows, frame.extent, theme, plane, options.arrowScale ?? 1);
  context.restore();
  outline(context, plane, theme);
}

/** The symbols above the plane. */
function pointsHead(context, layers, theme, box) {
  let x = box.x + 15;
  for (const [name, string, colour] of [["real", "x", theme.real], ["fake", "G(z)", theme.fake]]) {
    if (layers.has(name)) x = symbol(context, x, box.y, string, { theme, dot: colour }) + 28;
  }
  if (layers.has("arrows") && x + 62 < box.x + box.width) {
    paintArrows(context, [[x - 14, box.y + 16, 1, 0, 20]], theme, 1);
    symbol(context, x + 13, box.y, "−∇L", { theme, below: "G" });
  }
}

/** The colour bar of D's map. */
function beliefs(context, frame, theme, box, bar) {
  tint(context, RISING, theme, bar, 1);
  outline(context, bar, theme);
  symbol(context, bar.x - 4, box.y, "D(x)", { theme });
  const labels = frame.probability ? [[0, "0"], [0.5, "0.5"], [1, "1"]] : [[0, "−"], [1, "+"]];
  for (const [value, label] of labels) {
    const y = bar.y + 6 + (1 - value) * (bar.height - 12); // the outer two stay beside the bar
    text(context, label, bar.x + BAR + 5, y, theme.grey, "left", "middle");
  }
}

function dots(context, points, extent, plane, colour, radius, alpha) {
  context.globalAlpha = alpha;
  context.fillStyle = colour;
  for (let i = 0; i + 1 < points.length; i += 2) {
    if (!isInside(points, i, extent)) continue;
    context.beginPath(); // one by one: faster than one large path
    context.arc(...onPlane(points, i, extent, plane), radius, 0, TURN);
    context.fill();
  }
  context.globalAlpha = 1;
}

/** False for NaN, too. */
function isInside(points, i, extent) {
  return Math.abs(points[i]) < extent && Math.abs(points[i + 1]) < extent;
}

/** The pixel of the point whose x is points[i]. */
function onPlane(points, i, extent, plane) {
  return [plane.x + ((1 + points[i] / extent) / 2) * plane.width,
    plane.y + ((1 - points[i + 1] / extent) / 2) * plane.height];
}

/** Points on their way from their latents to where G takes them. One number lies on the x axis; of many, two show. */
function morphed(points, latents, extent, { morph: t = 1, dims = 2, noise = "normal" }) {
  if (t === 1 || !latents) return points;
  const scale = extent * (noise === "uniform" ? 0.85 : 1 / 3);
  return Float32Array.from(points, (v, i) => {
    const z = i % 2 < dims ? latents[(i >> 1) * dims + (i % 2)] : 0;
    return t === 0 ? scale * z : (1 - t) * scale * z + t * v;
  });
}

/** The grid of latents where G takes it: lines, and cells that are the fuller the denser G packs the noise there. */
function drawManifold(context, points, frame, theme, plane, { manifoldLatents, dims = 2, noise = "normal" }) {
  const [rows, columns] = frame.manifold_shape, { extent } = frame, flat = rows === 1;
  const at = Array.from({ length: rows * columns }, (_, i) => onPlane(points, 2 * i, extent, plane));
  const share = (corners) => {
    if (!manifoldLatents) return 1 / ((columns - 1) * Math.max(1, rows - 1));
    let product = 1;
    for (let d = 0; d < dims; d++) {
      const z = corners.map((i) => rank(manifoldLatents[i * dims + d], noise));
      product *= Math.max(...z) - Math.min(...z);
    }
    return product;
  };
  const levels = Array.from({ length: 12 }, () => []); // cells of about the same density are painted at once
  for (let row = 0; row + 1 < Math.max(2, rows); row++) {
    for (let column = 0; column + 1 < columns; column++) {
      const i = row * columns + column, corners = flat ? [i, i + 1] : [i, i + 1, i + columns + 1, i + columns];
      const [a, b, c, d] = corners.map((k) => at[k]);
      const size = flat ? Math.hypot(b[0] - a[0], b[1] - a[1]) / plane.width
        : ((c[0] - a[0]) * (d[1] - b[1]) - (d[0] - b[0]) * (c[1] - a[1])) / 2 / (plane.width * plane.height);
      if (!Number.isFinite(size)) continue;
      // How many times denser than noise that fills the square (a line: than noise along its side).
      const density = share(corners) / Math.max(Math.abs(size), 1e-9);
      const level = levels[Math.min(Math.floor(12 * density / (density + (flat ? 1 : 8))), 11)];
      level.push(flat ? [a, b] : size < 0 ? [d, c, b, a] : [a, b, c, d]); // all one way round, or folds leave holes
    }
  }
  context.fillStyle = context.strokeStyle = theme.manifold;
  context.lineJoin = "bevel"; // round ones take three times as long
  context.lineCap = "butt";
  context.lineWidth = 7;
  for (const [k, cells] of levels.entries()) {
    context.globalAlpha = 0.6 * (k + 0.5) / 12;
    context.beginPath();
    for (const cell of cells) polyline(context, cell);
    context[flat ? "stroke" : "fill"]();
  }
  context.globalAlpha = flat ? 0.9 : 0.6;
  context.lineWidth = flat ? 1.4 : 0.5;
  context.beginPath();
  for (let row = 0; row < rows; row++) polyline(context, at.slice(row * columns, (row + 1) * columns));
  for (let column = 0; column < columns && !flat; column++) {
    polyline(context, at.filter((_, i) => i % columns === column));
  }
  context.stroke();
  context.globalAlpha = 1;
}

/** The share of the noise below z: of the normal distribution (error < 0.001), or of the uniform one on [-1, 1]. */
function rank(z, noise) {
  return noise === "uniform" ? (1 + z) / 2 : (1 + Math.tanh(0.79788456 * (z + 0.044715 * z ** 3))) / 2;
}

/** Where some of the points are pushed to. */
function drawArrows(context, points, pushes, extent, theme, plane, scale) {
  const n = points.length / 2, most = Math.min(n, ARROWS), perUnit = plane.width / 2 / extent, arrows = [];
  for (let k = 0; k < most; k++) {
    const i = 2 * Math.floor((k * n) / most), norm = Math.hypot(pushes[i], pushes[i + 1]);
    const length = Math.min(norm * scale, LONGEST * extent) * perUnit;
    if (!isInside(points, i, extent) || !Number.isFinite(norm) || !(length >= 1.5)) continue;
    arrows.push([...onPlane(points, i, extent, plane), pushes[i] / norm, -pushes[i + 1] / norm, length]);
  }
  paintArrows(context, arrows, theme, Math.max(0.85, plane.width / 300));
}

/** Arrows [x, y, direction x, direction y, length] with a halo. */
function paintArrows(context, arrows, theme, unit) {
  context.lineJoin = "round";
  context.lineCap = "butt";
  for (const [colour, more] of [[theme.halo, 1.6], [theme.arrow, 0]]) {
    context.strokeStyle = context.fillStyle = colour;
    context.beginPath();
    for (const [x, y, ux, uy, length] of arrows) {
      const neck = Math.max(0, length - 4 * unit);
      polyline(context, [[x, y], [x + neck * ux, y + neck * uy]]);
    }
    context.lineWidth = 1.4 * unit + more;
    context.stroke();
    context.beginPath();
    for (const [x, y, ux, uy, length] of arrows) {
      const [toX, toY, head] = [x + length * ux, y + length * uy, Math.min(5.5 * unit, 0.6 * length + 1)];
      const [backX, backY, wing] = [toX - head * ux, toY - head * uy, head / 2];
      const wings = [[backX - wing * uy, backY + wing * ux], [backX + wing * uy, backY - wing * ux]];
      polyline(context, [[toX, toY], ...wings, [toX, toY]]);
    }
    context.fill();
    context.lineWidth = more;
    if (more) context.stroke();
  }
}

/** Fill a rectangle with beliefs (rows of `columns`, the first row at the bottom), smooth between them. */
function tint(context, heat, theme, rect, columns = Math.round(Math.sqrt(heat.length))) {
  let known = tints.get(heat);
  if (known?.theme !== theme) tints.set(heat, known = { theme, canvas: beliefsImage(heat, columns, theme) });
  context.drawImage(known.canvas, rect.x, rect.y, rect.width, rect.height);
}

/** FINE x FINE pixels for each belief: cubic between beliefs; for the rest the browser's own smoothing will do. */
function beliefsImage(heat, columns, theme) {
  const rows = heat.length / columns, width = FINE * columns, height = FINE * rows;
  const across = taps(width, columns), down = taps(height, rows), wide = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let k = 0; k < 4; k++) {
        const belief = heat[row * columns + across.index[4 * x + k]];
        sum += across.weight[4 * x + k] * (Number.isNaN(belief) ? 0.5 : belief);
      }
      wide[row * width + x] = sum;
    }
  }
  const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
  [canvas.width, canvas.height] = [width, height];
  const colours = palette(theme.map), image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let y = 0; y < height; y++) {
    const tap = 4 * (height - 1 - y); // y runs upwards
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let k = 0; k < 4; k++) sum += down.weight[tap + k] * wide[down.index[tap + k] * width + x];
      pixels[y * width + x] = colours[Math.round(Math.min(Math.max(sum, 0), 1) * 255)];
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** For each of `n` pixels across `cells` cells, the four cells it mixes and their Catmull-Rom weights. */
function taps(n, cells) {
  const index = new Int32Array(4 * n), weight = new Float32Array(4 * n);
  for (let i = 0; i < n; i++) {
    const at = ((i + 0.5) / n) * cells - 0.5, base = Math.floor(at), t = at - base;
    const two = [((2 - t) * t - 1) * t, (3 * t - 5) * t * t + 2, ((4 - 3 * t) * t + 1) * t, (t - 1) * t * t];
    weight.set(two.map((v) => v / 2), 4 * i);
    for (let k = 0; k < 4; k++) index[4 * i + k] = Math.min(Math.max(base + k - 1, 0), cells - 1);
  }
  return { index, weight };
}

/** 256 colours of a ramp, as the 32-bit pixels of ImageData (little-endian: alpha is the highest byte). */
function palette(stops) {
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const [r, g, b] = stop(stops, i / 255);
    return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });
}

// -- images -----------------------------------------------------------------------------------------------------------

// A sheet is {source, n, columns, width, height}: `source` is anything drawImage takes, holding n images of
// width x height pixels, row by row in `columns` columns.
function isSheet(value) {
  return Boolean(value) && value.n !== undefined;
}

/** The side of a tile, and where the columns of real and of generated images begin. */
export function imagesLayout(frame, box) {
  const real = Math.max(1, Math.ceil(frame.real.n / ROWS)), fake = Math.max(1, Math.ceil(frame.fake.n / ROWS));
  const tile = Math.max(1, Math.min((box.width - GAP) / (real + fake), (box.height - HEAD) / ROWS));
  return { tile, real: { x: box.x, columns: real }, fake: { x: box.x + real * tile + GAP, columns: fake } };
}

/** A few real images, and beside them those that G makes of latents that never change; `options.chosen`, as
 * `imageAt` gives it, is outlined. */
export function drawImages(context, frame, theme, box, { chosen = null } = {}) {
  const layout = imagesLayout(frame, box);
  symbol(context, layout.real.x + 1, box.y, "x", { theme, colour: theme.real });
  symbol(context, layout.fake.x + 1, box.y, "G(z)", { theme, colour: theme.fake });
  for (const name of ["real", "fake"]) {
    sheet(context, frame[name], layout.tile, layout[name].x, box.y + HEAD, layout[name].columns);
  }
  if (chosen && chosen.index < frame[chosen.set].n) {
    const { tile } = layout, { x, columns } = layout[chosen.set];
    const row = Math.floor(chosen.index / columns), column = chosen.index % columns;
    const place = { x: x + column * tile, y: box.y + HEAD + row * tile, width: tile, height: tile };
    mark(context, place, theme.discriminator, theme, 3);
  }
}

/** Which image stands at a place in the box. */
export function imageAt(frame, box, x, y) {
  const { tile, ...sets } = imagesLayout(frame, box), row = Math.floor((y - box.y - HEAD) / tile);
  for (const [set, { x: left, columns }] of Object.entries(sets)) {
    const column = Math.floor((x - left) / tile), index = row * columns + column;
    if (row >= 0 && column >= 0 && column < columns && index < frame[set].n) return { set, index };
  }
  return null;
}

/** Images as large as a tile allows; pixels stay sharp squares where that nearly fits. */
function sheet(context, images, tile, left, top, columns) {
  const scale = context.getTransform().a, inner = (tile - 2) * scale, longest = Math.max(images.width, images.height);
  const whole = Math.floor(inner / longest), sharp = whole * longest > 0.9 * inner;
  const factor = (sharp ? whole : inner / longest) / scale;
  const width = images.width * factor, height = images.height * factor;
  const snap = (v) => Math.round(v * scale) / scale;
  context.save();
  context.imageSmoothingEnabled = !sharp;
  context.imageSmoothingQuality = "high";
  for (let i = 0; i < images.n; i++) {
    const x = left + (i % columns) * tile + (tile - width) / 2;
    const y = top + Math.floor(i / columns) * tile + (tile - height) / 2;
    context.drawImage(images.source,
      (i % images.columns) * images.width, Math.floor(i / images.columns) * images.height, images.width, images.height,
      snap(x), snap(y), width, height);
  }
  context.restore();
}

// -- curves -----------------------------------------------------------------------------------------------------------

/** Where the curves stand in a box, and the steps (up to `frame.last`, else the frame's own) and losses of the axes. */
export function curvesLayout(frame, box) {
  const plot = { x: box.x + 44, y: box.y + HEAD, width: box.width - 58, height: box.height - HEAD - 28 };
  return axes(plot, [frame.d_curve, frame.g_curve], { last: frame.last ?? frame.step, least: 0.05 });
}

/** Both losses over the steps. With a `step`, a cursor stands there and what came after it is pale. */
export function drawCurves(context, frame, theme, box, step = null) {
  const layout = curvesLayout(frame, box);
  const curves = [{ points: frame.d_curve, colour: "discriminator" }, { points: frame.g_curve, colour: "generator" }];
  drawAxes(context, layout, theme);
  traces(context, layout, curves, theme, step);
  let legend = layout.plot.x;
  for (const [colour, below] of [[theme.discriminator, "D"], [theme.generator, "G"]]) {
    line(context, [[legend, box.y + 16], [legend + 18, box.y + 16]], colour, 2);
    legend = symbol(context, legend + 24, box.y, "L", { theme, below }) + 20;
  }
}

/** Where a chart's plot stands in a box, its axes' ends, and from a step and a value to pixels. */
export function chartLayout(chart, box) {
  const { plot, small } = plotIn(box);
  return { ...axes(plot, chart.curves.map(({ points }) => points), chart), small };
}

/** The plot in a box, with space for numbers on its left and below. */
function plotIn(box, above = 9, more = 0) {
  const small = box.height < 120, left = box.width < 200 ? 32 : 40, below = (small ? 17 : 22) + more;
  const plot = { x: box.x + left, y: box.y + above, width: box.width - left - 9, height: box.height - above - below };
  return { plot, small, isNone: plot.width < 1 || plot.height < 1 };
}

/** Curves over the steps, small enough to stand in a row with others.
 *
 * chart: `curves`, each {points: step, value, step, value ..., colour: of the theme or CSS, dash, width}; `floors`,
 * each {value, colour}, drawn as dashed lines; `step`, where the cursor stands, or null; `last`, the last step of the
 * axis; `low`, `high`, its values (default: what the curves and floors need); `unit`, written after them. */
export function drawChart(context, chart, theme, box) {
  const layout = chartLayout(chart, box), { plot, low, high, y } = layout;
  if (plotIn(box).isNone) return;
  drawAxes(context, layout, theme, { unit: chart.unit, room: 8 });
  for (const { value, colour } of chart.floors ?? []) {
    if (!(value >= low && value <= high)) continue;
    const ends = [[plot.x, y(value)], [plot.x + plot.width, y(value)]];
    line(context, ends, theme[colour] ?? colour ?? theme.floor, 1, [4, 3]);
  }
  traces(context, layout, chart.curves, theme, chart.step ?? null);
}

/** Both axes of curves in a plot: at least ten steps, and all values but the wildest. */
function axes(plot, curves, { last = 0, floors = [], low, high, least }) {
  const values = [], ends = floors.map(({ value }) => value).filter(Number.isFinite);
  let steps = Math.max(10, last);
  for (const points of curves) {
    for (let i = 0; i + 1 < points.length; i += 2) {
      steps = Math.max(steps, points[i]);
      values.push(points[i + 1]);
    }
  }
  let [from, to] = range(values, ends, least);
  if (least === undefined && [...values, ...ends].every((value) => !(value < 0))) from = Math.max(0, from);
  low ??= from;
  high ??= to;
  return {
    plot, low, high, steps, small: false,
    x: (step) => plot.x + (step / steps) * plot.width,
    y: (value) => plot.y + ((high - value) / (high - low)) * plot.height,
  };
}

function drawAxes(context, layout, theme, { unit, room } = {}) {
  levels(context, layout, theme, unit);
  foot(context, layout.plot, 0, layout.steps, layout.x, theme, layout.small, room);
}

/** Numbers up the left side, with faint lines. */
function levels(context, { plot, low, high, y, small }, theme, unit = "") {
  for (const value of ticks(low, high, Math.max(2, Math.min(6, plot.height / (small ? 24 : 40))))) {
    line(context, [[plot.x, y(value)], [plot.x + plot.width, y(value)]], theme.faint, 1);
    const label = short(value) + unit;
    text(context, label, plot.x - (small ? 6 : 8), y(value), theme.grey, "right", "middle", small ? SMALL : SANS);
  }
}

/** Round numbers along the bottom; those at the ends stay near the plot. */
function foot(context, plot, from, to, x, theme, small, room = Infinity) {
  const bottom = plot.y + plot.height, font = small ? SMALL : SANS, large = to >= 10000;
  for (const value of ticks(from, to, Math.max(2, Math.min(5, plot.width / 60)))) {
    const label = large && value ? `${number(value / 1000)}k` : number(value), at = x(value);
    context.font = font;
    const over = at + context.measureText(label).width / 2 - plot.x - plot.width - room;
    text(context, label, at - Math.max(0, over), bottom + (small ? 5 : 8), theme.grey, "center", "top", font);
  }
  line(context, [[plot.x, bottom], [plot.x + plot.width, bottom]], theme.grey, 1);
}

/** Curves; what comes after the cursor is pale. */
function traces(context, { plot, x, y, small }, curves, theme, step) {
  const right = plot.x + plot.width, bottom = plot.y + plot.height, now = step === null ? right : x(step);
  for (const curve of curves) {
    for (const [from, to, alpha] of [[plot.x - 2, now, 1], [now, right + 2, 0.28]]) {
      if (to <= from) continue;
      context.save();
      context.globalAlpha = alpha;
      context.beginPath();
      context.rect(from, plot.y - 2, to - from, plot.height + 4);
      context.clip();
      trace(context, curve, x, y, theme[curve.colour] ?? curve.colour);
      context.restore();
    }
  }
  if (step === null) return;
  line(context, [[now, plot.y - 3], [now, bottom]], theme.cursor, 1);
  context.fillStyle = theme.cursor;
  context.beginPath();
  context.arc(now, plot.y - (small ? 3 : 5), small ? 2 : 3.5, 0, TURN);
  context.fill();
}

function trace(context, { points, width = 1.6, dash = false }, x, y, colour) {
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = width;
  context.lineJoin = "round";
  context.setLineDash(dash ? [5, 3] : []);
  context.beginPath();
  let pen = false;
  for (let i = 0; i + 1 < points.length; i += 2) {
    const there = Number.isFinite(points[i]) && Number.isFinite(points[i + 1]);
    if (there) context[pen ? "lineTo" : "moveTo"](x(points[i]), Math.min(Math.max(y(points[i + 1]), -1e4), 1e4));
    pen = there;
  }
  context.stroke();
  context.setLineDash([]);
  if (points.length === 2 && pen) {
    context.beginPath();
    context.arc(x(points[0]), y(points[1]), 2.5, 0, TURN);
    context.fill();
  }
}

/** What an axis shows: all but the wildest hundredth on both sides, what is in `always`, and a margin, at least `least`
 * (default: a twentieth of the values). */
export function range(values, always = [], least = NaN) {
  const sorted = Float64Array.from(values.filter(Number.isFinite)).sort();
  const at = (share) => {
    const place = share * (sorted.length - 1), base = Math.floor(place);
    return sorted[base] + (place - base) * (sorted[Math.min(base + 1, sorted.length - 1)] - sorted[base]);
  };
  const ends = sorted.length ? [at(0.01), at(0.99), ...always] : always.length ? always : [0, 2];
  const low = Math.min(...ends), high = Math.max(...ends), few = 0.05 * Math.max(Math.abs(low), Math.abs(high)) || 1;
  const margin = Math.max(0.06 * (high - low), Number.isNaN(least) ? (high > low ? 0 : few) : least);
  return [low - margin, high + margin];
}

/** Round numbers (1, 2 or 5 times a power of ten apart) from low to high. */
export function ticks(low, high, atMost) {
  const rough = (high - low) / atMost;
  if (!(rough > 0 && Number.isFinite(rough))) return [];
  const power = 10 ** Math.floor(Math.log10(rough));
  const gap = [1, 2, 5, 10].map((nice) => nice * power).find((g) => g >= rough * 0.999);
  const first = Math.ceil(low / gap - 1e-9), count = Math.floor(high / gap + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * gap).toPrecision(12)) + 0);
}

// -- logits, objective, map, shares -----------------------------------------------------------------------------------

/** Histograms of D's logits of real and of generated samples over one axis with 0 on it, each of shares of its set. */
export function drawLogits(context, { real, fake }, theme, box) {
  const small = box.height < 120, top = small ? 6 : HEAD;
  const plot = { x: box.x + 10, y: box.y + top, width: box.width - 20, height: box.height - top - (small ? 17 : 22) };
  if (plot.width < 1 || plot.height < 1) return;
  const sets = [[real ?? [], theme.real, false], [fake ?? [], theme.fake, true]];
  const [least, largest] = range(sets.flatMap(([logits]) => [...logits]), [0]);
  // The bins begin at 0, where D changes its mind. The outermost hold what lies beyond them, too.
  const largestSet = Math.max(...sets.map(([logits]) => logits.length));
  const most = Math.min(32, Math.max(8, Math.round(1.6 * Math.sqrt(largestSet))));
  const width = (largest - least) / most, first = Math.floor(least / width), n = Math.ceil(largest / width) - first;
  const low = first * width, high = (first + n) * width;
  const x = (logit) => plot.x + ((logit - low) / (high - low)) * plot.width;
  const shares = sets.map(([logits]) => {
    const bins = new Float64Array(n);
    for (const logit of logits) {
      const bin = Math.min(Math.max(Math.floor(logit / width) - first, 0), n - 1);
      if (!Number.isNaN(logit)) bins[bin] += 1 / logits.length;
    }
    return bins;
  });
  const highest = Math.max(...shares.flatMap((bins) => [...bins])) || 1;
  const y = (share) => plot.y + plot.height * (1 - share / highest);
  foot(context, plot, low, high, x, theme, small, 8);
  line(context, [[x(0), plot.y - 2], [x(0), plot.y + plot.height]], theme.grey, 1, [3, 3]);
  for (const [k, [, colour, hatched]] of sets.entries()) {
    let steps = [];
    for (let i = 0; i <= n; i++) { // every hill on its own
      const share = shares[k][i];
      if (share > 0) steps.push([x(low + i * width), y(share)], [x(low + (i + 1) * width), y(share)]);
      else if (steps.length) {
        area(context, steps, y(0), colour, hatched);
        steps = [];
      }
    }
  }
  if (!small) {
    let at = plot.x;
    for (const [string, colour, hatched] of [["x", theme.real, false], ["G(z)", theme.fake, true]]) {
      area(context, [[at, box.y + 10], [at + 16, box.y + 10]], box.y + 21, colour, hatched);
      at = symbol(context, at + 22, box.y, string, { theme }) + 18;
    }
  }
}

/** G's loss of a sample as a function of its logit, with the batch on it: strokes below, dots on the curve (the larger
 * the more), and the tangent at their mean: where it lies flat, G learns nothing.
 *
 * objective: {logit, loss, slope}, logits rising; `logits`: of the generated samples. */
export function drawObjective(context, objective, logits, theme, box) {
  const { plot, small, isNone } = plotIn(box, 18, 5);
  if (isNone || !(objective?.logit?.length > 1)) return;
  const known = objective.logit, batch = Array.from(logits ?? []).filter(Number.isFinite);
  const wanted = range(batch, [-2, 2]);
  const low = Math.max(wanted[0], known[0]), high = Math.min(wanted[1], known[known.length - 1]);
  const inside = Array.from(known).filter((logit) => logit > low && logit < high);
  const curve = [low, ...inside, high].map((logit) => [logit, between(objective, "loss", logit)]);
  const losses = curve.map(([, loss]) => loss).filter(Number.isFinite);
  const [bottom, top] = range([], [Math.min(...losses), Math.max(...losses)]);
  const x = (logit) => plot.x + ((logit - low) / (high - low)) * plot.width;
  const y = (loss) => plot.y + ((top - loss) / (top - bottom)) * plot.height;
  const floor = plot.y + plot.height + 5;
  levels(context, { plot, low: bottom, high: top, y, small }, theme);
  foot(context, { ...plot, height: plot.height + 5 }, low, high, x, theme, small, 8);
  line(context, [[x(0), plot.y], [x(0), floor]], theme.faint, 1);
  context.save();
  context.beginPath();
  context.rect(plot.x, plot.y - 3, plot.width, plot.height + 9);
  context.clip();
  line(context, curve.map(([logit, loss]) => [x(logit), y(loss)]), theme.generator, 1.8);
  context.globalAlpha = Math.min(0.8, Math.max(0.15, 3 / Math.sqrt(batch.length + 1)));
  for (const logit of batch) line(context, [[x(logit), floor - 8], [x(logit), floor]], theme.fake, 1);
  context.globalAlpha = 1;
  const width = (high - low) / 24, shares = new Map();
  for (const logit of batch) {
    const bin = Math.floor(logit / width);
    shares.set(bin, (shares.get(bin) ?? 0) + 1 / batch.length);
  }
  for (const [bin, share] of shares) {
    const logit = (bin + 0.5) * width, radius = 1.5 + (small ? 6 : 10) * Math.sqrt(share);
    disc(context, x(logit), y(between(objective, "loss", logit)), radius, theme.fake, theme.paper);
  }
  const mean = batch.reduce((sum, logit) => sum + logit, 0) / batch.length;
  const loss = between(objective, "loss", mean), slope = between(objective, "slope", mean);
  const isKnown = Number.isFinite(loss) && Number.isFinite(slope); // false for no batch, too
  if (isKnown) {
    const rise = y(loss) - y(loss + slope * (high - low)), reach = Math.min(plot.width, 2 * plot.height);
    const part = 0.3 * reach / Math.hypot(plot.width, rise);
    line(context, [-part, part].map((t) => [x(mean) + t * plot.width, y(loss) - t * rise]), theme.ink, 2);
    disc(context, x(mean), y(loss), 3.5, theme.ink, theme.paper);
  }
  context.restore();
  if (isKnown) {
    const right = plot.x + plot.width, label = short(Number(slope.toPrecision(2))), font = small ? SMALL : SANS;
    const taken = text(context, label, right, box.y + 14, theme.ink, "right", "alphabetic", font);
    text(context, "L′ =", right - taken - 5, box.y + 14, theme.ink, "right", "alphabetic", `italic 14px ${MATHS}`);
  }
}

/** A column of `table` at a logit: between two of its rows, or in its first or last. */
function between(table, name, logit) {
  const { logit: known, [name]: values } = table;
  if (!(logit > known[0])) return Number.isNaN(logit) ? NaN : values[0];
  const i = known.findIndex((v) => v >= logit);
  if (i < 0) return values[values.length - 1];
  return values[i - 1] + (logit - known[i - 1]) / (known[i] - known[i - 1]) * (values[i] - values[i - 1]);
}

/** Where the cells of a stability map stand: `plot`, a cell's width and height, the colour bar (null where none fits),
 * and `cell(row, column)`, with row 0 at the bottom. */
export function mapLayout(map, box) {
  const columns = map.x.values.length, rows = map.y.values.length, wide = box.width >= 180;
  const plot = { x: box.x + 38, y: box.y + 7, width: box.width - 38 - (wide ? 40 : 4), height: box.height - 7 - 22 };
  const width = plot.width / columns, height = plot.height / rows;
  return {
    plot, rows, columns, width, height,
    bar: wide ? { x: plot.x + plot.width + 12, y: plot.y, width: 9, height: plot.height } : null,
    cell: (row, column) => ({ x: plot.x + column * width, y: plot.y + (rows - 1 - row) * height, width, height }),
  };
}

/** The cell at a place in the box, or null. */
export function mapCell(map, box, x, y) {
  if (!map.x) return null;
  const { plot, rows, columns, width, height } = mapLayout(map, box);
  const row = rows - 1 - Math.floor((y - plot.y) / height), column = Math.floor((x - plot.x) / width);
  return row >= 0 && row < rows && column >= 0 && column < columns ? { row, column } : null;
}

/** How many modes G covers, cell by cell; x marks the runs that diverged. `map.hover` and `map.chosen` are outlined. */
export function drawMap(context, map, theme, box) {
  const layout = mapLayout(map, box), { plot, rows, columns, width, height, bar, cell } = layout;
  if (plot.width < 1 || plot.height < 1) return;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const i = row * columns + column, modes = map.modes[i], rect = inset(cell(row, column), 0.5);
      const middle = [rect.x + rect.width / 2, rect.y + rect.height / 2];
      const known = Number.isFinite(modes) && !map.diverged?.[i];
      const colour = known ? stop(theme.ramp, modes / Math.max(1, map.all)) : null;
      context.fillStyle = known ? css(colour) : theme.faint;
      context.fillRect(rect.x, rect.y, rect.width, rect.height);
      if (map.diverged?.[i]) cross(context, ...middle, Math.min(5, rect.width / 4, rect.height / 4), theme.grey);
      else if (known && width >= 16 && height >= 14) {
        const ink = luminance(colour) > 0.18 ? "#000000" : "#ffffff"; // as far from the one as from the other
        text(context, number(modes), ...middle, ink, "center", "middle", SMALL);
      }
    }
  }
  const gapX = Math.ceil(34 / width), gapY = Math.ceil(14 / height);
  for (let column = 0; column < columns; column += gapX) {
    const x = plot.x + (column + 0.5) * width;
    text(context, short(map.x.values[column]), x, plot.y + plot.height + 7, theme.grey, "center", "top", SMALL);
  }
  for (let row = 0; row < rows; row += gapY) {
    const y = plot.y + (rows - row - 0.5) * height;
    text(context, short(map.y.values[row]), plot.x - 6, y, theme.grey, "right", "middle", SMALL);
  }
  if (bar) {
    const each = bar.height / (map.all + 1), top = (k) => bar.y + each * (map.all - k);
    for (let k = 0; k <= map.all; k++) {
      context.fillStyle = css(stop(theme.ramp, k / Math.max(1, map.all)));
      context.fillRect(bar.x, top(k), bar.width, each);
    }
    for (const k of [0, map.all]) {
      text(context, number(k), bar.x + bar.width + 5, top(k) + each / 2, theme.grey, "left", "middle", SMALL);
    }
  }
  for (const [place, thick] of [[map.hover, 1.5], [map.chosen, 2.5]]) {
    if (place) mark(context, inset(cell(place.row, place.column), 0.5), theme.ink, theme, thick);
  }
}

/** The shares of classes among real and generated samples, side by side; `names`: numbers (default: 0, 1, 2 ...). */
export function drawBars(context, { real, fake, names }, theme, box) {
  const { plot, small, isNone } = plotIn(box), n = Math.max(real?.length ?? 0, fake?.length ?? 0);
  if (!n || isNone) return;
  const slot = plot.width / n;
  const high = 1.06 * (Math.max(...(real ?? []), ...(fake ?? [])) || 1), font = small ? SMALL : SANS;
  const y = (share) => plot.y + plot.height * (1 - share / high);
  levels(context, { plot, low: 0, high, y, small }, theme);
  const bar = Math.min(14, 0.4 * slot);
  for (let i = 0; i < n; i++) {
    const middle = plot.x + (i + 0.5) * slot;
    const pair = [[real, middle - bar, theme.real, false], [fake, middle, theme.fake, true]];
    for (const [shares, x, colour, hatched] of pair) {
      const share = shares?.[i] ?? 0;
      if (share > 0) area(context, [[x + 0.5, y(share)], [x + bar - 0.5, y(share)]], y(0), colour, hatched);
    }
    if (i % Math.ceil(18 / slot) === 0) {
      text(context, number(names?.[i] ?? i), middle, y(0) + (small ? 5 : 8), theme.grey, "center", "top", font);
    }
  }
  line(context, [[plot.x, y(0)], [plot.x + plot.width, y(0)]], theme.grey, 1);
}

/** The area below a line: real samples evenly filled, generated ones hatched. */
function area(context, points, bottom, colour, hatched) {
  const [left, right] = [points[0][0], points[points.length - 1][0]], top = Math.min(...points.map(([, y]) => y));
  const outline = () => {
    context.beginPath();
    polyline(context, [[left, bottom], ...points, [right, bottom], [left, bottom]]);
  };
  context.save();
  context.globalAlpha = hatched ? 0.16 : 0.22;
  context.fillStyle = colour;
  outline();
  context.fill();
  if (hatched) {
    context.globalAlpha = 0.75;
    context.clip();
    context.beginPath();
    for (let x = Math.floor((left - (bottom - top)) / 5) * 5; x < right; x += 5) {
      polyline(context, [[x, bottom], [x + bottom - top, top]]);
    }
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.stroke();
  }
  context.restore();
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  outline();
  context.stroke();
}

// -- small things -----------------------------------------------------------------------------------------------------

function number(value) {
  return String(value).replace("-", "−");
}

/** A setting's value on an axis: 0.0001 as 1e−4. */
function short(value) {
  const size = Math.abs(value);
  if (typeof value !== "number" || size === 0 || (size >= 0.01 && size < 10000)) return number(value);
  return Number(value.toPrecision(3)).toExponential().replace("+", "").replaceAll("-", "−");
}

/** A colour between evenly spaced stops, [r, g, b] from 0 to 255. */
function stop(stops, share) {
  const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1), base = Math.min(Math.floor(at), stops.length - 2);
  return stops[base].map((v, c) => Math.round(v + (at - base) * (stops[base + 1][c] - v)));
}

function css([r, g, b]) {
  return `rgb(${r},${g},${b})`;
}

/** Of a colour, as WCAG defines it. */
function luminance(colour) {
  const [r, g, b] = colour.map((v) => (v / 255 <= 0.04045 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function inset(rect, by) {
  return { x: rect.x + by, y: rect.y + by, width: rect.width - 2 * by, height: rect.height - 2 * by };
}

function cross(context, x, y, size, colour) {
  for (const side of [-1, 1]) line(context, [[x - size, y - side * size], [x + size, y + side * size]], colour, 1.5);
}

function disc(context, x, y, radius, colour, ring) {
  context.fillStyle = colour;
  context.beginPath();
  context.arc(x, y, radius, 0, TURN);
  context.fill();
  context.strokeStyle = ring;
  context.lineWidth = 1;
  context.stroke();
}

function text(context, string, x, y, colour, align, baseline, font = SANS) {
  context.font = font;
  context.fillStyle = colour;
  context.textAlign = align;
  context.textBaseline = baseline;
  context.fillText(string, x, y);
  return context.measureText(string).width;
}

/** A symbol of the book above a panel, with a dot before it or an index; returns where it ends. */
function symbol(context, x, top, string, { theme, colour = theme.ink, dot = "", below = "" }) {
  if (dot) {
    context.fillStyle = dot;
    context.beginPath();
    context.arc(x - 9, top + 16, 4, 0, TURN);
    context.fill();
  }
  const end = x + text(context, string, x, top + 21, colour, "left", "alphabetic", `italic 18px ${MATHS}`);
  if (!below) return end;
  return end + 1 + text(context, below, end + 1, top + 25, colour, "left", "alphabetic", `italic 12px ${MATHS}`);
}

function line(context, points, colour, width, dash = []) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.setLineDash(dash);
  context.beginPath();
  polyline(context, points);
  context.stroke();
  context.setLineDash([]);
}

/** A line through points, broken at those that are none. */
function polyline(context, points) {
  let pen = false;
  for (const [x, y] of points) {
    const there = Number.isFinite(x) && Number.isFinite(y);
    if (there) context[pen ? "lineTo" : "moveTo"](x, y);
    pen = there;
  }
}

/** An outline that is seen on any colour. */
function mark(context, rect, colour, theme, width) {
  for (const [ink, more] of [[theme.paper, 2], [colour, 0]]) {
    context.strokeStyle = ink;
    context.lineWidth = width + more;
    context.strokeRect(rect.x, rect.y, rect.width, rect.height);
  }
}

function outline(context, rect, theme) {
  context.strokeStyle = theme.line;
  context.lineWidth = 1;
  context.strokeRect(rect.x - 0.5, rect.y - 0.5, rect.width + 1, rect.height + 1);
}
