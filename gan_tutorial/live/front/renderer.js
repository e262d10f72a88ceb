// A frame of the live lab -> a canvas. Pure functions: nothing is touched but the given 2-D context, nothing is kept.
// The notebook's widget and the exported pages draw with this file; `live/view.py` is its twin without a browser.
//
// A box is {x, y, width, height} in CSS pixels; the context is scaled by the device's pixel ratio beforehand.

// Okabe and Ito's palette. `map` tints D's belief from 0 (orange) over the middle to 1 (blue).
export const LIGHT = {
  ink: "#333333", grey: "#6b6b6b", faint: "#e8e8e8", line: "#bbbbbb", halo: "rgba(255,255,255,0.9)",
  real: "#000000", fake: "#D55E00", discriminator: "#0072B2", generator: "#D55E00", cursor: "#333333",
  map: [[250, 200, 120], [253, 233, 205], [250, 250, 250], [205, 228, 246], [130, 190, 232]],
};
export const DARK = {
  ink: "#e3e5e8", grey: "#a0a6ae", faint: "#2c3138", line: "#4a515b", halo: "rgba(16,18,22,0.85)",
  real: "#ffffff", fake: "#E69F00", discriminator: "#56B4E9", generator: "#E69F00", cursor: "#e3e5e8",
  map: [[92, 54, 14], [58, 43, 28], [34, 37, 42], [27, 53, 76], [20, 82, 126]],
};

const HEAD = 30, BAR = 12, BAR_SPACE = 46, ROWS = 6, GAP = 14;
const SANS = "11px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";
const MATHS = "'STIX Two Text', STIXGeneral, 'Latin Modern Math', Cambria, 'Times New Roman', 'DejaVu Serif', serif";
const TURN = 2 * Math.PI;

// -- unpacking --------------------------------------------------------------------------------------------------------

/** A packed frame (see `live/replay.py`) with typed arrays in place of its base64 strings or buffers.
 *
 * Points become Float32Array x0 y0 x1 y1 ... in the data's units, NaN for none; `heat` Float32Array from 0 to 1, row by
 * row with y running upwards, NaN for none; curves Float32Array step, loss, step, loss ... Image sheets stay. */
export function decode(packed) {
  const frame = { ...packed };
  for (const name of ["real", "fake"]) {
    if (isPacked(packed[name])) {
      frame[name] = Float32Array.from(new Int16Array(bytes(packed[name])),
        (v) => (v === -32768 ? NaN : (v / 8192) * packed.extent));
    }
  }
  if (isPacked(packed.heat)) {
    frame.heat = Float32Array.from(new Uint8Array(bytes(packed.heat)), (v) => (v === 255 ? NaN : v / 254));
  }
  for (const name of ["d_curve", "g_curve"]) {
    if (isPacked(packed[name])) frame[name] = new Float32Array(bytes(packed[name]));
  }
  return frame;
}

function isPacked(value) {
  return typeof value === "string" || value instanceof ArrayBuffer || ArrayBuffer.isView(value);
}

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

/** Where the square of the plane and the colour bar stand in a box. */
export function pointsLayout(box) {
  const side = Math.floor(Math.max(0, Math.min(box.width - BAR_SPACE, box.height - HEAD - 1)));
  const plane = { x: box.x + 1, y: box.y + HEAD, width: side - 1, height: side - 1 };
  return { plane, bar: { x: plane.x + side + 11, y: plane.y, width: BAR, height: plane.height } };
}

