// What can be said to the built-in recogniser, as buttons; a synthetic caller says what is pressed.

export class Phrases extends EventTarget {
  #box;
  #now;
  #all;

  constructor(box) {
    super();
    this.#box = box;
    this.#now = box.querySelector("#chips-now");
    this.#all = box.querySelector("#chips-all");
    box.addEventListener("click", ({ target }) => {
      const chip = target.closest(".chip");
      if (chip) this.dispatchEvent(new CustomEvent("say", { detail: chip.textContent }));
    });
  }

  /** @param {string[][]} groups @param {string} language */
  offer(groups, language) {
    this.language = language;
    this.known = new Set(groups.flat());
    this.#box.hidden = !this.known.size;
    const [first = []] = groups;
    this.#now.replaceChildren(...first.slice(0, 4).map((text) => this.#chip(text)));
    this.#all.replaceChildren(
      ...groups.map((group) => {
        const row = document.createElement("div");
        row.append(...group.map((text) => this.#chip(text)));
        return row;
      }),
    );
  }

  /** What fits at this point of the conversation. */
  suggest(phrases) {
    const fitting = phrases.filter((text) => this.known?.has(text));
    if (fitting.length) this.#now.replaceChildren(...fitting.map((text) => this.#chip(text)));
  }

  #chip(text) {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "chip";
    chip.lang = this.language;
    chip.textContent = text;
    return chip;
  }
}
