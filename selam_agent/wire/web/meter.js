// How loud the microphone is at the server, and the gate below which nothing counts as speech.

const FLOOR_DB = -60;
const FALL_PER_S = 1.6; // of the whole scale
const STALE_MS = 500; // nothing is sent, so nothing is heard

const decibels = (rms) => Math.max(FLOOR_DB, 20 * Math.log10(Math.max(1, rms) / 32768));
const share = (db) => (db - FLOOR_DB) / -FLOOR_DB;

export class Meter {
  #box;
  #level = 0;
  #shown = 0;
  #at = 0;
  #timer;

  constructor(box) {
    this.#box = box;
  }

  /** @param {{rms: number, gate: number, voiced: boolean}} level RMS in int16 units */
  show({ rms, gate, voiced }) {
    const db = decibels(rms);
    this.#level = share(db);
    this.#box.style.setProperty("--gate", share(decibels(gate)).toFixed(3));
    this.#box.classList.toggle("voiced", voiced);
    this.#box.ariaValueNow = String(Math.round(db));
    if (!this.#at) requestAnimationFrame((now) => this.#move(now));
    clearTimeout(this.#timer);
    if (rms) this.#timer = setTimeout(() => this.show({ rms: 0, gate, voiced: false }), STALE_MS);
  }

  /** Up at once, down slowly. */
  #move(now) {
    const passed = this.#at ? (now - this.#at) / 1000 : 0;
    this.#at = now;
    this.#shown = Math.max(this.#level, this.#shown - FALL_PER_S * passed);
    this.#box.style.setProperty("--level", this.#shown.toFixed(3));
    if (this.#shown > this.#level) requestAnimationFrame((next) => this.#move(next));
    else this.#at = 0;
  }
}
