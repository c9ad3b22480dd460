// The agent's voice: a jitter buffer that plays without gaps, falls silent at once, and knows where it is.

import { Resampler } from "./resampler.js";

const TARGET_MS = 120; // held before a reply begins: more than the network's jitter, less than the server's lead
const PATIENCE_MS = 150; // a reply shorter than that, or a slow voice, begins after this
const TELL_EVERY_S = 0.05;
const DECAY = 0.93; // per sample: 3 ms from full scale to silence, so that nothing clicks
const SILENT = 1e-4;
const toFloat = (sample) => sample / 32768;

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    this.queue = []; // { samples, reply, startMs, at }
    this.held = 0; // samples in the queue
    this.playing = false;
    this.ended = true; // nothing more is to come of the reply in the queue
    this.waitingSince = null;
    this.last = 0; // the last sample played, which decays where the sound stops
    this.ramp = 0;
    this.clearedAt = null;
    this.toldAt = 0;
    this.gapFrames = 0;
    this.place = null; // { reply, ms } of the last sample played
    this.port.onmessage = ({ data }) => this[data.kind](data);
  }

  chunk({ pcm, rate, reply, startMs }) {
    if (!this.resampler || this.rate !== rate) {
      this.resampler = new Resampler(rate, sampleRate);
      this.rate = rate;
    }
    const samples = this.resampler.push(pcm instanceof Int16Array ? Float32Array.from(pcm, toFloat) : pcm);
    if (samples.length) {
      this.queue.push({ samples, reply, startMs, at: 0 });
      this.held += samples.length;
    }
    this.ended = false;
    if (!this.playing && this.waitingSince === null) this.waitingSince = currentTime;
  }

  end({ reply }) {
    this.ended = true;
    if (!this.held) this.#done(reply);
  }

  clear({ at }) {
    this.queue = [];
    this.held = 0;
    this.ended = true;
    this.playing = false;
    this.waitingSince = null;
    this.resampler?.reset();
    this.clearedAt = at;
  }

  process(_, [[output]]) {
    if (!this.playing) this.#begin();
    let n = 0;
    if (this.playing) {
      n = this.#fill(output);
      if (n < output.length) this.#stop(output.length - n);
    }
    for (; n < output.length; n += 1) {
      this.last *= DECAY;
      output[n] = this.last;
    }
    if (this.clearedAt !== null && Math.abs(this.last) < SILENT) {
      const end = currentTime + output.length / sampleRate;
      this.port.postMessage({ kind: "silent", afterMs: (end - this.clearedAt) * 1000 });
      this.clearedAt = null;
    }
    this.#tell(output);
    return true;
  }

  #begin() {
    if (!this.held) return;
    const heldMs = (this.held * 1000) / sampleRate;
    const waitedMs = this.waitingSince === null ? 0 : (currentTime - this.waitingSince) * 1000;
    if (!this.ended && heldMs < TARGET_MS && waitedMs < PATIENCE_MS) return;
    this.playing = true;
    this.waitingSince = null;
    this.ramp = 0;
    const { reply } = this.queue[0];
    if (this.gapFrames && this.place?.reply === reply) {
      this.port.postMessage({ kind: "gap", reply, ms: (this.gapFrames * 1000) / sampleRate });
    }
    this.gapFrames = 0;
    this.port.postMessage({ kind: "begin", reply });
  }

  #fill(output) {
    let n = 0;
    while (n < output.length && this.queue.length) {
      const head = this.queue[0];
      const count = Math.min(output.length - n, head.samples.length - head.at);
      for (let i = 0; i < count; i += 1) {
        this.ramp = Math.min(1, this.ramp + 1 / 64);
        output[n + i] = head.samples[head.at + i] * this.ramp;
      }
      n += count;
      head.at += count;
      this.held -= count;
      this.place = { reply: head.reply, ms: head.startMs + (head.at * 1000) / sampleRate };
      if (head.at === head.samples.length) this.queue.shift();
    }
    if (n) this.last = output[n - 1];
    return n;
  }

  #stop(missing) {
    this.playing = false;
    if (this.ended) this.#done(this.place.reply);
    else {
      this.gapFrames = missing;
      this.waitingSince = null;
    }
  }

  #done(reply) {
    this.port.postMessage({ kind: "done", reply });
  }

  #tell(output) {
    if (!this.playing && !this.ended && this.gapFrames) this.gapFrames += output.length;
    if (!this.playing || currentTime - this.toldAt < TELL_EVERY_S) return;
    this.toldAt = currentTime;
    let peak = 0;
    for (const sample of output) peak = Math.max(peak, Math.abs(sample));
    this.port.postMessage({ kind: "position", ...this.place, heldMs: (this.held * 1000) / sampleRate, peak });
  }
}

registerProcessor("playback", Playback);