/** D's map with the real and the generated points over it, and the map's colour bar. */
export function drawPoints(context, frame, theme, box) {
  const { plane, bar } = pointsLayout(box);
  const after = symbol(context, plane.x + 14, box.y, "x", { theme, dot: theme.real });
  symbol(context, after + 28, box.y, "G(z)", { theme, dot: theme.fake });
  if (frame.heat) {
    tint(context, frame.heat, theme, plane);
    tint(context, Float32Array.from({ length: 50 }, (_, i) => i / 49), theme, bar, 1);
    outline(context, bar, theme);
    symbol(context, bar.x - 4, box.y, "D(x)", { theme });
    const labels = frame.probability ? [[0, "0"], [0.5, "0.5"], [1, "1"]] : [[0, "−"], [1, "+"]];
    for (const [value, label] of labels) {
      const y = bar.y + 6 + (1 - value) * (bar.height - 12); // the outer two stay beside the bar
      text(context, label, bar.x + BAR + 5, y, theme.grey, "left", "middle");
    }
  }
  context.save();
  context.beginPath();
  context.rect(plane.x, plane.y, plane.width, plane.height);
  context.clip();
  const unit = Math.max(0.85, plane.width / 300);
  const layers = [
    [frame.real, theme.real, 1.4, 0.75],
    [frame.fake, theme.halo, 2.4, 1],
    [frame.fake, theme.fake, 1.7, 1],
  ];
  for (const [points, colour, radius, alpha] of layers) {
    context.globalAlpha = alpha;
    context.fillStyle = colour;
    context.beginPath();
    for (const [x, y] of onPlane(points, frame.extent, plane)) {
      context.moveTo(x + radius * unit, y);
      context.arc(x, y, radius * unit, 0, TURN);
    }
    context.fill();
  }
  context.restore();
  outline(context, plane, theme);
}

/** Pixels of those points that lie inside the plane. */
function* onPlane(points, extent, plane) {
  for (let i = 0; i + 1 < points.length; i += 2) {
    const x = points[i] / extent, y = points[i + 1] / extent;
    if (Math.abs(x) < 1 && Math.abs(y) < 1) { // false for NaN
      yield [plane.x + ((1 + x) / 2) * plane.width, plane.y + ((1 - y) / 2) * plane.height];
    }
  }
}

