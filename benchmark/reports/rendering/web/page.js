"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

// Light and dark: the system's choice until the button says otherwise.

const theme = byId("theme");
const darkSystem = matchMedia("(prefers-color-scheme: dark)");

function remembered(value) {
  try {
    if (value) localStorage.setItem("acqbench-theme", value);
    return localStorage.getItem("acqbench-theme");
  } catch {
    return null; // storage can be denied to files
  }
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : darkSystem.matches;
}

function showTheme() {
  theme.setAttribute("aria-pressed", String(isDark()));
}

theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = remembered(isDark() ? "light" : "dark") || (isDark() ? "light" : "dark");
  showTheme();
});
darkSystem.addEventListener("change", showTheme);
if (["light", "dark"].includes(remembered())) document.documentElement.dataset.theme = remembered();
showTheme();

// Tables: a column's button sorts by it, and again the other way round; what is missing stays at the end.

function number(text) {
  const found = text.replaceAll("−", "-").replaceAll(",", "").match(/[+-]?\d+(\.\d+)?(e[+-]?\d+)?/);
  return found ? Number(found[0]) - (text.includes("<") ? 1e-12 : 0) : NaN;
}

function compare(a, b, asText, sign) {
  if (asText) return sign * a.localeCompare(b, "en", { numeric: true });
  const [x, y] = [number(a), number(b)];
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
  return sign * (x - y);
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.firstElementChild.addEventListener("click", () => {
      const asText = head.classList.contains("text");
      const now = head.getAttribute("aria-sort");
      const down = now ? now === "ascending" : !asText;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      const text = (row) => row.cells[column].textContent;
      rows.sort((a, b) => compare(text(a), text(b), asText, down ? -1 : 1));
      table.tBodies[0].append(...rows);
      byId("status").textContent = `Sorted by ${head.textContent}, ${down ? "descending" : "ascending"}.`;
    });
  });
}

// Tables that are wider than the page show whether there is more to the right.

for (const place of document.querySelectorAll(".scroll")) {
  const update = () => place.classList.toggle("more", place.scrollLeft + place.clientWidth < place.scrollWidth - 1);
  place.addEventListener("scroll", update, { passive: true });
  new ResizeObserver(update).observe(place);
}

// The chart.

const MARKS = {
  o: "M-3.2,0a3.2,3.2 0 1,0 6.4,0a3.2,3.2 0 1,0 -6.4,0Z",
  D: "M0,-4L4,0L0,4L-4,0Z",
  s: "M-3,-3H3V3H-3Z",
  "^": "M0,-4L3.7,2.8H-3.7Z",
  v: "M0,4L3.7,-2.8H-3.7Z",
  "<": "M-4,0L2.8,-3.7V3.7Z",
  ">": "M4,0L-2.8,-3.7V3.7Z",
  P: "M-1.3,-4H1.3V-1.3H4V1.3H1.3V4H-1.3V1.3H-4V-1.3H-1.3Z",
  X: "M-2,-4L0,-2L2,-4L4,-2L2,0L4,2L2,4L0,2L-2,4L-4,2L-2,0L-4,-2Z",
};
const NAMED = 12; // up to so many lines, each has its name beside it
const COLOURED = 7; // up to so many lines, each has its colour
const STEP = 14; // pixels from one name to the next

const lines = data.lines || [];
const svg = byId("curves");
const tip = byId("tip");
const boxes = [...document.querySelectorAll(".legend input")];
let view = "accuracy";
let raised = -1; // the line under the pointer, or whose box has the focus
let current = null; // the point whose value is shown: {line, at}
let placed = []; // [{line, points: [{x, y}]}] as drawn

function element(name, attributes, parent) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (parent) parent.append(made);
  return made;
}

function colour(node, line) {
  node.classList.add("own");
  node.style.setProperty("--colour", line.colour || "var(--ink)");
}

function shown() {
  return boxes.flatMap((box, i) => (box.checked && lines[i][view].labels.length ? [i] : []));
}

function isStrong(i, visible) {
  return lines[i].strong[view] || visible.length <= COLOURED || i === raised;
}

function extent(visible) {
  const curves = visible.map((i) => lines[i][view]);
  const means = curves.flatMap((c) => c.mean);
  if (view === "gain") means.push(0);
  const [low, high] = means.length ? [Math.min(...means), Math.max(...means)] : [0, 1];
  const room = Math.max(high - low, 0.002);
  const banded = visible.filter((i) => hasBand(i, visible)).flatMap((i) => [...lines[i][view].low, ...lines[i][view].high]);
  const ends = banded.filter((v) => v !== null);
  const bottom = Math.max(Math.min(low, ...ends), low - 0.4 * room) - 0.04 * room;
  const top = Math.min(Math.max(high, ...ends), high + 0.4 * room) + 0.04 * room;
  return view === "gain" ? [bottom, top] : [Math.max(bottom, 0), Math.min(top, 1)];
}

