/** The page: from a recording to its transcript. */

import type WaSelect from "@awesome.me/webawesome/dist/components/select/select.js";
import type WaSwitch from "@awesome.me/webawesome/dist/components/switch/switch.js";
import "@awesome.me/webawesome/dist/components/button/button.js";
import "@awesome.me/webawesome/dist/components/callout/callout.js";
import "@awesome.me/webawesome/dist/components/dialog/dialog.js";
import "@awesome.me/webawesome/dist/components/icon/icon.js";
import "@awesome.me/webawesome/dist/components/input/input.js";
import "@awesome.me/webawesome/dist/components/option/option.js";
import "@awesome.me/webawesome/dist/components/progress-bar/progress-bar.js";
import "@awesome.me/webawesome/dist/components/select/select.js";
import "@awesome.me/webawesome/dist/components/switch/switch.js";
import { LitElement, html, nothing, type PropertyValues } from "lit";
import { customElement, query, state } from "lit/decorators.js";

import "./icons";
import "./key-dialog";
import type { SpeechKey } from "./key-dialog";
import "./live-waveform";
import { Microphone } from "./microphone";
import { Problem, asProblem } from "./problems";
import { Stream, offer, transcribe, type Choice, type Offer } from "./server";
import { FORMATS, download } from "./subtitles";
import { followTheme } from "./theme";
import { clock, type Transcript } from "./transcript";
import { secondsWithin } from "./wav";
import "./waveform";
import type { SpeechWaveform } from "./waveform";
import "./words";

/** What the page is doing. */
type Doing = "nothing" | "recording" | "sending" | "transcribing";

/** Key of the choice of the last visit in `localStorage`. */
const CHOICE = "wav2vec2-tf choice";

followTheme();

@customElement("speech-page")
export class SpeechPage extends LitElement {
  @state() private doing: Doing = "nothing";
  @state() private problem: Problem | null = null;
  /** What a screen reader announces. */
  @state() private status = "";
  @state() private offer: Offer | null = null;
  @state() private choice: Choice = { model: "", decoding: "" };
  @state() private file: File | null = null;
  @state() private transcript: Transcript | null = null;
  /** The part of the file that was sent, 0 to 1. */
  @state() private sent = 0;
  @state() private microphone: Microphone | null = null;
  /** Seconds recorded. */
  @state() private recorded = 0;
  /** The partial transcript of a recording in progress. */
  @state() private partial = "";
  /** The word that is being played, or -1. */
  @state() private current = -1;
  @state() private dropping = false;
  @state() private confidences = true;
  @query("speech-key") private readonly keyDialog!: SpeechKey;
  @query("speech-waveform") private readonly waveform!: SpeechWaveform;
  private stream: Stream | null = null;
  private abort = new AbortController();

  override createRenderRoot(): HTMLElement {
    return this;
  }

  override firstUpdated(): void {
    void this.start();
  }

  /** Moves the focus when the control that had it is removed. */
  override async updated(changed: PropertyValues): Promise<void> {
    if (!changed.get("doing") || document.activeElement !== document.body) return;
    const next =
      this.doing === "recording"
        ? ".stop"
        : this.doing !== "nothing"
          ? ".cancel"
          : this.transcript
            ? "#words-heading"
            : ".record";
    const control = this.querySelector<HTMLElement & Partial<LitElement>>(next);
    await control?.updateComplete;
    control?.focus();
  }

  private get busy(): boolean {
    return this.doing !== "nothing";
  }

  private async start(): Promise<void> {
    this.abort = new AbortController();
    try {
      this.take(await offer());
    } catch (error) {
      this.fail(error);
    }
  }

  private take(offered: Offer): void {
    this.problem = null;
    this.offer = offered;
    const kept = JSON.parse(localStorage.getItem(CHOICE) ?? "{}") as Partial<Choice>;
    this.choose(kept.model, kept.decoding);
    if (this.file && !this.transcript) void this.transcribeFile(); // the file waited for a key
  }

