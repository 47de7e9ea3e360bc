// What is wrong, where the records are, and what happened: alerts, ledger, rejected records, events.

import { attribute, byId, h, mark, sync, text } from "./dom.js";
import { brief, count, moment, several, span } from "./format.js";
import { sign } from "./icons.js";

/** Where a record can be, in the order in which every surface says it. */
export const PLACES = ["written", "in_memory", "in_files", "rejected", "lost"];
const BAR = [...PLACES, "filtered"];
const ACCOUNTS = ["delivered", "duplicates", "diverted", "rejected", "dropped", "filtered", "pending"];

/** Where on this page the next step can be taken, for alerts that have such a place. */
const ALERT_PLACES = {
  records_rejected: ["#rejected-title", "show the records"],
  backlog_waits: ["#backups-title", "show the files"],
  group_stopped: ["#groups-title", "show the groups"],
  nothing_collected: ["#groups-title", "show the groups"],
  device_away: ["#groups-title", "show the groups"],
  polls_missed: ["#groups-title", "show the groups"],
  group_stale: ["#groups-title", "show the groups"],
};

const MOST_ALERTS = 4;
const more = h("button", { type: "button", class: "ghost more" });
let showAll = false;
more.addEventListener("click", () => {
  showAll = !showAll;
  drawAlerts(more.alerts);
});

/** The first few in full: a plant in trouble has many, and the picture below must stay in sight. */
export function drawAlerts(alerts) {
  more.alerts = alerts;
  more.remove();
  sync(
    byId("alerts"),
    showAll ? alerts : alerts.slice(0, MOST_ALERTS),
    (alert) => `${alert.code} ${alert.subject}`,
    () => h("article", { class: "alert" }, h("span", { class: "sign-place" }), h("p", { class: "what" }, h("b"), h("span")), h("span", { class: "since" }), h("p", { class: "step" }, h("span"), h("a", { class: "place" }))),
    (element, alert) => {
      const critical = alert.severity === "critical";
      mark(element, critical ? "is-bad" : "is-warn");
      element.dataset.code = alert.code;
      const place = element.querySelector(".sign-place");
      if (place.firstChild?.dataset.severity !== alert.severity) place.replaceChildren(sign(alert.severity));
      text(element.querySelector("b"), alert.subject);
      text(element.querySelector(".what span"), ` ${alert.message}`);
      text(element.querySelector(".since"), `for ${span(alert.since_seconds)}`);
      text(element.querySelector(".step span"), `Next step: ${alert.next_step}`);
      const [there, words] = ALERT_PLACES[alert.code] ?? [];
      element.querySelector(".place").hidden = !there;
      attribute(element.querySelector(".place"), "href", there);
      text(element.querySelector(".place"), words);
    },
  );
  if (alerts.length > MOST_ALERTS) {
    text(more, showAll ? "Show fewer" : `Show ${alerts.length - MOST_ALERTS} more`);
    byId("alerts").append(more);
  }
}

