// Drawn signs: a font may lack them, and a colour alone does not reach everybody.

import { svg } from "./dom.js";

const SHAPES = {
  critical: ["M8 1.5h8L22.5 8v8L16 22.5H8L1.5 16V8Z", "M12 6.5v7", "M12 17.2v.1"],
  warning: ["M12 2.5 22.8 21.5H1.2Z", "M12 9v6", "M12 18.4v.1"],
};

/** The sign of a severity: an octagon for critical, a triangle for a warning. */
export function sign(severity) {
  const [outline, ...strokes] = SHAPES[severity] ?? SHAPES.warning;
  return svg(
    "svg",
    { viewBox: "0 0 24 24", class: "sign", "aria-hidden": "true", "data-severity": severity },
    svg("path", { class: "shape", d: outline }),
    ...strokes.map((stroke) => svg("path", { class: "mark", d: stroke })),
  );
}