/** Fill a rectangle with beliefs (rows of `columns`, the first row at the bottom), smooth between them. */
function tint(context, heat, theme, rect, columns = Math.round(Math.sqrt(heat.length))) {
  const at = context.getTransform();
  const left = Math.round(at.e + rect.x * at.a), top = Math.round(at.f + rect.y * at.d);
  const width = Math.round(rect.width * at.a), height = Math.round(rect.height * at.d);
  if (width < 1 || height < 1) return;
  const rows = heat.length / columns, across = taps(width, columns), down = taps(height, rows);
  const wide = new Float32Array(rows * width);
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
  context.putImageData(image, left, top);
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

/** 256 colours between five stops, as the 32-bit pixels of ImageData (little-endian: alpha is the highest byte). */
function palette(stops) {
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * 4, base = Math.min(Math.floor(at), 3), t = at - base;
    const [r, g, b] = stops[base].map((v, c) => Math.round(v + t * (stops[base + 1][c] - v)));
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

/** A few real images, and beside them those that G makes of latents that never change. */
export function drawImages(context, frame, theme, box) {
  const layout = imagesLayout(frame, box);
  symbol(context, layout.real.x + 1, box.y, "x", { theme, colour: theme.real });
  symbol(context, layout.fake.x + 1, box.y, "G(z)", { theme, colour: theme.fake });
  for (const name of ["real", "fake"]) {
    sheet(context, frame[name], layout.tile, layout[name].x, box.y + HEAD, layout[name].columns);
  }
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

// -- losses -----------------------------------------------------------------------------------------------------------

/** Where the curves stand in a box, and the steps (up to `frame.last`, else the frame's own) and losses of the axes. */
export function curvesLayout(frame, box) {
  const plot = { x: box.x + 44, y: box.y + HEAD, width: box.width - 58, height: box.height - HEAD - 28 };
  const losses = [];
  let steps = 10;
  for (const curve of [frame.d_curve, frame.g_curve]) {
    for (let i = 0; i + 1 < curve.length; i += 2) {
      steps = Math.max(steps, curve[i]);
      losses.push(curve[i + 1]);
    }
  }
  const [low, high] = range(losses);
  steps = Math.max(steps, frame.last ?? frame.step ?? 0);
  return {
    plot, low, high, steps,
    x: (step) => plot.x + (step / steps) * plot.width,
    y: (loss) => plot.y + ((high - loss) / (high - low)) * plot.height,
  };
}

/** Both losses over the steps. With a `step`, a cursor stands there and what came after it is pale. */
export function drawCurves(context, frame, theme, box, step = null) {
  const { plot, low, high, steps, x, y } = curvesLayout(frame, box);
  const right = plot.x + plot.width, bottom = plot.y + plot.height;
  for (const value of ticks(low, high, Math.max(2, Math.min(6, plot.height / 40)))) {
    line(context, [[plot.x, y(value)], [right, y(value)]], theme.faint, 1);
    text(context, number(value), plot.x - 8, y(value), theme.grey, "right", "middle");
  }
  for (const value of ticks(0, steps, Math.max(2, Math.min(5, plot.width / 60)))) {
    const label = steps >= 10000 ? `${number(value / 1000)}k` : number(value);
    text(context, label, x(value), bottom + 8, theme.grey, "center", "top");
  }
  const now = step === null ? right : x(step);
  let legend = plot.x;
  const curves = [[frame.d_curve, theme.discriminator, "D"], [frame.g_curve, theme.generator, "G"]];
  for (const [curve, colour, name] of curves) {
    for (const [from, to, alpha] of [[plot.x - 2, now, 1], [now, right + 2, 0.28]]) {
      if (to <= from) continue;
      context.save();
      context.globalAlpha = alpha;
      context.beginPath();
      context.rect(from, plot.y - 2, to - from, plot.height + 4);
      context.clip();
      trace(context, curve, x, y, colour);
      context.restore();
    }
    line(context, [[legend, box.y + 16], [legend + 18, box.y + 16]], colour, 2);
    legend = symbol(context, legend + 24, box.y, "L", { theme, below: name }) + 20;
  }
  line(context, [[plot.x, bottom], [right, bottom]], theme.grey, 1);
  if (step !== null) {
    line(context, [[now, plot.y - 3], [now, bottom]], theme.cursor, 1);
    context.fillStyle = theme.cursor;
    context.beginPath();
    context.arc(now, plot.y - 5, 3.5, 0, TURN);
    context.fill();
  }
}

function trace(context, curve, x, y, colour) {
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = 1.6;
  context.lineJoin = "round";
  context.beginPath();
  let pen = false;
  for (let i = 0; i + 1 < curve.length; i += 2) {
    const there = Number.isFinite(curve[i]) && Number.isFinite(curve[i + 1]);
    if (there) context[pen ? "lineTo" : "moveTo"](x(curve[i]), Math.min(Math.max(y(curve[i + 1]), -1e4), 1e4));
    pen = there;
  }
  context.stroke();
  if (curve.length === 2 && pen) {
    context.beginPath();
    context.arc(x(curve[0]), y(curve[1]), 2.5, 0, TURN);
    context.fill();
  }
}

/** What an axis shows: all but the wildest hundredth on both sides. */
export function range(values) {
  const sorted = Float64Array.from(values.filter(Number.isFinite)).sort();
  const at = (share) => {
    const place = share * (sorted.length - 1), base = Math.floor(place);
    return sorted[base] + (place - base) * (sorted[Math.min(base + 1, sorted.length - 1)] - sorted[base]);
  };
  const [low, high] = sorted.length ? [at(0.01), at(0.99)] : [0, 2];
  const margin = Math.max(0.06 * (high - low), 0.05);
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

// -- small things -----------------------------------------------------------------------------------------------------

function number(value) {
  return String(value).replace("-", "−");
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

function line(context, points, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  points.forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](x, y));
  context.stroke();
}

function outline(context, rect, theme) {
  context.strokeStyle = theme.line;
  context.lineWidth = 1;
  context.strokeRect(rect.x - 0.5, rect.y - 0.5, rect.width + 1, rect.height + 1);
}
