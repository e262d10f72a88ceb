// The lab page's logic without a page: `node --test tests/live/lab.test.mjs` (pytest runs it too).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

// Both files as one module, as Python hands them to the notebook: this fails if two of their names clash.
const front = (name) => readFileSync(new URL(`../../gan_tutorial/live/front/${name}`, import.meta.url), "utf8");
const source = front("renderer.js").replace(/^export /gm, "") + front("lab.js").replace(/^import .*\n/gm, "");
const lab = await import(`data:text/javascript;base64,${Buffer.from(source).toString("base64")}`);

test("buffers come back where they were taken out, at any depth", () => {
  const buffers = [new DataView(new ArrayBuffer(2)), new DataView(new ArrayBuffer(4))];
  const message = { type: "frame", frame: { fake: { buffer: 1 }, heat: null, list: [{ buffer: 0 }, 3, "x"] } };
  const revived = lab.revive(message, buffers);
  assert.equal(revived.frame.fake, buffers[1]);
  assert.equal(revived.frame.list[0], buffers[0]);
  assert.deepEqual([revived.type, revived.frame.heat, ...revived.frame.list.slice(1)], ["frame", null, 3, "x"]);
});

test("ticks leave half the time for training, and few pictures where it should be calm", () => {
  assert.deepEqual(lab.pace(0, false), { budget: 0.04, interval: 0.05 });
  assert.equal(lab.pace(0.1, false).budget, 0.1);
  assert.equal(lab.pace(5, false).budget, 0.2);
  for (const overhead of [0, 0.1, 3]) {
    const { budget, interval } = lab.pace(overhead, true);
    assert.equal(interval, 0.5);
    assert.ok(budget > 0 && budget < interval);
  }
  assert.deepEqual([0, 1, 2, 3, 9].map(lab.patience), [10, 20, 40, 60, 60]);
});

test("of a slider's values one is under way, the newest waits, and the last always arrives", () => {
  const sent = [], newest = new lab.Newest((name, value) => sent.push([name, value]));
  newest.put("lr_d", 0.1, 0);
  newest.put("lr_d", 0.2, 0.1);
  newest.put("lr_d", 0.3, 0.2);
  newest.put("lr_g", 5, 0.2);
  assert.deepEqual(sent, [["lr_d", 0.1], ["lr_g", 5]]);
  newest.heard((name) => ({ lr_d: 9, lr_g: 5 })[name], 0.3); // an older state
  assert.equal(sent.length, 2);
  assert.ok(newest.has("lr_d") && !newest.has("lr_g"));
  newest.heard(() => 0.1 + 1e-17, 0.4);
  assert.deepEqual(sent[2], ["lr_d", 0.3]);
  newest.heard(() => 0.3, 0.5);
  assert.ok(!newest.has("lr_d"));
  assert.equal(sent.length, 3);
});

test("a value that the kernel refuses does not block those after it", () => {
  const sent = [], newest = new lab.Newest((_, value) => sent.push(value));
  newest.put("n_critic", -1, 0);
  newest.put("n_critic", 2, 1);
  newest.heard(() => 1, 1.9);
  assert.deepEqual(sent, [-1]);
  newest.heard(() => 1, 2.1);
  assert.deepEqual(sent, [-1, 2]);
  newest.forget();
  assert.ok(!newest.has("n_critic"));
});

test("a value moved back while another is under way is sent again", () => {
  const sent = [], newest = new lab.Newest((_, value) => sent.push(value));
  newest.put("r1", 0, 0);
  newest.put("r1", 1, 0);
  newest.put("r1", 0, 0); // the newest is what is under way
  newest.heard(() => 0, 1);
  assert.deepEqual(sent, [0]);
  assert.ok(!newest.has("r1"));
});

