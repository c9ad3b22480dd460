// The connection: who we are, the session, and coming back to it when the network breaks.

import { io } from "./vendor/socket.io.esm.min.js";

const NAMESPACE = "/v1/audio/agent";
const KEY = "selam-agent.key";
const NEXT = "selam-agent.next-token";
const FRAME_BYTES = 8; // WebSocket's and Engine.IO's own, per frame

/** Takes the one-time token out of the address, so that it is neither kept nor shown. */
export function takeLinkToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  history.replaceState(null, "", location.pathname);
  sessionStorage.setItem(NEXT, token);
  sessionStorage.removeItem(KEY);
}

export const credentials = {
  get known() {
    return Boolean(sessionStorage.getItem(KEY) || sessionStorage.getItem(NEXT));
  },
  typed(key) {
    sessionStorage.setItem(KEY, key);
    sessionStorage.removeItem(NEXT);
  },
  forget() {
    sessionStorage.removeItem(KEY);
    sessionStorage.removeItem(NEXT);
  },
};

/** Server events arrive as events of the same name; besides: `up`, `down`, `refused`, `left`. */
export class Link extends EventTarget {
  bytesUp = 0;
  bytesDown = 0;
  #socket;
  #wishes;
  #resumeToken;
  #resuming = false;
  #accepted = false;

  /** Connects and starts a session with these wishes. */
  open(wishes) {
    this.close();
    this.#wishes = wishes;
    this.#resumeToken = undefined;
    const socket = io(NAMESPACE, {
      transports: ["websocket"],
      auth: (give) => give(this.#auth()),
      reconnectionDelay: 250,
      reconnectionDelayMax: 2000,
      forceNew: true,
    });
    this.#socket = socket;
    socket.onAny((name, data) => this.#took(name, data));
    socket.on("connect", () => this.#count(socket.io.engine));
    socket.on("disconnect", (reason) => this.#dropped(reason));
    socket.on("connect_error", () => this.#say("down", { reason: "unreachable" }));
  }

  /** Sends, if there is a connection; what is said into a broken one is not kept. */
  send(name, data) {
    if (this.#socket?.connected && this.#accepted) this.#socket.emit(name, ...(data === undefined ? [] : [data]));
  }

  audio(audio, format) {
    this.send("audio_chunk", { audio, format, sample_rate: 16000 });
  }

  /** The phrase as a synthetic caller says it: a WAV. Throws an Error with the server's sentence. */
  async phrase(text, language) {
    const answer = await fetch(`v1/say?${new URLSearchParams({ text, language })}`, {
      headers: { Authorization: `Bearer ${this.#resumeToken ?? sessionStorage.getItem(KEY) ?? ""}` },
    });
    if (!answer.ok) throw new Error((await answer.json()).error.message);
    return answer.arrayBuffer();
  }

  close() {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#accepted = false;
    if (!socket) return;
    socket.emit("end_session");
    socket.disconnect();
  }

  #auth() {
    const { voice } = this.#wishes;
    const key = sessionStorage.getItem(KEY);
    if (key) return { api_key: key, voice };
    if (this.#resumeToken) return { resume_token: this.#resumeToken, voice };
    return { temporary_token: sessionStorage.getItem(NEXT) ?? "", voice };
  }

  #took(name, data) {
    if (name === "connected") {
      this.#accepted = true;
      if (data.next_token) sessionStorage.setItem(NEXT, data.next_token);
      this.#resuming = Boolean(this.#resumeToken);
      this.send("start_session", this.#resuming ? { resume: this.#resumeToken, binary: true } : this.#wishes);
    } else if (name === "session_started") {
      this.#resuming = false;
      this.#resumeToken = data.resume_token ?? undefined;
      this.#say("up", data);
    } else if (name === "error" && !this.#accepted && this.#resumeToken) {
      this.#resumeToken = undefined; // the session is over: come back to a new one
      setTimeout(() => this.#socket?.connect(), 300);
      return;
    } else if (name === "error" && this.#resuming && data.code === "resume_failed") {
      this.#resuming = false;
      this.#resumeToken = undefined;
      this.#socket.disconnect().connect();
      return;
    } else if (name === "error" && !this.#accepted) {
      this.#say("refused", data);
      return;
    } else if (name === "session_ended") {
      this.#resumeToken = undefined;
    }
    this.#say(name, data);
  }

  #dropped(reason) {
    if (!this.#socket || !this.#accepted) return;
    this.#accepted = false;
    if (reason !== "io client disconnect") this.#say("down", { reason });
    if (reason === "io server disconnect") this.#say("left", {});
  }

  #count(engine) {
    const size = (data) => (typeof data === "string" ? data.length : data?.byteLength ?? 0) + FRAME_BYTES;
    engine.on("packet", ({ data }) => {
      this.bytesDown += size(data);
    });
    engine.on("packetCreate", ({ data }) => {
      this.bytesUp += size(data);
    });
  }

  #say(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
