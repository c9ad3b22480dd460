// Any sample rate to any other, as a stream: a windowed-sinc low-pass filter, evaluated at the output's instants.

const ZEROS = 16; // zero crossings of the sinc on each side
const PHASES = 256; // table entries per zero crossing; between them values are interpolated
const BETA = 8; // Kaiser: 80 dB of stop band
const PASS = 0.92; // of the lower Nyquist frequency; the rest is for the filter's slope

function bessel(x) {
  let sum = 1;
  for (let term = 1, k = 1; term > 1e-12 * sum; k += 1) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

const TABLE = new Float32Array(ZEROS * PHASES + 2);
for (let i = 0; i < ZEROS * PHASES; i += 1) {
  const x = i / PHASES;
  const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
  TABLE[i] = (sinc * bessel(BETA * Math.sqrt(1 - (x / ZEROS) ** 2))) / bessel(BETA);
}

export class Resampler {
  /** @param {number} from Hz @param {number} to Hz */
  constructor(from, to) {
    this.same = from === to;
    this.step = from / to;
    this.scale = PASS * Math.min(1, to / from); // cutoff in input samples' terms
    this.half = Math.ceil(ZEROS / this.scale);
    this.reset();
  }

  reset() {
    this.held = new Float32Array(this.half); // silence before the beginning
    this.at = this.half; // of the next output sample, in `held`
  }

  /** @param {Float32Array} input @returns {Float32Array} what is complete; up to `half` input samples late */
  push(input) {
    if (this.same) return input;
    const all = new Float32Array(this.held.length + input.length);
    all.set(this.held);
    all.set(input, this.held.length);
    const count = Math.max(0, Math.ceil((all.length - this.half - this.at) / this.step));
    const output = new Float32Array(count);
    let at = this.at;
    for (let n = 0; n < count; n += 1, at += this.step) output[n] = this.#value(all, at);
    const keep = Math.max(0, Math.floor(at) - this.half);
    this.held = all.slice(keep);
    this.at = at - keep;
    return output;
  }

  #value(all, at) {
    const first = Math.max(0, Math.ceil(at - this.half));
    const last = Math.min(all.length - 1, Math.floor(at + this.half));
    let sum = 0;
    for (let i = first; i <= last; i += 1) {
      const x = Math.abs(i - at) * this.scale * PHASES;
      const k = x | 0;
      if (k >= ZEROS * PHASES) continue;
      sum += all[i] * (TABLE[k] + (x - k) * (TABLE[k + 1] - TABLE[k]));
    }
    return sum * this.scale;
  }
}