test("a log slider's places and values", () => {
  const rate = { min: 1e-5, max: 0.1, log: true };
  assert.deepEqual([1e-5, 1e-3, 0.1].map((v) => lab.toSlider(v, rate)), [0, 500, 1000]);
  assert.deepEqual([0, 500, 1000].map((v) => lab.fromSlider(v, rate)), [1e-5, 1e-3, 0.1]);
  assert.equal(lab.toSlider(0, rate), 0);
  assert.equal(lab.toSlider(7, rate), 1000);
  for (let place = 0; place <= 1000; place += 7) { // two digits of a value, so nearly the same place
    assert.ok(Math.abs(lab.toSlider(lab.fromSlider(place, rate), rate) - place) <= 6, String(place));
  }
  assert.equal(lab.toSlider(3, { min: 0, max: 10 }), 3);
  assert.equal(lab.fromSlider("3", { min: 0, max: 10 }), 3);
});

test("numbers are written short, with a true minus, and none as a dash", () => {
  const cases = [[0.65234, "0.652"], [-1.2, "−1.200"], [12.345, "12.35"], [123.45, "123.5"], [4321.9, "4322"],
    [2e6, "2.0e6"],
    [0.00012, "1.2e−4"], [0, "0.000"], [null, "–"], [NaN, "–"], [undefined, "–"], [Infinity, "–"]];
  for (const [value, written] of cases) assert.equal(lab.figure(value), written);
  for (const [value, written] of [[1e-4, "1e-4"], [0.001, "0.001"], [0.5, "0.5"], [0, "0"], [3, "3"],
    [0.1 + 0.2, "0.3"], ["hinge", "hinge"]]) {
    assert.equal(lab.plain(value), written);
  }
  assert.deepEqual([0.914, 1, null, NaN].map(lab.percent), ["91 %", "100 %", "–", "–"]);
  assert.equal(lab.fillIn("step {step} of {last}", { step: 3, last: "4,000" }), "step 3 of 4,000");
});

test("a typed list of values", () => {
  assert.deepEqual(lab.listed("1e-4, 0.001;3，5"), [1e-4, 0.001, 3, 5]);
  assert.equal(lab.listed("1, two"), null);
  assert.equal(lab.listed("  "), null);
  assert.deepEqual(lab.listed("hinge, minimax", false), ["hinge", "minimax"]);
});

test("the pinned run is never ahead of the live one", () => {
  const frames = [0, 50, 100].map((step) => ({ step }));
  assert.deepEqual([0, 49, 50, 99, 1000].map((step) => lab.pinnedMoment(frames, step).step), [0, 0, 50, 50, 100]);
  assert.equal(lab.pinnedMoment(frames.slice(1), 3).step, 50);
  assert.equal(lab.pinnedMoment([], 3), null);
});

test("a series is scaled in its values alone", () => {
  const series = new Float32Array([0, 4, 10, 8]);
  assert.deepEqual([...lab.scaled(series, 1 / 8)], [0, 0.5, 10, 1]);
  assert.equal(lab.scaled(series, 1), series);
});

test("a stroke is resampled evenly, over the corners of the pointer's way too", () => {
  const way = [[0, 0], [0.25, 0], [1.1, 0], [1.1, 0.95]];
  let carry = 0;
  const places = [];
  for (let i = 1; i < way.length; i++) {
    const part = lab.alongStroke(way[i - 1], way[i], 0.5, carry);
    places.push(...part.places);
    carry = part.carry;
  }
  const rounded = places.map((place) => place.map((v) => Number(v.toFixed(6))));
  assert.deepEqual(rounded, [[0.5, 0], [1, 0], [1.1, 0.4], [1.1, 0.9]]);
  assert.ok(Math.abs(carry - 0.05) < 1e-9);
  assert.deepEqual(lab.alongStroke([1, 1], [1, 1], 0.5, 0.2), { places: [], carry: 0.2 });
});

