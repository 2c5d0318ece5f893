/** The words of a transcript: each plays from its time, and shows its confidence. */

import { LitElement, html, type PropertyValues } from "lit";
import { customElement, property, queryAll } from "lit/decorators.js";

import { clock, percent, sureness, type Transcript, type Word } from "./transcript";

interface Line {
  start: number;
  words: Word[];
}

/** Returns a line for each subtitle, with the words that start in it. */
function lines({ words, subtitles }: Transcript): Line[] {
  const result: Line[] = subtitles.map(({ start }) => ({ start, words: [] }));
  let at = 0;
  for (const word of words) {
    while (at + 1 < result.length && result[at + 1]!.start <= word.start) at++;
    result[at]!.words.push(word);
  }
  return result;
}

@customElement("speech-words")
export class SpeechWords extends LitElement {
  @property({ attribute: false }) transcript: Transcript | null = null;
  /** Index of the word that is being spoken, or -1. */
  @property({ attribute: false }) current = -1;
  @queryAll(".word") private readonly buttons!: NodeListOf<HTMLButtonElement>;

  override createRenderRoot(): HTMLElement {
    return this;
  }

  override shouldUpdate(changed: PropertyValues<this>): boolean {
    if (changed.has("current")) this.light(changed.get("current") ?? -1);
    return changed.has("transcript"); // thousands of words are not rendered again to highlight one
  }

  private light(before: number): void {
    this.buttons[before]?.removeAttribute("aria-current");
    const button = this.buttons[this.current];
    button?.setAttribute("aria-current", "true");
    if (!button) return;
    const [seen, shown] = [this.getBoundingClientRect(), button.getBoundingClientRect()];
    if (shown.bottom > seen.bottom) this.scrollTop += shown.bottom - seen.bottom;
    else if (shown.top < seen.top) this.scrollTop -= seen.top - shown.top;
  }

  /** Moves from word to word by the arrow keys, so that Tab skips all words at once. */
  private move(event: KeyboardEvent): void {
    const buttons = [...this.buttons];
    const from = buttons.indexOf(event.target as HTMLButtonElement);
    const to = { ArrowRight: from + 1, ArrowLeft: from - 1, Home: 0, End: buttons.length - 1 }[
      event.key
    ];
    const button = to === undefined ? undefined : buttons[to];
    if (from < 0 || !button) return;
    event.preventDefault();
    button.focus();
  }

  private reach(event: FocusEvent): void {
    const reached = (event.target as HTMLElement).closest<HTMLElement>(".word");
    if (!reached) return;
    this.querySelector<HTMLElement>('.word[tabindex="0"]')!.tabIndex = -1;
    reached.tabIndex = 0;
  }

  private play(word: Word): void {
    this.dispatchEvent(new CustomEvent<number>("play-from", { detail: word.start }));
  }

  override render(): unknown {
    if (!this.transcript) return null;
    let index = 0;
    const word = (word: Word) => html`
      <button
        type="button"
        class="word ${sureness(word.confidence)}"
        tabindex=${index++ ? -1 : 0}
        @click=${() => this.play(word)}
      >
        <span class="text">${word.word}</span>
        <span class="confidence">${percent(word.confidence)}</span>
      </button>
    `;
    return html`
      <div
        role="group"
        aria-labelledby="words-heading"
        aria-describedby="words-hint"
        @keydown=${this.move}
        @focusin=${this.reach}
      >
        ${lines(this.transcript).map(
          ({ start, words }) => html`
            <p class="line"><span class="time">${clock(start)}</span> <span>${words.map(word)}</span></p>
          `,
        )}
      </div>
    `;
  }
}
