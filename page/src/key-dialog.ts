/** Asks for the API key until the server accepts one or the user closes the dialog. */

import type WaDialog from "@awesome.me/webawesome/dist/components/dialog/dialog.js";
import type WaInput from "@awesome.me/webawesome/dist/components/input/input.js";
import { LitElement, html } from "lit";
import { customElement, query, state } from "lit/decorators.js";

import { asProblem } from "./problems";
import { key, offer, type Offer } from "./server";

@customElement("speech-key")
export class SpeechKey extends LitElement {
  @state() private problem = "";
  @state() private asking = false;
  @query("wa-dialog") private readonly dialog!: WaDialog;
  @query("wa-input") private readonly input!: WaInput;
  /** Resolves once a closing dialog is hidden: it would hide one that opens meanwhile, too. */
  private away: Promise<void> = Promise.resolve();

  override createRenderRoot(): HTMLElement {
    return this;
  }

  /** Opens the dialog; the event `key` has what the server offers for the accepted key. */
  async ask(): Promise<void> {
    await this.dialog.updateComplete;
    await this.away;
    this.problem = "";
    this.dialog.open = true;
  }

  private hiding(event: Event): void {
    if (event.target !== this.dialog) return;
    this.away = new Promise((resolve) =>
      this.dialog.addEventListener("wa-after-hide", () => resolve(), { once: true }),
    );
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const [given, before] = [(this.input.value ?? "").trim(), key.get()];
    this.problem = "";
    if (!given) {
      this.problem = "Enter a key first.";
      return this.input.focus();
    }
    this.asking = true;
    key.set(given);
    try {
      const offered = await offer();
      this.input.value = "";
      this.dialog.open = false;
      this.dispatchEvent(new CustomEvent<Offer>("key", { detail: offered }));
    } catch (error) {
      key.set(before);
      const problem = asProblem(error);
      this.problem = problem.kind === "wrong-key" ? "The server rejects this key." : problem.message;
      this.input.focus();
    } finally {
      this.asking = false;
    }
  }

  override render(): unknown {
    return html`
      <wa-dialog label="API key" @wa-hide=${this.hiding}>
        <form @submit=${this.submit}>
          <wa-input
            type="password"
            label="Key"
            hint="Ask the server's operator for it. It is deleted when you close this tab."
            autocomplete="off"
            password-toggle
            autofocus
          ></wa-input>
          <p class="problem" role="alert">${this.problem}</p>
          <wa-button type="submit" variant="brand" ?loading=${this.asking}>Use this key</wa-button>
        </form>
      </wa-dialog>
    `;
  }
}
