// Numbers, times and sizes as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 });

export const count = (number) => whole.format(number);

/** 1 file, 2 files. */
export const several = (number, noun) => `${whole.format(number)} ${noun}${number === 1 ? "" : "s"}`;

/** Up to a million in full, beyond it short: 12.4M. */
export const brief = (number) => (Math.abs(number) < 1e6 ? whole.format(number) : compact.format(number));

export const rate = (number) => (number < 10 ? tenth.format(number) : whole.format(number));

export function percent(number) {
  return number > 0 && number < 10 ? `${tenth.format(number)} %` : `${whole.format(number)} %`;
}

/** A short time: 3.2 ms, 120 ms, 1.5 s. */
export function short(seconds) {
  if (seconds == null) return "–";
  if (seconds >= 1) return `${tenth.format(seconds)} s`;
  const number = seconds * 1000;
  return number < 10 ? `${tenth.format(number)} ms` : `${whole.format(number)} ms`;
}

/** A span of time: 0.4 s, 12 s, 3 min, 4 h 05, 12 d. */
export function span(seconds) {
  if (seconds == null) return "–";
  if (seconds < 10) return `${tenth.format(seconds)} s`;
  if (seconds < 100) return `${whole.format(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  const minutes = Math.floor(seconds / 60);
  if (seconds < 86400) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")}`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

export function bytes(number) {
  if (number < 1000) return `${number} B`;
  for (const [size, unit] of [[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]) {
    if (number >= size) return `${tenth.format(number / size)} ${unit}`;
  }
  return "";
}

export const clock = (date) => date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

/** Local time of an ISO text, with the date when it is not today. */
export function moment(iso) {
  if (!iso) return "–";
  const date = new Date(iso);
  const today = new Date().toDateString() === date.toDateString();
  return today ? clock(date) : `${date.toLocaleDateString()} ${clock(date)}`;
}

/** When a file was begun, as its name says (backup_20260131_235959.csv, UTC), and how many seconds ago; or null. */
export function begun(name) {
  const parts = /_(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)/.exec(name);
  if (!parts) return null;
  const [, year, month, day, hour, minute, second] = parts;
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
  const age = (Date.now() - Date.parse(iso)) / 1000;
  return Number.isNaN(age) ? null : { at: moment(iso), age: Math.max(0, age) };
}

/** A tag's value; numbers as they are, texts as they are. */
export function value(tag) {
  if (tag.value === null) return "no value";
  if (tag.value_type === "bool") return tag.value ? "true" : "false";
  return String(tag.value);
}

/** How serious a state of a sink or a group is, and what it means. */
const STATES = {
  up: ["is-ok", "writes succeed"],
  retrying: ["is-warn", "a write failed and will be retried"],
  down: ["is-bad", "writes fail; probed automatically"],
  throttled: ["is-bad", "the destination accepts no records for now; probed slowly"],
  locked_out: ["is-bad", "the log-in or a right is refused; one attempt per probe"],
  misconfigured: ["is-bad", "the destination cannot be used as configured"],
  paused: ["is-warn", "paused by an operator"],
  running: ["is-ok", "polled when due or triggered"],
  stopped: ["is-warn", "stopped by an operator"],
  backing_off: ["is-bad", "the device does not answer; tried again automatically"],
  stale: ["is-bad", "no good poll for longer than the limit"],
};

/** The class of a state, its word, and an explanation. */
export function describe(state) {
  const [mark, meaning] = STATES[state] ?? ["is-warn", ""];
  return [mark, state.replaceAll("_", " "), meaning];
}