  /** Chooses a model and a decoding by name, or the first if there is none of this name. */
  private choose(model: string | undefined, decoding: string | undefined): void {
    const offered = this.offer!.data;
    const chosen = offered.find(({ id }) => id === model) ?? offered[0]!;
    const decodes = chosen.decodings.find((name) => name === decoding) ?? chosen.decodings[0]!;
    this.choice = { model: chosen.id, decoding: decodes };
    localStorage.setItem(CHOICE, JSON.stringify(this.choice));
  }

  private fail(error: unknown): void {
    this.doing = "nothing";
    this.status = "";
    if (this.abort.signal.aborted) {
      this.status = "Cancelled.";
      return;
    }
    this.problem = asProblem(error);
    if (this.problem.withFile) this.file = null;
    if (this.problem.kind === "wrong-key") void this.keyDialog.ask();
  }

  private finish(transcript: Transcript): void {
    const { length } = transcript.words;
    this.doing = "nothing";
    this.transcript = transcript;
    this.status = `Done: ${length} ${length === 1 ? "word" : "words"}.`;
  }

  private cancel(): void {
    this.abort.abort();
    this.stream?.close();
  }

  // A file

  private open(files: FileList | undefined | null): void {
    const file = files?.[0];
    if (!file || this.busy || !this.offer) return;
    this.transcript = null;
    this.file = file;
    void this.transcribeFile();
  }

  /** Sends the file to be transcribed. */
  private async transcribeFile(): Promise<void> {
    const { file, offer } = this;
    if (!file || !offer) return this.start();
    this.problem = null;
    this.sent = 0;
    this.abort = new AbortController();
    try {
      if (!file.size) throw new Problem("empty-file");
      if (file.size > offer.max_bytes) {
        const [has, takes] = [file.size, offer.max_bytes].map((bytes) => (bytes / 1e6).toFixed(1));
        throw new Problem("too-large", `It has ${has} MB; the server accepts ${takes} MB.`);
      }
      this.doing = "sending";
      this.status = `Sending ${file.name}.`;
      const part = (part: number) => {
        this.sent = part;
        if (part < 1 || this.doing === "transcribing") return;
        this.doing = "transcribing";
        this.status = `Transcribing ${file.name}.`;
      };
      this.finish(await transcribe(file, this.choice, part, this.abort.signal));
    } catch (error) {
      this.fail(error);
    }
  }

  // A microphone

  private async record(): Promise<void> {
    this.problem = null;
    this.partial = "";
    this.recorded = 0;
    this.abort = new AbortController();
    try {
      const microphone = await Microphone.open();
      const partial = (text: string | null) => {
        if (this.stream !== stream) return; // of an earlier recording
        this.partial = text ?? "Words appear when you stop, not while you speak.";
      };
      const stream = new Stream(this.choice, microphone.sampleRate, partial);
      microphone.onSamples = (samples) => {
        stream.send(samples);
        this.recorded = microphone.seconds;
        if (this.recorded >= this.longest && this.doing === "recording") void this.stop();
      };
      [this.microphone, this.stream] = [microphone, stream];
      this.transcript = this.file = null;
      this.doing = "recording";
      this.status = "Recording.";
    } catch (error) {
      this.fail(error);
    }
  }

  /** The longest recording that the server accepts, in seconds. */
  private get longest(): number {
    const { max_bytes, max_seconds } = this.offer!;
    return Math.min(max_seconds, secondsWithin(max_bytes, this.microphone!.sampleRate));
  }

  private async stop(): Promise<void> {
    const [microphone, stream] = [this.microphone!, this.stream!];
    this.doing = "transcribing";
    this.status = "Transcribing the recording.";
    try {
      this.file = await microphone.close();
      const transcript = await stream.end();
      this.abort.signal.throwIfAborted();
      if (transcript) this.finish(transcript);
      else await this.transcribeFile();
    } catch (error) {
      this.fail(error);
    } finally {
      stream.close();
      this.microphone = this.stream = null;
    }
  }

