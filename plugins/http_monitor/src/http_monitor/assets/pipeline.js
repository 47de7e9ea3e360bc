// The pipeline: sources -> buffer -> sink, the fallback below.

import { attribute, h, mark, svg, sync, text } from "./dom.js";
import { brief, bytes, count, describe, percent, rate, several, short, span } from "./format.js";
import { Wires } from "./wires.js";

export class Pipeline {
  constructor(root, onSink) {
    this.root = root;
    this.onSink = onSink;
    this.sources = h("div", { class: "stack" });
    this.flow = flow();
    this.lanes = h("div", { class: "stack" });
    root.append(this.sources, this.flow, this.lanes);
    this.wires = new Wires(root);
  }

  draw(live) {
    sync(this.sources, live.sources, (source) => source.source_id, source, (node, one) => drawSource(node, one, live));
    drawFlow(this.flow, live.records_per_second, "records/s", false);
    // One arrow for one source and one sink; else a line from each source to each buffer that it feeds.
    const many = live.sources.length > 1 || live.sinks.length > 1;
    this.root.classList.toggle("many", many);
    this.root.style.setProperty("--rails", live.sources.length);
    sync(this.lanes, live.sinks, (sink) => sink.sink_id, () => lane(this.onSink), (node, one) => drawLane(node, one, live));
    this.wires.draw(many ? this.joints(live) : []);
  }

  joints(live) {
    const number = new Map(live.sources.map((source, index) => [source.source_id, index]));
    return live.sinks.flatMap((sink, lane) =>
      sink.inputs.map((id) => ({
        from: this.sources.children[number.get(id)],
        to: this.lanes.children[lane].firstElementChild,
        number: number.get(id),
        moving: live.sources[number.get(id)].records_per_second > 0,
      })),
    );
  }
}

function flow() {
  return h(
    "div",
    { class: "flow" },
    h("span", { class: "rate" }),
    svg(
      "svg",
      { viewBox: "0 0 100 20", preserveAspectRatio: "none", class: "across", "aria-hidden": "true" },
      svg("path", { class: "pipe", d: "M2 10H92", "vector-effect": "non-scaling-stroke" }),
      svg("path", { class: "stream", d: "M2 10H92", "vector-effect": "non-scaling-stroke" }),
      svg("path", { class: "tip", d: "M90 3L99 10L90 17Z" }),
    ),
    svg(
      "svg",
      { viewBox: "0 0 20 34", class: "down", "aria-hidden": "true" },
      svg("path", { class: "pipe", d: "M10 1V26" }),
      svg("path", { class: "stream", d: "M10 1V26" }),
      svg("path", { class: "tip", d: "M3 25L10 34L17 25Z" }),
    ),
  );
}

function drawFlow(node, perSecond, unit, blocked) {
  const moving = perSecond > 0 && !blocked;
  node.classList.toggle("moving", moving);
  node.classList.toggle("blocked", blocked);
  // Faster dashes for more records, on a logarithmic scale; steps keep the animation from restarting each second.
  const pace = moving ? Math.max(0.25, 1.6 - 0.25 * Math.round(Math.log10(perSecond + 1) * 2) / 2) : 1;
  node.style.setProperty("--pace", `${pace.toFixed(2)}s`);
  text(node.querySelector(".rate"), blocked ? "no writes" : `${rate(perSecond)} ${unit}`);
}

function source() {
  return h(
    "article",
    { class: "node" },
    h("div", { class: "node-head" }, h("h3", { class: "node-title" }), h("span", { class: "node-kind" })),
    h("p", { class: "big" }),
    h("dl", { class: "facts" }, h("dt", {}, "collected"), h("dd", { class: "collected" }), h("dt", {}, "last batch"), h("dd", { class: "age" })),
    h("div", { class: "chips" }),
  );
}

const MOST_CHIPS = 12;

