// The page: puts the parts together, and says what happens when the server or the reader does something.

import { Conversation } from "./conversation.js";
import { Floor, HELD_PAUSE_MS } from "./floor.js";
import { Link, credentials, takeLinkToken } from "./link.js";
import { Meter } from "./meter.js";
import { Notices } from "./notices.js";
import { Phrases } from "./phrases.js";
import { Settings } from "./settings.js";
import { Texts, ensureEthiopic } from "./texts.js";
import { Times } from "./times.js";
import { $, View } from "./view.js";

const REJECTIONS = 2;
const TRAFFIC_EVERY_MS = 1000;
const TRAFFIC_AFTER_MINUTES = 0.07; // before, a rate would say nothing

takeLinkToken();
ensureEthiopic();
const facts = await (await fetch("page/facts.json")).json();
const texts = new Texts(facts);
const view = new View(texts);
const settings = new Settings(texts);
const conversation = new Conversation($("lines"), $("said"), texts);
const times = new Times($("times"), texts);
const phrases = new Phrases($("chips"));
const notices = new Notices($("notices"), texts);
const meter = new Meter($("meter"));
const link = new Link();
const floor = new Floor(link);
const secure = globalThis.isSecureContext;

let ended = false;
let rejections = 0;
let session = null; // session_started, once it came
let startedAt = 0;

// For tests and the curious: `selamAgent` in the console.
const stats = { gaps: [], silences: [], firstVoiced: [] };
globalThis.selamAgent = { link, floor, stats };

// ------------------------------------------------------------------ starting and ending

async function start() {
  const typed = $("key").value.trim();
  if (typed) credentials.typed(typed);
  if (!credentials.known) return askForKey("");
  view.show("starting");
  notices.clear();
  ended = false;
  rejections = 0;
  session = null;
  floor.close();
  if (secure) await openSound();
  const patience = floor.mode === "hold" ? { min_silence: HELD_PAUSE_MS, max_silence: HELD_PAUSE_MS } : {};
  link.open({
    ...settings.changeable,
    ...patience,
    output_format: settings.lowData ? "opus" : "pcm16",
    output_sample_rate: 24000,
    binary: true,
    playback: "buffered",
    interim: true,
    input_level: true,
    suggestions: true,
    decisions: true,
  });
  view.line("line_connecting");
}

async function openSound() {
  try {
    const why = await floor.open(settings.mode, { compressed: settings.lowData });
    if (why) notices.tell(why === "none" ? "n_mic_none" : "n_mic_refused", {}, { kind: "bad" });
  } catch (error) {
    floor.close();
    notices.tell("n_sound", { reason: error.message }, { kind: "bad" });
  }
}

function finish(name) {
  ended = true;
  link.close();
  floor.close();
  view.show("ended");
  view.line("line_ended");
  if (name) notices.tell(name);
  $("again").focus();
}

function notStarted(error) {
  link.close();
  floor.close();
  view.show("idle");
  view.line("line_off");
  if (error) notices.server(error, "bad");
}

function askForKey(name) {
  notStarted();
  $("key-field").hidden = false;
  $("key-error").textContent = name ? texts.t(name) : "";
  $("key").value = "";
  $("key").focus();
}

// ------------------------------------------------------------------ what the server says

const SERVER = {
  up(started) {
    if (started.resumed) return view.line("line_back");
    if (session) notices.tell("n_new");
    session = started;
    startedAt = performance.now();
    conversation.reset();
    times.reset();
    phrases.offer(facts.synthetic_caller || !secure ? settings.pack.phrases : [], settings.language);
    view.engines(session.engines, phrases.known.size);
    view.show("call");
    view.line("line_on");
    floor.begin();
    const first = floor.mode === "none" ? document.querySelector("#chips-now .chip") : $("mic");
    (first ?? $("lines")).focus({ preventScroll: true });
  },
  down() {
    if (ended) return;
    view.line("line_lost");
    if (!session) notices.tell("n_origin", {}, { kind: "bad" });
  },
  refused(error) {
    if (error.type !== "authentication_error") return notStarted(error);
    credentials.forget();
    askForKey(error.code.startsWith("token") || error.code === "invalid_token" ? "n_token" : "n_key");
  },
  left() {
    if (!ended) finish("");
  },
  transcription(event) {
    conversation.caller(event, { synthetic: floor.synthetic });
    if (!event.is_final) return;
    rejections = 0;
    floor.turnIsOver({ understood: true });
  },
  warning(warning) {
    if (warning.code !== "not_understood") return notices.server(warning, "note");
    if (warning.details?.ignored) return;
    conversation.notUnderstood(warning.details?.turn_id);
    floor.turnIsOver({ understood: false });
    rejections += 1;
    if (rejections === REJECTIONS) explain();
  },
  error(error) {
    if (session) notices.server(error, "bad");
    else notStarted(error);
  },
  response: ({ reply_id: reply, text }) => conversation.wrote(reply, { text }),
  response_delta: ({ reply_id: reply, delta }) => conversation.wrote(reply, { delta }),
  audio_chunk(chunk) {
    conversation.will(chunk.reply_id, chunk);
    floor.chunk(chunk);
  },
  audio_end(end) {
    conversation.over(end.reply_id, end);
    floor.ended(end);
  },
  clear: ({ reply_id: reply }) => floor.clear(reply),
  turn_metrics: (metrics) => times.turn(metrics),
  suggestions: ({ phrases: now }) => phrases.suggest(now),
  decision({ decision }) {
    if (decision === "pause") floor.paused();
  },
  input_level(level) {
    meter.show(level);
    floor.level(level);
  },
  voice_changed: ({ to }) => view.line("line_on", ` · ${to}`),
  session_ended({ reason }) {
    const name = `n_end_${reason}`;
    finish(texts.has(name) ? name : "");
  },
};

