// The live lab's page: a face for a training that runs in the kernel. It sends commands and shows the frames that come
// back; nothing is computed here but pixels, and only true states of the run are drawn.
//
// `lab(root, channel)` builds the page in `root`; `channel` is {send(content, buffers), onMessage(callback)}.
//
// A message is JSON beside binary buffers: {buffer: i} anywhere in it stands for the i-th. They hold points (int16,
// 8192 to the extent), maps (uint8) and other numbers (float32), as `decode` reads them. A sheet of images is
// {png, n, columns, width, height}.
//
// From the page:
//   ready                              asks for everything
//   tick {budget}                      train for so many seconds and answer with a frame (or a map)
//   view {layers, walk, sample}        what the page shows; a frame holds no more
//   do {name, args}                    play pause step step_discriminator step_generator reset go{index}
//                                      set{name, value} rebuild{...} draw{points} start{name} pin unpin
//                                      map{x, y} map_open{row, column} map_close
//   ask {id, name, args}               code{package} slow export save load{data}; answered by a reply
// From the kernel:
//   scene {scene}                      what stays the same until data or model are made anew: words, choices, ...
//   frame {frame, state}               one moment; state {state}: only the state has changed
//   pinned {frames, scene}             the pinned run's moments, or null
//   map {map}                          {x, y: {name, values}, step, all, modes, quality, diverged}, row by row, or null
//   reply {id, value} or {id, error}

import { DARK, LIGHT, decode, drawBars, drawChart, drawImages, drawLogits, drawMap } from "./renderer.js";
import { drawObjective, drawPoints, imageAt, mapCell, pictureHeight, pointsLayout } from "./renderer.js";

// -- numbers and values: pure functions -------------------------------------------------------------------------------

const TICK_S = 0.05, CALM_S = 0.5, BUDGET_S = 0.04, LONGEST_S = 0.2;
const WAIT_S = 10, LONGEST_WAIT_S = 60, RESEND_S = 2;
const SLIDER = 1000; // positions of a log slider

/** `value` with each {buffer: i} in it replaced by `buffers[i]`. */
export function revive(value, buffers) {
  if (Array.isArray(value)) return value.map((one) => revive(one, buffers));
  if (value === null || typeof value !== "object" || ArrayBuffer.isView(value)) return value;
  if (Number.isInteger(value.buffer) && Object.keys(value).length === 1) return buffers[value.buffer];
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, revive(one, buffers)]));
}

/** Seconds that the next burst may train, and seconds between two ticks. `overhead`: what a round trip takes beyond. */
export function pace(overhead, calm) {
  if (calm) return { budget: Math.max(BUDGET_S, CALM_S - 0.05 - overhead), interval: CALM_S };
  return { budget: Math.min(Math.max(BUDGET_S, overhead), LONGEST_S), interval: TICK_S };
}

/** Seconds until the n-th retry (n = 0, 1, ...) of a message that nobody answers. */
export function patience(n) {
  return Math.min(WAIT_S * 2 ** n, LONGEST_WAIT_S);
}

/** Sends named values, one at a time for each name: while one is under way, the newest waits and goes next. */
export class Newest {
  constructor(send) {
    this.send = send;
    this.open = new Map(); // name -> {sent, at, waiting: [] | [value]}
  }

  put(name, value, now) {
    const open = this.open.get(name);
    if (open) {
      open.waiting = [value];
      return;
    }
    this.open.set(name, { sent: value, at: now, waiting: [] });
    this.send(name, value);
  }

  /** What holds in the kernel by now: `held(name)`. A value that isn't taken is given up in the end. */
  heard(held, now) {
    for (const [name, open] of [...this.open]) {
      if (!same(held(name), open.sent) && now - open.at < RESEND_S) continue;
      this.open.delete(name);
      if (open.waiting.length && !same(open.waiting[0], open.sent)) this.put(name, open.waiting[0], now);
    }
  }

  has(name) {
    return this.open.has(name);
  }

  forget() {
    this.open.clear();
  }
}

function same(a, b) {
  if (typeof a === "number" && typeof b === "number") return Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a),
    Math.abs(b));
  return a === b || (typeof a === "object" && JSON.stringify(a) === JSON.stringify(b));
}

/** Where a value stands on a slider (0 to SLIDER if it is logarithmic), and back, with three digits. */
export function toSlider(value, { min, max, log }) {
  if (!log) return Math.min(Math.max(value, min), max);
  if (!(value > min)) return 0;
  return Math.min(SLIDER, Math.round((SLIDER * Math.log(value / min)) / Math.log(max / min)));
}

export function fromSlider(position, { min, max, log }) {
  if (!log) return Number(position);
  return Number((min * (max / min) ** (position / SLIDER)).toPrecision(position % SLIDER ? 2 : 3));
}

/** A measured number in about four characters that keep their place while it changes. */
export function figure(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e5 || (size > 0 && size < 1e-3)) return minus(value.toExponential(1).replace("e+", "e"));
  return minus(value.toFixed(size < 10 ? 3 : size < 100 ? 2 : size < 1000 ? 1 : 0));
}

/** A setting's value as one would type it. */
export function plain(value) {
  if (typeof value !== "number") return String(value);
  if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential().replace("e-0", "e-");
  return String(Number(value.toPrecision(6)));
}

export function percent(value) {
  return value === null || value === undefined || !Number.isFinite(value) ? "–" : `${Math.round(100 * value)} %`;
}

function minus(string) {
  return string.replaceAll("-", "−");
}

export function fillIn(template, values) {
  return template.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** The numbers in what someone typed as a list; null if one of them is none. Words stay words. */
export function listed(string, isNumber = true) {
  const parts = string.split(/[\s,;，；、]+/).filter(Boolean);
  if (!isNumber) return parts.length ? parts : null;
  const numbers = parts.map(Number);
  return numbers.length && numbers.every(Number.isFinite) ? numbers : null;
}

/** Of a pinned run's moments the newest that is not ahead of `step`, else the first. */
export function pinnedMoment(frames, step) {
  let found = frames[0] ?? null;
  for (const frame of frames) if (frame.step <= step && frame.step >= found.step) found = frame;
  return found;
}

/** x, y pairs of a series with its values scaled. */
export function scaled(series, factor) {
  return factor === 1 ? series : series.map((value, i) => (i % 2 ? value * factor : value));
}

// -- the pad for one's own data: pure functions -----------------------------------------------------------------------

/** Places along the way from `from` to `to`, `spacing` apart; `carry` is how far the pen is beyond the last. */
export function alongStroke(from, to, spacing, carry = 0) {
  const length = Math.hypot(to[0] - from[0], to[1] - from[1]), places = [];
  let at = spacing - carry;
  for (; at <= length; at += spacing) {
    places.push([from[0] + ((to[0] - from[0]) * at) / length, from[1] + ((to[1] - from[1]) * at) / length]);
  }
  return { places, carry: length - (at - spacing) };
}

/** `count` points in a disc around a place, as a brush leaves them. `random` gives numbers in [0, 1). */
export function brush([x, y], radius, count, random) {
  return Array.from({ length: count }, () => {
    const r = radius * Math.sqrt(random()), angle = 2 * Math.PI * random();
    return [x + r * Math.cos(angle), y + r * Math.sin(angle)];
  });
}

/** At most `most` of the points, evenly taken, all inside the square of half side `extent`. */
export function thinned(points, most, extent) {
  const inside = points.filter(([x, y]) => Math.abs(x) <= extent && Math.abs(y) <= extent);
  if (inside.length <= most) return inside;
  return Array.from({ length: most }, (_, i) => inside[Math.floor((i * inside.length) / most)]);
}

/** Repeatable random numbers in [0, 1). */
export function randomly(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

// -- slow motion: pure functions --------------------------------------------------------------------------------------

// Which parts of the diagram are lit: boxes by name, arrows as from-to, gradients as back-to.
const LIT = {
  discriminator: {
    sample: ["x", "z"],
    generate: ["z", "z-g", "g", "g-fake", "fake"],
    judge: ["fake", "x", "fake-d", "x-d", "d"],
    loss: ["d", "d-loss", "loss"],
    gradient: ["loss", "back-d", "d"],
    update: ["d"],
  },
  generator: {
    sample: ["z"],
    generate: ["z", "z-g", "g", "g-fake", "fake"],
    judge: ["fake", "fake-d", "d"],
    loss: ["d", "d-loss", "loss"],
    gradient: ["loss", "back-g", "g"],
    update: ["g"],
  },
};

export function lit(part) {
  return LIT[part.network]?.[part.name] ?? [];
}

/** What the picture shows at a part: the last true frame up to there, with the batch of the update under way.
 * {frame, batch}: batch is null or {batch_latents, batch_fake, batch_real}, as far as they are there by then. */
export function atPart(parts, index, before) {
  let frame = before, batch = null;
  for (const [i, part] of parts.slice(0, index + 1).entries()) {
    if (part.name === "sample" || part.name === "update") batch = null;
    if (part.frame) frame = part.frame;
    const own = Object.entries(part).filter(([name, value]) => name.startsWith("batch_") && value);
    if (own.length) batch = { ...batch, ...Object.fromEntries(own) };
    if (part.name === "sample" && parts[i + 1]?.batch_real) batch = { ...batch, batch_real: parts[i + 1].batch_real };
  }
  return { frame, batch };
}

// -- the host's theme -------------------------------------------------------------------------------------------------

/** Whether the page around `root` is dark, from what notebooks say of themselves, else from what is painted behind. */
export function isDark(root, view = window) {
  const { body, documentElement } = view.document;
  if (body.dataset.jpThemeLight) return body.dataset.jpThemeLight === "false";
  if (documentElement.getAttribute("theme")) return documentElement.getAttribute("theme") === "dark";
  if (body.classList.contains("vscode-dark") || body.classList.contains("vscode-high-contrast")) return true;
  if (body.classList.contains("vscode-light")) return false;
  for (let node = root.parentElement; node; node = node.parentElement) {
    const bright = brightness(view.getComputedStyle(node).backgroundColor);
    if (bright !== null) return bright < 0.5;
  }
  return view.matchMedia("(prefers-color-scheme: dark)").matches;
}

/** From 0 to 1; null for a colour that lets through what is behind. */
export function brightness(colour) {
  const parts = (colour.match(/[\d.]+/g) ?? []).map(Number);
  if (parts.length < 3 || (parts.length > 3 && parts[3] < 0.5)) return null;
  return (0.299 * parts[0] + 0.587 * parts[1] + 0.114 * parts[2]) / 255;
}

// -- making elements --------------------------------------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  play: "M6 3.5v13l10.5-6.5z", pause: "M5 3.5h3.6v13H5zM11.4 3.5H15v13h-3.6z",
  step: "M4 3.5v13l8.5-6.5zM13.2 3.5h2.8v13h-2.8z", back: "M16 3.5v13L7.5 10zM4 3.5h2.8v13H4z",
  close: "M5.3 4l4.7 4.7L14.7 4 16 5.3 11.3 10l4.7 4.7-1.3 1.3L10 11.3 5.3 16 4 14.7 8.7 10 4 5.3z",
  reset: "M10 4a6 6 0 1 1-5.7 4.1l1.7.55A4.2 4.2 0 1 0 10 5.8V8.5L5.8 4.9 10 1.3z",
};

/** An element: properties by name, `class`, `on`: {event: callback}, anything with a dash is an attribute. */
function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "class") node.className = value;
    else if (name === "on") for (const [event, callback] of Object.entries(value)) node.addEventListener(event,
      callback);
    else if (name === "role" || name === "for" || name.includes("-")) node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

