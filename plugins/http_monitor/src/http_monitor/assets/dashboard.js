// The page: connects its parts to the agent.

import { Agent } from "./agent.js";
import { Backups } from "./backups.js";
import { Charts } from "./charts.js";
import { byId, h, mark, text } from "./dom.js";
import { LOOK_RECORDS, drawFile } from "./file.js";
import { brief, clock, rate, several, span } from "./format.js";
import { Groups } from "./groups.js";
import { Pipeline } from "./pipeline.js";
import { PLACES, drawAlerts, drawEvents, drawLedger, drawRejected } from "./records.js";
import { Tags } from "./tags.js";
import { Wall } from "./wall.js";

const agent = new Agent();
const charts = new Charts();
const groups = new Groups((id, action, button) => change(`/api/polling/groups/${encodeURIComponent(id)}/${action}`, button, `${action} ${id}`));
const pipeline = new Pipeline(byId("pipeline"), onSink);
const tags = new Tags(agent);
const backups = new Backups({ replay: onReplay, look: onLook, save: onSave, remove: onDelete });
const wall = new Wall();

let latest = null;
let latestAt = null;
let lostAt = null;
let known = ""; // the state in which the lists below the table were last loaded

// --- drawing ---

const HEALTH = { ok: "is-ok", degraded: "is-warn", failing: "is-bad" };
const ABOUT = { in_files: true, rejected: true }; // what is estimated until files of an earlier run are counted

function onLive(live) {
  latest = live;
  latestAt = new Date();
  document.body.classList.remove("waiting");
  drawHead(live);
  drawAlerts(live.alerts);
  pipeline.draw(live);
  groups.draw(live.groups);
  drawLedger(live.sinks);
  charts.add(live.point, live.records_per_second);
  tags.choices(live.groups);
  if (!document.hidden) tags.refresh();
  backups.follow(live);
  const news = `${live.incidents} ${Backups.trace(live)}`;
  if (news !== known) {
    known = news;
    refreshRecords();
  }
}

function drawHead(live) {
  const { name, version, uptime_seconds, health, phase } = live;
  text(byId("agent-name"), name);
  const stage = phase === "running" ? `up for ${span(uptime_seconds)}` : phase;
  text(byId("agent-detail"), `tagferry ${version}, ${stage}`);
  const quiet = phase === "running" && !(health === "ok" && live.whereabouts.in_files);
  const state = quiet ? HEALTH[health] : health === "failing" ? "is-bad" : "is-warn";
  const words = live.verdict[0].toUpperCase() + live.verdict.slice(1);
  mark(byId("health"), state);
  text(byId("health").lastChild, live.alerts.length > 1 ? `${words} (${live.alerts.length})` : words);
  text(byId("head-rate"), rate(live.records_per_second));
  for (const place of PLACES) {
    const element = byId(`head-${place}`);
    text(element, `${ABOUT[place] && !live.whereabouts.counted ? "~" : ""}${brief(live.whereabouts[place])}`);
    element.parentElement.classList.toggle("some", live.whereabouts[place] > 0);
  }
  document.title = `${health === "ok" ? "" : "! "}${name}: ${rate(live.records_per_second)} records/s`;
  drawIcon(state);
  wall.draw(live, state, words);
}

const ICON = { "is-ok": "%234cc2ff", "is-warn": "%23f0b429", "is-bad": "%23ff5c57", lost: "%238b9bab" };

function drawIcon(state) {
  const picture = `data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><rect width='32' height='32' rx='7' fill='%2312212f'/><path d='M5 17h5l3-8 5 14 4-9 2 3h3' fill='none' stroke='${ICON[state]}' stroke-width='3' stroke-linecap='round' stroke-linejoin='round'/></svg>`;
  if (byId("icon").getAttribute("href") !== picture) byId("icon").setAttribute("href", picture);
}

async function refreshRecords() {
  try {
    const [events, rejected, files] = await Promise.all(["/api/events", "/api/rejected", "/api/backups"].map((path) => agent.read(path)));
    drawEvents(events.events);
    drawRejected(rejected);
    backups.load(files);
  } catch {
    known = ""; // retry with the next snapshot
  }
}

async function loadHistory() {
  try {
    charts.load(await agent.read("/api/history"));
  } catch {
    setTimeout(loadHistory, 2000);
  }
}

// --- the connection ---

function onLink(state) {
  lostAt = state === "lost" ? (lostAt ?? latestAt) : null;
  document.body.classList.toggle("offline", state === "lost");
  mark(byId("link-state"), state === "lost" ? "is-bad" : "is-ok");
  text(byId("link-text"), state === "lost" ? "lost" : "live");
  for (const button of document.querySelectorAll("main button")) button.disabled = state === "lost" && button.closest("#groups, #backups, .pipeline, .panel-head") !== null;
  drawLost();
  if (state === "live") {
    known = "";
    loadHistory();
  } else {
    mark(byId("health"), "");
    text(byId("health").lastChild, "Unknown");
    document.title = `? ${latest?.name ?? "tagferry"}: no connection`;
    drawIcon("lost");
  }
}

function drawLost() {
  const banner = byId("lost");
  banner.hidden = lostAt === null;
  if (lostAt) text(banner, `Connection lost. This page shows ${clock(lostAt)}, ${span((Date.now() - lostAt) / 1000)} ago. Reconnecting …`);
}

// --- changing ---

