// What the server hears: the microphone, or a synthetic caller in its place; as PCM16 or as WebM/Opus.

const WANTED = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
const SLICE_MS = 200; // of a recorder: at 100 ms the frames around the pieces weigh as much as the sound
const BITS_PER_S = 20_000;
const FADE_S = 0.01;
const RECORDERS = ["audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4"];

export class Microphone extends EventTarget {
  #context;
  #stream;
  #live; // gain of the real microphone
  #mix; // what is sent
  #capture;
  #tap; // of the recorder
  #recorder;
  #sending = false;
  #speaking; // the synthetic caller's phrase

  /** Whether a real microphone was given. */
  get given() {
    return Boolean(this.#stream);
  }

  get sending() {
    return this.#sending;
  }

  /**
   * @param {AudioContext} context
   * @param {{ask: boolean, compressed: boolean}} how `ask` for the microphone, or do without
   * @returns {Promise<string>} why there is no microphone; empty if there is one
   */
  async open(context, { ask, compressed }) {
    this.#context = context;
    this.#mix = new GainNode(context);
    this.#live = new GainNode(context);
    this.#live.connect(this.#mix);
    if (compressed) {
      this.#tap = context.createMediaStreamDestination();
      this.#tap.channelCount = 1;
      this.#mix.connect(this.#tap);
    } else {
      await context.audioWorklet.addModule(new URL("./capture-worklet.js", import.meta.url));
      this.#capture = new AudioWorkletNode(context, "capture", { channelCount: 1, channelCountMode: "explicit" });
      this.#capture.port.onmessage = ({ data }) =>
        data ? this.#sound(data, "pcm16") : this.dispatchEvent(new Event("rest"));
      this.#mix.connect(this.#capture).connect(context.destination); // silent, but it keeps the worklet at work
    }
    if (!ask) return "";
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ audio: WANTED });
    } catch (error) {
      return error.name === "NotFoundError" ? "none" : "refused";
    }
    context.createMediaStreamSource(this.#stream).connect(this.#live);
    this.#stream.getAudioTracks()[0].addEventListener("ended", () => this.dispatchEvent(new Event("lost")));
    return "";
  }

  /** Sends from now on, or stops. */
  send(wanted) {
    if (wanted === this.#sending) return;
    this.#sending = wanted;
    this.#capture?.port.postMessage({ sending: wanted });
    if (this.#tap && wanted) this.#record();
    else if (this.#tap) this.#recorder?.stop();
  }

  /**
   * The synthetic caller says this instead of the microphone.
   * @param {ArrayBuffer} wav
   * @returns {Promise<void>} when it has been said, or was cut off
   */
  async say(wav) {
    this.hush();
    const source = new AudioBufferSourceNode(this.#context, { buffer: await this.#context.decodeAudioData(wav) });
    const { gain } = this.#live;
    gain.setTargetAtTime(0, this.#context.currentTime, FADE_S);
    source.connect(this.#mix);
    this.#speaking = source;
    await new Promise((resolve) => {
      source.addEventListener("ended", resolve);
      source.start();
    });
    if (this.#speaking === source) {
      this.#speaking = undefined;
      gain.setTargetAtTime(1, this.#context.currentTime, FADE_S);
    }
  }

  hush() {
    this.#speaking?.stop();
  }

  close() {
    this.hush();
    this.send(false);
    this.#stream?.getTracks().forEach((track) => track.stop());
    for (const node of [this.#live, this.#mix, this.#capture]) node?.disconnect();
    this.#stream = this.#capture = this.#tap = undefined;
  }

  #record() {
    const mimeType = RECORDERS.find((each) => MediaRecorder.isTypeSupported(each));
    const recorder = new MediaRecorder(this.#tap.stream, { mimeType, audioBitsPerSecond: BITS_PER_S });
    let order = Promise.resolve();
    recorder.addEventListener("dataavailable", ({ data }) => {
      order = order.then(async () => data.size && this.#sound(await data.arrayBuffer(), "wav"));
    });
    recorder.start(SLICE_MS);
    this.#recorder = recorder;
  }

  #sound(audio, format) {
    this.dispatchEvent(new CustomEvent("sound", { detail: { audio, format } }));
  }
}
