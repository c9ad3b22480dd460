// The page: puts the parts together and shows what they say.

import { Conversation } from "./conversation.js";
import { Link, credentials, takeLinkToken } from "./link.js";
import { Meter } from "./meter.js";
import { Microphone } from "./microphone.js";
import { Notices } from "./notices.js";
import { Phrases } from "./phrases.js";
import { Player } from "./player.js";
import { Settings } from "./settings.js";
import { Texts, ensureEthiopic } from "./texts.js";
import { Times } from "./times.js";

const $ = (id) => document.querySelector(`#${id}`);
const HEARD_FOR_MS = 400; // the state says "hearing you" so long after the last voiced sound
const REJECTIONS = 2;
// Whoever holds the button may pause so long; letting go ends the turn, and at once: the silence is sent, not waited for.
const HELD_PAUSE_MS = 2500;
const SILENCE = new Int16Array(16 * (HELD_PAUSE_MS + 200));
const TRAFFIC_EVERY_MS = 1000;
const TRAFFIC_AFTER_MINUTES = 0.07; // before, a rate would say nothing

takeLinkToken();
ensureEthiopic();
const facts = await (await fetch("page/facts.json")).json();
const texts = new Texts(facts);
const t = (name, values) => texts.t(name, values);
const settings = new Settings(texts);
const conversation = new Conversation($("lines"), $("said"), texts);
const times = new Times($("times"), texts);
const phrases = new Phrases($("chips"));
const notices = new Notices($("notices"), texts);
const meter = new Meter($("meter"));
const link = new Link();
const secure = globalThis.isSecureContext;

let context;
let microphone;
let player;
let mode = "free";
let muted = false;
let held = false;
let ended = false;
let playing = null; // id of the reply that is being heard
let thinking = false;
let holding = false; // the server has paused the agent to listen
let synthetic = false; // the synthetic caller has the floor
let rejections = 0;
let voicedAt = -Infinity;
let startedAt = 0;
let startedWith = null;

// For tests and the curious: `selamAgent` in the console.
const stats = { gaps: [], silences: [], begins: [], firstVoiced: [], held: [] };
globalThis.selamAgent = { link, stats, get player() { return player; }, get microphone() { return microphone; } };

// ------------------------------------------------------------------ starting and ending

async function start() {
  const typed = $("key").value.trim();
  if (typed) credentials.typed(typed);
  if (!credentials.known) return askForKey("");
  show("starting");
  notices.clear();
  mode = secure ? settings.mode : "none";
  [muted, held, ended, thinking, holding, synthetic, playing, rejections] = [false, false, false, false, false, false, null, 0];
  startedWith = null;
  try {
    if (secure) await openSound();
  } catch (error) {
    closeSound();
    mode = "none";
    notices.tell("n_sound", { reason: error.message }, { kind: "bad" });
  }
  link.open({
    ...settings.changeable,
    output_format: settings.lowData ? "opus" : "pcm16",
    output_sample_rate: 24000,
    binary: true,
    playback: "buffered",
    interim: true,
    input_level: true,
    suggestions: true,
    decisions: true,
    ...(mode === "hold" ? { min_silence: HELD_PAUSE_MS, max_silence: HELD_PAUSE_MS } : {}),
  });
  line("line_connecting");
}

async function openSound() {
  closeSound();
  context = new AudioContext({ latencyHint: "interactive" });
  await context.resume();
  player = new Player();
  await player.open(context);
  for (const name of ["begin", "position", "report", "done", "gap", "silent", "trouble"]) {
    player.addEventListener(name, ({ detail }) => PLAYER[name](detail));
  }
  microphone = new Microphone();
  microphone.addEventListener("sound", ({ detail: { audio, format } }) => link.audio(audio, format));
  microphone.addEventListener("rest", () => link.audio(SILENCE.buffer, "pcm16"));
  microphone.addEventListener("lost", () => notices.tell("n_mic_lost", {}, { kind: "bad" }));
  const why = await microphone.open(context, { ask: mode !== "none", compressed: settings.lowData });
  if (why) {
    notices.tell(why === "none" ? "n_mic_none" : "n_mic_refused", {}, { kind: "bad" });
    mode = "none";
  }
}

function closeSound() {
  player?.close();
  microphone?.close();
  context?.close();
  player = microphone = context = undefined;
}

function finish(name) {
  ended = true;
  link.close();
  closeSound();
  show("ended");
  line("line_ended");
  if (name) notices.tell(name);
  $("again").focus();
}

function notStarted(error) {
  link.close();
  closeSound();
  show("idle");
  line("line_off");
  notices.server(error, "bad");
}

function askForKey(name) {
  show("idle");
  line("line_off");
  $("key-field").hidden = false;
  $("key-error").textContent = name ? t(name) : "";
  $("key").value = "";
  $("key").focus();
}

// ------------------------------------------------------------------ what the server says

