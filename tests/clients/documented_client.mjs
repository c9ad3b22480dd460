// The documented SelamGPT voice client, in Node: only the microphone is a file of recorder chunks.
//
//   node documented_client.mjs URL KEY CHUNKS.jsonl     talks, listens, talks again and interrupts
//   node documented_client.mjs URL KEY                  connects only
//
// Prints one JSON object per event; ends by itself.
import { readFileSync } from "node:fs";
import { io } from "socket.io-client";

const [url, apiKey, chunksFile] = process.argv.slice(2);
const begun = Date.now();
const say = (event, data = null) => console.log(JSON.stringify({ t_ms: Date.now() - begun, event, data }));
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class VoiceAgent {
  constructor(key, voice = "mekdes") {
    this.apiKey = key;
    this.voice = voice;
    this.waiting = [];
  }

  connect() {
    this.socket = io(`${url}/v1/audio/agent`, {
      query: { api_key: this.apiKey, voice: this.voice },
      transports: ["websocket"],
    });
    const documented = [
      "connected", "session_started", "transcription", "response", "audio_chunk", "audio_end",
      "control_ack", "session_ended", "error",
    ];
    for (const name of documented) {
      this.socket.on(name, (data) => this.received(name, data));
    }
    this.socket.on("connected", () => this.startSession());
    this.socket.on("connect_error", (error) => this.received("connect_error", error.message));
    this.socket.on("disconnect", (reason) => this.received("disconnect", reason));
    this.socket.io.on("reconnect_attempt", () => this.received("reconnect_attempt"));
  }

  startSession() {
    this.socket.emit("start_session", {
      voice: "aria",
      language: "en",
      instructions: "You are a helpful assistant.",
      vad_threshold: 600,
      interrupt_threshold: 8,
    });
  }

  received(name, data) {
    const shown = name === "audio_chunk" ? { ...data, audio: data.audio.length } : data;
    say(name, shown);
    this.waiting = this.waiting.filter(([wanted, resolve]) => wanted !== name || resolve(data));
  }

  next(name, ms = 20000) {
    return Promise.race([
      new Promise((resolve) => this.waiting.push([name, (data) => void resolve(data)])),
      sleep(ms).then(() => Promise.reject(new Error(`no ${name} within ${ms} ms`))),
    ]);
  }

  // Press: stop the agent, then stream. Release: just stop.
  async talk(chunks) {
    this.socket.emit("control", { action: "interrupt" });
    for (const audio of chunks) {
      this.socket.emit("audio_chunk", { audio, format: "pcm16", sample_rate: 16000 });
      await sleep(100);
    }
  }
}

const agent = new VoiceAgent(apiKey);
agent.connect();
if (!chunksFile) {
  await sleep(2500);
} else {
  const chunks = readFileSync(chunksFile, "utf8").trim().split("\n").map((line) => JSON.parse(line).audio);
  await agent.next("session_started");
  let end = agent.next("audio_end");
  await agent.talk(chunks);
  await end;
  // Again, with a new recorder (a new container header); this time the answer is cut off.
  const first = agent.next("audio_chunk");
  end = agent.next("audio_end");
  await agent.talk(chunks);
  await first;
  agent.socket.emit("control", { action: "interrupt" });
  await end;
  await sleep(200);
}
say("bye");
agent.socket.disconnect();
