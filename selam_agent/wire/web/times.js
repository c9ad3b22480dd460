// Where the time went, turn by turn: one bar per answer, in the order in which things happen.

const STAGES = ["endpoint", "stt", "llm", "tts", "send", "play"];
const KEPT = 12;
const FULL_MS = 1000; // a bar as wide as the panel; longer turns scale all bars down

export class Times {
  #list;
  #texts;
  #rows = new Map(); // reply_id → { metrics, row }
  #plays = new Map(); // reply_id → ms that its first sound waited in this page's own buffer

  constructor(list, texts) {
    this.#list = list;
    this.#texts = texts;
  }

  reset() {
    this.#list.replaceChildren();
    this.#rows.clear();
    this.#plays.clear();
  }

  turn(metrics) {
    const row = document.createElement("li");
    const total = document.createElement("b");
    const bar = document.createElement("div");
    bar.className = "bar";
    bar.role = "img";
    const note = document.createElement("small");
    row.append(total, bar, note);
    this.#list.prepend(row);
    this.#rows.set(metrics.reply_id, { metrics, row });
    while (this.#list.children.length > KEPT) this.#list.lastChild.remove();
    this.#draw();
  }

  /** How long the reply's first sound waited here; it may be known before the server's part is. */
  played(reply, ms) {
    if (this.#plays.has(reply)) return;
    this.#plays.set(reply, ms);
    this.#draw();
  }

  #draw() {
    for (const [reply, { row }] of this.#rows) if (!row.isConnected) this.#rows.delete(reply);
    const shown = [...this.#rows].map(([reply, entry]) => ({ ...entry, play: this.#plays.get(reply) ?? 0 }));
    const full = Math.max(FULL_MS, ...shown.map(({ metrics, play }) => metrics.v2v_ms + play));
    for (const { metrics, row, play } of shown) {
      const parts = STAGES.map((stage) => [stage, stage === "play" ? play : Math.max(0, metrics[`${stage}_ms`] ?? 0)]);
      const [total, bar, note] = row.children;
      total.textContent = `${((metrics.v2v_ms + play) / 1000).toFixed(2)} s`;
      bar.ariaLabel = parts.map(([stage, ms]) => `${this.#texts.t(`t_${stage}`)} ${Math.round(ms)} ms`).join(", ");
      bar.replaceChildren(
        ...parts.filter(([, ms]) => ms >= 1).map(([stage, ms]) => {
          const part = document.createElement("i");
          part.className = stage;
          part.style.width = `${(100 * ms) / full}%`;
          part.title = `${this.#texts.t(`t_${stage}`)} ${Math.round(ms)} ms`;
          return part;
        }),
      );
      note.textContent = metrics.speculation === "hit" ? this.#texts.t("prepared") : "";
    }
  }
}
