// The table of polling groups and its buttons. Many groups fold by device, and can be filtered.

import { attribute, byId, h, mark, sync, text } from "./dom.js";
import { count, describe, several, short, span } from "./format.js";

const FEW = 12; // so many are shown as they are

export class Groups {
  constructor(onGroup) {
    this.onGroup = onGroup;
    this.body = byId("groups").tBodies[0];
    this.groups = [];
    this.folded = new Map(); // what somebody chose, by device
    byId("groups-search").addEventListener("input", () => this.draw(this.groups));
    byId("groups-trouble").addEventListener("change", () => this.draw(this.groups));
  }

  draw(groups) {
    this.groups = groups;
    const stopped = groups.filter((group) => group.state === "stopped").length;
    const away = groups.filter((group) => group.state === "backing_off").length;
    const parts = [`${groups.length}`];
    if (stopped) parts.push(`${stopped} stopped`);
    if (away) parts.push(`${away} backing off`);
    text(byId("groups-count"), parts.join(", "));
    byId("start-all").hidden = byId("stop-all").hidden = !groups.length;
    const many = groups.length > FEW;
    byId("groups-filters").hidden = !many;
    if (!groups.length) {
      this.body.replaceChildren(h("tr", {}, h("td", { class: "empty", colspan: 12 }, "No source of this agent has polling groups.")));
      return;
    }
    const rows = many ? this.byDevice(groups) : groups.map((group) => ({ key: group.group_id, group }));
    sync(
      this.body,
      rows,
      (row) => row.key,
      (row) => (row.device ? this.deviceRow(row.device) : row.group ? this.row() : noneRow()),
      (element, row) => (row.device ? this.drawDevice(element, row) : row.group && this.drawRow(element, row.group)),
    );
  }

  /** Devices with their groups below: unfolded where something is wrong, where a search looks, or on a click. */
  byDevice(groups) {
    const wanted = byId("groups-search").value.trim().toLowerCase();
    const only = byId("groups-trouble").checked;
    const devices = new Map();
    for (const group of groups) {
      const device = group.device_id;
      if (wanted && !`${group.group_id} ${device}`.toLowerCase().includes(wanted)) continue;
      if (only && !troubled(group)) continue;
      devices.set(device, [...(devices.get(device) ?? []), group]);
    }
    const rows = [];
    for (const [device, members] of devices) {
      const open = !(this.folded.get(device) ?? !(wanted || only || members.some(troubled)));
      rows.push({ key: `device ${device}`, device, members, open });
      const ordered = [...members].sort((one, other) => troubled(other) - troubled(one));
      if (open) rows.push(...ordered.map((group) => ({ key: group.group_id, group })));
    }
    return rows.length ? rows : [{ key: "none" }];
  }

  deviceRow(device) {
    const button = h("button", { type: "button", class: "fold ghost" }, h("span", { class: "lamp" }), h("b", {}, device));
    button.addEventListener("click", () => {
      this.folded.set(device, button.getAttribute("aria-expanded") === "true");
      this.draw(this.groups);
    });
    return h("tr", { class: "device-row" }, h("td", { colspan: 12 }, button, h("span", { class: "muted about" })));
  }

  drawDevice(row, { device, members, open }) {
    const number = (test) => members.filter(test).length;
    const away = number((one) => one.state === "backing_off");
    const stale = number((one) => one.stale && one.state === "running");
    const stopped = number((one) => one.state === "stopped");
    const tags = members.reduce((sum, one) => sum + one.tags, 0);
    const parts = [several(members.length, "group"), several(tags, "tag")];
    if (away) parts.push(`${away} backing off`);
    if (stale) parts.push(`${stale} stale`);
    if (stopped) parts.push(`${stopped} stopped`);
    mark(row.querySelector(".fold"), away || stale ? "is-bad" : stopped ? "is-warn" : "is-ok");
    text(row.querySelector(".about"), parts.join(", "));
    const button = row.querySelector(".fold");
    attribute(button, "aria-expanded", String(open));
    attribute(button, "aria-label", `${open ? "Fold" : "Unfold"} the groups of ${device}`);
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

const troubled = (group) => group.state !== "running" || group.stale;
const noneRow = () => h("tr", {}, h("td", { class: "empty", colspan: 12 }, "No group matches."));
