/** The waveform of the microphone's signal while it is recorded. */

import { LitElement, type PropertyValues } from "lit";
import { customElement, property } from "lit/decorators.js";
import WaveSurfer from "wavesurfer.js";
import Record from "wavesurfer.js/plugins/record";

import { lookOf } from "./theme";
import { nonce } from "./waveform";

@customElement("speech-live-waveform")
export class SpeechLiveWaveform extends LitElement {
  @property({ attribute: false }) stream: MediaStream | null = null;
  private surfer: WaveSurfer | null = null;

  override createRenderRoot(): HTMLElement {
    return this;
  }

  override updated(changed: PropertyValues<this>): void {
    if (!changed.has("stream") || !this.stream) return;
    const record = Record.create({ scrollingWaveform: true });
    this.surfer = WaveSurfer.create({
      container: this,
      height: 64,
      barWidth: 2,
      barGap: 1,
      interact: false,
      plugins: [record],
      ...nonce(),
      ...lookOf(this),
    });
    record.renderMicStream(this.stream);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.surfer?.destroy();
  }
}
