// Who has the floor: the microphone, the synthetic caller, or the agent; and the sound of all three.

import { Microphone } from "./microphone.js";
import { Player } from "./player.js";

const HEARD_FOR_MS = 400; // the state says "hearing you" so long after the last voiced sound
// Whoever holds the button may pause so long; letting go ends the turn, and at once: the silence is sent, not waited for.
export const HELD_PAUSE_MS = 2500;
const SILENCE = new Int16Array(16 * (HELD_PAUSE_MS + 200));

/** Says what the player says (`begin`, `position`, `gap`, `silent`, `trouble`), `lost`, and `voiced`. */
export class Floor extends EventTarget {
  mode = "none"; // free, hold or none
  muted = false;
  held = false;
  playing = null; // id of the reply that is being heard
  thinking = false; // the caller's turn is over and the answer has not begun
  synthetic = false; // the synthetic caller speaks
  microphone;
  player;
  #link;
  #context;
  #holding = false; // the server has paused the agent to listen
  #voicedAt = -Infinity;

  constructor(link) {
    super();
    this.#link = link;
  }

  /** @returns {Promise<string>} why there is no microphone although one was wanted; else empty */
  async open(mode, { compressed }) {
    this.close();
    this.mode = mode;
    this.#context = new AudioContext({ latencyHint: "interactive" });
    await this.#context.resume();
    this.player = await this.#newPlayer();
    this.microphone = new Microphone();
    this.microphone.addEventListener("sound", ({ detail: { audio, format } }) => this.#link.audio(audio, format));
    this.microphone.addEventListener("rest", () => this.#link.audio(SILENCE.buffer, "pcm16"));
    this.microphone.addEventListener("lost", () => this.dispatchEvent(new Event("lost")));
    const why = await this.microphone.open(this.#context, { ask: mode !== "none", compressed });
    if (why) this.mode = "none";
    return why;
  }

  close() {
    this.player?.close();
    this.microphone?.close();
    this.#context?.close();
    this.player = this.microphone = this.#context = undefined;
    this.mode = "none";
    this.muted = this.held = this.thinking = this.synthetic = this.#holding = false;
    this.playing = null;
  }

  /** A phone that was locked has stopped the sound. */
  wake() {
    this.#context?.resume();
  }

  get state() {
    if (this.playing) return "speaking";
    if (this.synthetic) return "caller";
    if (performance.now() - this.#voicedAt < HEARD_FOR_MS) return "hearing";
    if (this.thinking) return "thinking";
    if (this.held) return "held";
    if (this.mode === "none") return "no_mic";
    if (this.mode === "hold") return "hold";
    return this.muted ? "muted" : "listening";
  }

  // ---------------------------------------------------------------- the caller

  begin() {
    if (this.mode === "free") this.microphone.send(true);
  }

  press() {
    if (this.mode !== "hold" || this.held) return;
    this.held = true;
    this.microphone.hush();
    this.interrupt();
    this.microphone.send(true);
  }

  release() {
    if (!this.held) return;
    this.held = false;
    this.microphone?.send(false);
  }

  toggleMute() {
    if (this.mode !== "free") return;
    this.muted = !this.muted;
    this.microphone.send(!this.muted);
  }

  interrupt() {
    if (this.playing) this.player.clear(this.playing);
    this.#link.send("control", { action: "interrupt" });
  }

  /** The synthetic caller says it in the microphone's place; without sound it is sent as text. */
  async say(text, language) {
    if (!this.microphone) return this.#link.send("text_input", { text });
    const wav = await this.#link.phrase(text, language);
    this.synthetic = true;
    this.microphone.send(true);
    try {
      await this.microphone.say(wav);
    } catch (error) {
      this.synthetic = false;
      throw error;
    } finally {
      if (this.mode !== "free" || this.muted) this.microphone?.send(this.held);
    }
  }

  // ---------------------------------------------------------------- what the server says of it

  level({ voiced }) {
    if (!voiced) return;
    const now = performance.now();
    if (now - this.#voicedAt > HEARD_FOR_MS) this.dispatchEvent(new Event("voiced"));
    this.#voicedAt = now;
  }

  turnIsOver({ understood }) {
    this.thinking = understood;
    this.synthetic = false;
  }

  paused() {
    this.#holding = true;
  }

  chunk(chunk) {
    this.player?.chunk(chunk);
  }

  ended({ reply_id: reply, interrupted }) {
    this.thinking = false;
    if (!interrupted) this.player?.end(reply);
  }

  clear(reply) {
    this.player?.clear(reply);
    this.playing = null;
  }

  async #newPlayer() {
    const player = new Player();
    await player.open(this.#context);
    const pass = (name, detail) => this.dispatchEvent(new CustomEvent(name, { detail }));
    for (const name of ["position", "silent", "trouble"]) {
      player.addEventListener(name, ({ detail }) => pass(name, detail));
    }
    player.addEventListener("begin", ({ detail }) => {
      if (this.playing !== detail.reply) this.#holding = false;
      this.playing = detail.reply;
      this.thinking = false;
      pass("begin", detail);
    });
    player.addEventListener("gap", ({ detail }) => {
      if (!this.#holding) pass("gap", detail);
      this.#holding = false;
    });
    player.addEventListener("done", () => {
      this.playing = null;
    });
    player.addEventListener("report", ({ detail: { reply, playedMs } }) => {
      this.#link.send("playback_position", { reply_id: reply, played_ms: playedMs });
    });
    return player;
  }
}
