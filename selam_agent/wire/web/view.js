// What of the page is shown, and in which state.

export const $ = (id) => document.querySelector(`#${id}`);

export class View {
  #texts;

  constructor(texts) {
    this.#texts = texts;
  }

  /** @param {"idle" | "starting" | "call" | "ended"} state */
  show(state) {
    const t = (name) => this.#texts.t(name);
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

  get state() {
    return document.body.dataset.state;
  }

  line(name, more = "") {
    $("line").dataset.state = name;
    $("line").textContent = this.#texts.t(name) + more;
  }

  /** Who has the floor; asked on every frame. */
  floor({ state, mode, held, muted }) {
    if ($("state").dataset.state !== state) {
      $("state").dataset.state = $("mic").dataset.state = state;
      $("state").textContent = this.#texts.t(`s_${state}`);
      if (state !== "speaking") this.voice(0);
    }
    $("mic").hidden = mode === "none";
    $("mic").ariaPressed = String(mode === "hold" ? held : muted);
    const label = this.#texts.t(mode === "hold" ? "hold_now" : muted ? "unmute" : "mute");
    if ($("mic-label").textContent !== label) $("mic-label").textContent = label;
  }

  voice(peak) {
    $("mic").style.setProperty("--voice", Math.min(1, peak * 2).toFixed(2));
  }

  engines({ stt, llm, tts }, phrases) {
    const t = (name, values) => this.#texts.t(name, values);
    const heard = stt.open_vocabulary ? "free_speech" : "fixed_phrases";
    const rows = [
      ["hears", stt, t(heard, { count: phrases, tested: stt.tested_on })],
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

  traffic(bytes, minutes) {
    const rate = Math.round(bytes / 1000 / minutes);
    $("traffic").textContent = this.#texts.t("traffic", { rate, total: Math.round(bytes / 1000) });
  }

  languages(packs) {
    const known = packs.filter((each) => Object.keys(each.texts).length);
    const options = known.map(({ code, endonym }) => Object.assign(new Option(endonym, code), { lang: code }));
    $("page-language").replaceChildren(...options);
    $("page-language").value = this.#texts.language;
  }
}
