// What went wrong or can be mended, in plain words with what to do.

const SHOWN = 2;
const KNOWN = {
  no_translator: "n_translation",
  too_quiet: "n_too_quiet",
  instructions_ignored: "n_instructions_ignored",
  at_capacity: "n_full",
  concurrency_exceeded: "n_full",
  audio_quota_exceeded: "n_quota",
  shutting_down: "n_end_shutdown",
  resume_only: "n_token",
  token_used: "n_token",
  token_expired: "n_token",
  invalid_token: "n_token",
  invalid_api_key: "n_key",
  missing_api_key: "n_key",
};

export class Notices {
  #box;
  #texts;

  constructor(box, texts) {
    this.#box = box;
    this.#texts = texts;
  }

  /** @param {string} name of a text @param {object} values @param {{code?: string, kind?: string}} more */
  tell(name, values = {}, { code, kind = "note" } = {}) {
    const words = this.#texts.t(name, values);
    for (const other of this.#box.children) if (other.dataset.words === words) other.remove();
    const notice = document.createElement("div");
    notice.className = `notice ${kind}`;
    notice.dataset.words = words;
    const text = document.createElement("p");
    text.textContent = words;
    notice.append(text);
    if (code) {
      const command = document.createElement("code");
      command.textContent = code;
      notice.append(command);
    }
    const close = document.createElement("button");
    close.type = "button";
    close.className = "close";
    close.ariaLabel = this.#texts.t("close");
    close.textContent = "×";
    close.addEventListener("click", () => notice.remove());
    notice.append(close);
    this.#box.append(notice);
    while (this.#box.children.length > SHOWN) this.#box.firstChild.remove();
  }

  /** A `warning` or `error` of the server. */
  server({ code = "", message }, kind) {
    const name = KNOWN[code];
    if (name) this.tell(name, {}, { kind });
    else this.tell(kind === "bad" ? "n_error" : "n_warning", { message }, { kind });
  }

  clear() {
    this.#box.replaceChildren();
  }
}