const FLOOR = {
  begin: ({ reply, waitedMs }) => times.played(reply, waitedMs),
  position({ reply, ms, peak }) {
    conversation.heard(reply, ms);
    view.voice(peak);
  },
  gap: (gap) => stats.gaps.push(gap),
  silent: ({ afterMs }) => stats.silences.push({ afterMs, at: performance.now() }),
  voiced: () => stats.firstVoiced.push(performance.now()),
  lost: () => notices.tell("n_mic_lost", {}, { kind: "bad" }),
  trouble: ({ error }) => notices.tell("n_sound", { reason: error.message }, { kind: "bad" }),
};

function explain() {
  if (session.engines.stt.open_vocabulary) return notices.tell("n_rejected_open");
  notices.tell("n_rejected", { count: phrases.known.size }, { code: settings.pack.upgrade });
  $("chips-more").open = true;
}

// ------------------------------------------------------------------ what the reader does

async function say(text) {
  try {
    await floor.say(text, phrases.language);
  } catch (error) {
    notices.tell("n_say_failed", { reason: error.message }, { kind: "bad" });
  }
}

function type(event) {
  event.preventDefault();
  const text = $("text").value.trim();
  if (text) link.send("text_input", { text });
  $("text").value = "";
}

/** Whether a key pressed there is meant for that element. */
const takesKeys = (element) => element.closest("input, textarea, select, summary, a, button:not(#mic)");

function keyDown(event) {
  if (view.state !== "call") return;
  if (event.key === "Escape" && floor.playing) floor.interrupt();
  if (event.key !== " " || floor.mode !== "hold" || takesKeys(event.target)) return;
  event.preventDefault();
  if (!event.repeat) floor.press();
}

// ------------------------------------------------------------------ putting together

function refresh() {
  view.floor(floor);
  $("empty").hidden = !conversation.empty;
  requestAnimationFrame(refresh);
}

function traffic() {
  const minutes = (performance.now() - startedAt) / 60000;
  if (session && !ended && minutes > TRAFFIC_AFTER_MINUTES) view.traffic(link.bytesUp + link.bytesDown, minutes);
}

function listen(target, handlers) {
  for (const [name, act] of Object.entries(handlers)) target.addEventListener(name, ({ detail }) => act(detail));
}

listen(link, SERVER);
listen(floor, FLOOR);
settings.addEventListener("change", () => link.send("update_session", settings.changeable));
phrases.addEventListener("say", ({ detail }) => say(detail));
texts.addEventListener("change", () => {
  view.line($("line").dataset.state ?? "line_off");
  view.show(view.state ?? "idle");
  $("state").dataset.state = "";
  $("text").placeholder = texts.t("type_here");
  $("meter").ariaLabel = texts.t("level");
});
$("welcome").addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
$("again").addEventListener("click", start);
$("back").addEventListener("click", () => notStarted());
$("end").addEventListener("click", () => finish(""));
$("typing").addEventListener("submit", type);
$("page-language").addEventListener("change", ({ target }) => texts.choose(target.value));
$("mic").addEventListener("click", () => floor.toggleMute());
$("mic").addEventListener("contextmenu", (event) => event.preventDefault());
$("mic").addEventListener("pointerdown", (event) => {
  if (event.button) return;
  $("mic").setPointerCapture(event.pointerId);
  floor.press();
});
for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
  $("mic").addEventListener(name, () => floor.release());
}
document.addEventListener("keydown", keyDown);
document.addEventListener("keyup", ({ key }) => key === " " && floor.release());
addEventListener("blur", () => floor.release());
document.addEventListener("visibilitychange", () => floor.wake());
addEventListener("pagehide", () => link.close());
setInterval(traffic, TRAFFIC_EVERY_MS);

view.languages(facts.languages);
view.show("idle");
view.line("line_off");
texts.choose(texts.language, { keep: false });
$("insecure").hidden = secure;
$("chips-hint").hidden = !secure;
$("key-field").hidden = credentials.known;
$("version").textContent = `selam-agent ${facts.version}`;
if (!secure) {
  settings.choose("mode", "none");
  for (const mode of document.querySelectorAll("input[name=mode]")) mode.disabled = mode.value !== "none";
}
refresh();
document.body.dataset.ready = "";