function drawSource(node, one, live) {
  text(node.querySelector(".node-title"), one.source_id);
  text(node.querySelector(".node-kind"), one.type);
  const big = node.querySelector(".big");
  if (!big.firstChild) big.append(h("span"), h("small", {}, "records/s"));
  text(big.firstChild, rate(one.records_per_second));
  text(node.querySelector(".collected"), brief(one.collected));
  text(node.querySelector(".age"), one.last_batch_age_seconds == null ? "none yet" : `${span(one.last_batch_age_seconds)} ago`);
  const devices = new Map();
  for (const group of live.groups.filter((group) => group.source_id === one.source_id)) {
    const state = group.state === "backing_off" || group.stale ? "is-bad" : group.state === "stopped" ? "is-warn" : "is-ok";
    const order = ["is-ok", "is-warn", "is-bad"];
    const known = devices.get(group.device_id) ?? "is-ok";
    devices.set(group.device_id, order[Math.max(order.indexOf(known), order.indexOf(state))]);
  }
  const worst = [...devices.values()];
  mark(node, worst.includes("is-bad") ? "is-bad" : worst.includes("is-warn") ? "is-warn" : "is-ok");
  // Those in trouble first: with many devices the healthy ones are a number.
  const chips = [...devices].sort((a, b) => (b[1] !== "is-ok") - (a[1] !== "is-ok")).slice(0, MOST_CHIPS);
  if (devices.size > MOST_CHIPS) chips.push([`+${devices.size - MOST_CHIPS} more`, ""]);
  sync(
    node.querySelector(".chips"),
    chips,
    ([id]) => id,
    () => h("span", { class: "chip" }, h("span", { class: "lamp" }), h("span")),
    (chip, [id, state]) => {
      mark(chip, state);
      text(chip.lastChild, id);
    },
  );
}

function lane(onSink) {
  const button = h("button", { type: "button", class: "pause" });
  const attempt = h("button", { type: "button", class: "try" }, "Try now");
  const root = h(
    "div",
    { class: "lane" },
    h(
      "article",
      { class: "node buffer" },
      h("div", { class: "node-head" }, h("h3", { class: "node-title" }, "buffer"), h("span", { class: "node-kind" })),
      h("p", { class: "from" }),
      h(
        "div",
        { class: "buffer-body" },
        h("div", { class: "tank" }, h("div", { class: "level" }), h("output")),
        h("dl", { class: "facts" }, h("dt", {}, "in memory"), h("dd", { class: "pending" }), h("dt", {}, "covers"), h("dd", { class: "cover" }), h("dt", {}, "capacity"), h("dd", { class: "capacity" }), h("dt", {}, "full in"), h("dd", { class: "full" }), h("dt", {}, "oldest"), h("dd", { class: "oldest" })),
      ),
    ),
    flow(),
    h(
      "article",
      { class: "node sink" },
      h("div", { class: "node-head" }, h("h3", { class: "node-title" }), h("span", { class: "node-kind" }), h("span", { class: "pill" }, h("span", { class: "lamp" }), h("span", { class: "state" }))),
      h(
        "div",
        { class: "sink-body" },
        h("p", { class: "big" }, h("span"), h("small", {}, "records/s delivered")),
        h("dl", { class: "facts" }, h("dt", {}, "a write takes"), h("dd", { class: "took" }), h("dt", {}, "records per write"), h("dd", { class: "batch" }), h("dt", {}, "last delivery"), h("dd", { class: "age" }), h("dt", { class: "probe-name" }, "next probe in"), h("dd", { class: "probe" })),
        h("div", { class: "sink-buttons" }, attempt, button),
      ),
      h("p", { class: "error" }),
    ),
    h("div", { class: "fallback" }),
  );
  button.addEventListener("click", () => onSink(root.dataset.key, button.dataset.action, button));
  attempt.addEventListener("click", () => onSink(root.dataset.key, "try", attempt));
  return root;
}