function hasBand(i, visible) {
  return lines[i].band[view] || visible.length <= 3 || i === raised;
}

function ticks(low, high, most) {
  const rough = (high - low) / most;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 5, 10].find((m) => m * unit >= rough);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  const places = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Array.from({ length: count }, (_, k) => [(first + k) * step, ((first + k) * step).toFixed(places)]);
}

function spread(wanted, low, high) {
  // Heights in order, at least a step apart where there is room, as near to the wanted ones as a sweep each way gets.
  const step = Math.min(STEP, (high - low) / Math.max(wanted.length - 1, 1));
  const at = wanted.map((y) => Math.min(Math.max(y, low), high));
  for (let k = 1; k < at.length; k++) at[k] = Math.max(at[k], at[k - 1] + step);
  for (let k = at.length - 1, limit = high; k >= 0; k--, limit -= step) at[k] = Math.min(at[k], limit);
  return at;
}

function draw() {
  const visible = shown();
  const { width, height } = svg.getBoundingClientRect();
  if (!width) return;
  const named = width >= 560 ? visible.filter((i) => isStrong(i, visible) || visible.length <= NAMED) : [];
  const widest = Math.max(0, ...named.map((i) => lines[i].short.length));
  const edge = { left: 46, right: named.length ? Math.min(24 + 6.6 * widest, 0.34 * width) : 14, top: 10, bottom: 42 };
  const [low, high] = extent(visible);
  const scale = data.log ? Math.log : (v) => v;
  const [first, last] = [data.labels[0], data.labels.at(-1)];
  const span = scale(last) - scale(first) || 1;
  const inner = width - edge.left - edge.right - 12;
  const x = (v) => edge.left + 6 + (first === last ? inner / 2 : (inner * (scale(v) - scale(first))) / span);
  const y = (v) => height - edge.bottom - ((height - edge.top - edge.bottom) * (v - low)) / (high - low);

  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  for (const [value, text] of ticks(100 * low, 100 * high, 6)) {
    const at = y(value / 100);
    element("line", { class: "grid", x1: edge.left, x2: width - edge.right, y1: at, y2: at }, svg);
    element("text", { x: edge.left - 7, y: at + 4, "text-anchor": "end" }, svg).textContent = text.replace("-", "−");
  }
  let free = -Infinity;
  for (const labels of data.labels) {
    if (x(labels) - free < 9 * String(last).length) continue;
    free = x(labels);
    element("text", { x: free, y: height - 22, "text-anchor": "middle" }, svg).textContent = labels;
  }
  const middle = edge.left + (width - edge.left - edge.right) / 2;
  element("text", { x: middle, y: height - 5, "text-anchor": "middle" }, svg).textContent = "labels";
  if (view === "gain") element("line", { class: "zero", x1: edge.left, x2: width - edge.right, y1: y(0), y2: y(0) }, svg);

  const strength = (i) => (i === raised ? 2 : isStrong(i, visible) ? 1 : 0);
  boxes.forEach((box, i) => {
    const label = box.closest("label");
    label.classList.toggle("weak", !isStrong(i, visible));
    label.hidden = view === "accuracy" && !lines[i].accuracy.labels.length;
  });
  const order = [...visible].reverse().sort((a, b) => strength(a) - strength(b)); // the best on top
  const clip = element("clipPath", { id: "inside" }, svg);
  element("rect", { x: 0, y: edge.top - 6, width, height: height - edge.top - edge.bottom + 12 }, clip);
  const layer = element("g", { "clip-path": "url(#inside)" }, svg);
  placed = [];
  for (const i of order) {
    const line = lines[i];
    const curve = line[view];
    const strong = isStrong(i, visible);
    const group = element("g", { class: `${strong ? "" : "weak"} ${i === raised ? "raised" : ""}`, "data-name": line.name }, layer);
    colour(group, line);
    const points = curve.labels.map((labels, k) => ({ x: x(labels), y: y(curve.mean[k]) }));
    placed.push({ line: i, points });
    if (hasBand(i, visible) && curve.low.every((v) => v !== null)) {
      const upper = curve.labels.map((labels, k) => `${x(labels)},${y(curve.high[k])}`);
      const lower = curve.labels.map((labels, k) => `${x(labels)},${y(curve.low[k])}`);
      element("polygon", { class: "band", points: [...upper, ...lower.reverse()].join(" ") }, group);
    }
    const path = points.map((p) => `${p.x},${p.y}`).join(" ");
    element("polyline", { class: "line", points: path, "stroke-dasharray": line.dashes.map((d) => 2 * d).join(" ") }, group);
    if (strong || points.length === 1) {
      for (const p of points) {
        element("path", { class: "mark", d: MARKS[line.marker], transform: `translate(${p.x},${p.y})` }, group);
      }
    }
  }
  nameLines(named, visible, width - edge.right, edge.top + 4, height - edge.bottom);
  showPoint();
}

