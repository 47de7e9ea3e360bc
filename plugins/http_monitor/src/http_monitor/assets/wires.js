// The lines from each source to the buffers that it feeds, when there is more than one of either.

import { attribute, svg, sync } from "./dom.js";

const TIP = 9;
const SPREAD = 12; // between lines that end at the same buffer
const RAIL = 11; // between the rails of a narrow page
const BEND = 8;
export const COLOURS = 4;

export class Wires {
  constructor(root) {
    this.root = root;
    this.canvas = svg("svg", { class: "wires", "aria-hidden": "true" });
    this.wires = [];
    root.append(this.canvas);
    new ResizeObserver(() => this.place()).observe(root);
  }

  /** wires: [{from, to, number, moving}]; elements, the number of the source, and whether it emits. */
  draw(wires) {
    this.wires = wires;
    this.place();
  }

  /** Parts next to each other are joined by curves; parts below each other by rails in the left margin. */
  place() {
    const origin = this.root.getBoundingClientRect();
    const box = (element) => {
      const { left, right, top, height } = element.getBoundingClientRect();
      return { left: left - origin.left, right: right - origin.left, middle: top - origin.top + height / 2 };
    };
    const placed = this.wires.map((wire) => {
      const rivals = this.wires.filter((other) => other.to === wire.to);
      const [from, to] = [box(wire.from), box(wire.to)];
      const end = to.middle + (rivals.indexOf(wire) - (rivals.length - 1) / 2) * SPREAD;
      const stacked = to.left < from.right;
      return { ...wire, end, target: to.left, path: stacked ? rail(from, to.left, end, wire.number) : curve(from, to.left, end) };
    });
    sync(this.canvas, placed, (wire) => `${wire.from.dataset.key} > ${wire.to.parentElement.dataset.key}`, line, (group, wire) => {
      attribute(group, "class", `wire colour-${(wire.number % COLOURS) + 1}${wire.moving ? " moving" : ""}`);
      for (const path of [group.children[0], group.children[1]]) attribute(path, "d", wire.path);
      attribute(group.children[2], "d", `M${wire.target - TIP} ${wire.end - 5}L${wire.target} ${wire.end}L${wire.target - TIP} ${wire.end + 5}Z`);
    });
  }
}

const line = () => svg("g", {}, svg("path", { class: "pipe" }), svg("path", { class: "stream" }), svg("path", { class: "tip" }));

function curve(from, target, end) {
  const middle = (from.right + target) / 2;
  return `M${from.right} ${from.middle}C${middle} ${from.middle} ${middle} ${end} ${target - TIP + 1} ${end}`;
}

function rail(from, target, end, number) {
  const x = 9 + number * RAIL;
  return `M${from.left} ${from.middle}H${x + BEND}Q${x} ${from.middle} ${x} ${from.middle + BEND}V${end - BEND}Q${x} ${end} ${x + BEND} ${end}H${target - TIP + 1}`;
}