/** The answer; null when the user gave up or the call failed. */
async function change(path, button, what) {
  button.classList.add("busy");
  try {
    const result = await agent.change(path);
    if (result) toast(result.message, result.success);
    return result;
  } catch (error) {
    toast(`${what}: ${error.message}`, false);
    return null;
  } finally {
    button.classList.remove("busy");
  }
}

async function onSink(id, action, button) {
  if (action === "pause" && !(await confirmed(`Pause ${id}?`, "Nothing is written until it is resumed. Records wait in the buffer; when it is full, the oldest are diverted or dropped.", "Pause"))) return;
  await change(`/api/sinks/${encodeURIComponent(id)}/${action}`, button, `${action} ${id}`);
}

const filePath = ({ sink_id: id, name }) => `/api/sinks/${encodeURIComponent(id)}/backups/${encodeURIComponent(name)}`;

async function onReplay(file, button, blocked) {
  const { sink_id: id, name, rejected } = file;
  if (blocked) return toast(`${name} is not replayed: ${blocked}`, false);
  if (rejected && !(await confirmed(`Replay ${name}?`, `${id} rejected these records for their content. Records that it rejects again go to a new file; the others are inserted.`, "Replay", false))) return;
  if (await change(`${filePath(file)}/replay`, button, `replay ${name}`)) backups.requested(id, name);
}

async function onLook(file) {
  try {
    drawFile(file, await agent.readText(`${filePath(file)}?records=${LOOK_RECORDS}`));
  } catch (error) {
    toast(`${file.name}: ${error.message}`, false);
  }
}

async function onSave(file, button) {
  button.classList.add("busy");
  try {
    const link = h("a", { href: URL.createObjectURL(await agent.readBlob(filePath(file))), download: file.name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  } catch (error) {
    toast(`${file.name}: ${error.message}`, false);
  } finally {
    button.classList.remove("busy");
  }
}

async function onDelete(file, button) {
  const what = file.records == null ? "its records" : several(file.records, "record");
  if (!(await confirmed(`Delete ${file.name}?`, `${file.sink_id} rejected ${what} in it. Look into the file first, or export it: what is deleted is in no place any more.`, "Delete"))) return;
  if (!(await confirmed("Delete permanently?", `${what[0].toUpperCase()}${what.slice(1)} of ${file.name} cannot be brought back.`, "Delete permanently"))) return;
  if (await change(`${filePath(file)}/delete`, button, `delete ${file.name}`)) known = "";
}

function confirmed(title, words, yes, risky = true) {
  const dialog = byId("confirm-dialog");
  text(byId("confirm-title"), title);
  text(byId("confirm-text"), words);
  text(byId("confirm-yes"), yes);
  byId("confirm-yes").classList.toggle("risky", risky);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

function toast(words, good) {
  const element = h("div", { class: `toast ${good ? "" : "is-bad"}` }, words);
  byId("toasts").append(element);
  setTimeout(() => element.remove(), good ? 4000 : 9000);
}

byId("start-all").addEventListener("click", (event) => change("/api/polling/start-all", event.currentTarget, "start all"));
byId("stop-all").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  const number = latest?.groups.length ?? 0;
  if (await confirmed(`Stop all ${number} groups?`, "Nothing is collected until they are started again.", "Stop all")) {
    await change("/api/polling/stop-all", button, "stop all");
  }
});

// --- token, theme, keyboard ---

function drawToken() {
  const button = byId("token-button");
  button.hidden = !agent.access.token_required;
  text(button, agent.token ? "Forget token" : "Enter token");
}

agent.onToken = drawToken;
byId("token-button").addEventListener("click", () => (agent.token ? agent.forget() : agent.askToken()));
byId("help-button").addEventListener("click", () => byId("help-dialog").showModal());
document.querySelectorAll("[data-close]").forEach((button) => button.addEventListener("click", () => button.closest("dialog").close()));

const wished = matchMedia("(prefers-color-scheme: light)");

function applyTheme() {
  const stored = localStorage.getItem("agent-theme");
  document.documentElement.dataset.theme = stored ?? (wished.matches ? "light" : "dark");
  charts.draw();
}

function switchTheme() {
  localStorage.setItem("agent-theme", document.documentElement.dataset.theme === "light" ? "dark" : "light");
  applyTheme();
}

byId("theme-button").addEventListener("click", switchTheme);
byId("wall-button").addEventListener("click", () => wall.show(true));
wished.addEventListener("change", applyTheme);

const KEYS = {
  "/": () => byId("tags").focus(),
  b: () => byId("tags-bad").click(),
  ArrowLeft: () => tags.turn(-1),
  ArrowRight: () => tags.turn(1),
  g: () => (byId("groups").querySelector("button") ?? byId("start-all")).focus(),
  r: () => (byId("backups").querySelector("button:not([hidden])") ?? byId("backups")).focus(),
  t: switchTheme,
  w: () => wall.toggle(),
  f: () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()),
  "?": () => byId("help-dialog").showModal(),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select, textarea");
  if (typing && event.key === "Escape") event.target.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const action = KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

// --- start ---

async function start() {
  try {
    await agent.prepare();
  } catch {
    setTimeout(start, 1000);
    return;
  }
  drawToken();
  agent.follow(onLive, onLink);
}

applyTheme();
setInterval(() => {
  text(byId("clock"), clock(new Date()));
  drawLost();
  wall.tick(lostAt);
}, 500);
start();