const SERVER = {
  up(session) {
    if (session.resumed) return line("line_back");
    if (startedWith) notices.tell("n_new");
    startedWith = session;
    startedAt = performance.now();
    conversation.reset();
    times.reset();
    phrases.offer(facts.synthetic_caller || !secure ? settings.pack.phrases : [], settings.language);
    engines(session.engines);
    show("call");
    line("line_on");
    if (mode === "free" && microphone?.given) microphone.send(true);
    const first = mode === "none" ? document.querySelector("#chips-now .chip") : $("mic");
    (first ?? $("lines")).focus({ preventScroll: true });
  },
  down() {
    if (ended) return;
    line("line_lost");
    if (!startedWith) notices.tell("n_origin", {}, { kind: "bad" });
  },
  refused(error) {
    link.close();
    closeSound();
    if (error.type !== "authentication_error") return notStarted(error);
    credentials.forget();
    askForKey(error.code.startsWith("token") || error.code === "invalid_token" ? "n_token" : "n_key");
  },
  left() {
    if (!ended) finish("");
  },
  transcription(event) {
    conversation.caller(event, { synthetic });
    if (!event.is_final) return;
    rejections = 0;
    thinking = true;
    synthetic = false;
  },
  warning(warning) {
    if (warning.code !== "not_understood") return notices.server(warning, "note");
    if (warning.details?.ignored) return;
    conversation.notUnderstood(warning.details?.turn_id);
    synthetic = false;
    rejections += 1;
    if (rejections === REJECTIONS) explain();
  },
  error(error) {
    if (startedWith) notices.server(error, "bad");
    else notStarted(error);
  },
  response: ({ reply_id: reply, text }) => conversation.wrote(reply, { text }),
  response_delta: ({ reply_id: reply, delta }) => conversation.wrote(reply, { delta }),
  audio_chunk(chunk) {
    conversation.will(chunk.reply_id, chunk);
    player?.chunk(chunk);
  },
  audio_end(end) {
    thinking = false;
    conversation.over(end.reply_id, end);
    if (!end.interrupted) player?.end(end.reply_id);
  },
  clear({ reply_id: reply }) {
    player?.clear(reply);
    playing = null;
  },
  turn_metrics: (metrics) => times.turn(metrics),
  suggestions: ({ phrases: now }) => phrases.suggest(now),
  decision({ decision }) {
    if (decision !== "pause") return;
    holding = true;
    stats.held.push(performance.now());
  },
  input_level(level) {
    meter.show(level);
    if (!level.voiced) return;
    if (performance.now() - voicedAt > HEARD_FOR_MS) stats.firstVoiced.push(performance.now());
    voicedAt = performance.now();
  },
  voice_changed: ({ to }) => line("line_on", ` · ${to}`),
  session_ended({ reason }) {
    const name = `n_end_${reason}`;
    finish(texts.has(name) ? name : "");
  },
};

const PLAYER = {
  begin({ reply, waitedMs }) {
    if (playing !== reply) holding = false;
    playing = reply;
    thinking = false;
    stats.begins.push({ reply, at: performance.now() });
    times.played(reply, waitedMs);
  },
  position({ reply, ms, peak }) {
    conversation.heard(reply, ms);
    $("mic").style.setProperty("--voice", Math.min(1, peak * 2).toFixed(2));
  },
  report: ({ reply, playedMs }) => link.send("playback_position", { reply_id: reply, played_ms: playedMs }),
  done() {
    playing = null;
  },
  gap({ reply, ms }) {
    if (!holding) stats.gaps.push({ reply, ms });
    holding = false;
  },
  silent({ afterMs }) {
    stats.silences.push({ afterMs, at: performance.now() });
  },
  trouble: ({ error }) => notices.tell("n_sound", { reason: error.message }, { kind: "bad" }),
};

// ------------------------------------------------------------------ what the reader does

function press() {
  if (mode !== "hold" || held || !microphone?.given) return;
  held = true;
  microphone.hush();
  if (playing) player.clear(playing);
  link.send("control", { action: "interrupt" });
  microphone.send(true);
}

function release() {
  if (!held) return;
  held = false;
  microphone?.send(false);
}

function toggleMute() {
  if (mode !== "free" || !microphone?.given) return;
  muted = !muted;
  microphone.send(!muted);
}

async function say(text) {
  if (!microphone) return link.send("text_input", { text });
  try {
    const wav = await link.phrase(text, phrases.language);
    synthetic = true;
    microphone.send(true);
    await microphone.say(wav);
    if (mode !== "free" || muted || !microphone.given) microphone.send(held);
  } catch (error) {
    synthetic = false;
    notices.tell("n_say_failed", { reason: error.message }, { kind: "bad" });
  }
}

function type(event) {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  link.send("text_input", { text });
  $("text").value = "";
}

function explain() {
  const open = startedWith?.engines.stt?.open_vocabulary;
  if (open) return notices.tell("n_rejected_open");
  notices.tell("n_rejected", { count: phrases.known?.size ?? 0 }, { code: facts.upgrade });
  $("chips-more").open = true;
}

// ------------------------------------------------------------------ what is shown