function icon(name) {
  const svg = document.createElementNS(SVG, "svg"), path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

function write(node, string) {
  if (node.textContent !== string) node.textContent = string;
}

/** Size a canvas for its place on the page and have it painted. */
function paintOn(canvas, height, paint) {
  const width = canvas.clientWidth;
  if (!width) return;
  const ratio = window.devicePixelRatio || 1, high = Math.round(height);
  if (canvas.style.height !== `${high}px`) canvas.style.height = `${high}px`;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(high * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  paint(context, { x: 0, y: 0, width, height: high });
}

/** Have the browser save a file. */
function download(name, data, type) {
  const link = make("a", { href: URL.createObjectURL(new Blob([data], { type })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// -- what the page has ------------------------------------------------------------------------------------------------

const POINT_LAYERS = ["heat", "manifold", "real", "fake", "arrows"];
const POINT_CHARTS = ["losses", "js", "kl", "coverage", "modes", "norms", "objective", "logits"];
const IMAGE_CHARTS = ["losses", "fid", "norms", "objective", "logits", "classes"];
// Curves of a chart: [name in the frame's series, colour of the theme, key in `words.marks`].
const CURVES = {
  losses: [["d_loss", "discriminator", "d"], ["g_loss", "generator", "g"]],
  js: [["js", "manifold"]],
  kl: [["kl", "manifold"]],
  coverage: [["precision", "discriminator", "precision"], ["recall", "generator", "recall"]],
  modes: [["modes", "manifold", "modes"], ["quality", "arrow", "quality"]],
  norms: [["d_norm", "discriminator", "d"], ["g_norm", "generator", "g"]],
  fid: [["fid", "manifold"]],
};
const SHARES = ["coverage", "modes"]; // charts from 0 to 1
const NOW = ["loss", "optimizer", "lr_d", "lr_g", "n_critic", "g_steps"];
const MORE = ["beta1", "r1", "r2", "gradient_penalty", "zero_gradient_penalty"];
const MODEL = ["data", "noise", "z_dim", "g_depth", "g_width", "d_depth", "d_width", "seed"];
const CHOICES = { g_depth: "depth", d_depth: "depth", g_width: "width", d_width: "width" };
const DRAWN = 500; // points in drawn data at most: the kernel takes no more
const BRUSH = 3; // points that the brush drops at a place

const dashed = (name) => name.replaceAll("_", "-");

/** Bring a lab to life in `root`; returns what takes it down again. */
export function lab(root, channel) {
  let words = {}, scene = null, state = null, frame = null, pinned = null, map = null, ui = null, theme = LIGHT;
  let realSamples = null, latents = null, manifoldLatents = null, slow = null, pad = null, chosen = null, asked = 0;
  let incoming = null, isPreparing = false, drawing = 0, lastDrawn = 0, drawnAt = [], lastSaid = 0, alive = true;
  let tickTimer = 0, tickSent = 0, tickBudget = 0, tickOut = false, overhead = 0, startedAt = 0;
  let silentSince = 0, retries = 0, isWaiting = false, isSeen = true, lineLocal = "", spoken = "";
  const view = { layers: ["heat", "real", "fake"], walk: null, sample: null };
  const look = { morph: 1, panel: "charts", expanded: null, code: null, mapCursor: null, mapPaused: false };
  const replies = new Map(), stops = [];
  const reduced = matchMedia("(prefers-reduced-motion: reduce)");
  let calm = reduced.matches;
  const now = () => performance.now() / 1000;

  // -- talking with the kernel ----------------------------------------------------------------------------------------
  function send(content, buffers = []) {
    if (!silentSince) silentSince = now();
    try {
      channel.send(content, buffers);
    } catch {
      // The kernel is gone; the watch below says so and tries again.
    }
  }

  const act = (name, args = {}) => send({ type: "do", name, args });
  const settings = new Newest((name, value) => act("set", { name, value }));
  const travel = new Newest((_, index) => act("go", { index }));
  const views = new Newest((_, value) => send({ type: "view", ...value }));
  const showView = () => views.put("view", { layers: [...view.layers], walk: view.walk, sample: view.sample }, now());

  function ask(name, args = {}, buffers = []) {
    asked += 1;
    const id = `${startedAt}-${asked}`;
    return new Promise((resolve, reject) => {
      replies.set(id, { resolve, reject });
      send({ type: "ask", id, name, args }, buffers);
    });
  }

  /** As `ask`, with a failure told on the page. */
  async function asking(name, args, buffers) {
    tellLine("");
    try {
      return await ask(name, args, buffers);
    } catch (error) {
      tellLine(error.message);
      return null;
    }
  }

  function hear(raw, buffers = []) {
    if (!alive || !raw) return;
    const message = revive(raw, buffers);
    silentSince = 0;
    retries = 0;
    if (isWaiting) {
      isWaiting = false;
      tellLine("");
    }
    if (message.type === "scene") hearScene(message.scene);
    else if (message.type === "reply") {
      const reply = replies.get(message.id);
      replies.delete(message.id);
      if (message.error !== undefined && message.error !== null) reply?.reject(new Error(message.error));
      else reply?.resolve(message.value);
    } else if (!scene) return;
    else if (message.type === "frame") {
      if (message.state) hearState(message.state);
      views.heard(() => views.open.get("view")?.sent, now());
      incoming = message.frame;
      answered();
      drawSoon();
    } else if (message.type === "state") {
      hearState(message.state);
      if (!isRunning()) tickOut = false;
    } else if (message.type === "map") {
      map = message.map;
      answered();
      drawSoon();
    } else if (message.type === "pinned") hearPinned(message);
  }

  function hearScene(next) {
    const isFirst = !scene;
    const isOther = isFirst || next.kind !== scene.kind || next.language !== scene.language;
    scene = next;
    words = next.words;
    frame = incoming = manifoldLatents = chosen = null;
    view.sample = null;
    settings.forget();
    travel.forget();
    const unpacked = decode({ extent: scene.data.extent, real: scene.real, latents: scene.latents });
    realSamples = unpacked.real;
    latents = unpacked.latents;
    if (isOther) {
      if (scene.kind === "points") view.walk = null;
      build();
    }
    closeSlow();
    closePad();
    offer();
    showView();
  }

  function hearState(next) {
    const before = state;
    state = next;
    const held = (name) => state.settings[name];
    settings.heard(held, now());
    travel.heard(() => state.history.position, now());
    if (!state.map && map) map = null;
    if (!state.map && before?.map && look.panel === "map") showPanel("charts");
    if (state.map && !before?.map) showPanel("map");
    if (!state.pinned) pinned = null;
    showState(before);
    tickSoon();
  }

  async function hearPinned(message) {
    if (!message.frames || !message.frames.length) {
      pinned = null;
    } else {
      const its = message.scene ?? {}, extent = message.frames[0].extent ?? scene.data.extent;
      const own = decode({ extent, real: its.real ?? null, latents: its.latents ?? null });
      const real = await ready(own.real) ?? realSamples;
      const frames = message.frames.map((one) => ({ ...decode(one), real }));
      for (const one of frames) one.fake = await ready(one.fake);
      const grid = frames.find((one) => one.manifold_latents);
      pinned = { frames, latents: own.latents ?? latents, manifoldLatents: grid?.manifold_latents ?? null };
    }
    layPinned();
    drawSoon();
  }

  // -- ticks ----------------------------------------------------------------------------------------------------------
  const isMapOpen = () => Boolean(state?.map) && !look.mapPaused;
  const isRunning = () => state?.state === "playing" || isMapOpen();
  const isWatched = () => alive && !document.hidden && isSeen && root.isConnected;

  function tickSoon() {
    if (tickTimer || tickOut || !isRunning() || !isWatched() || slow || pad) return;
    const { interval } = pace(overhead, calm);
    tickTimer = setTimeout(tick, Math.max(0, 1000 * (tickSent + interval - now())));
  }

  function tick() {
    tickTimer = 0;
    if (tickOut || !isRunning() || !isWatched() || slow || pad) return;
    tickBudget = pace(overhead, calm).budget;
    tickSent = now();
    tickOut = true;
    send({ type: "tick", budget: Number(tickBudget.toFixed(3)) });
  }

  /** A frame has come. One that is here before its burst can be over answers something else. */
  function answered() {
    if (!tickOut) return;
    const took = now() - tickSent;
    if (took < 0.5 * tickBudget) {
      setTimeout(() => {
        if (tickOut && now() - tickSent > 1) tickOut = false;
        tickSoon();
      }, 1100);
      return;
    }
    tickOut = false;
    overhead = 0.8 * overhead + 0.2 * Math.max(0, took - tickBudget);
  }

  /** Once a second: is anybody there? */
  function watch() {
    if (!alive) return;
    const time = now();
    if (state) {
      settings.heard((name) => state.settings[name], time);
      travel.heard(() => state.history.position, time);
      showSettings();
    }
    views.heard(() => undefined, time);
    drawnAt = drawnAt.filter((at) => time - at < 1);
    if (ui) ui.numbers.dataset.fps = String(drawnAt.length);
    if (!silentSince || time - silentSince < patience(retries) || !isWatched()) return;
    retries += 1;
    silentSince = time;
    tickOut = false;
    if (!isWaiting && scene) {
      isWaiting = true;
      showLine();
    }
    if (!scene) send({ type: "ready" });
    else if (isRunning() && !slow && !pad) tick();
    else send({ type: "view", ...view });
  }

  // -- drawing --------------------------------------------------------------------------------------------------------
  function drawSoon() {
    if (!drawing && alive) drawing = requestAnimationFrame(draw);
  }

  async function draw() {
    drawing = 0;
    if (!scene || !ui || isPreparing) return;
    const wait = calm && isRunning() && incoming ? CALM_S - (now() - lastDrawn) : 0;
    if (wait > 0.02) {
      setTimeout(drawSoon, 1000 * wait);
      return;
    }
    if (incoming) {
      const packed = incoming;
      incoming = null;
      isPreparing = true;
      try {
        realSamples = await ready(realSamples);
        const next = await unpack(packed);
        if (next) {
          frame = next;
          lastDrawn = now();
          drawnAt.push(lastDrawn);
        }
      } finally {
        isPreparing = false;
      }
    }
    if (!alive) return;
    paintAll();
    tickSoon();
    if (incoming) drawSoon();
  }

  async function unpack(packed) {
    const of = scene, next = decode({ extent: of.data.extent, ...packed });
    if (next.manifold_latents) manifoldLatents = next.manifold_latents;
    next.real = realSamples;
    next.fake = await ready(next.fake);
    if (next.walk) next.walk = await ready(next.walk);
    if (next.neighbours) next.neighbours = { ...next.neighbours, sheet: await ready(next.neighbours.sheet) };
    return of === scene ? next : null;
  }

  /** A sheet of images that can be drawn; anything else as it is. */
  async function ready(samples) {
    if (!samples || samples.n === undefined || samples.source) return samples;
    const packed = samples.png ?? samples.webp;
    if (packed) return { ...samples, source: await createImageBitmap(new Blob([packed])) };
    const source = new Image();
    source.src = samples.url;
    await source.decode();
    return { ...samples, source };
  }

  function paintAll() {
    paintPictures();
    if (look.panel === "charts") paintCharts();
    if (look.panel === "map") paintMap();
    showNumbers();
  }

  function drawingOptions(of = null) {
    return {
      bare: true, layers: view.layers, morph: look.morph, dims: scene.latent.dims, noise: scene.latent.noise,
      latents: of ? of.latents : latents, manifoldLatents: of ? of.manifoldLatents : manifoldLatents,
      arrowScale: scene.arrow_scale,
    };
  }

  function paintPictures() {
    if (pad) {
      paintPad();
      return;
    }
    if (slow) {
      paintPart();
      return;
    }
    if (!frame) return;
    paintPicture(ui.picture, frame, drawingOptions());
    const moment = pinned && pinnedMoment(pinned.frames, frame.step);
    if (moment) {
      paintPicture(ui.pinnedPicture, moment, drawingOptions(pinned));
      write(ui.pinnedStep, fillIn(words.at_step, { step: steps(moment.step) }));
      write(ui.liveStep, fillIn(words.at_step, { step: steps(frame.step) }));
    }
    if (scene.kind === "images") paintBeside();
  }

  function paintPicture(canvas, what, options) {
    if (scene.kind === "points") {
      paintOn(canvas, canvas.clientWidth, (context, box) => drawPoints(context, what, theme, box, options));
    } else {
      const high = pictureHeight(what, canvas.clientWidth);
      paintOn(canvas, high, (context, box) => drawImages(context, what, theme, box,
        { chosen: canvas === ui.picture ? chosen : null }));
    }
  }

  function paintBeside() {
    const { neighbours, walk } = frame;
    ui.neighbours.hidden = !neighbours;
    if (neighbours) {
      paintStrip(ui.neighboursCanvas, neighbours.sheet, frame.fake, neighbours.sample);
      const far = neighbours.distances.map((d) => figure(d)).join(" · ");
      write(ui.neighboursText, fillIn(words.neighbours_text, { sample: neighbours.sample + 1, distances: far }));
      ui.neighboursCanvas.setAttribute("aria-label", ui.neighboursText.textContent);
    }
    if (walk) paintStrip(ui.walkCanvas, walk);
  }

  /** Images in a row, and before them, apart, one of others. */
  function paintStrip(canvas, images, others = null, index = 0) {
    const high = 52, wide = Math.round((high * images.width) / images.height), left = others ? wide + 20 : 0;
    canvas.style.width = `${left + images.n * (wide + 4)}px`;
    paintOn(canvas, high, (context) => {
      const one = (of, i, x) => context.drawImage(of.source, (i % of.columns) * of.width,
        Math.floor(i / of.columns) * of.height, of.width, of.height, x, 0, wide, high);
      context.imageSmoothingEnabled = false;
      if (others) {
        one(others, index, 0);
        context.fillStyle = theme.line;
        context.fillRect(wide + 9, 4, 1, high - 8);
      }
      for (let i = 0; i < images.n; i++) one(images, i, left + i * (wide + 4));
    });
  }

  function paintCharts() {
    const isPast = state && state.history.position < state.history.steps.length - 1;
    const last = Math.max(frame?.step ?? 0, ...(isPast ? state.history.steps.slice(-1) : []));
    const moment = frame && pinned && pinnedMoment(pinned.frames, Infinity);
    for (const chart of ui.charts) {
      if (!frame) continue;
      const { name, canvas } = chart, high = chart.isOpen ? 200 : 97;
      if (CURVES[name]) {
        const curves = CURVES[name].map(([series, colour], i) => curve(frame, series, colour, i));
        const past = moment
          ? CURVES[name].map(([series, colour], i) => ({ ...curve(moment, series, colour, i), colour: pale(colour),
            dash: true })) : [];
        const floors = CURVES[name].filter(([series]) => frame.floors?.[series] !== undefined
          && frame.floors[series] !== null)
          .map(([series]) => ({ value: frame.floors[series] }));
        const ends = SHARES.includes(name) ? { low: 0, high: 1.04 } : {};
        const all = { curves: [...past, ...curves], floors, step: isPast ? frame.step : null, last, ...ends };
        paintOn(canvas, high, (context, box) => drawChart(context, all, theme, box));
        tellChart(chart);
      } else if (name === "objective") {
        if (frame.objective) paintOn(canvas, high, (context, box) => drawObjective(context, frame.objective,
          frame.fake_logits, theme, box));
      } else if (name === "logits") {
        paintOn(canvas, high, (context, box) => drawLogits(context,
          { real: frame.real_logits, fake: frame.fake_logits }, theme, box));
      } else if (name === "classes") {
        chart.node.hidden = !frame.classes;
        if (frame.classes) paintOn(canvas, high, (context, box) => drawBars(context, frame.classes, theme, box));
      }
    }
  }

  function curve(of, series, colour, i) {
    const points = of.series?.[series] ?? new Float32Array();
    const factor = series === "modes" && of.modes ? 1 / of.modes[1] : 1;
    return { points: scaled(points, factor), colour, width: i ? 1.2 : 2 }; // told apart without colour, too
  }

  function pale(colour) {
    return `${theme[colour]}90`;
  }

  /** The numbers beside a chart's title. */
  function tellChart({ name, values, canvas }) {
    const one = (series) => {
      if (series === "d_loss" || series === "g_loss") return figure(frame[series]);
      if (series === "modes") return frame.modes ? fillIn(words.modes_value,
        { covered: frame.modes[0], all: frame.modes[1] }) : "–";
      const value = frame.metrics?.[series];
      return ["precision", "recall", "quality"].includes(series) ? percent(value) : figure(value);
    };
    CURVES[name].forEach(([series], i) => write(values[i], one(series)));
    const told = CURVES[name].map(([series], i) => `${values[i].dataset.mark ?? ""} ${one(series)}`.trim()).join(", ");
    const floor = frame.floors?.[CURVES[name][0][0]];
    const least = floor === undefined || floor === null ? "" : `${words.floor} ${figure(floor)}`;
    const label = `${words.charts[name].name}: ${[told, least].filter(Boolean).join(", ")}`;
    if (canvas.getAttribute("aria-label") !== label) canvas.setAttribute("aria-label", label);
    const floorNode = values[values.length - 1];
    if (floorNode.classList.contains("lab-floor")) write(floorNode, least);
  }

  const steps = (value) => new Intl.NumberFormat(words.lang).format(value);

  // -- the page -------------------------------------------------------------------------------------------------------
  function build() {
    ui = { settings: {}, layers: {}, charts: [], boxes: {} };
    root.replaceChildren();
    root.lang = words.lang;
    root.dataset.kind = scene.kind;
    root.append(buildBar(), buildStatus(), buildMain(), buildSettings(), buildCode(), buildHelp(), buildSay());
    ui.all = [...root.querySelectorAll("[data-needs]")];
    sizes.disconnect();
    for (const node of [ui.main, ui.pictures]) sizes.observe(node);
    showPanel(look.panel === "slow" ? "charts" : look.panel);
    layPinned();
  }

  function button(name, command, { shape = null, css = "", label = true, key = "" } = {}) {
    const word = words[name], tip = words[`${name}_tip`] ?? word;
    const shown = label ? make("span", {}, word) : null;
    const node = make("button", {
      type: "button", class: `lab-button lab-${dashed(name)} ${css}`.trim(), title: key ? `${tip} (${key})` : tip,
      "aria-label": label ? null : word, "aria-keyshortcuts": key ? key.toLowerCase() : null, on: { click: command },
    }, shape ? icon(shape) : null, shown);
    return node;
  }

  function buildBar() {
    ui.play = button("play", playOrPause, { shape: "play", css: "lab-main-button", key: words.key_space });
    ui.step = button("step_once", () => act("step"), { shape: "step", css: "lab-step", key: "S" });
    ui.stepD = button("step_d", () => act("step_discriminator"), { key: "D" });
    ui.stepG = button("step_g", () => act("step_generator"), { key: "G" });
    ui.slow = button("slow", openSlow, { key: "W" });
    ui.reset = button("reset", () => act("reset"), { shape: "reset", key: "R" });
    ui.pin = button("pin", pinOrUnpin, { css: "lab-quiet", key: "P" });
    ui.map = button("map", openMap, { css: "lab-quiet", key: "M" });
    ui.codeButton = button("code", toggleCode, { css: "lab-quiet", key: "C" });
    ui.export = button("export", exportRun, { css: "lab-quiet" });
    ui.save = button("save", saveRun, { css: "lab-quiet" });
    ui.load = button("load", () => ui.file.click(), { css: "lab-quiet" });
    ui.help = button("help", toggleHelp, { css: "lab-quiet", key: "?" });
    ui.codeButton.setAttribute("aria-expanded", "false");
    ui.help.setAttribute("aria-expanded", "false");
    ui.file = make("input", { type: "file", class: "lab-file", hidden: true, tabIndex: -1, "aria-hidden": "true",
      on: { change: loadRun } });
    return make("div", { class: "lab-bar", role: "toolbar", "aria-label": words.toolbar },
      make("div", { class: "lab-transport" }, ui.play, ui.step, ui.stepD, ui.stepG, ui.slow, ui.reset),
      make("div", { class: "lab-tools" }, ui.pin, ui.map, ui.codeButton, ui.export, ui.save, ui.load, ui.help,
        ui.file));
  }

  function buildStatus() {
    const number = (name, mark = "") => {
      ui[`n_${name}`] = make("dd", {}, "–");
      const swatch = mark ? make("i", { class: `lab-swatch lab-swatch-${mark}` }) : null;
      return make("div", { class: `lab-number lab-number-${dashed(name)}` }, make("dt", {}, swatch, words[name]),
        ui[`n_${name}`]);
    };
    const shown = [number("step"), number("speed"), number("d_loss", "d"), number("g_loss", "g")];
    if (scene.kind === "points") shown.push(number("modes"));
    ui.numbers = make("dl", { class: "lab-numbers", role: "group", "aria-label": words.status }, ...shown);
    ui.history = make("input", {
      type: "range", class: "lab-history", min: "0", max: "0", value: "0", step: "1", title: words.history_tip,
      "aria-label": words.history, on: { input: () => goTo(Number(ui.history.value)) },
    });
    ui.moment = make("output", { class: "lab-moment" });
    ui.branch = make("p", { class: "lab-branch lab-hint", hidden: true });
    ui.line = make("div", { class: "lab-message", role: "alert", hidden: true });
    ui.findings = make("div", { class: "lab-findings", role: "group", "aria-label": words.findings_title });
    const recipe = make("p", { class: "lab-recipe" });
    ui.recipe = recipe;
    return make("div", { class: "lab-status" },
      make("div", { class: "lab-row" }, ui.numbers, recipe),
      make("div", { class: "lab-time" }, make("span", { "aria-hidden": "true" }, words.history), ui.history, ui.moment),
      ui.branch, ui.line, ui.findings);
  }

  function buildMain() {
    ui.picture = make("canvas", { class: "lab-picture", role: "img", on: {
      pointerdown: padDown, pointermove: padMove, pointerup: padUp, pointercancel: padUp, click: pickSample,
        keydown: pictureKey,
    } });
    ui.pinnedPicture = make("canvas", { class: "lab-pinned-picture", role: "img" });
    ui.pinnedStep = make("span");
    ui.liveStep = make("span");
    ui.pinnedFigure = make("figure", { class: "lab-pinned", hidden: true }, ui.pinnedPicture,
      make("figcaption", {}, make("b", {}, words.pinned), " · ", ui.pinnedStep));
    ui.liveFigure = make("figure", { class: "lab-live" }, ui.picture,
      make("figcaption", {}, make("b", {}, words.live), " · ", ui.liveStep));
    ui.pictures = make("div", { class: "lab-pictures" }, ui.pinnedFigure, ui.liveFigure);
    ui.differences = make("div", { class: "lab-differences", hidden: true });
    ui.left = make("section", { class: "lab-left", "aria-label": words.picture_title }, ui.pictures, ui.differences);
    if (scene.kind === "points") ui.left.append(buildLayers(), buildMorph(), buildPad());
    else ui.left.append(buildImages());
    ui.chartsPanel = make("div", { class: "lab-charts" });
    for (const name of scene.kind === "points" ? POINT_CHARTS : IMAGE_CHARTS) {
      if (name === "modes" && !scene.data.modes) continue;
      if (name === "classes" && !scene.data.classes.length) continue;
      ui.chartsPanel.append(buildChart(name));
    }
    if (ui.neighbours) ui.chartsPanel.append(ui.neighbours);
    ui.right = make("section", { class: "lab-right", "aria-label": words.charts_title }, ui.chartsPanel, buildSlow(),
      buildMap());
    ui.main = make("div", { class: "lab-main" }, ui.left, ui.right);
    return ui.main;
  }

  function buildLayers() {
    const pills = POINT_LAYERS.map((name) => {
      const box = make("input", { type: "checkbox", class: `lab-layer-${name}`, checked: view.layers.includes(name),
        on: {
        change: () => {
          view.layers = POINT_LAYERS.filter((one) => (one === name ? box.checked : view.layers.includes(one)));
          showView();
          drawSoon();
        },
      } });
      ui.layers[name] = box;
      const { name: label, tip } = words.layers[name];
      return make("label", { class: "lab-pill", title: tip }, box, make("i", { class: `lab-mark lab-mark-${name}` }),
        make("span", {}, label));
    });
    ui.layersRow = make("div", { class: "lab-layers", role: "group", "aria-label": words.layers_title }, ...pills);
    return ui.layersRow;
  }

  function buildMorph() {
    ui.morph = make("input", { type: "range", class: "lab-morph", min: "0", max: "1", step: "0.01",
      value: String(look.morph),
      title: words.morph_tip, "aria-label": words.morph, on: { input: () => setMorph(Number(ui.morph.value)) } });
    ui.morphPlay = button("morph_play", playMorph, { shape: "play", label: false, css: "lab-icon" });
    ui.draw = button("draw", openPad);
    ui.morphRow = make("div", { class: "lab-morph-row" }, ui.morphPlay,
      make("span", { "aria-hidden": "true" }, words.morph_from), ui.morph,
      make("span", { "aria-hidden": "true" }, words.morph_to), ui.draw);
    return ui.morphRow;
  }

  function setMorph(value) {
    look.morph = value;
    ui.morph.value = String(value);
    ui.morph.setAttribute("aria-valuetext", percent(value));
    drawSoon();
  }

  /** From the noise to the output in two seconds; at once for those who like it calm. */
  function playMorph() {
    if (calm) {
      setMorph(look.morph < 1 ? 1 : 0);
      return;
    }
    const began = now(), run = () => {
      if (!alive) return;
      const t = Math.min((now() - began) / 2, 1);
      setMorph(t * t * (3 - 2 * t));
      if (t < 1) requestAnimationFrame(run);
    };
    run();
  }

  function buildImages() {
    ui.neighboursCanvas = make("canvas", { class: "lab-strip", role: "img" });
    ui.neighboursText = make("p", { class: "lab-hint" });
    ui.neighbours = make("div", { class: "lab-neighbours", hidden: true }, make("h4", {}, words.neighbours),
      ui.neighboursCanvas, ui.neighboursText);
    ui.walkCanvas = make("canvas", { class: "lab-strip", role: "img", "aria-label": words.walk });
    ui.walk = make("input", { type: "range", class: "lab-walk", min: "0", max: "1", step: "0.01", value: "0",
      title: words.walk_tip,
      "aria-label": words.walk, on: { input: () => {
        view.walk = Number(ui.walk.value);
        showView();
      } } });
    view.walk ??= 0;
    ui.picture.tabIndex = 0;
    return make("div", { class: "lab-images" }, make("p", { class: "lab-hint" }, words.neighbours_hint),
      make("div", { class: "lab-walk-row" }, make("span", { title: words.walk_tip }, words.walk), ui.walk,
        ui.walkCanvas));
  }

  function buildChart(name) {
    const { name: title, meaning } = words.charts[name], values = [];
    const canvas = make("canvas", { role: "img", "aria-label": `${title}: ${meaning}` });
    const keys = make("span", { class: "lab-keys" });
    for (const [, colour, mark] of CURVES[name] ?? []) {
      const value = make("b", mark ? { "data-mark": words.marks[mark] } : {}, "–");
      values.push(value);
      const isNamed = mark === "d" || mark === "g"; // the others stand in the title, in the same order
      const swatch = mark ? make("i",
        { class: `lab-swatch lab-swatch-${colour}${values.length > 1 ? " lab-thin" : ""}` }) : null;
      keys.append(make("span", {}, swatch, isNamed ? `${words.marks[mark]} ` : "", value));
    }
    if (["js", "kl", "fid"].includes(name)) {
      const value = make("span", { class: "lab-floor" });
      values.push(value);
      keys.append(value);
    }
    if (name === "logits" || name === "classes") {
      for (const which of ["real", "fake"]) {
        keys.append(make("span", {}, make("i", { class: `lab-swatch lab-swatch-${which}` }), words.marks[which]));
      }
    }
    const text = make("p", { class: "lab-meaning" }, meaning);
    const node = make("section", { class: "lab-chart", "data-chart": name });
    const toggle = make("button", { type: "button", class: "lab-chart-title", title: meaning, "aria-expanded": "false",
      on: { click: () => {
      chart.isOpen = !chart.isOpen;
      node.classList.toggle("lab-open", chart.isOpen);
      toggle.setAttribute("aria-expanded", String(chart.isOpen));
      drawSoon();
    } } }, title);
    const chart = { name, node, canvas, values, isOpen: false };
    ui.charts.push(chart);
    node.append(make("div", { class: "lab-chart-head" }, toggle, keys), canvas, text);
    return node;
  }

  // -- settings -------------------------------------------------------------------------------------------------------
  function buildSettings() {
    const present = (name) => scene.limits[name] || scene.choices[name] || scene.choices[CHOICES[name]]?.length
      || name === "seed";
    const rows = (names, change) => names.filter(present).map((name) => buildSetting(name, change));
    const set = (name, value) => {
      settings.put(name, value, now());
      tellLine("");
    };
    const rebuild = (name, value) => {
      tellLine("");
      act("rebuild", { [name]: value });
    };
    const more = rows(MORE, set), model = rows(MODEL.filter((name) => !isEmpty(name)), rebuild);
    if (scene.choices.starts?.length) model.push(buildStart());
    ui.calm = make("input", { type: "checkbox", class: "lab-calm", checked: calm,
      on: { change: () => { calm = ui.calm.checked; } } });
    return make("section", { class: "lab-settings", "aria-label": words.settings_title },
      make("h3", {}, words.settings_title, make("small", {}, words.settings_hint)),
      make("div", { class: "lab-grid" }, ...rows(NOW, set)),
      more.length ? make("details", { class: "lab-more" }, make("summary", {}, words.more),
        make("div", { class: "lab-grid" }, ...more)) : null,
      model.length ? make("details", { class: "lab-model" },
        make("summary", {}, words.model, make("small", {}, words.model_hint)),
        make("div", { class: "lab-grid" }, ...model)) : null,
      make("label", { class: "lab-calm-row", title: words.calm_tip }, ui.calm, words.calm));
  }

  function isEmpty(name) {
    const choices = scene.choices[CHOICES[name] ?? name];
    return name !== "seed" && !(choices && choices.length);
  }

  function buildSetting(name, change) {
    const label = make("span", { class: "lab-label", title: words.tips[name] }, words.names[name]);
    const css = `lab-${dashed(name)}`, limits = scene.limits[name], choices = scene.choices[CHOICES[name] ?? name];
    let nodes, put, isTyping = false;
    if (choices) {
      const select = make("select", { class: css, title: words.tips[name], "aria-label": words.names[name], on: {
        change: () => change(name, choices[select.selectedIndex]),
      } });
      nodes = [select];
      put = (value) => {
        const present = scene.choices[CHOICES[name] ?? name];
        if (select.dataset.choices !== JSON.stringify(present)) {
          select.dataset.choices = JSON.stringify(present);
          select.replaceChildren(...present.map((one) => make("option", { value: String(one) }, optionName(one))));
        }
        const index = present.findIndex((one) => same(one, value));
        if (index >= 0) select.selectedIndex = index;
        else {
          select.prepend(make("option", { value: String(value), disabled: true }, optionName(value)));
          select.dataset.choices = "";
          select.selectedIndex = 0;
        }
        select.title = `${words.tips[name]} ${optionTip(value)}`.trim();
      };
    } else {
      const own = limits ?? { min: 0, max: 2 ** 31 - 1, step: 1 };
      const number = make("input", { type: "number", class: limits ? `${css}-number lab-typed` : `${css} lab-typed`,
        min: String(own.log ? 0 : own.min),
        step: own.step && own.step >= 1 ? String(own.step) : "any", title: words.tips[name],
          "aria-label": words.names[name], on: {
          input: () => { isTyping = true; },
          blur: () => { isTyping = false; },
          change: () => {
            isTyping = false;
            const value = Number(number.value);
            if (number.value === "" || !Number.isFinite(value)) put(current(name));
            else {
              change(name, value);
              if (limits) range.value = String(toSlider(value, own));
            }
          },
        } });
      const range = limits ? make("input",
        { type: "range", class: css, min: String(own.log ? 0 : own.min), max: String(own.log ? SLIDER : own.max),
        step: String(own.log ? 1 : own.step ?? "any"), title: words.tips[name], "aria-label": words.names[name], on: {
          input: () => {
            const value = fromSlider(Number(range.value), own);
            number.value = plain(value);
            range.setAttribute("aria-valuetext", plain(value));
            change(name, value);
          },
        } }) : null;
      nodes = range ? [range, number] : [number];
      put = (value) => {
        if (!isTyping) number.value = plain(value);
        if (!range) return;
        range.value = String(toSlider(value, own));
        range.setAttribute("aria-valuetext", plain(value));
        range.style.setProperty("--part", `${(100 * (range.value - range.min)) / (range.max - range.min)}%`);
      };
    }
    ui.settings[name] = put;
    return make("div", { class: "lab-setting" }, label, make("div", { class: "lab-control" }, ...nodes));
  }

  function buildStart() {
    const { starts } = scene.choices;
    const select = make("select", { class: "lab-start", title: words.tips.start, "aria-label": words.names.start,
      on: { change: () => {
      if (select.value) act("start", { name: select.value });
    } } }, make("option", { value: "" }, words.start_none),
      ...starts.map((one) => make("option", { value: one }, optionName(one))));
    ui.start = select;
    return make("div", { class: "lab-setting" }, make("span", { class: "lab-label" }, words.names.start),
      make("div", { class: "lab-control" }, select));
  }

  const optionName = (value) => words.options[value]?.name ?? plain(value);
  const optionTip = (value) => words.options[value]?.tip ?? "";
  const current = (name) => (name === "seed" ? scene.seed : name === "data" ? scene.data.name : name === "noise"
    ? scene.latent.noise
    : state?.settings[name] ?? (name === "z_dim" ? scene.model.z_dim ?? scene.latent.dims : scene.model[name]));

  // -- showing the state ----------------------------------------------------------------------------------------------
  /** What a new scene offers. */
  function offer() {
    write(ui.recipe, scene.recipe.summary ? `${scene.recipe.name} · ${scene.recipe.summary}` : scene.recipe.name);
    ui.recipe.title = `${scene.recipe.name}: ${scene.recipe.summary} (${scene.device})`;
    for (const name of MODEL) ui.settings[name]?.(current(name));
    for (const chart of ui.charts) if (chart.name === "modes") chart.node.hidden = !scene.data.modes;
    ui.map.hidden = !Object.keys(scene.choices.axes ?? {}).length;
    if (scene.kind === "points" && scene.data.modes && !ui.charts.some(({ name }) => name === "modes")) {
      const before = ui.chartsPanel.querySelector("[data-chart=norms]");
      ui.chartsPanel.insertBefore(buildChart("modes"), before);
    }
    offerMap();
  }

  function showState(before) {
    const isPlaying = state.state === "playing", isFailed = state.state === "failed";
    const word = words[isPlaying ? "pause" : "play"];
    write(ui.play.lastChild, word);
    ui.play.title = `${words[isPlaying ? "pause_tip" : "play_tip"]} (${words.key_space})`;
    root.classList.toggle("lab-playing", isPlaying);
    if (ui.play.dataset.icon !== state.state) {
      ui.play.dataset.icon = state.state;
      ui.play.replaceChild(icon(isPlaying ? "pause" : "play"), ui.play.firstChild);
    }
    for (const one of [ui.play, ui.step, ui.stepD, ui.stepG, ui.slow]) one.disabled = isFailed;
    showSettings();
    showHistory();
    showLine();
    showFindings();
    write(ui.pin.lastChild, state.pinned ? words.unpin : words.pin);
    ui.pin.title = `${state.pinned ? words.unpin_tip : words.pin_tip} (P)`;
    ui.pin.setAttribute("aria-pressed", String(Boolean(state.pinned)));
    if (JSON.stringify(before?.pinned) !== JSON.stringify(state.pinned)) layPinned();
    ui.numbers.dataset.state = state.state;
    for (const [name, value] of Object.entries(state.settings)) ui.numbers.dataset[name.replace(/_(\w)/g,
      (_, c) => c.toUpperCase())] = String(value);
    if (before && before.state !== state.state) say();
  }

  /** The settings in force, but for those that are under way. */
  function showSettings() {
    for (const [name, put] of Object.entries(ui.settings)) if (!settings.has(name)
      && !MODEL.includes(name)) put(state.settings[name]);
  }

  function showHistory() {
    const { steps: all, position } = state.history;
    ui.history.max = String(Math.max(0, all.length - 1));
    ui.history.disabled = all.length < 2;
    if (!travel.has("go")) ui.history.value = String(position);
    const at = travel.has("go") ? Number(ui.history.value) : position;
    const told = all.length ? fillIn(words.moment, { step: steps(all[at] ?? 0), last: steps(all[all.length - 1]) })
      : "";
    write(ui.moment, told);
    ui.history.setAttribute("aria-valuetext", told);
    ui.history.style.setProperty("--part", `${all.length > 1 ? (100 * at) / (all.length - 1) : 100}%`);
    const isPast = position < all.length - 1;
    ui.branch.hidden = !isPast;
    if (isPast) write(ui.branch, fillIn(words.branch, { step: steps(all[position]) }));
  }

  function goTo(index) {
    travel.put("go", index, now());
    if (state) showHistory();
  }

  /** One line: that nobody answers, what the kernel said, or what went wrong here. */
  function showLine() {
    const line = isWaiting ? words.waiting : lineLocal || state?.message || "";
    ui.line.hidden = !line;
    if (ui.line.dataset.line === line) return;
    ui.line.dataset.line = line;
    ui.line.classList.toggle("lab-calm-line", isWaiting);
    const details = !isWaiting && !lineLocal && state?.details;
    ui.line.replaceChildren(make("span", {}, line),
      ...(details ? [make("details", {}, make("summary", {}, words.details), make("pre", {}, details))] : []),
      ...(lineLocal ? [button("close", () => tellLine(""), { shape: "close", label: false, css: "lab-icon" })] : []));
  }

  function tellLine(line) {
    lineLocal = line;
    if (ui) showLine();
  }

  function showFindings() {
    const all = state.findings ?? [], isBegun = state.history.steps.length > 1 || state.state === "playing"
      || (frame?.step ?? 0) > 0;
    const key = JSON.stringify([isBegun, ...all.map(({ name, since }) => [name, since])]);
    if (ui.findings.dataset.key === key) return;
    const open = new Set([...ui.findings.querySelectorAll("details[open]")].map((node) => node.dataset.finding));
    ui.findings.dataset.key = key;
    ui.findings.replaceChildren(...(all.length ? all.map(({ name, since }) => {
      const { name: title, meaning, advice } = words.findings[name] ?? { name, meaning: "", advice: "" };
      const note = make("details", { class: "lab-finding", "data-finding": name, open: open.has(name) },
        make("summary", {}, make("i", { class: "lab-warn", "aria-hidden": "true" }, "!"), make("b", {}, title),
          make("span", { class: "lab-since" }, fillIn(words.since, { step: steps(since) })),
            make("span", { class: "lab-what" }, meaning)),
        make("p", {}, make("b", {}, words.advice), " ", advice));
      return note;
    }) : [make("p", { class: "lab-fine" }, make("i", { "aria-hidden": "true" }, "✓"), isBegun ? words.no_findings
      : words.not_begun)]));
    if (all.length) say(all.map(({ name }) => words.findings[name]?.name ?? name).join(", "));
  }

  function showNumbers() {
    if (!frame) return;
    const isFresh = Boolean(frame.steps_per_second);
    write(ui.n_step, steps(frame.step));
    write(ui.n_speed, isFresh ? steps(Math.round(frame.steps_per_second)) : "–");
    write(ui.n_d_loss, figure(frame.d_loss));
    write(ui.n_g_loss, figure(frame.g_loss));
    if (ui.n_modes) {
      ui.n_modes.parentNode.hidden = !frame.modes;
      if (frame.modes) write(ui.n_modes, fillIn(words.modes_value, { covered: frame.modes[0], all: frame.modes[1] }));
    }
    const { dataset } = ui.numbers;
    dataset.step = String(frame.step);
    dataset.stepsPerSecond = String(Math.round(frame.steps_per_second ?? 0));
    const time = now();
    drawnAt = drawnAt.filter((at) => time - at < 1);
    dataset.fps = String(drawnAt.length);
    if (!isRunning() || time - lastSaid > 2) {
      lastSaid = time;
      const told = fillIn(words[`picture_${scene.kind}`], { step: steps(frame.step) });
      const label = frame.modes ? `${told} ${words.modes}: ${ui.n_modes.textContent}.` : told;
      if (ui.picture.getAttribute("aria-label") !== label) ui.picture.setAttribute("aria-label", label);
      if (pinned) ui.pinnedPicture.setAttribute("aria-label", fillIn(words.picture_pinned,
        { step: ui.pinnedStep.textContent }));
      for (const chart of ui.charts) {
        if (chart.name === "objective") chart.canvas.setAttribute("aria-label",
          `${words.charts.objective.name}: ${words.charts.objective.meaning}`);
      }
    }
  }

  /** Told to a screen reader, which hears nothing of the steps while the lab plays. */
  function say(more = "") {
    if (!ui || !state) return;
    const said = [words.states[state.state], state.state === "playing" || !frame ? ""
      : fillIn(words.said, { step: steps(frame.step), d_loss: figure(frame.d_loss), g_loss: figure(frame.g_loss) }),
        more]
      .filter(Boolean).join(" ");
    if (said === spoken) return;
    spoken = said;
    write(ui.say, said);
  }

  function buildSay() {
    ui.say = make("div", { class: "lab-say", role: "status", "aria-live": "polite" });
    return ui.say;
  }

  // -- commands -------------------------------------------------------------------------------------------------------
  function playOrPause() {
    const isPlaying = state?.state === "playing";
    closeSlow();
    closePad();
    act(isPlaying ? "pause" : "play");
  }

  function pinOrUnpin() {
    act(state?.pinned ? "unpin" : "pin");
  }

  function layPinned() {
    if (!ui) return;
    const isPinned = Boolean(pinned);
    root.classList.toggle("lab-two", isPinned);
    ui.pinnedFigure.hidden = !isPinned;
    ui.differences.hidden = !state?.pinned;
    if (!state?.pinned) return;
    const rows = state.pinned.differences.map(({ name, pinned: before, live }) => make("tr", {},
      make("th", { scope: "row" }, words.names[name] ?? name), make("td", {}, optionName(before)),
        make("td", {}, optionName(live))));
    ui.differences.replaceChildren(rows.length ? make("table", {},
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, words.differences),
        make("th", { scope: "col" }, words.pinned), make("th", { scope: "col" }, words.live))),
      make("tbody", {}, ...rows)) : make("p", { class: "lab-hint" }, words.no_differences));
  }

  /** What has the focus is about to be hidden: it goes to `next`, so that the keys go on working. */
  function keepFocus(hidden, next) {
    const active = root.getRootNode().activeElement;
    if (hidden.some((node) => node.contains(active))) next.focus({ preventScroll: true });
  }

  function showPanel(name) {
    if (name !== "map") keepFocus([ui.mapPanel], ui.map);
    look.panel = name;
    root.dataset.panel = name;
    ui.chartsPanel.hidden = name !== "charts";
    ui.slowPanel.hidden = name !== "slow";
    ui.mapPanel.hidden = name !== "map";
    ui.map.setAttribute("aria-pressed", String(name === "map"));
    ui.slow.setAttribute("aria-pressed", String(name === "slow"));
    drawSoon();
  }

  // -- images: one sample's neighbours --------------------------------------------------------------------------------
  function pickSample(event) {
    if (scene.kind !== "images" || !frame) return;
    const at = imageAt(frame, boxOf(ui.picture), event.offsetX, event.offsetY);
    choose(at && at.set === "fake" ? at.index : null);
  }

  function choose(index) {
    chosen = index === null || (chosen && chosen.index === index) ? null : { set: "fake", index };
    view.sample = chosen ? chosen.index : null;
    showView();
    drawSoon();
  }

  const boxOf = (canvas) => ({ x: 0, y: 0, width: canvas.clientWidth, height: canvas.clientHeight });

  function pictureKey(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (pad) {
      padKey(event, moves);
      return;
    }
    if (scene.kind !== "images" || !frame) return;
    const columns = Math.ceil(frame.fake.n / 6);
    if (moves) {
      const from = chosen?.index ?? 0, to = chosen ? from + moves[0] - moves[1] * columns : 0;
      if (to >= 0 && to < frame.fake.n && to !== chosen?.index) choose(to);
    } else if (event.key === "Escape" && chosen) choose(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // -- drawing one's own data -----------------------------------------------------------------------------------------
  function buildPad() {
    ui.padHint = make("p", { class: "lab-hint" }, words.draw_hint);
    ui.padCount = make("output", { class: "lab-hint" });
    ui.padUndo = button("draw_undo", () => { pad.strokes.pop(); drawSoon(); });
    ui.padClear = button("draw_clear", () => { pad.strokes = []; drawSoon(); });
    ui.padDone = button("draw_done", sendPad, { css: "lab-main-button" });
    const cancel = button("draw_cancel", closePad);
    ui.padTools = make("div", { class: "lab-pad", hidden: true },
      make("div", { class: "lab-row" }, ui.padDone, ui.padUndo, ui.padClear, cancel, ui.padCount), ui.padHint);
    return ui.padTools;
  }

  function openPad() {
    if (state?.state === "playing") act("pause");
    closeSlow();
    pad = { strokes: [], pen: null, cursor: [0, 0], random: randomly(1), isKeys: false };
    ui.picture.tabIndex = 0;
    ui.picture.classList.add("lab-drawing");
    ui.morphRow.hidden = ui.layersRow.hidden = true;
    ui.padTools.hidden = false;
    ui.picture.setAttribute("aria-label", words.draw_hint);
    ui.picture.focus({ preventScroll: true });
    drawSoon();
  }

  function closePad() {
    if (!pad) return;
    keepFocus([ui.padTools, ui.picture], root);
    pad = null;
    ui.picture.classList.remove("lab-drawing");
    if (scene.kind === "points") ui.picture.removeAttribute("tabindex");
    ui.morphRow.hidden = ui.layersRow.hidden = false;
    ui.padTools.hidden = true;
    lastSaid = 0;
    drawSoon();
    tickSoon();
  }

  function sendPad() {
    const points = thinned(pad.strokes.flat(), DRAWN, scene.data.extent);
    if (!points.length) return;
    act("draw", { points: points.map(([x, y]) => [Number(x.toFixed(4)), Number(y.toFixed(4))]) });
    closePad();
    ui.play.focus({ preventScroll: true });
  }

  function onPad(event) {
    const { plane } = pointsLayout(boxOf(ui.picture), { bare: true }), { extent } = scene.data;
    return [((event.offsetX - plane.x) / plane.width * 2 - 1) * extent,
      (1 - (event.offsetY - plane.y) / plane.height * 2) * extent];
  }

  function drop(place) {
    pad.strokes[pad.strokes.length - 1].push(...brush(place, scene.data.extent / 40, BRUSH, pad.random));
  }

  function padDown(event) {
    if (!pad || event.button > 0) return;
    ui.picture.setPointerCapture(event.pointerId);
    pad.pen = { id: event.pointerId, at: onPad(event), carry: 0 };
    pad.isKeys = false;
    pad.strokes.push([]);
    drop(pad.pen.at);
    drawSoon();
  }

  function padMove(event) {
    if (!pad?.pen || pad.pen.id !== event.pointerId) return;
    for (const one of event.getCoalescedEvents?.().length ? event.getCoalescedEvents() : [event]) {
      const to = onPad(one), { places, carry } = alongStroke(pad.pen.at, to, scene.data.extent / 45, pad.pen.carry);
      places.forEach(drop);
      pad.pen.at = to;
      pad.pen.carry = carry;
    }
    drawSoon();
  }

  function padUp(event) {
    if (pad?.pen?.id === event.pointerId) pad.pen = null;
  }

  function padKey(event, moves) {
    const { extent } = scene.data, by = extent / (event.shiftKey ? 8 : 24);
    if (moves) pad.cursor = pad.cursor.map((v, i) => Math.min(Math.max(v + moves[i] * by, -extent), extent));
    else if (event.key === "Enter" || event.key === " ") {
      pad.strokes.push([]);
      for (let i = 0; i < 4; i++) drop(pad.cursor);
    } else if (event.key === "Escape") closePad();
    else if (event.key === "Backspace") pad.strokes.pop();
    else return;
    event.preventDefault();
    event.stopPropagation();
    if (!pad) return;
    pad.isKeys = true;
    drawSoon();
  }

  function paintPad() {
    const points = Float32Array.from(pad.strokes.flat(2)), { extent } = scene.data;
    const n = points.length / 2;
    write(ui.padCount, fillIn(words.draw_count, { n: steps(n) }));
    if (n === 0) keepFocus([ui.padUndo, ui.padClear], ui.picture);
    ui.padDone.disabled = ui.padUndo.disabled = ui.padClear.disabled = n === 0;
    paintOn(ui.picture, ui.picture.clientWidth, (context, box) => {
      drawPoints(context, { extent, real: points, fake: new Float32Array() }, theme, box,
        { bare: true, layers: ["real"] });
      if (!pad.isKeys) return;
      const { plane } = pointsLayout(box, { bare: true });
      const x = plane.x + (1 + pad.cursor[0] / extent) / 2 * plane.width,
        y = plane.y + (1 - pad.cursor[1] / extent) / 2 * plane.height;
      context.strokeStyle = theme.discriminator;
      context.lineWidth = 2;
      context.beginPath();
      context.arc(x, y, 9, 0, 7);
      context.moveTo(x - 14, y);
      context.lineTo(x + 14, y);
      context.moveTo(x, y - 14);
      context.lineTo(x, y + 14);
      context.stroke();
    });
  }

  // -- slow motion ----------------------------------------------------------------------------------------------------
  function buildSlow() {
    ui.diagram = buildDiagram();
    ui.partTitle = make("h4");
    ui.partText = make("p");
    ui.partNumbers = make("dl", { class: "lab-part-numbers" });
    ui.partCount = make("span", { class: "lab-hint" });
    ui.partBack = button("part_back", () => goPart(slow.index - 1), { shape: "back", label: false, css: "lab-icon" });
    ui.partNext = button("part_next", () => goPart(slow.index + 1), { shape: "step", label: false, css: "lab-icon" });
    ui.partAuto = button("part_auto", () => autoPart(!slow.timer), { shape: "play" });
    ui.partMore = button("part_more", openSlow);
    ui.pace = make("input", { type: "range", class: "lab-pace", min: "0.3", max: "5", step: "0.1", value: "1.5",
      title: words.pace_tip,
      "aria-label": words.pace, on: { input: () => { showPace(); if (slow?.timer) autoPart(true); } } });
    ui.paceText = make("output");
    showPace();
    const close = button("close", closeSlow, { shape: "close", label: false, css: "lab-icon" });
    ui.slowPanel = make("div", { class: "lab-slow-panel", hidden: true, role: "group", "aria-label": words.slow_title },
      make("div", { class: "lab-panel-head" }, make("h3", {}, words.slow_title), ui.partCount, close), ui.diagram,
      make("div", { class: "lab-part", "aria-live": "polite" }, ui.partTitle, ui.partText, ui.partNumbers),
      make("div", { class: "lab-row lab-part-controls" }, ui.partBack, ui.partAuto, ui.partNext, ui.partMore,
        make("label", { class: "lab-pace-row" }, words.pace, ui.pace, ui.paceText)));
    return ui.slowPanel;
  }

  function showPace() {
    const told = fillIn(words.seconds, { n: Number(ui.pace.value).toFixed(1) });
    write(ui.paceText, told);
    ui.pace.setAttribute("aria-valuetext", told);
  }

  function buildDiagram() {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 560 224");
    svg.setAttribute("aria-hidden", "true");
    const arrows = {
      "z-g": "M90 45H118", "g-fake": "M214 45H234", "fake-d": "M330 52C348 60 342 92 352 99",
        "x-d": "M330 175C348 168 342 128 352 121",
      "d-loss": "M464 110H484", "back-d": "M524 137V206H411V142", "back-g": "M524 83V7H168V12",
    };
    for (const [name, d] of Object.entries(arrows)) {
      const path = document.createElementNS(SVG, "path"), head = document.createElementNS(SVG, "path");
      path.setAttribute("d", d);
      path.dataset.box = name;
      path.setAttribute("class", name.startsWith("back") ? "lab-back" : "lab-forth");
      const numbers = d.match(/[\d.]+/g).map(Number), turns = { "back-d": [411, 139, -90], "back-g": [168, 17, 90],
        "fake-d": [357, 102, 40], "x-d": [357, 118, -40], "d-loss": [490, 110, 0] };
      const [x, y, angle] = turns[name] ?? [numbers[2] + 3, 45, 0];
      head.setAttribute("d", "M-8 -4.5L0 0L-8 4.5z");
      head.setAttribute("transform", `translate(${x} ${y}) rotate(${angle})`);
      head.setAttribute("class", "lab-head");
      head.dataset.box = name;
      svg.append(path, head);
    }
    const places = { z: [6, 18, 84, 54], g: [122, 18, 92, 54], fake: [238, 18, 92, 54], x: [238, 148, 92, 54],
      d: [358, 83, 106, 54], loss: [492, 83, 64, 54] };
    const symbols = { z: "z", g: "G", fake: "G(z)", x: "x", d: "D", loss: "L" };
    const diagram = make("div", { class: "lab-diagram", role: "img", "aria-label": words.diagram });
    diagram.append(svg);
    for (const [name, [x, y, width, height]] of Object.entries(places)) {
      const box = make("div", { class: "lab-box", "data-box": name }, make("i", {}, symbols[name]),
        make("span", {}, words.boxes[name]));
      box.style.cssText = `left:${x / 5.6}%;top:${y / 2.24}%;width:${width / 5.6}%;height:${height / 2.24}%`;
      diagram.append(box);
    }
    return diagram;
  }

  async function openSlow() {
    closePad();
    if (state?.state === "playing") act("pause");
    const before = frame, isMore = Boolean(slow);
    ui.slow.disabled = ui.partMore.disabled = true;
    send({ type: "view", ...view, layers: [...new Set([...view.layers, "arrows"])] }); // a part of the story
    const value = await asking("slow", {});
    if (!alive || !ui) return;
    ui.slow.disabled = ui.partMore.disabled = false;
    if (!value?.parts?.length) return;
    const parts = [];
    for (const part of value.parts) {
      const seen = part.frame ? await unpack(part.frame) : null;
      parts.push({ ...decode({ extent: scene.data.extent, ...part }), frame: seen });
    }
    if (slow) autoPart(false);
    slow = { parts, index: 0, before, timer: 0 };
    showPanel("slow");
    goPart(0);
    (isMore ? ui.partMore : ui.partNext).focus({ preventScroll: true }); // a disabled button has lost it
  }

  function closeSlow() {
    if (!slow) return;
    autoPart(false);
    slow = null;
    showView();
    showPanel("charts");
    ui.slow.focus({ preventScroll: true });
    tickSoon();
  }

  function goPart(index) {
    if (!slow) return;
    slow.index = Math.min(Math.max(index, 0), slow.parts.length - 1);
    const part = slow.parts[slow.index], bright = new Set(lit(part)), isLast = slow.index === slow.parts.length - 1;
    for (const node of ui.diagram.querySelectorAll("[data-box]")) node.classList.toggle("lab-lit",
      bright.has(node.dataset.box));
    ui.diagram.dataset.network = part.network;
    const { name, text: told } = words.parts[part.name] ?? { name: part.name, text: {} };
    write(ui.partTitle, fillIn(words.part_title, { network: words[part.network], update: part.update, part: name }));
    write(ui.partText, told[part.network] ?? "");
    ui.partNumbers.replaceChildren(...Object.entries(part.numbers ?? {}).map(([key, value]) =>
      make("div", {}, make("dt", {}, words.numbers[key] ?? key), make("dd", {}, partNumber(key, value)))));
    write(ui.partCount, fillIn(words.part_count, { n: slow.index + 1, all: slow.parts.length }));
    ui.partBack.disabled = slow.index === 0;
    ui.partNext.disabled = isLast;
    if (isLast) autoPart(false);
    drawSoon();
  }

  function partNumber(name, value) {
    if (name.endsWith("_right")) return percent(value);
    return name === "lr" ? plain(value) : Number.isInteger(value) ? steps(value) : figure(value);
  }

  function autoPart(on) {
    clearTimeout(slow.timer);
    slow.timer = 0;
    if (on) {
      if (slow.index === slow.parts.length - 1) goPart(0);
      const next = () => {
        if (!slow) return;
        slow.timer = setTimeout(next, 1000 * Number(ui.pace.value));
        goPart(slow.index + 1);
      };
      slow.timer = setTimeout(next, 1000 * Number(ui.pace.value));
    }
    write(ui.partAuto.lastChild, on ? words.pause : words.part_auto);
    ui.partAuto.replaceChild(icon(on ? "pause" : "play"), ui.partAuto.firstChild);
  }

  function paintPart() {
    const part = slow.parts[slow.index], { frame: base, batch } = atPart(slow.parts, slow.index, slow.before);
    const seen = base ?? frame;
    if (!seen) return;
    if (scene.kind === "images") {
      paintPicture(ui.picture, seen, {});
      return;
    }
    const options = drawingOptions(), isPull = part.network === "generator" && part.name === "gradient";
    if (!batch || isPull) {
      paintPicture(ui.picture, seen, { ...options, morph: 1, layers: isPull ? [...options.layers, "arrows"]
        : options.layers });
      return;
    }
    // The batch: its noise laid out in the plane, then where G takes it.
    const isMade = Boolean(batch.batch_fake);
    const n = Math.floor((batch.batch_latents?.length ?? 0) / scene.latent.dims);
    const fake = batch.batch_fake ?? new Float32Array(2 * n);
    const real = part.network === "discriminator" ? batch.batch_real ?? new Float32Array() : seen.real;
    paintPicture(ui.picture, { ...seen, fake, real, arrows: null }, {
      ...options, morph: isMade ? 1 : 0, latents: batch.batch_latents,
        layers: [...new Set([...options.layers.filter((name) => name !== "manifold"), "real", "fake"])],
    });
  }

  // -- the stability map ----------------------------------------------------------------------------------------------
  function buildMap() {
    const axis = (which) => {
      const select = make("select", { class: `lab-map-${which}`, "aria-label": words[`map_${which}`],
        on: { change: () => offerValues(which) } });
      const values = make("input", { type: "text", class: `lab-map-${which}-values lab-typed`,
        "aria-label": words[`map_${which}_values`], title: words.map_values_tip });
      ui[`map_${which}`] = { select, values };
      return make("div", { class: "lab-map-axis" }, make("span", { class: "lab-label" }, words[`map_${which}`]),
        select, values);
    };
    ui.mapStart = button("map_start", startMap, { css: "lab-main-button" });
    ui.mapPause = button("map_pause", () => {
      look.mapPaused = !look.mapPaused;
      tellMap();
      tickSoon();
    });
    const mapFacts = { class: "lab-map-canvas", role: "img", tabIndex: 0, "aria-label": words.map_picture };
    ui.mapCanvas = make("canvas", { ...mapFacts, on: {
      pointermove: (event) => { mapHover(mapCell(map ?? {}, boxOf(ui.mapCanvas), event.offsetX, event.offsetY)); },
      click: (event) => {
        const cell = map && mapCell(map, boxOf(ui.mapCanvas), event.offsetX, event.offsetY);
        if (cell) act("map_open", cell);
      },
      keydown: mapKey,
    } });
    ui.mapX = make("p", { class: "lab-map-name-x" });
    ui.mapY = make("p", { class: "lab-map-name-y" });
    ui.mapInfo = make("p", { class: "lab-map-info", "aria-live": "polite" });
    ui.mapBody = make("div", { class: "lab-map-body" }, ui.mapY, ui.mapCanvas, ui.mapX);
    const close = button("close", () => {
      if (state?.map) act("map_close");
      map = null;
      showPanel("charts");
    }, { shape: "close", label: false, css: "lab-icon" });
    ui.mapPanel = make("div", { class: "lab-map-panel", hidden: true, role: "group", "aria-label": words.map_title },
      make("div", { class: "lab-panel-head" }, make("h3", {}, words.map_title), close),
      make("p", { class: "lab-hint" }, words.map_hint), axis("x"), axis("y"),
      make("div", { class: "lab-row" }, ui.mapStart, ui.mapPause, ui.mapInfo), ui.mapBody);
    return ui.mapPanel;
  }

  function offerMap() {
    const axes = Object.keys(scene.choices.axes ?? {});
    for (const [i, which] of ["x", "y"].entries()) {
      const { select } = ui[`map_${which}`], before = select.value;
      select.replaceChildren(...axes.map((name) => make("option", { value: name }, words.names[name] ?? name)));
      select.value = axes.includes(before) ? before : axes[Math.min(i, axes.length - 1)] ?? "";
      offerValues(which);
    }
  }

  function offerValues(which) {
    const { select, values } = ui[`map_${which}`];
    if (values.dataset.axis === select.value) return;
    values.dataset.axis = select.value;
    values.value = (scene.choices.axes?.[select.value] ?? []).map(plain).join(", ");
  }

  function openMap() {
    closeSlow();
    closePad();
    showPanel(look.panel === "map" && !state?.map ? "charts" : "map");
  }

  function startMap() {
    const axis = (which) => {
      const { select, values } = ui[`map_${which}`];
      const isNumber = typeof (scene.choices.axes[select.value] ?? [0])[0] === "number";
      return { name: select.value, values: listed(values.value, isNumber) };
    };
    const x = axis("x"), y = axis("y");
    if (!x.values || !y.values || x.name === y.name) {
      tellLine(x.name === y.name ? words.map_same : words.map_wrong);
      return;
    }
    tellLine("");
    if (state?.state === "playing") act("pause");
    look.mapPaused = false;
    look.mapCursor = null;
    act("map", { x, y });
  }

  function mapHover(cell) {
    look.mapCursor = cell;
    drawSoon();
  }

  function mapKey(event) {
    if (!map) return;
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] }[event.key];
    if (moves) {
      const { row, column } = look.mapCursor ?? { row: 0, column: 0 };
      mapHover({ row: Math.min(Math.max(row + moves[0], 0), map.y.values.length - 1),
        column: Math.min(Math.max(column + moves[1], 0), map.x.values.length - 1) });
    } else if ((event.key === "Enter" || event.key === " ") && look.mapCursor) act("map_open", look.mapCursor);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function paintMap() {
    ui.mapBody.hidden = ui.mapPause.hidden = !map;
    tellMap();
    if (!map) return;
    write(ui.mapX, words.names[map.x.name] ?? map.x.name);
    write(ui.mapY, words.names[map.y.name] ?? map.y.name);
    const high = Math.min(330, Math.max(160, 44 * map.y.values.length + 34));
    paintOn(ui.mapCanvas, high, (context, box) => drawMap(context, { ...map, hover: look.mapCursor }, theme, box));
  }

  function tellMap() {
    write(ui.mapPause.lastChild, look.mapPaused ? words.map_go_on : words.map_pause);
    if (!map) {
      write(ui.mapInfo, "");
      return;
    }
    const cell = look.mapCursor, place = cell && cell.row * map.x.values.length + cell.column;
    const told = cell ? fillIn(map.diverged[place] ? words.map_cell_diverged : words.map_cell, {
      x: words.names[map.x.name] ?? map.x.name, x_value: optionName(map.x.values[cell.column]),
        y: words.names[map.y.name] ?? map.y.name, y_value: optionName(map.y.values[cell.row]),
      modes: map.modes[place] ?? "–", all: map.all, quality: percent(map.quality[place]),
        step: steps(map.diverged[place] ?? 0),
    }) : fillIn(words.map_progress, { step: steps(map.step), n: map.x.values.length * map.y.values.length });
    write(ui.mapInfo, told);
    ui.mapCanvas.setAttribute("aria-label", `${words.map_picture} ${told}`);
  }

  // -- code and files -------------------------------------------------------------------------------------------------
  function buildCode() {
    ui.codeText = make("pre", { class: "lab-code-text", tabIndex: 0, "aria-label": words.code });
    const tab = (isPackage) => {
      const node = button(isPackage ? "code_package" : "code_script", () => loadCode(isPackage));
      ui[isPackage ? "codePackage" : "codeScript"] = node;
      return node;
    };
    ui.copy = button("copy", async () => {
      try {
        await navigator.clipboard.writeText(ui.codeText.textContent);
      } catch { // no permission: select it, so that the reader can
        getSelection().selectAllChildren(ui.codeText);
        if (!document.execCommand("copy")) return;
      }
      write(ui.copy.lastChild, words.copied);
      setTimeout(() => ui && write(ui.copy.lastChild, words.copy), 1500);
    });
    const close = button("close", toggleCode, { shape: "close", label: false, css: "lab-icon" });
    ui.codePanel = make("section", { class: "lab-code-panel", hidden: true, "aria-label": words.code },
      make("div", { class: "lab-panel-head" }, tab(false), tab(true), ui.copy,
        make("span", { class: "lab-hint" }, words.code_hint), close), ui.codeText);
    return ui.codePanel;
  }

  function toggleCode() {
    keepFocus([ui.codePanel], ui.codeButton);
    ui.codePanel.hidden = !ui.codePanel.hidden;
    ui.codeButton.setAttribute("aria-expanded", String(!ui.codePanel.hidden));
    if (!ui.codePanel.hidden) loadCode(Boolean(look.code));
  }

  async function loadCode(isPackage) {
    look.code = isPackage;
    ui.codePackage.setAttribute("aria-pressed", String(isPackage));
    ui.codeScript.setAttribute("aria-pressed", String(!isPackage));
    const value = await asking("code", { package: isPackage });
    if (value && ui) write(ui.codeText, value.text);
  }

  const fileName = (ending) => `${scene.recipe.name}-${frame?.step ?? 0}.${ending}`;

  async function exportRun() {
    const value = await asking("export", {});
    if (value) download(fileName("html"), value.html, "text/html");
  }

  async function saveRun() {
    const value = await asking("save", {});
    if (value) download(value.name || fileName("gan"), value.data, "application/octet-stream");
  }

  async function loadRun() {
    const file = ui.file.files[0];
    ui.file.value = "";
    if (file) await asking("load", { data: { buffer: 0 } }, [await file.arrayBuffer()]);
  }

  // -- keys -----------------------------------------------------------------------------------------------------------
  function buildHelp() {
    const rows = [[words.key_space, words.play], ["S", words.step_once_tip], ["D", words.step_d_tip],
      ["G", words.step_g_tip], ["W", words.slow_tip], ["R", words.reset_tip],
      ["P", words.pin_tip], ["M", words.map_tip], ["C", words.code_tip], ["← →", words.key_arrows],
        ["Esc", words.key_escape], ["?", words.help_tip]];
    ui.helpPanel = make("section", { class: "lab-help-panel", hidden: true, "aria-label": words.help_tip },
      make("dl", {},
        ...rows.map(([key, told]) => make("div", {}, make("dt", {}, make("kbd", {}, key)), make("dd", {}, told)))),
      make("p", { class: "lab-hint" }, words.help_hint));
    return ui.helpPanel;
  }

  function toggleHelp() {
    ui.helpPanel.hidden = !ui.helpPanel.hidden;
    ui.help.setAttribute("aria-expanded", String(!ui.helpPanel.hidden));
    if (!ui.helpPanel.hidden) ui.helpPanel.scrollIntoView({ block: "nearest" });
  }

  const KEYS = {
    " ": () => ui.play, s: () => ui.step, d: () => ui.stepD, g: () => ui.stepG, w: () => ui.slow, r: () => ui.reset,
      p: () => ui.pin, m: () => ui.map, c: () => ui.codeButton, "?": () => ui.help,
  };

  function onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const { target } = event, key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const isTyping = target.matches("input:not([type=range]):not([type=checkbox]), textarea, select");
    event.stopPropagation(); // the notebook has keys of its own
    if (!ui || isTyping) return;
    if (key === "Escape") {
      if (pad) closePad();
      else if (slow) closeSlow();
      else if (!ui.helpPanel.hidden) toggleHelp();
      else if (!ui.codePanel.hidden) toggleCode();
      return;
    }
    if (slow && (key === "ArrowLeft" || key === "ArrowRight") && target.type !== "range") {
      event.preventDefault();
      goPart(slow.index + (key === "ArrowLeft" ? -1 : 1));
      return;
    }
    if ((key === "ArrowLeft" || key === "ArrowRight") && target === root && !ui.history.disabled) {
      event.preventDefault();
      const { steps: all, position } = state.history, at = travel.has("go") ? Number(ui.history.value) : position;
      const to = Math.min(Math.max(at + (key === "ArrowLeft" ? -1 : 1), 0), all.length - 1);
      ui.history.value = String(to);
      goTo(to);
      return;
    }
    const isOwn = key === " " && target.matches("button, summary, input[type=checkbox]");
    if (event.repeat || isOwn || event.shiftKey !== (key === "?") && event.shiftKey) return;
    const pressed = Object.hasOwn(KEYS, key) ? KEYS[key]() : null;
    if (!pressed || pressed.disabled || pressed.hidden) return;
    event.preventDefault();
    pressed.click();
  }

  // -- around ---------------------------------------------------------------------------------------------------------
  function dress() {
    const dark = isDark(root);
    theme = dark ? DARK : LIGHT;
    root.dataset.theme = dark ? "dark" : "light";
    drawSoon();
  }

  function onVisible() {
    drawSoon();
    tickSoon();
  }

  function listen(target, event, callback) {
    target.addEventListener(event, callback);
    stops.push(() => target.removeEventListener(event, callback));
  }

  root.classList.add("gan-lab");
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  root.tabIndex = -1;
  root.append(make("div", { class: "lab-loading", "aria-busy": "true" }, "…"));
  startedAt = Math.random().toString(36).slice(2);
  const sizes = new ResizeObserver(drawSoon);
  const seen = new IntersectionObserver((entries) => {
    isSeen = entries[entries.length - 1].isIntersecting;
    onVisible();
  });
  const themes = new MutationObserver(dress);
  seen.observe(root);
  for (const node of [document.body, document.documentElement]) {
    themes.observe(node, { attributes: true,
      attributeFilter: ["class", "style", "data-jp-theme-light", "data-jp-theme-name", "theme", "data-theme"] });
  }
  listen(root, "keydown", onKey);
  listen(document, "visibilitychange", onVisible);
  listen(matchMedia("(prefers-color-scheme: dark)"), "change", dress);
  listen(reduced, "change", () => {
    calm = reduced.matches;
    if (ui?.calm) ui.calm.checked = calm;
  });
  stops.push(() => sizes.disconnect(), () => seen.disconnect(), () => themes.disconnect());
  stops.push(channel.onMessage(hear));
  const watching = setInterval(watch, 1000);
  dress();
  requestAnimationFrame(() => alive && dress()); // by now the notebook has put the page in its place
  send({ type: "ready" });

  return () => {
    alive = false;
    clearInterval(watching);
    clearTimeout(tickTimer);
    if (slow) clearTimeout(slow.timer);
    cancelAnimationFrame(drawing);
    for (const stop of stops) stop?.();
    for (const { reject } of replies.values()) reject(new Error(""));
    replies.clear();
    root.replaceChildren();
    root.classList.remove("gan-lab");
  };
}

/** For anywidget. */
export default {
  render({ model, el }) {
    return lab(el, {
      send: (content, buffers) => model.send(content, undefined, buffers),
      onMessage(callback) {
        const hear = (content, buffers) => callback(content, buffers);
        model.on("msg:custom", hear);
        return () => model.off("msg:custom", hear);
      },
    });
  },
};
