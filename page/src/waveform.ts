/** The waveform of the recording and its player; highlights the word that is being spoken. */

import { LitElement, html, type PropertyValues } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import WaveSurfer from "wavesurfer.js";
import Regions, { type Region } from "wavesurfer.js/plugins/regions";
import Timeline from "wavesurfer.js/plugins/timeline";

import { lookOf, onTheme } from "./theme";
import { clock, wordAt, type Word } from "./transcript";

/** Larger files are not drawn: the browser decodes a file as a whole. */
const DRAWN_BYTES = 300e6;
const PIXELS_PER_SECOND = 20;
const MAX_PIXELS = 100_000;

/** Returns the nonce by which the content security policy allows WaveSurfer's style sheets. */
export function nonce(): { cspNonce?: string } {
  const given = document.querySelector<HTMLMetaElement>("meta[name=csp-nonce]")?.nonce;
  return given ? { cspNonce: given } : {};
}

@customElement("speech-waveform")
export class SpeechWaveform extends LitElement {
  @property({ attribute: false }) recording: Blob | null = null;
  @property({ attribute: false }) words: readonly Word[] = [];
  @state() private playing = false;
  @state() private seconds = 0;
  @state() private duration = 0;
  @state() private note = "";
  @query(".picture") private readonly picture!: HTMLElement;

  private surfer!: WaveSurfer;
  private readonly regions = Regions.create();
  private region: Region | null = null;
  private lit = -1;

  override createRenderRoot(): HTMLElement {
    return this;
  }

  override firstUpdated(): void {
    this.surfer = WaveSurfer.create({
      container: this.picture,
      height: 96,
      barWidth: 2,
      barGap: 1,
      barRadius: 2,
      cursorWidth: 2,
      normalize: true,
      plugins: [this.regions, Timeline.create({ height: 16, formatTimeCallback: clock })],
      ...nonce(),
      ...lookOf(this),
    });
    onTheme(() => this.surfer.setOptions(lookOf(this)));
    this.surfer.on("play", () => (this.playing = true));
    this.surfer.on("pause", () => (this.playing = false));
    this.surfer.on("timeupdate", (seconds) => this.at(seconds));
    this.surfer.on("ready", (duration) => this.ready(duration));
    this.surfer.on("error", () => this.unplayable());
  }

  override updated(changed: PropertyValues<this>): void {
    if (changed.has("recording") && this.recording) this.load(this.recording);
    if (changed.has("words")) this.at(this.seconds);
  }

  private load(recording: Blob): void {
    this.note = "";
    this.duration = this.seconds = 0;
    this.light(-1);
    if (recording.size > DRAWN_BYTES) this.unplayable();
    else this.surfer.loadBlob(recording).catch(() => {}); // the event "error" reports it
  }

  private unplayable(): void {
    this.surfer.pause();
    this.duration = 0;
    this.note = "This browser cannot draw or play the recording; the server reads more formats.";
  }

  private ready(duration: number): void {
    this.duration = duration;
    this.surfer.setTime(0);
    this.surfer.zoom(Math.min(PIXELS_PER_SECOND, MAX_PIXELS / duration));
    const scroll = this.surfer.getWrapper().parentElement!;
    scroll.tabIndex = scroll.scrollWidth > scroll.clientWidth ? 0 : -1;
  }

  /** Plays from a time in seconds. */
  async playFrom(seconds: number): Promise<void> {
    if (!this.duration) return;
    this.surfer.setTime(seconds);
    await this.surfer.play();
  }

  private at(seconds: number): void {
    this.seconds = seconds;
    this.light(wordAt(this.words, seconds));
  }

  private light(index: number): void {
    if (index === this.lit) return;
    this.lit = index;
    this.region?.remove();
    const word = this.words[index];
    this.region = word
      ? this.regions.addRegion({
          start: word.start,
          end: word.end,
          content: word.word,
          color: lookOf(this).regionColor,
          drag: false,
          resize: false,
        })
      : null;
    this.dispatchEvent(new CustomEvent<number>("word", { detail: index }));
  }

  override render(): unknown {
    const { playing, seconds, duration } = this;
    return html`
      <div class="picture" ?hidden=${!!this.note}></div>
      ${this.note && html`<p class="note">${this.note}</p>`}
      <div class="player" ?hidden=${!!this.note}>
        <wa-button
          class="play"
          appearance="accent"
          variant="brand"
          pill
          ?disabled=${!duration}
          @click=${() => this.surfer.playPause()}
        >
          <wa-icon name=${playing ? "pause" : "play"} label=${playing ? "Pause" : "Play"}></wa-icon>
        </wa-button>
        <input
          type="range"
          aria-label="Position"
          aria-valuetext="${clock(seconds)} of ${clock(duration)}"
          min="0"
          max=${duration}
          step="0.1"
          .value=${String(seconds)}
          ?disabled=${!duration}
          @input=${(event: Event) =>
            this.surfer.setTime(Number((event.target as HTMLInputElement).value))}
        />
        <span class="time" aria-hidden="true">${clock(seconds)} / ${clock(duration)}</span>
      </div>
    `;
  }
}