function show(state) {
  document.body.dataset.state = state;
  const calling = state === "call" || state === "ended";
  if (calling) $("dock").before($("notices"));
  else $("welcome").append($("notices"));
  $("welcome").hidden = calling;
  $("call").hidden = !calling;
  $("after").hidden = state !== "ended";
  $("talk").hidden = $("typing").hidden = state === "ended";
  $("start").disabled = state === "starting";
  $("start").textContent = t(state === "starting" ? "starting" : "start");
  if (state === "ended") $("chips").hidden = true;
}

function line(name, more = "") {
  $("line").dataset.state = name;
  $("line").textContent = t(name) + more;
}

function state() {
  if (playing) return "speaking";
  if (synthetic) return "caller";
  if (performance.now() - voicedAt < HEARD_FOR_MS) return "hearing";
  if (thinking) return "thinking";
  if (held) return "held";
  if (mode === "none") return "no_mic";
  if (mode === "hold") return "hold";
  return muted ? "muted" : "listening";
}

function engines({ stt, llm, tts }) {
  const heard = stt.open_vocabulary ? "free_speech" : "fixed_phrases";
  const count = settings.pack.phrases.flat().length;
  const rows = [
    ["hears", stt, t(heard, { count, tested: stt.tested_on })],
    ["answers", llm, llm.generative ? "" : t("by_rules")],
    ["speaks", tts, ""],
  ];
  $("engines").replaceChildren(
    ...rows.flatMap(([name, engine, more]) => {
      const what = document.createElement("dt");
      what.textContent = t(name);
      const which = document.createElement("dd");
      which.textContent = [engine.name, more, engine.leaves_machine ? t("leaves") : ""].filter(Boolean).join(" · ");
      which.classList.toggle("away", engine.leaves_machine);
      return [what, which];
    }),
  );
}

function refresh() {
  const now = state();
  if ($("state").dataset.state !== now) {
    $("state").dataset.state = $("mic").dataset.state = now;
    $("state").textContent = t(`s_${now}`);
    if (now !== "speaking") $("mic").style.setProperty("--voice", 0);
  }
  const can = mode !== "none";
  $("mic").hidden = !can;
  $("mic").ariaPressed = String(mode === "hold" ? held : muted);
  const label = t(mode === "hold" ? "hold_now" : muted ? "unmute" : "mute");
  if ($("mic-label").textContent !== label) $("mic-label").textContent = label;
  $("empty").hidden = !conversation.empty;
  requestAnimationFrame(refresh);
}

function traffic() {
  const minutes = (performance.now() - startedAt) / 60000;
  if (!startedWith || ended || minutes < TRAFFIC_AFTER_MINUTES) return;
  const total = (link.bytesUp + link.bytesDown) / 1000;
  $("traffic").textContent = t("traffic", { rate: Math.round(total / minutes), total: Math.round(total) });
}

function pageLanguages() {
  const known = facts.languages.filter((each) => Object.keys(each.texts).length);
  const options = known.map(({ code, endonym }) => Object.assign(new Option(endonym, code), { lang: code }));
  $("page-language").replaceChildren(...options);
  $("page-language").value = texts.language;
}

for (const [name, act] of Object.entries(SERVER)) link.addEventListener(name, ({ detail }) => act(detail));
$("welcome").addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
$("again").addEventListener("click", start);
$("back").addEventListener("click", () => {
  show("idle");
  line("line_off");
});
$("end").addEventListener("click", () => finish(""));
$("typing").addEventListener("submit", type);
$("page-language").addEventListener("change", ({ target }) => texts.choose(target.value));
texts.addEventListener("change", () => {
  line($("line").dataset.state ?? "line_off");
  show(document.body.dataset.state);
  $("state").dataset.state = "";
  $("text").placeholder = t("type_here");
  $("meter").ariaLabel = t("level");
});
settings.addEventListener("change", () => link.send("update_session", settings.changeable));
phrases.addEventListener("say", ({ detail }) => say(detail));

$("mic").addEventListener("click", toggleMute);
$("mic").addEventListener("pointerdown", (event) => {
  if (event.button) return;
  $("mic").setPointerCapture(event.pointerId);
  press();
});
for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) $("mic").addEventListener(name, release);
$("mic").addEventListener("contextmenu", (event) => event.preventDefault());
const takesKeys = (element) => element.closest("input, textarea, select, summary, a, button:not(#mic)");
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && playing) {
    player.clear(playing);
    link.send("control", { action: "interrupt" });
  }
  if (event.key !== " " || mode !== "hold" || takesKeys(event.target) || document.body.dataset.state !== "call") return;
  event.preventDefault();
  if (!event.repeat) press();
});
document.addEventListener("keyup", (event) => {
  if (event.key === " ") release();
});
addEventListener("blur", release);
addEventListener("pagehide", () => link.close());
setInterval(traffic, TRAFFIC_EVERY_MS);

pageLanguages();
texts.choose(texts.language, { keep: false });
$("insecure").hidden = secure;
$("chips-hint").hidden = !secure;
$("key-field").hidden = credentials.known;
$("version").textContent = `selam-agent ${facts.version}`;
if (!secure) settings.mode_is("none");
line("line_off");
show("idle");
refresh();
document.body.dataset.ready = "";
