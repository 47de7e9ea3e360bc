// The files that wait in the fallbacks, and the button that replays one.

import { attribute, byId, h, mark, sync, text } from "./dom.js";
import { begun, bytes, describe, several, span } from "./format.js";

const WRITABLE = ["up", "retrying"];

export class Backups {
  constructor(actions) {
    this.actions = actions;
    this.list = byId("backups");
    this.answer = null;
    this.sinks = new Map();
  }

  /** Changes whenever the files may have changed. */
  static trace(live) {
    return JSON.stringify(live.sinks.map(({ backlog, replay }) => [backlog, replay?.current_file]));
  }

  /** What becomes of each file comes with the live snapshots; which files there are, with the list. */
  follow(live) {
    this.stopping = live.phase !== "running";
    this.sinks = new Map(live.sinks.map((sink) => [sink.sink_id, sink]));
    this.draw();
  }

  load(answer) {
    this.answer = answer;
    this.draw();
  }

  /** The agent agreed: show it at once, before the next snapshot. */
  requested(id, name) {
    const { replay } = this.sinks.get(id);
    if (!replay.requested_files.includes(name)) replay.requested_files = [...replay.requested_files, name];
    this.draw();
  }

  draw() {
    if (!this.answer) return;
    const { backup_files, backup_bytes, rejected_files, disk_free_bytes, files } = this.answer;
    const waiting = [...this.sinks.values()].reduce((sum, { whereabouts }) => sum + whereabouts.in_files, 0);
    const where = backup_files ? `${several(backup_files, "file")}, ${bytes(backup_bytes)}` : "the open file";
    const parts = [waiting ? `${several(waiting, "record")} in ${where}` : backup_files ? where : "nothing waits"];
    if (rejected_files) parts.push(`${rejected_files} of rejected records`);
    if (disk_free_bytes != null) parts.push(`${bytes(disk_free_bytes)} of disk free`);
    text(byId("backups-count"), parts.join(" · "));
    if (!files.length) {
      this.list.replaceChildren(h("li", { class: "empty" }, waiting ? "The open file is listed here once it is complete." : "No file waits. Records come here while a sink is not up; with replay: automatic, they are written back when it is up again."));
      return;
    }
    this.list.querySelector(".empty")?.remove();
    sync(this.list, files.filter((file) => this.sinks.has(file.sink_id)), (file) => `${file.sink_id}/${file.name}`, (file) => this.item(file), (element, file) => this.drawItem(element, file));
    const left = backup_files + rejected_files - files.length;
    if (left > 0) this.list.append(h("li", { class: "empty", "data-key": "/" }, `and ${several(left, "more file")}`));
  }

  item(file) {
    const button = h("button", { type: "button", class: "replay" }, "Replay");
    const look = h("button", { type: "button", class: "ghost", "aria-label": `Look into ${file.name}` }, "Look");
    const save = h("button", { type: "button", class: "ghost", "aria-label": `Export ${file.name}` }, "Export");
    const remove = h("button", { type: "button", class: "ghost risky delete", "aria-label": `Delete ${file.name}` }, "Delete");
    const element = h(
      "li",
      { class: "item backup" },
      h("div", { class: "top" }, h("b"), h("span", { class: "kind" })),
      h("p", { class: "about" }),
      h("div", { class: "stand" }, h("span", { class: "lamp" }), h("span", { class: "how" })),
      h("div", { class: "file-buttons" }, look, save, file.rejected ? remove : null, button),
    );
    look.addEventListener("click", () => this.actions.look(file, look));
    save.addEventListener("click", () => this.actions.save(file, save));
    remove.addEventListener("click", () => this.actions.remove(file, remove));
    button.addEventListener("click", () => this.actions.replay(file, button, this.blocked(file)));
    return element;
  }

  drawItem(element, file) {
    const [how, words] = this.stand(file);
    attribute(element, "data-state", how);
    mark(element.querySelector(".stand"), { replaying: "is-ok", requested: "is-ok", refused: "is-bad", yours: "is-warn" }[how] ?? "");
    text(element.querySelector("b"), file.name);
    text(element.querySelector(".kind"), file.rejected ? "rejected records" : "backup");
    mark(element.querySelector(".kind"), file.rejected ? "is-warn" : "");
    const since = begun(file.name);
    const about = [file.sink_id, file.records == null ? "" : several(file.records, "record"), bytes(file.size_bytes), since ? `from ${since.at}, ${span(since.age)} ago` : ""];
    text(element.querySelector(".about"), about.filter(Boolean).join(" · "));
    text(element.querySelector(".how"), words);
    const button = element.querySelector(".replay");
    button.hidden = ["replaying", "requested", "automatic"].includes(how);
    const blocked = this.blocked(file);
    // Not "disabled": whoever uses the keyboard must be able to come here and learn why.
    attribute(button, "aria-disabled", blocked ? "true" : null);
    attribute(button, "title", blocked);
    attribute(button, "aria-label", `Replay ${file.name} into ${file.sink_id}${blocked ? `: not possible, ${blocked}` : ""}`);
  }

  /** Why the file cannot be replayed, or null. */
  blocked({ sink_id }) {
    if (this.stopping) return "the agent is stopping";
    const replay = this.sinks.get(sink_id)?.replay;
    return replay ? replay.refusal : "this fallback cannot be read back";
  }

  stand(file) {
    const { state, replay } = this.sinks.get(file.sink_id);
    const until = WRITABLE.includes(state) ? "" : ` when ${file.sink_id} is up again; it is ${describe(state)[1]} now`;
    if (replay?.current_file === file.name) return ["replaying", "being replayed now"];
    const place = replay?.requested_files.indexOf(file.name) ?? -1;
    if (place >= 0) return ["requested", until ? `queued: replays${until}` : place ? `queued, ${place} ahead` : "queued, next"];
    if (replay?.refusal) return ["refused", replay.refusal];
    if (file.automatic) return ["automatic", `replays automatically${until}`];
    return ["yours", file.rejected ? "rejected for their content: fix the cause, then replay" : "waits for you: replay is off"];
  }
}
