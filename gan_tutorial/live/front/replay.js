// An exported run, played back: a slider over its moments, a picture of the one it stands at. No kernel, no network.

import { DARK, LIGHT, curvesLayout, decode, drawCurves, drawImages, drawPoints, pictureHeight } from "./renderer.js";

const PLAY_MS = 10000, FASTEST_MS = 110, SLOWEST_MS = 600; // a whole run takes about ten seconds

/** Bring the page in `root` (see `live/replay.py`) to life. `words` holds every text that is written here. */
export function replay(root, run, words) {
  const $ = (name) => root.querySelector(`[data-part="${name}"]`);
  const slider = $("slider"), button = $("play"), picture = $("picture"), curves = $("curves");
  const whole = decode(run), moments = run.moments, last = moments[moments.length - 1].step;
  const isDark = matchMedia("(prefers-color-scheme: dark)"), isPrint = matchMedia("print");
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)"), isWide = matchMedia("(min-width: 640px)");
  const say = new Intl.NumberFormat(words.lang);
  let wanted = -1, shown = null, timer = 0, printing = false;

  // -- one moment ---------------------------------------------------------------------------------------------------
  async function show(index) {
    wanted = Math.min(Math.max(index, 0), moments.length - 1);
    const moment = (moments[wanted].ready ??= load(moments[wanted])), mine = wanted;
    slider.value = mine; // at once, so that a held key goes on from here
    const frame = await moment;
    if (mine !== wanted) return; // the reader is elsewhere already
    shown = frame;
    draw();
    tell(frame);
  }

  async function load(moment) {
    const frame = decode({ ...run, ...moment, d_curve: whole.d_curve, g_curve: whole.g_curve, last });
    for (const name of ["real", "fake"]) if (frame[name].url) frame[name] = await sheet(frame[name]);
    return frame;
  }

  async function sheet(images) {
    const source = new Image();
    source.src = images.url;
    await source.decode();
    return { ...images, source };
  }

  function draw() {
    if (!shown) return;
    const theme = isDark.matches && !isPrint.matches && !printing ? DARK : LIGHT;
    const high = pictureHeight(shown, picture.clientWidth);
    const paint = shown.fake.n === undefined ? drawPoints : drawImages;
    onCanvas(picture, high, (context, box) => paint(context, shown, theme, box));
    onCanvas(curves, isWide.matches ? high : 230, (context, box) => drawCurves(context, shown, theme, box, shown.step));
  }

  function onCanvas(canvas, height, paint) {
    const scale = Math.max(window.devicePixelRatio || 1, printing ? 2 : 1), width = canvas.clientWidth;
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    paint(context, { x: 0, y: 0, width, height });
  }

  function tell(frame) {
    const loss = (value) => (value === null ? "–" : value.toFixed(3).replace("-", "−"));
    const modes = frame.modes && fill(words.modes_value, { covered: frame.modes[0], all: frame.modes[1] });
    $("step").textContent = say.format(frame.step);
    $("d-loss").textContent = loss(frame.d_loss);
    $("g-loss").textContent = loss(frame.g_loss);
    if (modes) $("modes").textContent = modes;
    slider.setAttribute("aria-valuetext", `${words.step} ${say.format(frame.step)}`);
    picture.setAttribute("aria-label", fill(words.picture, { step: say.format(frame.step) }));
    curves.setAttribute("aria-label", fill(words.curves, { step: say.format(frame.step), last: say.format(last) }));
    for (const item of root.querySelectorAll("[data-setting]")) {
      const name = item.dataset.setting, changed = Object.hasOwn(frame.changed, name);
      item.classList.toggle("changed", changed);
      item.querySelector("span").textContent = String(changed ? frame.changed[name] : run.start[name]);
      item.querySelector("small").textContent = changed ? fill(words.was, { value: run.start[name] }) : "";
    }
  }

  // -- playing ------------------------------------------------------------------------------------------------------
  function play(on) {
    clearInterval(timer);
    timer = 0;
    if (on && moments.length > 1) {
      if (wanted === moments.length - 1) show(0);
      const pace = isCalm.matches ? 1000 : Math.min(Math.max(PLAY_MS / moments.length, FASTEST_MS), SLOWEST_MS);
      timer = setInterval(() => {
        show(wanted + 1);
        if (wanted === moments.length - 1) play(false);
      }, pace);
    }
    root.classList.toggle("playing", timer !== 0);
    button.setAttribute("aria-label", timer ? words.pause : words.play);
    $("numbers").setAttribute("aria-live", timer ? "off" : "polite"); // a screen reader hears where it stops
  }

  function go(index) {
    play(false);
    show(index);
  }

  button.addEventListener("click", () => play(!timer));
  slider.addEventListener("input", () => go(Number(slider.value)));
  const keys = {
    ArrowLeft: () => go(wanted - 1),
    ArrowRight: () => go(wanted + 1),
    Home: () => go(0),
    End: () => go(moments.length - 1),
    " ": () => play(!timer),
  };
  document.addEventListener("keydown", (event) => {
    const modified = event.ctrlKey || event.altKey || event.metaKey || event.shiftKey;
    if (modified || !Object.hasOwn(keys, event.key) || (event.key === " " && event.target === button)) return;
    event.preventDefault();
    if (event.key !== " " || !event.repeat) keys[event.key]();
  });

  // The curves are a second slider for a pointer: the moment next to it is shown.
  const point = (event) => {
    const { plot, steps } = curvesLayout(shown, { x: 0, y: 0, width: curves.clientWidth, height: curves.clientHeight });
    const step = ((event.offsetX - plot.x) / plot.width) * steps;
    const distances = moments.map((moment) => Math.abs(moment.step - step));
    go(distances.indexOf(Math.min(...distances)));
  };
  curves.addEventListener("pointerdown", (event) => {
    curves.setPointerCapture(event.pointerId);
    point(event);
  });
  curves.addEventListener("pointermove", (event) => event.buttons && point(event));

  // -- around -------------------------------------------------------------------------------------------------------
  for (const query of [isDark, isPrint, isWide]) query.addEventListener("change", draw);
  for (const [event, on] of [["beforeprint", true], ["afterprint", false]]) {
    addEventListener(event, () => {
      printing = on;
      draw();
    });
  }
  new ResizeObserver(draw).observe($("pictures"));
  slider.max = moments.length - 1;
  slider.disabled = button.disabled = moments.length < 2;
  play(false);
  show(moments.length - 1);
}

function fill(template, values) {
  return template.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}