  private discard(): void {
    this.cancel();
    this.microphone!.release();
    this.microphone = this.stream = null;
    this.doing = "nothing";
    this.status = "Discarded.";
  }

  // Rendering

  override render(): unknown {
    return html`
      <header>
        <h1>Speech to text</h1>
        <wa-button size="s" appearance="outlined" @click=${() => this.keyDialog.ask()}>
          <wa-icon slot="start" name="key"></wa-icon>API key
        </wa-button>
      </header>
      <main>${this.source()} ${this.result()}</main>
      <footer>
        <p>Your recordings are sent to this server only, and it does not keep them.</p>
      </footer>
      <p class="wa-visually-hidden" role="status">${this.status}</p>
      <speech-key @key=${({ detail }: CustomEvent<Offer>) => this.take(detail)}></speech-key>
    `;
  }

  private source(): unknown {
    return html`
      <section aria-labelledby="source-heading">
        <h2 id="source-heading">Recording</h2>
        ${this.doing === "recording" ? this.recording() : this.entry()}
        ${this.progress()} ${this.complaint()} ${this.options()}
      </section>
    `;
  }

  private entry(): unknown {
    const over = (event: DragEvent) => {
      event.preventDefault();
      this.dropping = event.type === "dragover";
    };
    const dropped = (event: DragEvent) => {
      over(event);
      this.open(event.dataTransfer?.files);
    };
    const chosen = ({ target }: Event) => {
      const input = target as HTMLInputElement;
      this.open(input.files);
      input.value = ""; // so that the same file can be chosen again
    };
    return html`
      <div
        class="entry ${this.dropping ? "dropping" : ""}"
        @dragover=${over}
        @dragleave=${over}
        @drop=${dropped}
      >
        <wa-button
          class="record"
          variant="brand"
          appearance="accent"
          ?disabled=${this.busy || !this.offer}
          @click=${this.record}
        >
          <wa-icon slot="start" name="microphone"></wa-icon>Record
        </wa-button>
        <label class="file">
          <input
            type="file"
            class="wa-visually-hidden"
            accept="audio/*,video/*,.flac,.wav,.ogg,.opus,.mp3,.m4a,.webm"
            ?disabled=${this.busy || !this.offer}
            @change=${chosen}
          />
          <wa-icon name="upload"></wa-icon><span>Choose a file</span>
        </label>
        <p class="drop-hint">or drop one here</p>
      </div>
    `;
  }

  private recording(): unknown {
    return html`
      <div class="recording">
        <speech-live-waveform .stream=${this.microphone!.stream}></speech-live-waveform>
        <div class="actions">
          <wa-button class="stop" variant="danger" appearance="accent" @click=${this.stop}>
            <wa-icon slot="start" name="stop"></wa-icon>Stop
          </wa-button>
          <wa-button appearance="outlined" @click=${this.discard}>Discard</wa-button>
          <span class="time">${clock(this.recorded)} of ${clock(this.longest)} at most</span>
        </div>
        <p class="partial">${this.partial || "Speak: words appear while you speak."}</p>
      </div>
    `;
  }

  private progress(): unknown {
    if (this.doing !== "sending" && this.doing !== "transcribing") return nothing;
    const [sending, percent] = [this.doing === "sending", Math.round(100 * this.sent)];
    return html`
      <div class="progress">
        <wa-progress-bar
          label=${sending ? "Sending" : "Transcribing"}
          value=${percent}
          ?indeterminate=${!sending}
        ></wa-progress-bar>
        <div class="actions">
          <span>${sending ? `Sending: ${percent} %` : "Transcribing …"}</span>
          <wa-button class="cancel" size="s" appearance="outlined" @click=${this.cancel}>
            Cancel
          </wa-button>
        </div>
      </div>
    `;
  }

