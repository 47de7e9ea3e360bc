// The wall display: whether the values are safe, from across the hall. Few things, large.

import { byId, h, mark, sync, text } from "./dom.js";
import { brief, clock, describe, rate, span } from "./format.js";
import { sign } from "./icons.js";
import { PLACES } from "./records.js";

const MOST_ALERTS = 2;
const MOST_SINKS = 3;
const FIGURES = ["rate", ...PLACES];

export class Wall {
  constructor() {
    this.root = byId("wall");
    this.time = h("time", { class: "wall-clock" });
    this.name = h("h2", { class: "wall-name" });
    this.verdict = h("p", { class: "wall-verdict" });
    this.figures = h("dl", { class: "wall-figures" }, ...FIGURES.map((name) => h("div", { class: `figure-${name}` }, h("dt", {}, name === "rate" ? "records/s" : name.replace("_", " ")), h("dd", {}, "–"))));
    this.alerts = h("div", { class: "wall-alerts" });
    this.sinks = h("div", { class: "wall-sinks" });
    this.close = h("button", { type: "button", class: "ghost wall-close" }, "Close");
    this.close.addEventListener("click", () => this.show(false));
    this.root.append(h("div", { class: "wall-top" }, this.name, this.verdict, this.time), this.figures, this.alerts, this.sinks, this.close);
    if (new URLSearchParams(location.search).has("wall")) this.show(true);
  }

  /** The address says it too, so that a screen that reloads the page shows the same. */
  show(on) {
    document.body.classList.toggle("on-wall", on);
    this.root.hidden = !on;
    const address = new URL(location.href);
    if (on) address.searchParams.set("wall", "");
    else address.searchParams.delete("wall");
    history.replaceState(null, "", address);
  }

  toggle() {
    this.show(this.root.hidden);
  }

  tick(lostAt) {
    text(this.time, clock(new Date()));
    if (!lostAt) return;
    mark(this.verdict, "is-bad");
    text(this.verdict, `No connection for ${span((Date.now() - lostAt) / 1000)}`);
  }

  draw(live, state, verdict) {
    text(this.name, live.name);
    mark(this.verdict, state);
    text(this.verdict, verdict);
    FIGURES.forEach((name, index) => {
      const number = name === "rate" ? live.records_per_second : live.whereabouts[name];
      const figure = this.figures.children[index];
      figure.classList.toggle("some", number > 0);
      text(figure.lastChild, name === "rate" ? rate(number) : brief(number));
    });
    sync(
      this.alerts,
      live.alerts.slice(0, MOST_ALERTS),
      (alert) => `${alert.code} ${alert.subject} ${alert.severity}`,
      (alert) => h("article", { class: "wall-alert" }, sign(alert.severity), h("p", {}, h("b"), h("span")), h("p", { class: "wall-step" })),
      (element, alert) => {
        mark(element, alert.severity === "critical" ? "is-bad" : "is-warn");
        text(element.querySelector("b"), `${alert.subject} `);
        text(element.querySelector("span"), alert.message);
        text(element.querySelector(".wall-step"), alert.next_step);
      },
    );
    const more = live.alerts.length - MOST_ALERTS;
    if (more > 0) this.alerts.append(h("p", { class: "wall-more", "data-key": "/" }, `and ${more} more`));
    const troubled = (sink) => sink.state !== "up" || sink.whereabouts.in_files > 0;
    const sinks = [...live.sinks].sort((one, other) => troubled(other) - troubled(one)).slice(0, MOST_SINKS);
    sync(
      this.sinks,
      sinks,
      (sink) => sink.sink_id,
      () => h("p", { class: "wall-sink" }, h("b"), h("span", { class: "pill" }, h("span", { class: "lamp" }), h("span", { class: "state" })), h("span", { class: "about" })),
      (element, sink) => {
        const [how, words] = describe(sink.state);
        text(element.querySelector("b"), sink.sink_id);
        mark(element.querySelector(".pill"), how);
        text(element.querySelector(".state"), words);
        const age = sink.last_delivery_age_seconds;
        text(element.querySelector(".about"), age == null ? "nothing delivered yet" : `last delivery ${span(age)} ago`);
      },
    );
  }
}