function drawLane(node, sink, live) {
  const { buffer, outlook, writes } = sink;
  const [state, words, meaning] = describe(sink.state);
  const tank = node.querySelector(".buffer");
  text(tank.querySelector(".from"), live.sources.length > 1 ? `from ${sink.inputs.length === live.sources.length ? "every source" : sink.inputs.join(", ")}` : "");
  const fullness = outlook.fill_pct >= 95 ? "is-bad" : outlook.fill_pct >= 70 ? "is-warn" : "is-ok";
  mark(tank, fullness);
  tank.querySelector(".level").style.height = `${Math.min(100, outlook.fill_pct)}%`;
  text(tank.querySelector("output"), percent(outlook.fill_pct));
  text(tank.querySelector(".pending"), count(sink.whereabouts.in_memory));
  text(tank.querySelector(".capacity"), count(buffer.capacity_records));
  text(tank.querySelector(".cover"), outlook.cover_seconds == null ? "–" : span(outlook.cover_seconds));
  text(tank.querySelector(".full"), outlook.time_to_full_seconds == null ? "–" : span(outlook.time_to_full_seconds));
  text(tank.querySelector(".oldest"), buffer.oldest_age_seconds ? span(buffer.oldest_age_seconds) : "–");
  text(tank.querySelector(".node-kind"), buffer.stored_bytes == null ? "in memory" : `${bytes(buffer.stored_bytes)} on disk`);
  drawFlow(node.children[1], sink.records_per_second, "records/s", !["up", "retrying"].includes(sink.state));

  const box = node.querySelector(".sink");
  mark(box, state);
  mark(box.querySelector(".pill"), state);
  attribute(box, "data-state", sink.state);
  text(box.querySelector(".node-title"), sink.sink_id);
  text(box.querySelector(".state"), words);
  attribute(box.querySelector(".pill"), "title", meaning);
  text(box.querySelector(".big").firstChild, rate(sink.records_per_second));
  text(box.querySelector(".took"), short(writes.average_seconds));
  text(box.querySelector(".batch"), writes.average_records == null ? "–" : rate(writes.average_records));
  text(box.querySelector(".age"), sink.last_delivery_age_seconds == null ? "none yet" : `${span(sink.last_delivery_age_seconds)} ago`);
  const probing = sink.next_probe_seconds != null;
  box.querySelector(".probe-name").hidden = box.querySelector(".probe").hidden = !probing;
  text(box.querySelector(".probe"), span(sink.next_probe_seconds));
  const error = box.querySelector(".error");
  text(error, sink.state === "up" || sink.state === "paused" ? "" : sink.last_error);
  text(box.querySelector(".node-kind"), sink.type);
  const attempt = box.querySelector(".try");
  attempt.hidden = !probing;
  attribute(attempt, "aria-label", `Try ${sink.sink_id} now`);
  const button = box.querySelector(".pause");
  const paused = sink.state === "paused";
  text(button, paused ? "Resume" : "Pause");
  attribute(button, "aria-label", `${paused ? "Resume" : "Pause"} ${sink.sink_id}`);
  button.dataset.action = paused ? "resume" : "pause";
  drawFallback(node.querySelector(".fallback"), sink);
}

function drawFallback(node, sink) {
  const { backlog, replay, ledger, whereabouts } = sink;
  const { in_files: waiting, rejected, written_back: back, counted } = whereabouts;
  const used = waiting + rejected + back + backlog.backup_files + backlog.rejected_files > 0 || ledger.diverted > 0 || replay;
  node.hidden = !used;
  if (!used) return;
  mark(node, waiting ? "is-warn" : "");
  const about = counted ? "" : "~";
  const files = backlog.backup_files ? ` (${several(backlog.backup_files, "file")}, ${bytes(backlog.backup_bytes)})` : " (the open file)";
  const parts = [["Fallback", ""]];
  parts.push([waiting ? `${about}${several(waiting, "record")} in files${files}` : "nothing waits", waiting ? "b waiting" : ""]);
  if (replay?.current_file) parts.push([`writing back ${replay.current_file}`, "b"]);
  if (replay?.requested_files.length) parts.push([`${several(replay.requested_files.length, "file")} requested`, ""]);
  if (back) parts.push([`${several(back, "record")} written back`, ""]);
  else if (replay) parts.push([replay.automatic ? "written back automatically" : "replay: off", ""]);
  else if (waiting) parts.push(["this fallback cannot be read back", ""]);
  if (rejected) parts.push([`${about}${several(rejected, "rejected record")} for you`, "b"]);
  sync(
    node,
    parts.map((part, index) => [index, ...part]),
    ([index, , kind]) => `${index}${kind}`,
    ([, , kind]) => h(kind ? "b" : "span", { class: kind === "b waiting" ? "waiting" : null }),
    (element, [, words]) => text(element, words),
  );
}
