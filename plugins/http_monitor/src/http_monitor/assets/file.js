// What is in a file of the fallback: its first records as a table.

import { byId, h, text } from "./dom.js";
import { several } from "./format.js";

export const LOOK_RECORDS = 200;
const COLUMNS = ["timestamp", "tag_name", "tag_value", "quality", "group", "reason"];

/** Show the first lines of a CSV file, which the server has cut after LOOK_RECORDS of them. */
export function drawFile(file, csv) {
  const [header, ...rows] = parsed(csv);
  const columns = COLUMNS.filter((column) => header?.includes(column));
  const shown = rows.filter((row) => row.length === header.length).slice(0, LOOK_RECORDS);
  text(byId("file-title"), file.name);
  const all = file.records == null || file.records > shown.length ? `the first ${several(shown.length, "record")}` : several(shown.length, "record");
  text(byId("file-about"), `${file.sink_id}: ${all}`);
  byId("file-table").replaceChildren(
    h("thead", {}, h("tr", {}, ...columns.map((column) => h("th", {}, column.replace("_", " "))))),
    h("tbody", {}, ...shown.map((row) => h("tr", {}, ...columns.map((column) => h("td", {}, row[header.indexOf(column)]))))),
  );
  byId("file-dialog").showModal();
}

/** Rows of fields; a field in quotes may hold commas, line ends and doubled quotes (RFC 4180). */
function parsed(csv) {
  const rows = [[""]];
  let quoted = false;
  for (let index = 0; index < csv.length; index++) {
    const letter = csv[index];
    const row = rows.at(-1);
    if (quoted && letter === '"' && csv[index + 1] === '"') row[row.length - 1] += csv[++index];
    else if (letter === '"') quoted = !quoted;
    else if (!quoted && letter === ",") row.push("");
    else if (!quoted && letter === "\n") rows.push([""]);
    else if (quoted || letter !== "\r") row[row.length - 1] += letter;
  }
  return rows;
}