test("the brush stays in its disc and repeats itself", () => {
  const points = lab.brush([1, -1], 0.1, 50, lab.randomly(7));
  assert.equal(points.length, 50);
  for (const [x, y] of points) assert.ok(Math.hypot(x - 1, y + 1) <= 0.1);
  assert.ok(new Set(points.map(String)).size > 45);
  assert.deepEqual(points, lab.brush([1, -1], 0.1, 50, lab.randomly(7)));
});

test("drawn points are thinned evenly and kept inside the square", () => {
  const points = Array.from({ length: 100 }, (_, i) => [i / 50, 0]);
  assert.equal(lab.thinned(points, 1000, 1).length, 51);
  assert.deepEqual(lab.thinned(points, 4, 5).map(([x]) => x), [0, 0.5, 1, 1.5]);
});

test("slow motion: what the picture shows at each part", () => {
  const before = { step: 4 }, afterD = { step: 4, d: true }, afterG = { step: 5 };
  const update = (network, frame, real) => [
    { network, name: "sample", batch_latents: `${network} z` },
    { network, name: "generate", batch_latents: `${network} z`, batch_fake: `${network} fake`, batch_real: real },
    { network, name: "judge", batch_fake: `${network} fake` },
    { network, name: "loss" }, { network, name: "gradient" }, { network, name: "update", frame },
  ];
  const parts = [...update("discriminator", afterD, "real"), ...update("generator", afterG, null)];
  const at = (index) => lab.atPart(parts, index, before);
  assert.deepEqual(at(0), { frame: before, batch: { batch_latents: "discriminator z", batch_real: "real" } });
  assert.equal(at(1).batch.batch_fake, "discriminator fake");
  assert.equal(at(4).batch.batch_real, "real");
  assert.deepEqual(at(5), { frame: afterD, batch: null });
  assert.deepEqual(at(6), { frame: afterD, batch: { batch_latents: "generator z" } });
  assert.deepEqual(at(11), { frame: afterG, batch: null });
});

test("every part of a step lights up something, its own network's weights at last", () => {
  for (const [network, box] of [["discriminator", "d"], ["generator", "g"]]) {
    for (const name of ["sample", "generate", "judge", "loss", "gradient",
      "update"]) assert.ok(lab.lit({ network, name }).length);
    assert.deepEqual(lab.lit({ network, name: "update" }), [box]);
    assert.ok(lab.lit({ network, name: "gradient" }).includes(`back-${box}`));
  }
  assert.deepEqual(lab.lit({ network: "other", name: "sample" }), []);
});

/** A page as `isDark` sees it; `behind` are the colours of the elements around the lab, the nearest first. */
function host({ body = {}, theme = null, classes = [], behind = [], dark = false }) {
  let root = { parentElement: null };
  for (const colour of [...behind].reverse()) root = { parentElement: { colour, parentElement: root.parentElement } };
  const view = {
    document: {
      body: { dataset: body, classList: { contains: (name) => classes.includes(name) } },
      documentElement: { getAttribute: (name) => (name === "theme" ? theme : null) },
    },
    getComputedStyle: (node) => ({ backgroundColor: node.colour }),
    matchMedia: () => ({ matches: dark }),
  };
  return [root, view];
}

test("the host's theme, from what it says or what it paints", () => {
  const cases = [
    [{ body: { jpThemeLight: "true" }, dark: true }, false], [{ body: { jpThemeLight: "false" } }, true],
    [{ theme: "dark" }, true], [{ theme: "light", dark: true }, false],
    [{ classes: ["vscode-dark"] }, true], [{ classes: ["vscode-light"], dark: true }, false],
    [{ behind: ["rgba(0, 0, 0, 0)", "rgb(20, 20, 24)"] }, true], [{ behind: ["rgb(255, 255, 255)"], dark: true },
      false],
    [{ behind: ["rgba(0, 0, 0, 0)"], dark: true }, true], [{}, false],
  ];
  for (const [page, dark] of cases) assert.equal(lab.isDark(...host(page)), dark, JSON.stringify(page));
  assert.equal(lab.brightness("transparent"), null);
});
