// Talking to the agent: reading, changing, the live socket, and the token for all of them.

import { byId } from "./dom.js";

// Agents that one proxy shows under several paths share an origin: each page keeps the token of its own agent.
const STORE = `agent-token ${new URL(".", document.baseURI).pathname}`;
const STALE_MS = 3500;

export class Agent {
  constructor() {
    this.access = { token_required: false, reads_protected: false };
    this.token = sessionStorage.getItem(STORE) || "";
  }

  /** Learn whether a token is needed; ask for it at once where even reading needs it. */
  async prepare() {
    this.access = await (await fetch(at("/api/access"), { cache: "no-store" })).json();
    if (this.access.reads_protected && !this.token) await this.askToken("Reading needs the token here.");
  }

  /** GET a path as JSON; throws with the answer's own words. */
  async read(path) {
    return (await this.get(path)).json();
  }

  async readText(path) {
    return (await this.get(path)).text();
  }

  async readBlob(path) {
    return (await this.get(path)).blob();
  }

  async get(path) {
    const response = await fetch(at(path), { headers: this.headers(), cache: "no-store" });
    if (response.status === 401 && this.access.reads_protected) {
      this.accepted = false;
      this.refused = true;
      if (await this.askToken("The token is missing or wrong.")) return this.get(path);
    }
    if (!response.ok) throw new Error(await reason(response));
    return response;
  }

  /** POST a path; asks for the token when it is missing or wrong, then repeats the call. null: the user gave up.
   *  Throws with the answer's own words and its status. */
  async change(path) {
    if (this.access.token_required && !this.token && !(await this.askToken())) return null;
    const response = await fetch(at(path), { method: "POST", headers: this.headers() });
    if (response.status === 401) {
      this.forget();
      return (await this.askToken("The token is wrong. Try again.")) ? this.change(path) : null;
    }
    if (!response.ok) throw Object.assign(new Error(await reason(response)), { status: response.status });
    return response.json();
  }

  /** Whether a live socket would be let in. A wrong token is offered once: each time costs its address a guess. */
  async mayFollow() {
    if (!this.access.reads_protected || this.accepted) return true;
    if (!this.token || this.refused) return false;
    try {
      await this.read("/api/live");
      this.accepted = true;
    } catch {
      // the next attempt says more
    }
    return Boolean(this.accepted);
  }

  headers() {
    return this.token ? { Authorization: `Bearer ${this.token}` } : {};
  }

  forget() {
    this.token = "";
    sessionStorage.removeItem(STORE);
    this.onToken?.();
  }

  /** Ask the user; true when one was given. Two askers at once share one dialog. */
  askToken(problem = "") {
    this.asking ??= new Promise((resolve) => {
      const dialog = byId("token-dialog");
      const input = byId("token-input");
      byId("token-error").textContent = problem;
      input.value = "";
      dialog.returnValue = "";
      const form = dialog.querySelector("form");
      const submit = () => {
        this.token = input.value.trim();
        this.refused = false;
        sessionStorage.setItem(STORE, this.token);
        this.onToken?.();
      };
      const close = () => {
        form.removeEventListener("submit", submit);
        this.asking = undefined;
        resolve(Boolean(this.token));
      };
      form.addEventListener("submit", submit, { once: true });
      dialog.addEventListener("close", close, { once: true });
      dialog.showModal();
      input.focus();
    });
    return this.asking;
  }

  /** Keep a live socket; onLive for each snapshot, onLink("live" | "lost") when that changes. */
  follow(onLive, onLink) {
    let last = 0;
    let delay = 500;
    let socket = null;
    const connect = async () => {
      if (!(await this.mayFollow())) {
        setTimeout(connect, 1000);
        return;
      }
      const url = new URL(at("/ws/polling"));
      url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
      const protocols = ["agent-live"];
      if (this.token && this.access.reads_protected) protocols.push(`bearer.${hex(this.token)}`);
      socket = new WebSocket(url, protocols);
      socket.onmessage = (message) => {
        if (!last) onLink("live");
        last = Date.now();
        delay = 500;
        onLive(JSON.parse(message.data));
      };
      socket.onclose = () => {
        lost();
        setTimeout(connect, delay);
        delay = Math.min(5000, delay * 1.6);
      };
    };
    const lost = () => {
      if (last) onLink("lost");
      last = 0;
    };
    // A socket may stay open while nothing arrives any more: a pulled cable, a frozen process.
    setInterval(() => {
      if (last && Date.now() - last > STALE_MS) {
        lost();
        socket.close();
      }
    }, 500);
    connect();
  }
}

/** A path of the monitor, wherever a proxy shows it: this page's folder is the monitor's root. */
const at = (path) => new URL(path.slice(1), document.baseURI).href;

async function reason(response) {
  try {
    const body = await response.json();
    return typeof body.detail === "string" ? body.detail : `HTTP ${response.status}`;
  } catch {
    return `HTTP ${response.status}`;
  }
}

const hex = (token) => [...new TextEncoder().encode(token)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
