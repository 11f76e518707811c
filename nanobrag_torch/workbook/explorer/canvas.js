// An image on a canvas: scale, limits, zoom and pan, and the pixel under the pointer.
// Zoom and pan are kept while the image changes; they start anew when its shape does.

function numbers(model) {
  const data = model.get("data");
  if (!data || !data.byteLength) return new Float32Array(0);
  const offset = data.byteOffset || 0;
  return new Float32Array((data.buffer || data).slice(offset, offset + data.byteLength));
}

// Limits at two percentiles of the finite values; a diverging scale is symmetric about zero.
function limits(values, low, high, diverging) {
  const sorted = values.filter(Number.isFinite).sort();
  if (!sorted.length) return [0, 1];
  const at = (percent) => sorted[Math.round((percent / 100) * (sorted.length - 1))];
  const [bottom, top] = [at(low), at(high)];
  if (diverging) {
    const most = Math.max(Math.abs(bottom), Math.abs(top)) || Math.max(-sorted[0], sorted[sorted.length - 1]) || 1;
    return [-most, most];
  }
  return top > bottom ? [bottom, top] : [bottom, Math.max(sorted[sorted.length - 1], bottom + 1e-30)];
}

const SHADES = 1024;

// The kernel beats every few seconds. After so many ms without a beat the page says so.
const SILENT = 12000;
const LOST = "No answer from the kernel for 12 s: it is busy, or it has ended. If it has ended, reload the page, or run "
  + "the cell again; where a file keeps the state, the explorer goes on from there.";

// Colours of the shades from the bottom to the top of the scale, as 32-bit pixels: blue, white, red about the middle of
// a diverging one, dark to light otherwise.
function palette(log, diverging) {
  const shades = new Uint8ClampedArray(4 * SHADES);
  for (let i = 0; i < SHADES; i += 1) {
    const linear = i / (SHADES - 1);
    const part = log ? Math.log1p(1e4 * linear) / Math.log1p(1e4) : linear;
    const side = Math.abs(2 * linear - 1);
    const away = linear < 0.5 ? [222, 153, 83] : [77, 231, 212];
    const colour = diverging
      ? away.map((most) => 255 - most * side)
      : [255 * part ** 1.4, 255 * part, 70 + 185 * part ** 0.7];
    shades.set([...colour, 255], 4 * i);
  }
  return new Uint32Array(shades.buffer);
}

function render({ model, el }) {
  const canvas = document.createElement("canvas");
  const told = document.createElement("div");
  const word = document.createElement("div");
  canvas.width = canvas.height = 512;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.className = "explorer-canvas";
  told.className = "explorer-pixel";
  word.className = "explorer-word";
  word.setAttribute("role", "alert");
  el.append(canvas, word, told);
  const context = canvas.getContext("2d");
  const sheet = document.createElement("canvas");
  let values = new Float32Array(0);
  let shape = [0, 0];
  let view = { left: 0, top: 0, scale: 1 };
  let pointer = null;
  let waiting = null;
  let heard = Date.now();
  let lost = false;

  const whole = () => {
    const scale = Math.min(canvas.width / shape[1], canvas.height / shape[0]);
    view = { scale, left: (canvas.width - scale * shape[1]) / 2, top: (canvas.height - scale * shape[0]) / 2 };
  };
  const draw = () => {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = false;
    const words = lost ? LOST : model.get("word");
    context.globalAlpha = words ? 0.25 : 1;
    if (values.length) context.drawImage(sheet, view.left, view.top, view.scale * shape[1], view.scale * shape[0]);
    word.textContent = words;
    canvas.dataset.zoom = view.scale.toFixed(3);
  };
  const paint = () => {
    values = numbers(model);
    const next = model.get("shape");
    if (next[0] !== shape[0] || next[1] !== shape[1]) {
      shape = [...next];
      sheet.width = shape[1] || 1;
      sheet.height = shape[0] || 1;
      whole();
    }
    const [diverging, log] = [model.get("diverging"), model.get("log")];
    const [bottom, top] = limits(values, model.get("low"), model.get("high"), diverging);
    const picture = new ImageData(shape[1] || 1, shape[0] || 1);
    const shades = palette(log && !diverging, diverging);
    const unknown = new Uint32Array(new Uint8Array([255, 0, 255, 255]).buffer)[0];
    const pixels = new Uint32Array(picture.data.buffer);
    const scale = (SHADES - 1) / (top - bottom);
    for (let i = 0; i < values.length; i += 1) {
      const shade = Math.min(SHADES - 1, Math.max(0, Math.round((values[i] - bottom) * scale)));
      pixels[i] = Number.isFinite(values[i]) ? shades[shade] : unknown;
    }
    sheet.getContext("2d").putImageData(picture, 0, 0);
    canvas.setAttribute("aria-label", `${model.get("title")}, from ${bottom.toPrecision(3)} to ${top.toPrecision(3)}`);
    canvas.dataset.frame = Number(canvas.dataset.frame || 0) + 1;
    draw();
    tell();
  };
  const tell = () => {
    const value = pointer && values[pointer[0] * shape[1] + pointer[1]];
    told.textContent = pointer && value !== undefined
      ? `slow ${pointer[0]}, fast ${pointer[1]}: ${value.toPrecision(5)} ${model.get("unit")}  ${model.get("place")}`
      : "Wheel: zoom; drag: pan; double click: whole image. Keys: + − arrows 0.";
  };
  const pixel = (event) => {
    const box = canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) * canvas.width) / box.width;
    const y = ((event.clientY - box.top) * canvas.height) / box.height;
    return [x, y, Math.floor((y - view.top) / view.scale), Math.floor((x - view.left) / view.scale)];
  };
  const zoom = (x, y, factor) => {
    const scale = Math.min(200, Math.max(0.1, view.scale * factor));
    view = { scale, left: x - ((x - view.left) * scale) / view.scale, top: y - ((y - view.top) * scale) / view.scale };
    draw();
  };
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const [x, y] = pixel(event);
    zoom(x, y, event.deltaY < 0 ? 1.25 : 0.8);
  }, { passive: false });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y, slow, fast] = pixel(event);
    if (event.buttons && canvas.dataset.x) {
      view.left += x - canvas.dataset.x;
      view.top += y - canvas.dataset.y;
      draw();
    }
    [canvas.dataset.x, canvas.dataset.y] = [x, y];
    pointer = slow >= 0 && fast >= 0 && slow < shape[0] && fast < shape[1] ? [slow, fast] : null;
    tell();
    clearTimeout(waiting);
    waiting = setTimeout(() => { model.set("pointer", pointer || []); model.save_changes(); }, 80);
  });
  canvas.addEventListener("pointerleave", () => { pointer = null; tell(); });
  canvas.addEventListener("dblclick", () => { whole(); draw(); });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }[event.key];
    const factor = { "+": 1.25, "-": 0.8 }[event.key];
    if (!step && !factor && event.key !== "0") return;
    event.preventDefault();
    if (step) { view.left += step[0]; view.top += step[1]; draw(); }
    if (factor) zoom(canvas.width / 2, canvas.height / 2, factor);
    if (event.key === "0") { whole(); draw(); }
  });
  for (const name of ["data", "log", "low", "high", "diverging"]) model.on(`change:${name}`, paint);
  model.on("change:word", draw);
  model.on("change:place", tell);
  model.on("change:beat", () => { heard = Date.now(); });
  const watch = setInterval(() => {
    const silent = model.get("beat") > 0 && Date.now() - heard > SILENT;
    if (silent === lost) return;
    lost = silent;
    draw();
  }, 1000);
  paint();
  return () => clearInterval(watch);
}

export default { render };