  private complaint(): unknown {
    const { problem } = this;
    const retry =
      problem?.kind === "wrong-key"
        ? html`<wa-button size="s" @click=${() => this.keyDialog.ask()}>Enter a key</wa-button>`
        : html`<wa-button size="s" @click=${this.transcribeFile}>
            <wa-icon slot="start" name="retry"></wa-icon>Try again
          </wa-button>`;
    return html`
      <div role="alert">
        ${problem &&
        html`
          <wa-callout variant="danger" size="s">
            <wa-icon slot="icon" name="warning"></wa-icon>
            <p><strong>${problem.message}</strong> ${problem.advice}</p>
            ${problem.detail && html`<p class="detail">${problem.detail}</p>`}
            ${problem.passing ? retry : nothing}
          </wa-callout>
        `}
      </div>
    `;
  }

  private options(): unknown {
    const { model, decoding } = this.choice;
    const offered = this.offer?.data ?? [];
    const decodings = offered.find(({ id }) => id === model)?.decodings ?? [];
    const select = (
      label: string,
      value: string,
      names: string[],
      changed: (name: string) => void,
    ) => html`
      <wa-select
        label=${label}
        .value=${value}
        ?disabled=${this.busy || !names.length}
        @change=${({ target }: Event) => changed((target as WaSelect).value as string)}
      >
        ${names.map((name) => html`<wa-option value=${name}>${name}</wa-option>`)}
      </wa-select>
    `;
    const ids = offered.map(({ id }) => id);
    return html`
      <div class="options">
        ${select("Model", model, ids, (name) => this.choose(name, undefined))}
        ${select("Decoding", decoding, decodings, (name) => this.choose(model, name))}
        <wa-button
          appearance="outlined"
          ?disabled=${this.busy || !this.file || !this.offer}
          @click=${this.transcribeFile}
        >
          <wa-icon slot="start" name="retry"></wa-icon>Transcribe again
        </wa-button>
      </div>
    `;
  }

  private result(): unknown {
    const { file, transcript } = this;
    return html`
      <section aria-labelledby="words-heading" ?hidden=${!file}>
        <h2 id="words-heading" tabindex="-1">
          Transcript <span class="name">${file?.name}</span>
        </h2>
        <speech-waveform
          .recording=${file}
          .words=${transcript?.words ?? []}
          @word=${({ detail }: CustomEvent<number>) => (this.current = detail)}
        ></speech-waveform>
        ${transcript && this.words(transcript)}
      </section>
    `;
  }

  private words(transcript: Transcript): unknown {
    if (!transcript.words.length) return html`<p class="note">No words were recognized.</p>`;
    const stem = this.file!.name.replace(/\.[^.]*$/, "");
    return html`
      <p id="words-hint" class="note">
        Click a word to play from it, or go to it with the arrow keys and press Enter.
      </p>
      <speech-words
        class=${this.confidences ? "" : "without-confidences"}
        .transcript=${transcript}
        .current=${this.current}
        @play-from=${({ detail }: CustomEvent<number>) => this.waveform.playFrom(detail)}
      ></speech-words>
      <div class="legend">
        <wa-switch
          size="s"
          ?checked=${this.confidences}
          @change=${({ target }: Event) => (this.confidences = (target as WaSwitch).checked)}
        >
          Confidences
        </wa-switch>
        <span class="word fair"><span class="text">below 90 %</span></span>
        <span class="word unsure"><span class="text">below 60 %</span></span>
      </div>
      <div class="actions downloads" role="group" aria-label="Download">
        ${Object.entries(FORMATS).map(
          ([ending, write]) => html`
            <wa-button
              size="s"
              appearance="outlined"
              @click=${() => download(`${stem}.${ending}`, write(transcript))}
            >
              <wa-icon slot="start" name="download"></wa-icon>${ending.toUpperCase()}
            </wa-button>
          `,
        )}
      </div>
    `;
  }
}
