// Plays replies through the playback worklet and says how far each has been heard.

const REPORT_EVERY_MS = 250;

export class Player extends EventTarget {
  #node;
  #context;
  #order = Promise.resolve(); // compressed chunks are decoded one after the other
  #flushes = 0;
  #gone = new Set(); // replies that were cleared: what comes late of them is not played
  #reported = 0;
  #repeatedMs = 0;
  #furthest = null; // { reply, endMs } of the last chunk
  #arrived = new Map(); // reply → when its first chunk came

  async open(context) {
    this.#context = context;
    await context.audioWorklet.addModule(new URL("./playback-worklet.js", import.meta.url));
    this.#node = new AudioWorkletNode(context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#node.port.onmessage = ({ data }) => this.#told(data);
    this.#node.connect(context.destination);
  }

  close() {
    this.clear();
    this.#node?.disconnect();
    this.#node = undefined;
  }

  /** An `audio_chunk` of the server: raw PCM16, or a file of its own. */
  chunk({ audio, format, sample_rate: rate, reply_id: reply, start_ms: startMs = 0, duration_ms: durationMs }) {
    if (!this.#node || this.#gone.has(reply)) return;
    if (!this.#arrived.has(reply)) {
      this.#arrived.set(reply, performance.now());
      this.#repeatedMs = 0;
    } else if (this.#furthest?.reply === reply && startMs < this.#furthest.endMs - 1) {
      this.#repeatedMs += this.#furthest.endMs - startMs;
    }
    this.#furthest = { reply, endMs: startMs + durationMs };
    if (format === "pcm16") {
      this.#play({ pcm: new Int16Array(audio), rate, reply, startMs });
      return;
    }
    const flushes = this.#flushes;
    this.#order = this.#order.then(async () => {
      const decoded = await this.#context.decodeAudioData(audio);
      if (flushes !== this.#flushes) return;
      this.#play({ pcm: decoded.getChannelData(0).slice(), rate: decoded.sampleRate, reply, startMs });
    });
    this.#order = this.#order.catch((error) => this.#say("trouble", { error }));
  }

  /** The reply is complete. */
  end(reply) {
    this.#order = this.#order.then(() => this.#node?.port.postMessage({ kind: "end", reply }));
  }

  /** Silence, now; what still comes of `reply` is dropped. */
  clear(reply) {
    if (reply) this.#gone.add(reply);
    this.#flushes += 1;
    if (this.#node) this.#node.port.postMessage({ kind: "clear", at: this.#context.currentTime });
  }

  #play(piece) {
    this.#node?.port.postMessage({ kind: "chunk", ...piece }, [piece.pcm.buffer]);
  }

  #told(data) {
    if (data.kind === "begin" && this.#arrived.has(data.reply)) {
      data.waitedMs = performance.now() - this.#arrived.get(data.reply);
      if (this.#arrived.size > 8) this.#arrived.delete(this.#arrived.keys().next().value);
    }
    if (data.kind === "position") {
      // What has left the worklet is heard only when it has left the loudspeaker.
      data.ms = Math.max(0, data.ms - 1000 * (this.#context.outputLatency || 0));
      const now = performance.now();
      if (now - this.#reported >= REPORT_EVERY_MS) {
        this.#reported = now;
        this.#say("report", { reply: data.reply, playedMs: data.ms + this.#repeatedMs });
      }
    }
    this.#say(data.kind, data);
  }

  #say(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