function nameLines(named, visible, left, top, bottom) {
  const ends = named.map((i) => ({ i, y: placed.find((p) => p.line === i).points.at(-1).y })).sort((a, b) => a.y - b.y);
  const at = spread(ends.map((end) => end.y), top, bottom);
  ends.forEach(({ i, y }, k) => {
    const group = element("g", { class: isStrong(i, visible) ? "" : "weak" }, svg);
    colour(group, lines[i]);
    const from = Math.min(Math.max(y, top - 4), bottom);
    element("line", { class: "grid", x1: left - 4, y1: from, x2: left + 8, y2: at[k] }, group);
    element("text", { class: "name", x: left + 12, y: at[k] + 4 }, group).textContent = lines[i].short;
  });
}

// Values: the point nearest to the pointer, or the one that the arrow keys have reached.

function showPoint() {
  const curve = current && placed.find((p) => p.line === current.line);
  svg.querySelector(".point")?.remove();
  if (!curve) {
    current = null;
    tip.textContent = "";
    return;
  }
  const { x, y } = curve.points[current.at];
  const { name, [view]: values } = lines[current.line];
  element("circle", { class: "point", cx: x, cy: y, r: 6 }, svg);
  tip.textContent = `${name}\n${values.labels[current.at]} labels: ${values.text[current.at]}`;
  const { width, height } = svg.getBoundingClientRect();
  tip.style.left = `${Math.max(0, Math.min(x + 12, width - tip.offsetWidth))}px`;
  tip.style.top = `${y + 14 + tip.offsetHeight > height ? y - 14 - tip.offsetHeight : y + 14}px`;
}

function raise(i) {
  if (i === raised) return;
  raised = i;
  draw();
}

function nearest(event) {
  const box = svg.getBoundingClientRect();
  let best = null;
  let closest = Infinity;
  for (const { line, points } of placed) {
    points.forEach((p, at) => {
      const away = Math.hypot(p.x - (event.clientX - box.left), p.y - (event.clientY - box.top));
      if (away < closest) [best, closest] = [{ line, at }, away];
    });
  }
  return best;
}

function keyed(event) {
  const visible = shown();
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  if (event.key === "Escape") current = null;
  else if (!(event.key in moves) || !visible.length) return;
  else if (!current) current = { line: visible[0], at: lines[visible[0]][view].labels.length - 1 };
  else {
    const [down, right] = moves[event.key];
    const next = visible.indexOf(current.line) + down;
    current.line = visible[Math.max(0, Math.min(next, visible.length - 1))];
    current.at = Math.max(0, Math.min(current.at + right, lines[current.line][view].labels.length - 1));
  }
  event.preventDefault();
  raised = current ? current.line : -1;
  draw();
}

function leave() {
  current = null;
  raised = -1;
  draw();
}

if (svg) {
  boxes.forEach((box, i) => {
    const label = box.closest("label");
    const swatch = label.querySelector("svg");
    colour(swatch, lines[i]);
    element("line", { class: "line", x1: 0, x2: 28, y1: 6, y2: 6, "stroke-dasharray": lines[i].dashes.map((d) => 2 * d).join(" ") }, swatch);
    element("path", { class: "mark", d: MARKS[lines[i].marker], transform: "translate(14,6)" }, swatch);
    box.addEventListener("change", () => {
      label.classList.toggle("off", !box.checked);
      draw();
    });
    label.addEventListener("pointerenter", () => raise(box.checked ? i : -1));
    label.addEventListener("pointerleave", () => raise(-1));
    box.addEventListener("focus", () => box.matches(":focus-visible") && raise(box.checked ? i : -1));
    box.addEventListener("blur", () => raise(-1));
  });
  for (const button of document.querySelectorAll("[data-show]")) {
    button.addEventListener("click", () => {
      const which = button.dataset.show;
      boxes.forEach((box, i) => {
        box.checked = which === "all" || (which === "best" && lines[i].strong[view]);
        box.closest("label").classList.toggle("off", !box.checked);
      });
      draw();
    });
  }
  for (const radio of document.querySelectorAll("input[name=view]")) {
    radio.addEventListener("change", () => {
      view = radio.value;
      current = null;
      draw();
    });
  }
  svg.addEventListener("pointermove", (event) => {
    current = nearest(event);
    if (current && current.line !== raised) raise(current.line);
    else showPoint();
  });
  svg.addEventListener("pointerdown", (event) => {
    current = nearest(event);
    raise(current ? current.line : -1);
    showPoint();
  });
  svg.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && leave());
  svg.addEventListener("keydown", keyed);
  svg.addEventListener("blur", leave);
  new ResizeObserver(draw).observe(svg);
}
