// The table of current values: search, filter, page; the agent does the searching.

import { byId, h, mark, svg, sync, text } from "./dom.js";
import { count, span, value } from "./format.js";

const PAGE = 25;
const OLD_SECONDS = 60;

export class Tags {
  constructor(agent) {
    this.agent = agent;
    this.offset = 0;
    this.matching = 0;
    this.asked = 0;
    this.body = byId("tag-table").tBodies[0];
    byId("tags").addEventListener("input", () => this.restart());
    byId("tags-group").addEventListener("change", () => this.restart());
    byId("tags-bad").addEventListener("change", () => this.restart());
    byId("tags-back").addEventListener("click", () => this.turn(-1));
    byId("tags-next").addEventListener("click", () => this.turn(1));
  }

  restart() {
    this.offset = 0;
    this.refresh();
  }

  turn(pages) {
    const offset = this.offset + pages * PAGE;
    if (offset < 0 || offset >= this.matching) return;
    this.offset = offset;
    this.refresh();
  }

  /** The choice of groups, when it changes. */
  choices(groups) {
    const select = byId("tags-group");
    const ids = groups.map((group) => group.group_id);
    if (ids.join("\n") === this.known) return;
    this.known = ids.join("\n");
    const chosen = select.value;
    select.replaceChildren(h("option", { value: "" }, "All groups"), ...ids.map((id) => h("option", { value: id }, id)));
    select.value = ids.includes(chosen) ? chosen : "";
  }

  /** Ask for the page that is shown. An answer to an older question is ignored. */
  async refresh() {
    const question = ++this.asked;
    const query = new URLSearchParams({ search: byId("tags").value, group: byId("tags-group").value, not_good: byId("tags-bad").checked, offset: this.offset, limit: PAGE });
    let page;
    try {
      page = await this.agent.read(`/api/tags?${query}`);
    } catch {
      return; // the banner already says that the connection is lost
    }
    if (question === this.asked) this.draw(page);
  }

  draw(page) {
    this.matching = page.matching;
    text(byId("tags-count"), page.matching === page.total ? count(page.total) : `${count(page.matching)} of ${count(page.total)}`);
    const last = page.offset + page.tags.length;
    text(byId("tags-range"), page.tags.length ? `${count(page.offset + 1)}–${count(last)} of ${count(page.matching)}` : "");
    byId("tags-back").disabled = page.offset === 0;
    byId("tags-next").disabled = last >= page.matching;
    if (!page.tags.length) {
      const words = page.total ? "No tag matches." : "No record has been collected yet.";
      this.body.replaceChildren(h("tr", {}, h("td", { class: "empty", colspan: 7 }, words)));
      return;
    }
    sync(this.body, page.tags, (tag) => `${tag.source_id}/${tag.group_id}/${tag.name}`, row, drawRow);
  }
}

function row() {
  return h(
    "tr",
    {},
    h("td", { class: "name" }),
    h("td", { class: "num value" }, h("span")),
    h("td", { class: "qualitycell" }, h("span", { class: "quality" })),
    h("td", { class: "num agecell" }),
    h("td", { class: "trend" }, svg("svg", { viewBox: "0 0 100 20", preserveAspectRatio: "none", "aria-hidden": "true" })),
    h("td", { class: "muted opt" }),
    h("td", { class: "muted opt" }),
  );
}

function drawRow(element, tag) {
  const cells = element.cells;
  mark(element, tag.quality === "BAD" ? "is-bad" : tag.quality === "UNCERTAIN" ? "is-warn" : "");
  text(cells[0], tag.name);
  cells[0].title = tag.name;
  const shown = value(tag);
  if (cells[1].textContent !== shown) {
    cells[1].classList.remove("fresh");
    void cells[1].offsetWidth; // lets the same animation begin again
    if (cells[1].textContent) cells[1].classList.add("fresh");
    text(cells[1].firstChild, shown);
    cells[1].title = shown;
    cells[1].classList.toggle("text", tag.value_type === "str");
  }
  text(cells[2].firstChild, tag.quality);
  text(cells[3], span(tag.age_seconds));
  cells[3].classList.toggle("old", tag.age_seconds > OLD_SECONDS);
  drawTrend(cells[4].firstChild, [...tag.trend, typeof tag.value === "boolean" ? Number(tag.value) : tag.value]);
  text(cells[5], tag.group_id);
  text(cells[6], tag.device_id);
}

const TREND_POINTS = 61;

/** A line for each run of numbers; a flat line in the middle when nothing moved. */
function drawTrend(element, points) {
  const numbers = points.filter((point) => typeof point === "number");
  const low = Math.min(...numbers);
  const height = Math.max(...numbers) - low;
  const runs = [[]];
  points.forEach((point, index) => {
    if (typeof point !== "number") return runs[runs.length - 1].length && runs.push([]);
    const x = 100 - ((points.length - 1 - index) * 100) / (TREND_POINTS - 1);
    const y = height ? 18 - ((point - low) / height) * 16 : 10;
    runs[runs.length - 1].push(`${x.toFixed(1)},${y.toFixed(1)}`);
  });
  const lines = runs.filter((run) => run.length > 1);
  while (element.children.length > lines.length) element.lastChild.remove();
  while (element.children.length < lines.length) element.append(svg("polyline"));
  lines.forEach((line, index) => element.children[index].setAttribute("points", line.join(" ")));
}
