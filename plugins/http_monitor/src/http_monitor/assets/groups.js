// The table of polling groups and its buttons.

import { attribute, byId, h, mark, sync, text } from "./dom.js";
import { count, describe, short, span } from "./format.js";

export class Groups {
  constructor(onGroup) {
    this.onGroup = onGroup;
    this.body = byId("groups").tBodies[0];
  }

  draw(groups) {
    const stopped = groups.filter((group) => group.state === "stopped").length;
    const away = groups.filter((group) => group.state === "backing_off").length;
    const parts = [`${groups.length}`];
    if (stopped) parts.push(`${stopped} stopped`);
    if (away) parts.push(`${away} backing off`);
    text(byId("groups-count"), parts.join(", "));
    byId("start-all").hidden = byId("stop-all").hidden = !groups.length;
    if (!groups.length) {
      this.body.replaceChildren(h("tr", {}, h("td", { class: "empty", colspan: 12 }, "No source of this agent has polling groups.")));
      return;
    }
    sync(this.body, groups, (group) => group.group_id, () => this.row(), (row, group) => this.drawRow(row, group));
  }

  row() {
    const toggle = h("button", { type: "button", class: "toggle" });
    const trigger = h("button", { type: "button", class: "trigger" }, "Trigger");
    const row = h(
      "tr",
      {},
      h("td", { class: "name" }),
      h("td", {}, h("span", { class: "pill" }, h("span", { class: "lamp" }), h("span", { class: "state" }))),
      h("td", { class: "device" }),
      h("td", { class: "num opt" }),
      h("td", { class: "num opt" }),
      h("td", { class: "num last" }),
      ...[0, 1, 2, 3].map(() => h("td", { class: "num opt" })),
      h("td", { class: "error" }),
      h("td", { class: "buttons" }, trigger, toggle),
    );
    toggle.addEventListener("click", () => this.onGroup(row.dataset.key, toggle.dataset.action, toggle));
    trigger.addEventListener("click", () => this.onGroup(row.dataset.key, "trigger", trigger));
    return row;
  }

  drawRow(row, group) {
    const [state, words, meaning] = describe(group.stale && group.state === "running" ? "stale" : group.state);
    mark(row, state);
    mark(row.querySelector(".pill"), state);
    attribute(row, "data-state", group.state);
    text(row.querySelector(".state"), words);
    attribute(row.querySelector(".pill"), "title", meaning);
    const cells = row.cells;
    text(cells[0], group.group_id);
    text(cells[2], group.device_id);
    text(cells[3], count(group.tags));
    text(cells[4], group.interval_seconds == null ? "on trigger" : span(group.interval_seconds));
    text(cells[5], group.last_poll_age_seconds == null ? "not yet" : `${span(group.last_poll_age_seconds)} ago`);
    text(cells[6], short(group.last_duration_seconds));
    text(cells[7], count(group.polls));
    for (const [cell, number] of [[cells[8], group.failed], [cells[9], group.missed]]) {
      text(cell, count(number));
      cell.classList.toggle("zero", !number);
      cell.classList.toggle("notable", number > 0);
    }
    text(cells[10], group.last_error ?? "");
    const toggle = row.querySelector(".toggle");
    const stopped = group.state === "stopped";
    toggle.dataset.action = stopped ? "start" : "stop";
    text(toggle, stopped ? "Start" : "Stop");
    attribute(toggle, "aria-label", `${stopped ? "Start" : "Stop"} ${group.group_id}`);
    const trigger = row.querySelector(".trigger");
    trigger.hidden = group.mode !== "handshake";
    attribute(trigger, "aria-label", `Trigger ${group.group_id}`);
  }
}
