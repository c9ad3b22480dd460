// The conversation as text: the caller's words as they are recognised, the agent's as they are heard.

const NEAR_END_PX = 120;

export class Conversation {
  #list;
  #announce;
  #texts;
  #turns = new Map(); // turn_id → the caller's line
  #replies = new Map(); // reply_id → the agent's line and its state

  constructor(list, announcer, texts) {
    this.#list = list;
    this.#announce = (text) => {
      announcer.textContent = text;
    };
    this.#texts = texts;
  }

  get empty() {
    return !this.#list.children.length;
  }

  reset() {
    this.#list.replaceChildren();
    this.#turns.clear();
    this.#replies.clear();
  }

  caller({ text, is_final: isFinal, turn_id: turn, source, language }, { synthetic = false } = {}) {
    const line = this.#callerLine(turn);
    line.className = isFinal ? "caller" : "caller interim";
    line.querySelector("p").textContent = text;
    line.querySelector("p").lang = language ?? "";
    const how = source === "text" ? "typed" : synthetic ? "synthetic" : "";
    if (how) line.querySelector(".tag").textContent = this.#texts.t(how);
    this.#follow();
  }

  notUnderstood(turn) {
    const line = this.#callerLine(turn);
    line.className = "caller unclear";
    if (!line.querySelector("p").textContent) line.querySelector("p").textContent = "…";
    line.querySelector(".tag").textContent = this.#texts.t("unclear");
    this.#follow();
  }

  /** A piece of the agent's text, or all of it. */
  wrote(reply, { delta, text }) {
    const state = this.#reply(reply);
    state.text = text ?? state.text + delta;
    this.#draw(state);
  }

  /** A chunk's words with their times in the reply. */
  will(reply, { words = [], text, start_ms: start, duration_ms: duration }) {
    const state = this.#reply(reply);
    if (words.length) state.words.push(...words);
    else if (text) state.words.push([text, start, start + duration]);
    const all = state.words.map(([word]) => word).join(" ");
    if (!state.text) state.said = all;
    this.#draw(state);
  }

  heard(reply, ms) {
    const state = this.#replies.get(reply);
    if (!state || state.over) return;
    state.ms = ms;
    this.#draw(state);
  }

  over(reply, { interrupted, spoken_text: spoken }) {
    const state = this.#replies.get(reply);
    if (!state || state.over) return;
    state.over = true;
    const all = state.text || state.said || spoken;
    const heard = interrupted ? matched(all, spoken) : all.length;
    state.line.classList.toggle("cut", interrupted);
    paint(state.place, all, heard, heard, interrupted ? "s" : "span");
    if (interrupted) state.line.querySelector(".tag").textContent = this.#texts.t("cut_off");
    this.#announce(`${this.#texts.t("agent")}: ${interrupted ? spoken : all}`);
    this.#follow();
  }

  #draw(state) {
    if (state.over) return;
    const all = state.text || state.said || "";
    let end = 0;
    let from = 0;
    for (const [word, start] of state.words) {
      if (start > state.ms) break;
      const at = all.indexOf(word, end);
      if (at < 0) continue;
      from = at;
      end = at + word.length;
    }
    paint(state.place, all, from, end, "span");
    this.#follow();
  }

  #callerLine(turn) {
    let line = this.#turns.get(turn);
    if (!line) {
      line = this.#line("caller", "you");
      this.#turns.set(turn, line);
    }
    return line;
  }

  #reply(id) {
    let state = this.#replies.get(id);
    if (!state) {
      const line = this.#line("agent", "agent");
      state = { line, place: line.querySelector("p"), text: "", said: "", words: [], ms: -1, over: false };
      this.#replies.set(id, state);
    }
    return state;
  }

  #line(kind, who) {
    const line = document.createElement("li");
    line.className = kind;
    const head = document.createElement("div");
    head.className = "who";
    const tag = document.createElement("span");
    tag.className = "tag";
    head.append(this.#texts.t(who), tag);
    line.append(head, document.createElement("p"));
    this.#list.append(line);
    return line;
  }

  #follow() {
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    if (scrollHeight - scrollTop - clientHeight < NEAR_END_PX) this.#list.scrollTop = scrollHeight;
  }
}

/** Writes `text` with what was heard, the word that is being said, and the rest. */
function paint(place, text, from, end, rest) {
  const make = (name, kind, part) => {
    const element = document.createElement(name);
    element.className = kind;
    element.textContent = part;
    return element;
  };
  place.replaceChildren(
    make("span", "heard", text.slice(0, from)),
    make("span", "now", text.slice(from, end)),
    make(rest, "rest", text.slice(end)),
  );
}

/** How far into `all` the spoken text reaches; spaces may differ. */
function matched(all, spoken) {
  const letters = spoken.replace(/\s/g, "");
  let n = 0;
  let at = 0;
  for (; at < all.length && n < letters.length; at += 1) {
    if (/\s/.test(all[at])) continue;
    if (all[at] !== letters[n]) break;
    n += 1;
  }
  while (/\s/.test(all[at] ?? "")) at += 1;
  return at;
}