export function drawLedger(sinks) {
  sync(byId("ledger"), sinks, (sink) => sink.sink_id, ledgerRow, (element, { sink_id, ledger, replay, whereabouts }) => {
    const places = { ...whereabouts, filtered: ledger.filtered };
    const total = BAR.reduce((sum, place) => sum + places[place], 0);
    text(element.querySelector("b"), sink_id);
    text(element.querySelector(".in"), `${several(ledger.collected, "record")} collected since the start${ledger.recovered ? `, ${count(ledger.recovered)} recovered from the buffer` : ""}`);
    const pill = element.querySelector(".pill");
    mark(pill, ledger.balanced ? "is-ok" : "is-bad");
    text(pill.lastChild, ledger.balanced ? "every record is accounted for" : "records are unaccounted for");
    BAR.forEach((place, index) => {
      const share = element.querySelector(".ledger-bar").children[index];
      share.hidden = !places[place]; // even nothing would take the width of a gap
      share.style.flexGrow = total ? places[place] / total : 0;
      const entry = element.querySelector(".accounts").children[index];
      entry.classList.toggle("none", !places[place]);
      entry.hidden = place === "filtered" && !places[place];
      const about = !places.counted && (place === "in_files" || place === "rejected") ? "~" : "";
      const back = place === "written" && places.written_back ? ` (${count(places.written_back)} from files)` : "";
      text(entry.querySelector("dd"), `${about}${count(places[place])}${back}`);
    });
    const accounts = ACCOUNTS.filter((account) => ledger[account]).map((account) => `${account} ${count(ledger[account])}`);
    const reasons = [`since the start: ${accounts.join(", ") || "nothing"}`];
    for (const [what, by] of [["diverted", ledger.diverted_by_reason], ["dropped", ledger.dropped_by_reason]]) {
      const found = Object.entries(by).filter(([, number]) => number);
      if (found.length) reasons.push(`${what} because of ${found.map(([reason, number]) => `${reason.replaceAll("_", " ")} ${count(number)}`).join(", ")}`);
    }
    if (replay?.deleted) reasons.push(`${several(replay.deleted, "rejected record")} deleted by operators`);
    if (replay?.read) reasons.push(`read back from files ${count(replay.read)}: inserted ${count(replay.inserted)}, duplicates ${count(replay.duplicates)}, rejected ${count(replay.rejected)}`);
    text(element.querySelector(".reasons"), reasons.join(" · "));
  });
}

function ledgerRow() {
  return h(
    "article",
    { class: "ledger-row" },
    h("div", { class: "ledger-top" }, h("b"), h("span", { class: "muted in" }), h("span", { class: "pill" }, h("span", { class: "lamp" }), h("span"))),
    h("div", { class: "ledger-bar", "aria-hidden": "true" }, ...BAR.map((place) => h("i", { class: `a-${place}` }))),
    h("dl", { class: "accounts" }, ...BAR.map((place) => h("div", {}, h("i", { class: `a-${place}` }), h("dt", {}, place.replace("_", " ")), h("dd")))),
    h("p", { class: "reasons" }),
  );
}

export function drawRejected(answer) {
  text(byId("rejected-count"), answer.total ? `${count(answer.total)} since the start` : "none");
  const list = byId("rejected");
  if (!answer.records.length) {
    list.replaceChildren(h("li", { class: "empty" }, "No record has been rejected since the agent started."));
    return;
  }
  list.querySelector(".empty")?.remove();
  sync(list, answer.records.map((record, index) => ({ ...record, index })), (record) => record.index, item, (element, record) => {
    mark(element, "is-warn");
    fillItem(element, `${record.tag} = ${JSON.stringify(record.value)}`, moment(record.time), `${record.sink_id}: ${record.message.startsWith(record.code) ? record.message : `${record.code}: ${record.message}`}`);
  });
}

const SERIOUS = { dropped: "is-bad", write_failed: "is-warn", diverted: "is-warn" };

export function drawEvents(events) {
  const list = byId("events");
  sync(list, events, (event) => `${event.first_time} ${event.kind} ${event.subject} ${event.message}`, item, (element, event) => {
    const down = event.kind === "sink_state" && !/-> (up|paused)/.test(event.message);
    mark(element, SERIOUS[event.kind] ?? (down ? "is-bad" : ""));
    const times = event.count > 1 ? ` (${count(event.count)} times)` : "";
    const records = event.records ? `, ${brief(event.records)} record${event.records === 1 ? "" : "s"}` : "";
    fillItem(element, event.subject, moment(event.last_time), `${event.message}${records}${times}`);
  });
}

function item(_) {
  return h("li", { class: "item" }, h("div", { class: "top" }, h("b"), h("span", { class: "side" })), h("p"));
}

function fillItem(element, title, side, words) {
  text(element.querySelector("b"), title);
  text(element.querySelector(".side"), side);
  text(element.querySelector("p"), words);
}
