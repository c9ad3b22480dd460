// The microphone's sound as 40 ms pieces of PCM16 at 16 kHz, made beside the page's own thread.

import { Resampler } from "./resampler.js";

const RATE = 16000;
const PIECE = RATE / 25;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, RATE);
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
    this.sending = false;
    this.port.onmessage = ({ data }) => {
      if (data.sending && !this.sending) this.resampler.reset();
      if (!data.sending && this.sending) {
        if (this.filled) this.#send();
        this.port.postMessage(null);
      }
      this.sending = data.sending;
    };
  }

  process([[input]]) {
    if (!this.sending) return true;
    for (const sample of this.resampler.push(input ?? new Float32Array(128))) {
      this.piece[this.filled] = Math.max(-1, Math.min(1, sample)) * 32767;
      this.filled += 1;
      if (this.filled === PIECE) this.#send();
    }
    return true;
  }

  #send() {
    const pcm = this.piece.slice(0, this.filled);
    this.filled = 0;
    this.port.postMessage(pcm.buffer, [pcm.buffer]);
  }
}

registerProcessor("capture", Capture);
