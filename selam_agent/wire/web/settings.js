// The form: who talks to whom and how, and what may be changed while they talk.

const LOW = ["slow-2g", "2g", "3g"];
const CHANGE_AFTER_MS = 400;
const $ = (id) => document.querySelector(`#${id}`);

export class Settings extends EventTarget {
  #texts;
  #timer;

  constructor(texts) {
    super();
    this.#texts = texts;
    const { connection } = navigator;
    $("low-data").checked = Boolean(connection?.saveData || LOW.includes(connection?.effectiveType));
    this.#choices($("languages"), "language", texts.facts.languages.map(({ code, endonym }) => [code, endonym, "", code]));
    $("languages").addEventListener("change", () => this.#offerVoices());
    this.choose("language", texts.language);
    this.#offerVoices();
    for (const id of ["vad", "interrupt"]) $(id).addEventListener("input", () => this.#show());
    $("translation").addEventListener("change", () => this.#show());
    $("settings").addEventListener("input", () => this.#soon());
    texts.addEventListener("change", () => this.#offerVoices());
    this.#show();
  }

  get language() {
    return document.querySelector("input[name=language]:checked").value;
  }

  get voice() {
    return document.querySelector("input[name=voice]:checked").value;
  }

  get mode() {
    return document.querySelector("input[name=mode]:checked").value;
  }

  get lowData() {
    return $("low-data").checked;
  }

  /** What may change in mid-conversation. */
  get changeable() {
    const wishes = {
      language: this.language,
      voice: this.voice,
      instructions: $("instructions").value,
      vad_threshold: Number($("vad").value),
      interrupt_threshold: Number($("interrupt").value),
      interruption: $("interruption").value,
      translation: $("translation").value,
      languages: [],
    };
    if (wishes.translation === "interpreter") {
      // Whoever speaks, it is said in the other language; fixing one would make the other unheard.
      Object.assign(wishes, { languages: [this.language, $("other").value], language: "auto" });
    }
    return wishes;
  }

  get pack() {
    return this.#texts.facts.languages.find(({ code }) => code === this.language);
  }

  #offerVoices() {
    const before = document.querySelector("input[name=voice]:checked")?.value;
    const { voices } = this.pack;
    this.#choices($("voices"), "voice", voices.map(({ name, gender }) => [name, capital(name), this.#texts.t(gender), ""]));
    this.choose("voice", voices.some(({ name }) => name === before) ? before : voices[0].name);
    const others = this.#texts.facts.languages.filter(({ code }) => code !== this.language);
    $("other").replaceChildren(...others.map(({ code, endonym }) => new Option(endonym, code)));
  }

  #choices(box, name, rows) {
    box.replaceChildren(
      ...rows.map(([value, text, hint, lang]) => {
        const label = document.createElement("label");
        label.className = "choice";
        const input = document.createElement("input");
        Object.assign(input, { type: "radio", name, value });
        const words = document.createElement("span");
        const strong = document.createElement("b");
        strong.textContent = text;
        if (lang) strong.lang = lang;
        const small = document.createElement("small");
        small.textContent = hint;
        words.append(strong, " ", small);
        label.append(input, words);
        return label;
      }),
    );
  }

  /** Checks a radio button; the first one where there is none of that value. */
  choose(name, value) {
    const input = document.querySelector(`input[name=${name}][value="${CSS.escape(value)}"]`);
    (input ?? document.querySelector(`input[name=${name}]`)).checked = true;
  }

  #show() {
    $("vad-out").textContent = `${Math.round(20 * Math.log10($("vad").value / 32768))} dB`;
    $("interrupt-out").textContent = `${$("interrupt").value} · ${$("interrupt").value * 30} ms`;
    $("other-field").hidden = $("translation").value !== "interpreter";
  }

  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.dispatchEvent(new Event("change")), CHANGE_AFTER_MS);
  }
}

const capital = (name) => name[0].toUpperCase() + name.slice(1);
