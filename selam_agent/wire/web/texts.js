// What the page says, in the language its reader chose, English where a language has no words yet.

const CHOICE = "selam-agent.page-language";
const PLACES = { t: "textContent", tLabel: "ariaLabel", tPlaceholder: "placeholder" };

export class Texts extends EventTarget {
  #english;
  #own = {};
  language = "en";

  /** @param {object} facts of the server, `page/facts.json` */
  constructor(facts) {
    super();
    this.facts = facts;
    this.#english = facts.languages.find(({ code }) => code === "en")?.texts ?? {};
    const wanted = [localStorage.getItem(CHOICE), ...navigator.languages.map((tag) => tag.split("-")[0])];
    this.choose(wanted.find((code) => this.#pack(code)) ?? "en", { keep: false });
  }

  choose(code, { keep = true } = {}) {
    const pack = this.#pack(code);
    this.language = code;
    this.#own = pack?.texts ?? {};
    document.documentElement.lang = code;
    if (keep) localStorage.setItem(CHOICE, code);
    this.apply(document.body);
    const review = document.querySelector("#review");
    review.hidden = !pack?.needs_review;
    review.textContent = this.t("review");
    this.dispatchEvent(new Event("change"));
  }

  /** The text of this name, with `{name}` replaced. */
  t(name, values = {}) {
    const text = this.#own[name] ?? this.#english[name] ?? name;
    return text.replace(/\{(\w+)\}/g, (all, key) => values[key] ?? all);
  }

  has(name) {
    return name in this.#english;
  }

  apply(root) {
    for (const [key, property] of Object.entries(PLACES)) {
      const attribute = `data-${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
      for (const element of root.querySelectorAll(`[${attribute}]`)) element[property] = this.t(element.dataset[key]);
    }
  }

  #pack(code) {
    return this.facts.languages.find((each) => each.code === code && Object.keys(each.texts).length);
  }
}

/** Loads the Ethiopic font where the system has none: missing letters are boxes of one width. */
export function ensureEthiopic() {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = "40px system-ui, sans-serif";
  const widths = new Set([..."ሀለሐመሠረሰቀ"].map((letter) => pen.measureText(letter).width.toFixed(1)));
  document.documentElement.classList.toggle("needs-ethiopic", widths.size === 1);
}
